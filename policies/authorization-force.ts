/** Whether a decision of the quorum may be acted on: what the pool asks before it closes or pays. */
import type { Authorization } from './proposal.ts';
import type { Treasury } from './treasury.ts';

/** `open`: guardians are still missing. `expired` and `replaced` are final. */
export type ForceStanding =
  | { is: 'in-force'; authorization: Authorization; passedAtSeq: number }
  | { is: 'open' | 'expired' | 'replaced' | 'unknown' };

/**
 * Where an authorization stands, read off a folded log. In force: as many distinct guardians as threshold
 * and policy ask for approved it with the approval keys of their seats (the fold counts, in the entry that
 * brings the last one), it has not expired at this tip, and the quorum is still the one that decided.
 */
export function authorizationForce(
  treasury: Treasury,
  id: string,
  tipHeight: number,
): ForceStanding {
  const state = treasury.authorizations.get(id);
  if (state === undefined) return { is: 'unknown' };
  const { authorization, passedAtSeq } = state;
  if (authorization.epoch !== treasury.epoch) return { is: 'replaced' };
  if (authorization.expiryHeight < tipHeight) return { is: 'expired' };
  if (passedAtSeq === null) return { is: 'open' };
  return { is: 'in-force', authorization, passedAtSeq };
}
