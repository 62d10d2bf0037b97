/**
 * The fold of a batch of channels: the order of its phases is what keeps the coins safe, so it is an invariant
 * of the log and not of the code that runs it.
 */
import { invariant } from '../../policies/failure.ts';
import type { ChannelEvent, ChannelEventOf } from './channel-event.ts';
import type { Batch, BatchPhase, Channels } from './channel-state.ts';

/** Below this a reorganisation may still bring the funding transaction back. */
export const CONFLICT_CONFIRMATIONS = 6;

export type BatchEvent = Extract<
  ChannelEvent,
  { kind: `channel-batch-${string}` | `channel-funding-${string}` | 'channel-conflict-buried' }
>;

export function isBatchEvent(event: ChannelEvent): event is BatchEvent {
  return 'batchId' in event && event.kind !== 'channel-opened';
}

/** From which phases an event may come. */
const FROM: Record<Exclude<BatchEvent['kind'], 'channel-batch-planned'>, readonly BatchPhase[]> = {
  'channel-funding-asking': ['planned'],
  'channel-funding-asked': ['asking'],
  'channel-batch-proposed': ['funded'],
  'channel-batch-verified': ['proposed'],
  'channel-batch-pending': ['proposed', 'verified'],
  'channel-batch-attested': ['pending'],
  // Who has signed may publish, whatever we would rather: the chain is right.
  'channel-batch-broadcast': ['attested', 'conflicting'],
  'channel-batch-done': ['broadcast'],
  // What was let go may turn out to be pending after all.
  'channel-batch-aborting': [
    'planned',
    'asking',
    'funded',
    'proposed',
    'verified',
    'pending',
    'attested',
    'releasing',
    'aborted',
  ],
  'channel-batch-cancel-proposed': ['conflicting'],
  'channel-conflict-buried': ['conflicting'],
  'channel-batch-aborted': ['releasing', 'conflicting'],
};

/** Whether an event may come while a batch is in this phase. */
export function mayFollow(
  phase: BatchPhase,
  kind: Exclude<BatchEvent['kind'], 'channel-batch-planned'>,
): boolean {
  return FROM[kind].includes(phase);
}

/** Applies one event in place. @throws BrokenInvariant when it does not follow from what was */
export function applyBatchEvent(channels: Channels, event: BatchEvent, atMs: number): void {
  if (event.kind === 'channel-batch-planned') return plan(channels, event, atMs);
  const batch = channels.batches.get(event.batchId);
  invariant(batch !== undefined, `${event.kind} of a batch that was never planned`);
  invariant(mayFollow(batch.phase, event.kind), `${event.kind} while ${batch.phase}`);
  if (isAbortEvent(event)) return applyAbort(batch, event, atMs);
  switch (event.kind) {
    case 'channel-funding-asking':
      batch.phase = 'asking';
      return;
    case 'channel-funding-asked':
      invariant(event.funding.length === batch.channels.length, 'one funding for each channel');
      batch.phase = 'funded';
      batch.funding = event.funding;
      batch.fundedAtMs = atMs;
      return;
    case 'channel-batch-proposed': {
      const { kind: _, batchId: __, ...proposal } = event;
      invariant(event.vouts.length === batch.channels.length, 'one output for each channel');
      batch.phase = 'proposed';
      batch.proposal = proposal;
      return;
    }
    case 'channel-batch-verified':
      batch.phase = 'verified';
      return;
    case 'channel-batch-pending':
      batch.phase = 'pending';
      batch.wasPending = true;
      return;
    case 'channel-batch-attested':
      invariant(batch.backup === 'pending', 'attested without a backup of what is pending');
      batch.phase = 'attested';
      batch.statement = event.statement;
      return;
    case 'channel-batch-broadcast':
      invariant(batch.statement !== null, 'broadcast and never attested');
      batch.phase = 'broadcast';
      batch.broadcastAtMs = atMs;
      batch.abort = null;
      return;
    case 'channel-batch-done':
      invariant(batch.backup === 'confirmed', 'done without a backup of what is active');
      batch.phase = 'done';
      batch.endedAtMs = atMs;
      return;
  }
}

type AbortEvent = ChannelEventOf<
  | 'channel-batch-aborting'
  | 'channel-batch-cancel-proposed'
  | 'channel-conflict-buried'
  | 'channel-batch-aborted'
>;

function isAbortEvent(event: BatchEvent): event is AbortEvent {
  return (
    event.kind.startsWith('channel-batch-abort') ||
    event.kind === 'channel-batch-cancel-proposed' ||
    event.kind === 'channel-conflict-buried'
  );
}

function applyAbort(batch: Batch, event: AbortEvent, atMs: number): void {
  if (event.kind === 'channel-batch-aborting') {
    const mayBePending = batch.wasPending || batch.statement !== null;
    invariant(
      event.route === 'conflict' || !mayBePending,
      'what is pending is let go only after a conflict',
    );
    invariant(event.route === 'release' || batch.proposal !== null, 'nothing can conflict with it');
    batch.phase = event.route === 'release' ? 'releasing' : 'conflicting';
    batch.abort = { why: event.why, detail: event.detail, atMs, cancelId: null, conflict: null };
    batch.endedAtMs = null;
    return;
  }
  const { abort } = batch;
  invariant(abort !== null, `${event.kind} of a batch that is not given up`);
  switch (event.kind) {
    case 'channel-batch-cancel-proposed':
      abort.cancelId = event.cancelId;
      return;
    case 'channel-conflict-buried':
      invariant(
        event.confirmations >= CONFLICT_CONFIRMATIONS,
        `a conflict ${event.confirmations} deep is not buried`,
      );
      invariant(event.txid !== batch.proposal?.txid, 'its own transaction is no conflict');
      invariant(
        batch.proposal?.inputs.includes(event.spends) === true,
        'a conflict spends one of its coins',
      );
      abort.conflict = event;
      return;
    case 'channel-batch-aborted':
      invariant(
        batch.phase === 'releasing' || abort.conflict !== null,
        'what was pending is forgotten only after a buried conflict',
      );
      batch.phase = 'aborted';
      batch.busyPeers = event.busyPeers;
      batch.endedAtMs = atMs;
      return;
  }
}

function plan(
  channels: Channels,
  event: ChannelEventOf<'channel-batch-planned'>,
  atMs: number,
): void {
  const { batchId, initiator, channels: planned, reserve } = event;
  invariant(!channels.batches.has(batchId), `${batchId} is planned twice`);
  channels.batches.set(batchId, {
    batchId,
    initiator,
    plannedAtMs: atMs,
    channels: planned,
    reserve,
    phase: 'planned',
    funding: [],
    fundedAtMs: null,
    proposal: null,
    wasPending: false,
    backup: 'none',
    statement: null,
    broadcastAtMs: null,
    abort: null,
    busyPeers: [],
    endedAtMs: null,
  });
}
