/** Proposing decisions without a transaction: policy, LP registry, breaker. */
import { evaluateAuthorization } from '../policies/authorization.ts';
import { closeReasons } from '../policies/channel-close.ts';
import { closeIndexMax } from '../policies/commitments.ts';
import { diffPolicies } from '../policies/diff.ts';
import { type Verdict, verdictOf } from '../policies/evaluate.ts';
import { Failure } from '../policies/failure.ts';
import type { AuthorizationIntent } from '../policies/intent.ts';
import { parsePolicy } from '../policies/policy.ts';
import { type Authorization, authorizationId } from '../policies/proposal.ts';
import type { Reason } from '../policies/reason.ts';
import { statementHolds } from '../policies/statement.ts';
import { checkSuccession } from '../policies/succession.ts';
import type { Treasury } from '../policies/treasury.ts';
import { expiryHeightOf } from './draft.ts';
import type { Situation } from './facts.ts';
import { decide } from './machine.ts';
import type { Workplace } from './workplace.ts';

export interface Asked {
  /** Null where the policy refuses: then nothing is logged. */
  id: string | null;
  verdict: Verdict;
}

/**
 * Proposes an authorization.
 *
 * @throws Failure POLICY_INVALID, INPUT_INVALID, SIGNATURE_INVALID for what is wrong in itself; NOT_READY
 */
export async function authorize(
  work: Workplace,
  intent: AuthorizationIntent,
  initiator: string,
): Promise<Asked> {
  await work.look();
  const situation = work.situation();
  const verdict = verdictOn(intent, situation, initiator);
  if (verdict.kind === 'refuse') return { id: null, verdict };
  let id = '';
  await work.log.act((treasury) => {
    const authorization = authorizationOf(intent, { ...situation, treasury }, initiator);
    id = authorizationId(authorization);
    return decide(treasury, { kind: 'authorize', authorization });
  });
  return { id, verdict };
}

/** The coordinator's own verdict. Pure. */
export function verdictOn(
  intent: AuthorizationIntent,
  { treasury, policy, view, all }: Situation,
  initiator: string,
): Verdict {
  const approvals = { initiator, guardians: [], operators: [] };
  const question = { policy, intent, approvals, tipHeight: view.tipHeight };
  if (intent.kind === 'registry_change') checkRegistrations(intent, treasury);
  if (intent.kind === 'channel_close') {
    const wrong = closeReasons(intent, all, closeIndexMax(policy, view.changeIndexUsed));
    return withRefusals(evaluateAuthorization(question), wrong);
  }
  if (intent.kind !== 'policy_change') return evaluateAuthorization(question);
  const next = parsePolicy(intent.policyText);
  if (next.activates_at_height !== intent.activatesAtHeight) {
    const { activates_at_height: own } = next;
    throw new Failure('INPUT_INVALID', `the policy says that it activates at ${own}`);
  }
  // A successor follows the newest policy, which may be adopted and not in force yet.
  const current = treasury.policies.at(-1)?.policy ?? policy;
  const broken = checkSuccession(current, next, view.tipHeight);
  const verdict = evaluateAuthorization({ ...question, diff: diffPolicies(current, next) });
  return withRefusals(verdict, broken);
}

function withRefusals(verdict: Verdict, wrong: readonly Reason[]): Verdict {
  if (wrong.length === 0) return verdict;
  const refusals = verdict.kind === 'refuse' ? [...verdict.reasons, ...wrong] : wrong;
  return verdictOf({ ...verdict, refusals, missing: [] });
}

function authorizationOf(
  intent: AuthorizationIntent,
  situation: Situation,
  initiator: string,
): Authorization {
  const { treasury, policyHash } = situation;
  const { id, params, wallet } = treasury;
  if (id === null || params === null || wallet === null) {
    throw new Failure('NOT_READY', 'there is no wallet yet');
  }
  return {
    schema: 'weir.authorization/v1',
    treasuryId: id,
    network: params.network,
    seq: treasury.seq + 1,
    epoch: wallet.epoch,
    policyHash,
    expiryHeight: expiryHeightOf(situation),
    initiator,
    intent,
  };
}

/** The fold verifies them when they come into force; by then guardians have approved in vain. */
function checkRegistrations(
  { entries }: Extract<AuthorizationIntent, { kind: 'registry_change' }>,
  { id, params }: Treasury,
): void {
  for (const entry of entries) {
    const { body, key } = entry;
    if (body.treasuryId !== id || body.network !== params?.network) {
      throw new Failure('INPUT_INVALID', `${body.lpId} registers with another treasury or network`);
    }
    if (key !== body.key || !statementHolds('lp-registration', entry)) {
      throw new Failure('SIGNATURE_INVALID', `${body.lpId} did not sign its registration`);
    }
  }
}
