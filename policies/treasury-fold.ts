/**
 * The fold of the treasury log: pure, the same for coordinator and agents. It believes no statement
 * without a valid signature by the right key, and refuses an entry that breaks a rule of the log.
 */
import { Failure } from './failure.ts';
import { claimSeat, confirmSeat, joinSeat, openCeremony, recordWallet } from './fold-ceremony.ts';
import { hearPending, requireSignable, withdraw } from './fold-channels.ts';
import { approve, hearVerdict, propose, proposeAuthorization } from './fold-decision.ts';
import { refuseWhen, withEntry, withProposal } from './fold-step.ts';
import type { LogEntry, LogEvent, LogEventOf } from './log-entry.ts';
import type { ProposalState, Treasury } from './treasury.ts';

/**
 * The treasury after one more entry.
 *
 * @throws Failure INPUT_INVALID when the entry breaks a rule of the log, SIGNATURE_INVALID when a
 *   statement in it is not signed by the key it needs. The treasury stays as it was.
 */
export function applyEntry(treasury: Treasury, entry: LogEntry): Treasury {
  if (entry.seq !== treasury.seq + 1 || entry.previous !== treasury.hash) {
    throw new Failure(
      'INPUT_INVALID',
      `entry ${entry.seq} does not continue entry ${treasury.seq}`,
    );
  }
  const next = applyEvent(treasury, entry.body, entry.seq);
  return { ...next, seq: entry.seq, hash: entry.hash };
}

/** The same for an event that has no entry yet: what a coordinator asks before it appends. */
export function applyEvent(treasury: Treasury, event: LogEvent, seq: number): Treasury {
  switch (event.kind) {
    case 'ceremony-opened':
      return openCeremony(treasury, event);
    case 'seat-claimed':
      return claimSeat(treasury, event.claim);
    case 'seat-joined':
      return joinSeat(treasury, event.record);
    case 'wallet-recorded':
      return recordWallet(treasury, event.record);
    case 'seat-confirmed':
      return confirmSeat(treasury, event.confirmation);
    case 'order-queued':
      return {
        ...treasury,
        queue: withEntry(treasury.queue, event.order.body.orderId, event.order),
      };
    case 'proposed':
      return propose(treasury, event.proposal, seq);
    case 'authorization-proposed':
      return proposeAuthorization(treasury, event.authorization, seq);
    case 'approval':
      return approve(treasury, event.approval, seq);
    case 'verdict':
      return hearVerdict(treasury, event.verdict);
    case 'channels-pending':
      return hearPending(treasury, event.pending);
    case 'withdrawn':
      return withdraw(treasury, event);
    case 'contributed':
    case 'contribution-faulty':
    case 'broadcast-intended':
    case 'broadcast-answered':
    case 'tx-seen':
      return progress(treasury, event);
  }
}

type Progress = LogEventOf<
  'contributed' | 'contribution-faulty' | 'broadcast-intended' | 'broadcast-answered' | 'tx-seen'
>;

function progress(treasury: Treasury, event: Progress): Treasury {
  const id = event.kind === 'contributed' ? event.contribution.proposalId : event.proposalId;
  const target = treasury.proposals.get(id);
  if (target === undefined) {
    throw new Failure('INPUT_INVALID', `${event.kind} for ${id}, which the log does not hold`);
  }
  return withProposal(treasury, progressed(target, event));
}

function progressed(target: ProposalState, event: Progress): ProposalState {
  switch (event.kind) {
    case 'contributed': {
      const { contribution } = event;
      const { seatId } = contribution;
      refuseWhen(target.contributions.has(seatId), `${seatId} signed ${target.id} before`);
      requireSignable(target);
      return {
        ...target,
        contributions: withEntry(target.contributions, contribution.seatId, contribution),
      };
    }
    case 'contribution-faulty':
      refuseWhen(target.faults.has(event.seatId), `${event.seatId} was named for it before`);
      return { ...target, faults: withEntry(target.faults, event.seatId, event.input) };
    case 'broadcast-intended':
      // Once: nobody fills everybody's disk with the same transaction again and again.
      refuseWhen(target.broadcast !== null, `${target.id} is on its way already`);
      requireSignable(target);
      return { ...target, broadcast: { txid: event.txid, rawTx: event.rawTx, answer: null } };
    case 'broadcast-answered':
      return target.broadcast === null
        ? target
        : { ...target, broadcast: { ...target.broadcast, answer: event } };
    case 'tx-seen':
      return { ...target, place: event.place };
  }
}
