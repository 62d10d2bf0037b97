/**
 * The judge of decisions without a transaction: policy, registry, breaker, and what Lightning and snapshots
 * will ask. It never says yes: a guardian does, with the approval key, once this finds nothing wrong.
 */
import { evaluateAuthorization } from '../policies/authorization.ts';
import { closeReasons } from '../policies/channel-close.ts';
import { closeIndexMax, families, spendsByOutpoint } from '../policies/commitments.ts';
import { diffPolicies, type PolicyDiff } from '../policies/diff.ts';
import type { SlackRow } from '../policies/evaluate.ts';
import { Failure } from '../policies/failure.ts';
import { overtaken } from '../policies/fold-decision.ts';
import type { AuthorizationIntent, LpRegistration } from '../policies/intent.ts';
import { emptyOverlay, type Overlay } from '../policies/overlay.ts';
import { type Policy, parsePolicy } from '../policies/policy.ts';
import { type Approval, authorizationId } from '../policies/proposal.ts';
import { type Reason, reason } from '../policies/reason.ts';
import { type Signed, statementHolds } from '../policies/statement.ts';
import { checkSuccession, loosenDelay } from '../policies/succession.ts';
import { type AuthorizationState, policyAt, type Treasury } from '../policies/treasury.ts';
import { walletRecordHash } from '../policies/wallet-record.ts';
import { checkTip } from './checks/chain.ts';
import { forksShown, missingAcknowledgements, type PeersView } from './checks/envelope.ts';
import { rowsOf } from './checks/rows.ts';
import type { CheckedRow, JudgeInput } from './judgement.ts';

export interface AuthorizationInput extends PeersView {
  treasury: Treasury;
  state: AuthorizationState;
  chain: JudgeInput['chain'];
  memory: Pick<JudgeInput['memory'], 'approvedHere' | 'refused' | 'fork'>;
  overlay: Overlay | null;
  /** The own tip when this agent first saw it, from its own journal; null: it sees it now. */
  firstSeenHeight: number | null;
  now: number;
}

export interface AuthorizationJudgement {
  authorizationId: string;
  /** `ask`: this guardian's word counts and is not there. `wait`: it is, or something is missing yet. */
  decision: 'ask' | 'wait' | 'refuse';
  reasons: readonly Reason[];
  rows: readonly CheckedRow[];
  /** Of a policy change; null for everything else, and where the text is no policy. */
  diff: PolicyDiff | null;
  slack: readonly SlackRow[];
}

const ROWS_HERE = [
  'A1',
  'A2',
  'A3',
  'A4',
  'A5',
  'B1',
  'E4',
  'E6',
  'F2',
  'G4',
  'H1',
  'H2',
  'H7',
  'H8',
  'I1',
];
/** Only a close pays an address of a channel's own. */
function rowsFor({ kind }: AuthorizationIntent): readonly string[] {
  return ROWS_HERE.filter((row) => row !== 'G4' || kind === 'channel_close');
}
/** What reads heights. */
const BY_NODE = ['A3', 'G4', 'H1', 'H2', 'H7'];
/** Passes by itself: peers speak, the node catches up. */
const WAITED_FOR = new Set(['W-ENV-ACKS', 'W-BRK-TIP-STALE', 'W-BRK-REORG']);

/** What an intent brings: judged with the policy that rules now. */
interface Content {
  reasons: readonly Reason[];
  diff: PolicyDiff | null;
}

export function judgeAuthorization(input: AuthorizationInput): AuthorizationJudgement {
  const { state, chain, pinned } = input;
  const { policy, reasons: policyReasons } = rulingPolicy(input);
  const height = chain?.tipHeight ?? 0;
  const content = contentOf(input, policy);
  const { intent, initiator } = state.authorization;
  const verdict = evaluateAuthorization({
    policy,
    intent,
    overlay: { ...(input.overlay ?? emptyOverlay(pinned.seatId)), guardian: pinned.seatId },
    approvals: { initiator, operators: [], guardians: saidYes(input, policy) },
    tipHeight: chain === null ? policy.activates_at_height : height,
    ...(content.diff !== null && { diff: content.diff }),
  });
  const found = [
    ...checkEnvelope(input, policy),
    ...policyReasons,
    ...content.reasons,
    ...sinceReasons(input),
    ...rejections(input),
    ...patience(input, policy),
    ...(verdict.kind === 'refuse' ? verdict.reasons : []),
  ];
  const fails = found.filter(({ code }) => !WAITED_FOR.has(code));
  const waits = found.filter(({ code }) => WAITED_FOR.has(code));
  const asks = verdict.kind === 'needs' ? verdict.reasons : [];
  const unseen = new Map(
    chain === null ? BY_NODE.map((row) => [row, 'no node of its own to look with']) : [],
  );
  return {
    authorizationId: state.id,
    decision: decisionOf(input, fails, waits),
    reasons: [...fails, ...waits, ...asks],
    rows: rowsOf({ fails, waits, asks }, unseen, rowsFor(intent)),
    diff: content.diff,
    slack: verdict.slack,
  };
}

function decisionOf(
  { state, memory, pinned }: AuthorizationInput,
  fails: readonly Reason[],
  waits: readonly Reason[],
): AuthorizationJudgement['decision'] {
  if (fails.length > 0) return 'refuse';
  const said =
    memory.approvedHere.has(state.id) ||
    state.approvals.some(({ body }) => isYes(body) && body.signerId === pinned.seatId);
  return said || waits.length > 0 || state.passedAtSeq !== null ? 'wait' : 'ask';
}

/** H1: what rules at the own tip; without a node what the authorization names, if the log holds it. */
function rulingPolicy({ treasury, chain, state }: AuthorizationInput): {
  policy: Policy;
  reasons: readonly Reason[];
} {
  const { policyHash } = state.authorization;
  const named = treasury.policies.findLast((each) => each.hash === policyHash);
  const ruling =
    chain === null ? (named ?? policyAt(treasury, 0)) : policyAt(treasury, chain.tipHeight);
  const reasons =
    ruling.hash === policyHash
      ? []
      : [reason('W-POL-HASH', `policy ${ruling.hash.slice(0, 16)} rules`)];
  return { policy: ruling.policy, reasons };
}

/** A1 to A5, B1: made here, what its id says, in this agent's log, alive, and there is one log. */
function checkEnvelope(input: AuthorizationInput, policy: Policy): Reason[] {
  const { treasury, state, pinned, memory, chain } = input;
  const { authorization } = state;
  const { record, recordHash } = pinned;
  const found: Reason[] = [];
  const here = treasury.id === record.treasuryId && authorization.treasuryId === record.treasuryId;
  if (!here || authorization.network !== record.params.network) {
    found.push(reason('W-ENV-NETWORK', 'made for another treasury or network'));
  }
  if (authorizationId(authorization) !== state.id) {
    found.push(reason('W-ENV-PROPOSAL-ID', `hashes to ${authorizationId(authorization)}`));
  }
  if (treasury.authorizations.get(state.id) !== state || state.entrySeq !== authorization.seq) {
    found.push(reason('W-ENV-SEQ', `not the entry ${authorization.seq} of this agent's log`));
  }
  if (memory.fork !== null) {
    found.push(reason('W-ENV-FORK', `two heads are signed for entry ${memory.fork.seq}`));
  }
  const walletHash = treasury.wallet === null ? '' : walletRecordHash(treasury.wallet);
  if (pinned.integrity === 'mac-wrong' || walletHash !== recordHash) {
    found.push(reason('W-DESC-PIN', 'not the wallet record that this guardian confirmed'));
  }
  if (authorization.epoch !== record.epoch) {
    found.push(reason('W-DESC-HASH', `for epoch ${authorization.epoch}`));
  }
  if (chain !== null) {
    const { expiryHeight } = authorization;
    const latest = chain.tipHeight + policy.delays.expire_after;
    if (expiryHeight < chain.tipHeight) found.push(reason('W-ENV-EXPIRED', `at ${expiryHeight}`));
    if (expiryHeight > latest) {
      found.push(reason('W-ENV-EXPIRY-FAR', `${expiryHeight} is after ${latest}`));
    }
  }
  return [...found, ...forksShown(input)];
}

/** Peers and node, waited for; not before a trip: money stops first. */
function patience(input: AuthorizationInput, policy: Policy): Reason[] {
  const { intent } = input.state.authorization;
  if (intent.kind === 'breaker' && intent.action === 'trip') return [];
  const { chain, now, state } = input;
  return [
    ...missingAcknowledgements(input, state.entrySeq),
    ...(chain === null ? [] : checkTip(chain, policy, now)),
  ];
}

/** The fold takes no yes to it any more. */
function sinceReasons({ treasury, state }: AuthorizationInput): Reason[] {
  return overtaken(treasury, state)
    ? [reason('W-ENV-INTENT', 'something else was decided about it since')]
    : [];
}

function rejections({ state, memory, pinned }: AuthorizationInput): Reason[] {
  const no = state.approvals.some(
    ({ body }) =>
      body.decision === 'reject' && body.role === 'guardian' && body.signerId === pinned.seatId,
  );
  return no || memory.refused.has(state.id)
    ? [reason('W-APP-REJECTED', 'this guardian said no')]
    : [];
}

function isYes(body: Approval['body']): boolean {
  return body.decision === 'approve' && body.role === 'guardian';
}

function saidYes(input: AuthorizationInput, policy: Policy): { id: string; owner: string }[] {
  const { state, chain, memory, pinned } = input;
  const ids = state.approvals
    .map(({ body }) => body)
    .filter((body) => isYes(body) && body.subject === state.id && body.txid === null)
    .filter((body) => body.policyHash === state.authorization.policyHash)
    .filter(({ expiresHeight }) => expiresHeight >= (chain?.tipHeight ?? 0))
    .map(({ signerId }) => signerId);
  if (memory.approvedHere.has(state.id)) ids.push(pinned.seatId);
  const ownerOf = (id: string) => policy.guardians.find((each) => each.id === id)?.owner ?? id;
  return [...new Set(ids)].map((id) => ({ id, owner: ownerOf(id) }));
}

function contentOf(input: AuthorizationInput, policy: Policy): Content {
  const { intent } = input.state.authorization;
  switch (intent.kind) {
    case 'policy_change':
      return policyChange(input, intent);
    case 'registry_change':
      return { diff: null, reasons: registryReasons(input, intent.entries, policy) };
    case 'channel_close':
      return { diff: null, reasons: closeIndexReasons(input, intent, policy) };
    case 'breaker':
    case 'large_ln_payout':
    case 'snapshot':
      return { diff: null, reasons: [] };
  }
}

/** G4, G6: to the address of this very channel; how far out counts from the own node's view of change. */
function closeIndexReasons(
  { treasury, chain }: AuthorizationInput,
  intent: Extract<AuthorizationIntent, { kind: 'channel_close' }>,
  policy: Policy,
): readonly Reason[] {
  const spends = spendsByOutpoint(chain?.spends ?? []);
  const all = families(treasury, spends, chain?.tipHeight ?? 0);
  const used = chain?.changeIndexUsed ?? treasury.proposals.size;
  return closeReasons(intent, all, closeIndexMax(policy, used));
}

/** H1: the successor of the newest policy, not looser too soon, and in force when its own text says. */
function policyChange(
  input: AuthorizationInput,
  intent: Extract<AuthorizationIntent, { kind: 'policy_change' }>,
): Content {
  const { treasury, chain, firstSeenHeight } = input;
  const current = treasury.policies.at(-1)?.policy ?? policyAt(treasury, 0).policy;
  let next: Policy;
  try {
    next = parsePolicy(intent.policyText);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return { diff: null, reasons: [reason('W-ENV-INTENT', cause.message)] };
  }
  const announced = firstSeenHeight ?? chain?.tipHeight ?? 0;
  const reasons = [...checkSuccession(current, next, announced)];
  if (next.activates_at_height !== intent.activatesAtHeight) {
    const detail = `announced for ${intent.activatesAtHeight}, the policy says`;
    reasons.push(reason('W-ENV-INTENT', `${detail} ${next.activates_at_height}`));
  }
  reasons.push(...peopleReasons(treasury, next));
  return { diff: diffPolicies(current, next), reasons };
}

/** A policy that asks people who have no seat could never be met. */
function peopleReasons({ seats }: Treasury, { guardians }: Policy): Reason[] {
  const strangers = guardians.filter(({ id }) => !seats.has(id)).map(({ id }) => id);
  const missing = [...seats.keys()].filter((seatId) => !guardians.some(({ id }) => id === seatId));
  if (strangers.length + missing.length === 0) return [];
  const detail = `guardians without a seat: ${strangers.join(', ')}; seats left out: ${missing.join(', ')}`;
  return [reason('W-ENV-INTENT', detail)];
}

/** E4: every LP signed its own entry; a known LP's key is replaced only after the delay of a loosening. */
function registryReasons(
  input: AuthorizationInput,
  entries: readonly Signed<LpRegistration>[],
  policy: Policy,
): Reason[] {
  const { treasury, chain, pinned, firstSeenHeight } = input;
  const { treasuryId, params } = pinned.record;
  const earliest = (firstSeenHeight ?? chain?.tipHeight ?? 0) + loosenDelay(policy);
  const seen = new Set<string>();
  return entries.flatMap((entry): Reason[] => {
    const { body } = entry;
    const { lpId, key, activeFromHeight } = body;
    const found: Reason[] = [];
    if (seen.has(lpId)) found.push(reason('W-ENV-INTENT', `${lpId} is named twice`));
    seen.add(lpId);
    if (body.treasuryId !== treasuryId || body.network !== params.network) {
      found.push(reason('W-OUT-NETWORK', `${lpId} registers with another treasury or network`));
    }
    if (entry.key !== key || !statementHolds('lp-registration', entry)) {
      found.push(reason('W-OUT-PAYEE-UNSIGNED', `${lpId} did not sign its entry with its key`));
    }
    const known = treasury.registry.get(lpId)?.at(-1);
    if (known !== undefined && known.key !== key && activeFromHeight < earliest) {
      const detail = `the key of ${lpId} from ${activeFromHeight}, not before ${earliest}`;
      found.push(reason('W-POL-LOOSENED-EARLY', detail));
    }
    return found;
  });
}
