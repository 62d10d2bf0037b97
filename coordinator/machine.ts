/**
 * What the coordinator answers to a command: events for the log, none for what is known already, or a
 * failure. Pure. What an entry may mean at all is the fold's to say (`policies/treasury-fold.ts`); here
 * stands what the coordinator wants beyond that.
 */
import { dustSat } from '../descriptors/weight.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { deadByRefusal } from '../policies/commitments.ts';
import { Failure } from '../policies/failure.ts';
import type { LpOrder } from '../policies/intent.ts';
import type { LogEvent, LogEventOf } from '../policies/log-entry.ts';
import {
  type AgentVerdict,
  type Approval,
  type Authorization,
  type ChannelsPending,
  type Contribution,
  type Proposal,
  proposalTxid,
} from '../policies/proposal.ts';
import type { Reason } from '../policies/reason.ts';
import { statementHolds } from '../policies/statement.ts';
import { type ProposalState, registrationAt, type Treasury } from '../policies/treasury.ts';
import type {
  CeremonyParams,
  KeyRecord,
  SeatClaim,
  SeatConfirmation,
  WalletRecord,
} from '../policies/wallet-record.ts';
import { checkAccountKey } from './vault.ts';

export type Place = LogEventOf<'tx-seen'>['place'];

export type Command =
  | { kind: 'claim-seat'; claim: SeatClaim; unixTime: number }
  | { kind: 'join-seat'; record: KeyRecord }
  | { kind: 'record-wallet'; record: WalletRecord }
  | { kind: 'confirm-seat'; confirmation: SeatConfirmation }
  | { kind: 'queue-order'; order: LpOrder; tipHeight: number }
  | { kind: 'propose'; proposal: Proposal }
  | { kind: 'authorize'; authorization: Authorization }
  | { kind: 'approve'; approval: Approval; tipHeight: number }
  | { kind: 'hear-verdict'; verdict: AgentVerdict }
  | {
      kind: 'contribute';
      contribution: Contribution;
      /** First input whose signature does not verify, or null. */
      fault: number | null;
      /** What must be there before anybody signs, and is not. */
      missing: readonly Reason[];
      tipHeight: number;
    }
  | { kind: 'hear-pending'; pending: ChannelsPending; tipHeight: number }
  | { kind: 'withdraw'; proposalId: string; why: string }
  | { kind: 'intend-broadcast'; proposalId: string; txid: string; rawTx: string }
  | {
      kind: 'note-answer';
      proposalId: string;
      outcome: 'accepted' | 'refused';
      reason: string;
    }
  | { kind: 'note-place'; proposalId: string; place: Place };

/** A guardian's clock may be this far off: more breaks signed requests and the tip checks. */
export const CLOCK_SKEW_SECONDS_MAX = 600;
/** Orders that wait at once; each is 600 bytes of everybody's log. */
export const QUEUE_MAX = 10_000;
/** A reason of the node, as the log keeps it. */
const REASON_CHARS_MAX = 200;
/** Forms that relay and that a treasury pays: key, script and witness hashes, taproot. */
const PAYABLE_SCRIPT =
  /^(0014[0-9a-f]{40}|0020[0-9a-f]{64}|5120[0-9a-f]{64}|76a914[0-9a-f]{40}88ac|a914[0-9a-f]{40}87)$/;

/**
 * Events that a command makes of this treasury.
 *
 * @throws Failure REQUEST_REFUSED, NOT_FOUND, NOT_READY, WRONG_STATE, SIGNATURE_INVALID, INPUT_INVALID
 */
export function decide(treasury: Treasury, command: Command): readonly LogEvent[] {
  switch (command.kind) {
    case 'claim-seat':
      return claimSeat(treasury, command);
    case 'join-seat':
      return joinSeat(treasury, command.record);
    case 'record-wallet':
      return recordWallet(treasury, command.record);
    case 'confirm-seat':
      return confirmSeat(treasury, command.confirmation);
    case 'queue-order':
      return queueOrder(treasury, command.order, command.tipHeight);
    case 'propose':
      return [{ kind: 'proposed', proposal: command.proposal }];
    case 'authorize':
      return [{ kind: 'authorization-proposed', authorization: command.authorization }];
    case 'approve':
      return approve(treasury, command.approval, command.tipHeight);
    case 'hear-verdict':
      return hearVerdict(treasury, command.verdict);
    case 'contribute':
      return contribute(treasury, command);
    case 'hear-pending':
      return hearPending(treasury, command);
    case 'withdraw':
      return withdraw(treasury, command);
    case 'intend-broadcast':
    case 'note-answer':
    case 'note-place':
      return progress(treasury, command);
  }
}

/** The proposal, or the failure that says there is none. */
export function proposalOf(treasury: Treasury, id: string): ProposalState {
  const state = treasury.proposals.get(id);
  if (state === undefined) throw new Failure('NOT_FOUND', `there is no proposal ${id}`);
  return state;
}

/** Whether an operator said no: the coordinator acts on it no further, whoever signs. */
export function rejectedByOperator(state: ProposalState): boolean {
  return state.approvals.some(({ body }) => body.role === 'operator' && body.decision === 'reject');
}

type Of<K extends Command['kind']> = Extract<Command, { kind: K }>;

function claimSeat(treasury: Treasury, { claim, unixTime }: Of<'claim-seat'>): LogEvent[] {
  const { params } = treasury;
  const { body } = claim;
  if (params === null) throw new Failure('NOT_READY', 'the ceremony is not open');
  const held = treasury.seats.get(body.seatId)?.claim?.body.identityKey;
  if (held === body.identityKey) return [];
  refuseWhen(held !== undefined, `seat ${body.seatId} is taken by another identity`);
  const holder = [...treasury.seats.values()].find(
    (seat) => seat.claim?.body.identityKey === body.identityKey,
  );
  refuseWhen(holder !== undefined, `this identity already has the seat ${holder?.id ?? ''}`);
  preflight(params, claim, unixTime);
  return [{ kind: 'seat-claimed', claim }];
}

/** Found out now, before a key is made, and not at the first signature. */
function preflight(params: CeremonyParams, { body }: SeatClaim, unixTime: number): void {
  const { min, max } = params.protocol;
  const spoken = `${body.protocol.min} to ${body.protocol.max}`;
  refuseWhen(
    body.protocol.max < min || body.protocol.min > max,
    `this agent speaks protocol ${spoken}, the treasury ${min} to ${max}`,
  );
  refuseWhen(
    body.genesisHash !== null && body.genesisHash !== params.genesisHash,
    "the guardian's node is on another network",
  );
  const skew = body.unixTime - unixTime;
  refuseWhen(
    Math.abs(skew) > CLOCK_SKEW_SECONDS_MAX,
    `the guardian's clock is ${skew} seconds off`,
  );
}

function joinSeat(treasury: Treasury, record: KeyRecord): LogEvent[] {
  if (treasury.seats.get(record.body.seatId)?.record?.signature === record.signature) return [];
  checkAccountKey(record);
  return [{ kind: 'seat-joined', record }];
}

function recordWallet(treasury: Treasury, record: WalletRecord): LogEvent[] {
  return treasury.wallet === null ? [{ kind: 'wallet-recorded', record }] : [];
}

function confirmSeat(treasury: Treasury, confirmation: SeatConfirmation): LogEvent[] {
  const before = treasury.seats.get(confirmation.body.seatId)?.confirmation;
  if (before?.body.recordHash === confirmation.body.recordHash) return [];
  return [{ kind: 'seat-confirmed', confirmation }];
}

function queueOrder(treasury: Treasury, order: LpOrder, tipHeight: number): LogEvent[] {
  const { body } = order;
  const known = treasury.queue.get(body.orderId);
  if (known !== undefined && canonicalJson(known.body) === canonicalJson(body)) return [];
  refuseWhen(known !== undefined, `order ${body.orderId} is another order already`);
  refuseWhen(
    body.treasuryId !== treasury.id || body.network !== treasury.params?.network,
    'the order is for another treasury or network',
  );
  const registration = registrationAt(treasury, body.lpId, tipHeight);
  refuseWhen(registration === null, `${body.lpId} is not registered, or not active yet`);
  if (order.key !== registration?.key || !statementHolds('lp-order', order)) {
    throw new Failure('SIGNATURE_INVALID', `the order is not signed by ${body.lpId}`);
  }
  refuseWhen(body.expiryHeight <= tipHeight, `the order expired at ${body.expiryHeight}`);
  refuseWhen(!PAYABLE_SCRIPT.test(body.script), 'the script is of no form that is paid');
  refuseWhen(body.amountSat < dustSat(body.script), `${body.amountSat} sat are dust`);
  if (treasury.queue.size >= QUEUE_MAX) {
    throw new Failure('NOT_READY', `${treasury.queue.size} orders are more than this log takes`);
  }
  return [{ kind: 'order-queued', order }];
}

function approve(treasury: Treasury, approval: Approval, tipHeight: number): LogEvent[] {
  const { body } = approval;
  const subject = subjectOf(treasury, body.subject);
  if (subject.approvals.some((each) => saysTheSame(each, approval))) return [];
  refuseWhen(body.txid !== subject.txid, 'the approval names another transaction');
  refuseWhen(body.policyHash !== subject.policyHash, 'the approval names another policy');
  refuseWhen(body.expiresHeight < tipHeight, `the approval ended at ${body.expiresHeight}`);
  if (subject.expiryHeight < tipHeight) {
    throw new Failure('WRONG_STATE', `${body.subject} expired at ${subject.expiryHeight}`);
  }
  if (body.decision === 'reject' && subject.isSent) {
    throw new Failure('WRONG_STATE', 'it is on its way: propose to cancel it instead');
  }
  return [{ kind: 'approval', approval }];
}

interface Subject {
  approvals: readonly Approval[];
  policyHash: string;
  expiryHeight: number;
  txid: string | null;
  isSent: boolean;
}

function subjectOf(treasury: Treasury, id: string): Subject {
  const state = treasury.proposals.get(id);
  if (state !== undefined) {
    const { approvals, proposal, broadcast } = state;
    const { policyHash, expiryHeight } = proposal;
    const txid = proposalTxid(proposal);
    return { approvals, policyHash, expiryHeight, txid, isSent: broadcast !== null };
  }
  const asked = treasury.authorizations.get(id);
  if (asked === undefined) throw new Failure('NOT_FOUND', `nothing has the id ${id}`);
  const { policyHash, expiryHeight } = asked.authorization;
  return { approvals: asked.approvals, policyHash, expiryHeight, txid: null, isSent: false };
}

function saysTheSame(a: Approval, b: Approval): boolean {
  return (
    a.body.signerId === b.body.signerId &&
    a.body.role === b.body.role &&
    a.body.decision === b.body.decision
  );
}

function hearVerdict(treasury: Treasury, verdict: AgentVerdict): LogEvent[] {
  const { body } = verdict;
  const target = treasury.proposals.get(body.subject) ?? treasury.authorizations.get(body.subject);
  if (target === undefined) throw new Failure('NOT_FOUND', `nothing has the id ${body.subject}`);
  if (target.verdicts.get(body.seatId)?.body.verdict === body.verdict) return [];
  refuseWhen(body.headSeq > treasury.seq, `there is no entry ${body.headSeq} yet`);
  return [{ kind: 'verdict', verdict }];
}

function contribute(treasury: Treasury, command: Of<'contribute'>): LogEvent[] {
  const { contribution, fault, missing, tipHeight } = command;
  const { proposalId, seatId } = contribution;
  const state = proposalOf(treasury, proposalId);
  refuseWhen(!treasury.seats.has(seatId), `${seatId} is no seat of this quorum`);
  if (state.contributions.has(seatId) || state.broadcast !== null) return [];
  refuseWhen(contribution.round !== 1, 'script multisig has one round');
  const { expiryHeight } = state.proposal;
  if (expiryHeight < tipHeight) {
    throw new Failure('WRONG_STATE', `the proposal expired at ${expiryHeight}`);
  }
  if (rejectedByOperator(state)) throw new Failure('WRONG_STATE', 'the operator said no');
  // Its coins and orders are free: a signature in everybody's log could finish it beside what replaced it.
  if (deadByRefusal(treasury, state)) throw new Failure('WRONG_STATE', 'enough seats refused it');
  const first = missing[0];
  if (first !== undefined) {
    throw new Failure('NOT_READY', `nobody signs yet: ${first.code} ${first.detail}`);
  }
  if (fault === null) return [{ kind: 'contributed', contribution }];
  // One entry says who; a second one would only let a seat fill everybody's log.
  return state.faults.has(seatId)
    ? []
    : [{ kind: 'contribution-faulty', proposalId, seatId, input: fault }];
}

/** The fold verifies who said it and of which outputs; too late to be of use is refused here. */
function hearPending(treasury: Treasury, { pending, tipHeight }: Of<'hear-pending'>): LogEvent[] {
  const state = proposalOf(treasury, pending.body.proposalId);
  if (canonicalJson(state.pending?.body ?? null) === canonicalJson(pending.body)) return [];
  const { expiryHeight } = state.proposal;
  if (expiryHeight < tipHeight) {
    throw new Failure('WRONG_STATE', `the proposal expired at ${expiryHeight}`);
  }
  if (rejectedByOperator(state)) throw new Failure('WRONG_STATE', 'the operator said no');
  if (deadByRefusal(treasury, state)) throw new Failure('WRONG_STATE', `${state.id} is dead`);
  return [{ kind: 'channels-pending', pending }];
}

function withdraw(treasury: Treasury, { proposalId, why }: Of<'withdraw'>): LogEvent[] {
  const state = proposalOf(treasury, proposalId);
  if (state.withdrawn !== null) return [];
  const { kind } = state.proposal.intent;
  refuseWhen(kind !== 'channel_open', `a ${kind} is cancelled, not withdrawn`);
  if (state.pending !== null) {
    throw new Failure('WRONG_STATE', 'its channels are pending, somebody may sign: cancel it');
  }
  return [{ kind: 'withdrawn', proposalId, why }];
}

function progress(
  treasury: Treasury,
  command: Of<'intend-broadcast' | 'note-answer' | 'note-place'>,
): LogEvent[] {
  const state = proposalOf(treasury, command.proposalId);
  const { proposalId } = command;
  switch (command.kind) {
    case 'intend-broadcast': {
      const { txid, rawTx } = command;
      if (state.broadcast !== null) return [];
      refuseWhen(txid !== proposalTxid(state.proposal), 'not the transaction of this proposal');
      return [{ kind: 'broadcast-intended', proposalId, txid, rawTx }];
    }
    case 'note-answer': {
      const { outcome } = command;
      const reason = command.reason.slice(0, REASON_CHARS_MAX);
      const before = state.broadcast?.answer;
      if (before?.outcome === outcome && before.reason === reason) return [];
      return [{ kind: 'broadcast-answered', proposalId, outcome, reason }];
    }
    case 'note-place':
      return canonicalJson(state.place) === canonicalJson(command.place)
        ? []
        : [{ kind: 'tx-seen', proposalId, place: command.place }];
  }
}

function refuseWhen(broken: boolean, message: string): void {
  if (broken) throw new Failure('REQUEST_REFUSED', message);
}
