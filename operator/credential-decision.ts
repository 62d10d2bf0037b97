/** Who may call: credentials issued and revoked by the operator, none without limits and none for ever. Pure. */
import { actionReceiptOf } from './action-news.ts';
import { type Decision, nothing } from './decision.ts';
import type { PoolEventOf } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';

/** A credential lives this long at most. */
export const CREDENTIAL_MS_MAX = 366 * 24 * 60 * 60 * 1_000;

type NewCredential = PoolEventOf<'credential-issued'>['credential'];

/** Null where it is issued; else the rule that it breaks. */
export function decideIssue(
  state: PoolState,
  nowMs: number,
  credential: NewCredential,
): Decision<string | null> {
  const rule = broken(state, nowMs, credential);
  if (rule !== null) return nothing(rule);
  const event = { kind: 'credential-issued' as const, credential };
  const receipt = actionReceiptOf(state, nowMs, {
    action: 'credential-issued',
    subject: credential.id,
    amounts: {},
    agentId: null,
  });
  return { news: [{ event, entry: null, receipt }], answer: null };
}

function broken(state: PoolState, nowMs: number, credential: NewCredential): string | null {
  if (state.credentials.has(credential.id)) return `there was a credential ${credential.id} before`;
  if (credential.expiresAtMs <= nowMs || credential.expiresAtMs > nowMs + CREDENTIAL_MS_MAX) {
    return 'a credential lives for more than nothing and at most 366 days';
  }
  if ((credential.tokenHash === null) === (credential.nostrKey === null)) {
    return 'a credential is a token or a Nostr key';
  }
  if (credential.nostrKey !== null && state.credentialByNostrKey.has(credential.nostrKey)) {
    return 'this Nostr key has a credential: revoked keys do not come back';
  }
  return null;
}

/** False where there is none to revoke. */
export function decideRevoke(state: PoolState, nowMs: number, id: string): Decision<boolean> {
  if (state.credentials.get(id)?.state !== 'live') return nothing(false);
  const event = { kind: 'credential-revoked' as const, id };
  const receipt = actionReceiptOf(state, nowMs, {
    action: 'credential-revoked',
    subject: id,
    amounts: {},
    agentId: null,
  });
  return { news: [{ event, entry: null, receipt }], answer: true };
}
