/** Decisions in the fold: proposals, authorizations, approvals and the verdicts of agents. */
import { Failure } from './failure.ts';
import { requireSignable } from './fold-channels.ts';
import { refuseWhen, requireHere, seatOf, withEntry, withProposal } from './fold-step.ts';
import { type Policy, parsePolicy, policyHash } from './policy.ts';
import {
  type AgentVerdict,
  type Approval,
  type Authorization,
  authorizationId,
  type Proposal,
  proposalId,
} from './proposal.ts';
import { requireStatement } from './statement.ts';
import {
  type AuthorizationState,
  ceremonyDone,
  type ProposalState,
  type Treasury,
} from './treasury.ts';

/** A spend enters the log, at the place it was made for. */
export function propose(treasury: Treasury, proposal: Proposal, seq: number): Treasury {
  requireHere(treasury, proposal);
  refuseWhen(!ceremonyDone(treasury), 'not every guardian confirmed the wallet');
  refuseWhen(proposal.seq !== seq, `the proposal wants place ${proposal.seq}, not ${seq}`);
  const id = proposalId(proposal);
  const { intent } = proposal;
  const of = 'of' in intent ? treasury.proposals.get(intent.of) : undefined;
  refuseWhen('of' in intent && of === undefined, 'varies a proposal that the log does not hold');
  refuseWhen(of !== undefined && of.root !== of.id, 'varies a variant instead of the first');
  const state: ProposalState = {
    id,
    entrySeq: seq,
    proposal,
    root: of?.id ?? id,
    approvals: [],
    verdicts: new Map(),
    contributions: new Map(),
    faults: new Map(),
    pending: null,
    withdrawn: null,
    broadcast: null,
    place: null,
  };
  return { ...treasury, proposals: withEntry(treasury.proposals, id, state) };
}

/** A decision without a transaction enters the log. */
export function proposeAuthorization(
  treasury: Treasury,
  value: Authorization,
  seq: number,
): Treasury {
  requireHere(treasury, value);
  refuseWhen(!ceremonyDone(treasury), 'not every guardian confirmed the wallet');
  refuseWhen(value.seq !== seq, `the authorization wants place ${value.seq}, not ${seq}`);
  const id = authorizationId(value);
  const state: AuthorizationState = {
    id,
    entrySeq: seq,
    authorization: value,
    approvals: [],
    verdicts: new Map(),
    passedAtSeq: null,
  };
  return { ...treasury, authorizations: withEntry(treasury.authorizations, id, state) };
}

/** A person's yes or no; the last one needed puts an authorization into force. */
export function approve(treasury: Treasury, approval: Approval, seq: number): Treasury {
  const { body } = approval;
  requireHere(treasury, body);
  requireStatement('approval', approval, approverKey(treasury, approval));
  const target = treasury.proposals.get(body.subject);
  if (target !== undefined) {
    refuseWhen(body.policyHash !== target.proposal.policyHash, 'approves under another policy');
    refuseWhen(spokeBefore(target.approvals, approval), `${body.signerId} spoke before`);
    return withProposal(treasury, { ...target, approvals: [...target.approvals, approval] });
  }
  const asked = treasury.authorizations.get(body.subject);
  if (asked === undefined) {
    throw new Failure('INPUT_INVALID', `approves ${body.subject}, which the log does not hold`);
  }
  refuseWhen(spokeBefore(asked.approvals, approval), `${body.signerId} spoke before`);
  refuseWhen(overtaken(treasury, asked), 'something else was decided since: propose it anew');
  const approvals = [...asked.approvals, approval];
  return pass(treasury, { ...asked, approvals }, seq);
}

/**
 * Whether the same was decided otherwise since this was proposed: who said yes then may not now, and one more
 * yes must not bring back what was replaced. (Policies follow each other anyway.)
 */
export function overtaken({ authorizations }: Treasury, state: AuthorizationState): boolean {
  const { entrySeq, passedAtSeq: passed } = state;
  const { intent } = state.authorization;
  if (passed !== null) return false;
  const since = [...authorizations.values()]
    .filter(({ passedAtSeq }) => (passedAtSeq ?? 0) > entrySeq)
    .map((each) => each.authorization.intent);
  if (intent.kind === 'breaker' && intent.action === 'reset') {
    return since.some((each) => each.kind === 'breaker' && each.action === 'trip');
  }
  if (intent.kind !== 'registry_change') return false;
  const named = new Set(intent.entries.map(({ body }) => body.lpId));
  return since.some(
    (each) =>
      each.kind === 'registry_change' && each.entries.some(({ body }) => named.has(body.lpId)),
  );
}

/** Acts on an authorization in the entry that brings the last approval it needs, and only once. */
function pass(treasury: Treasury, state: AuthorizationState, seq: number): Treasury {
  const yes = new Set(
    state.approvals
      .filter((each) => each.body.role === 'guardian' && each.body.decision === 'approve')
      .map((each) => each.body.signerId),
  );
  const passes = state.passedAtSeq === null && isEnough(treasury, state.authorization, yes);
  const settled = { ...state, passedAtSeq: passes ? seq : state.passedAtSeq };
  const next = {
    ...treasury,
    authorizations: withEntry(treasury.authorizations, state.id, settled),
  };
  return passes ? enact(next, state.authorization) : next;
}

/** Threshold seats, and of each policy that binds as many owners as it asks for: one owner counts once (H8). */
function isEnough(treasury: Treasury, value: Authorization, yes: ReadonlySet<string>): boolean {
  const owners = ({ guardians }: Policy): number =>
    new Set([...yes].map((seatId) => guardians.find(({ id }) => id === seatId)?.owner ?? seatId))
      .size;
  return (
    yes.size >= approvalsNeeded(treasury, value) &&
    bindingPolicies(treasury, value).every((policy) => owners(policy) >= askedBy(policy, value))
  );
}

/**
 * Distinct guardians an authorization needs: the most that a policy asks for which binds it, and never fewer
 * than the threshold, except that a breaker trips by what the policies say alone.
 */
export function approvalsNeeded(treasury: Treasury, value: Authorization): number {
  const { intent } = value;
  const threshold = treasury.params?.threshold ?? Number.MAX_SAFE_INTEGER;
  const trips = intent.kind === 'breaker' && intent.action === 'trip';
  const asked = bindingPolicies(treasury, value).map((policy) => askedBy(policy, value));
  return Math.max(trips ? 1 : threshold, ...asked);
}

/**
 * The policy that an authorization names, which its guardians' agents saw rule at their own tips, and all
 * adopted since: one that rules only later cannot ask for less before its height.
 */
function bindingPolicies({ policies }: Treasury, { policyHash: named }: Authorization): Policy[] {
  const from = policies.findLastIndex(({ hash }) => hash === named);
  return policies.slice(Math.max(0, from)).map(({ policy }) => policy);
}

function askedBy({ intents }: Policy, { intent }: Authorization): number {
  switch (intent.kind) {
    case 'policy_change': {
      const { tighten, loosen } = intents.policy_change;
      return Math.max(tighten.approvals, loosen.approvals);
    }
    case 'registry_change':
      return intents.registry_change.approvals;
    case 'breaker':
      return intents.breaker[intent.action].approvals;
    case 'large_ln_payout':
    case 'snapshot':
      return intents[intent.kind].approvals;
    case 'channel_close':
      return intents.channel_close[intent.force === 'cooperative' ? 'cooperative' : 'force']
        .approvals;
  }
}

function enact(treasury: Treasury, value: Authorization): Treasury {
  const { intent } = value;
  switch (intent.kind) {
    case 'policy_change': {
      const policy = parsePolicy(intent.policyText);
      requireSuccessor(treasury, policy);
      const adopted = {
        policy,
        hash: policyHash(policy),
        activeFromHeight: intent.activatesAtHeight,
      };
      return { ...treasury, policies: [...treasury.policies, adopted] };
    }
    case 'registry_change': {
      let { registry } = treasury;
      for (const entry of intent.entries) {
        requireStatement('lp-registration', entry, entry.body.key);
        requireHere(treasury, entry.body);
        const before = registry.get(entry.body.lpId) ?? [];
        registry = withEntry(registry, entry.body.lpId, [...before, entry.body]);
      }
      return { ...treasury, registry };
    }
    case 'breaker':
      return { ...treasury, breaker: intent.action === 'trip' ? 'tripped' : 'armed' };
    case 'large_ln_payout':
    case 'channel_close':
    case 'snapshot':
      return treasury;
  }
}

/** Agents judged what was newest when their guardians said yes; something else may have passed since. */
function requireSuccessor({ policies }: Treasury, { version, previous }: Policy): void {
  const newest = policies.at(-1);
  const follows =
    previous === `sha256:${newest?.hash}` && version === (newest?.policy.version ?? 0) + 1;
  refuseWhen(!follows, `policy ${version} does not follow the newest one`);
}

/** An agent's word. Only `asks` can change. */
export function hearVerdict(treasury: Treasury, verdict: AgentVerdict): Treasury {
  const { body } = verdict;
  requireHere(treasury, body);
  const signs = treasury.proposals.get(body.subject);
  if (signs !== undefined && body.verdict === 'signed') requireSignable(signs);
  const seat = seatOf(treasury, body.seatId);
  requireStatement('verdict', verdict, seat.claim?.body.identityKey ?? '');
  const target = treasury.proposals.get(body.subject) ?? treasury.authorizations.get(body.subject);
  if (target === undefined) {
    throw new Failure('INPUT_INVALID', `a verdict on ${body.subject}, which the log does not hold`);
  }
  const before = target.verdicts.get(body.seatId)?.body.verdict;
  refuseWhen(
    before !== undefined && before !== 'asks',
    `seat ${body.seatId} already said ${before}`,
  );
  const verdicts = withEntry(target.verdicts, body.seatId, verdict);
  return 'proposal' in target
    ? withProposal(treasury, { ...target, verdicts })
    : {
        ...treasury,
        authorizations: withEntry(treasury.authorizations, target.id, { ...target, verdicts }),
      };
}

function approverKey(treasury: Treasury, { body }: Approval): string {
  const key =
    body.role === 'operator'
      ? treasury.params?.operators.find((each) => each.id === body.signerId)?.key
      : treasury.seats.get(body.signerId)?.record?.body.approvalKey;
  return key ?? '';
}

function spokeBefore(approvals: readonly Approval[], { body }: Approval): boolean {
  return approvals.some(
    (each) => each.body.signerId === body.signerId && each.body.role === body.role,
  );
}
