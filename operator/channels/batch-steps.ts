/**
 * What is next for a batch of channels, read off its state and nothing else: a restart goes on where the log
 * ends. Pure.
 */
import type { PendingChannel } from '../lightning.ts';
import { type Batch, outpointsOf } from './channel-state.ts';

/**
 * From the request for funding until all are pending. A peer that runs LND forgets the request after ten
 * minutes; less leaves room for its clock and its sweep.
 */
export const PENDING_DEADLINE_MS = 8 * 60_000;
export type BatchStep =
  | { do: 'ask-funding' }
  | { do: 'propose' }
  | { do: 'verify' }
  | { do: 'look-pending' }
  | { do: 'back-up' }
  | { do: 'attest' }
  | { do: 'send-word' }
  | { do: 'finish' }
  /** Nothing was pending: let go of it at the node, the coordinator and the peers. */
  | { do: 'release' }
  /** Something was: the coins move first. */
  | { do: 'conflict' }
  | { do: 'forget' }
  | { do: 'give-up'; why: 'interrupted' | 'reservation_lost' | 'not_pending_in_time' }
  | { do: 'nothing' };

/** The one next step. `isActive`: all its channels are open, as the log says. */
export function batchStep(
  batch: Batch,
  at: { nowMs: number; deadlineMs: number },
  isActive: boolean,
): BatchStep {
  const late = batch.fundedAtMs !== null && at.nowMs - batch.fundedAtMs > at.deadlineMs;
  switch (batch.phase) {
    case 'planned':
      return { do: 'ask-funding' };
    case 'asking':
      // Nobody waits for that answer any more, and its ids are lost with it.
      return { do: 'give-up', why: 'interrupted' };
    case 'funded':
      return late ? { do: 'give-up', why: 'reservation_lost' } : { do: 'propose' };
    case 'proposed':
      return late ? { do: 'give-up', why: 'not_pending_in_time' } : { do: 'verify' };
    case 'verified':
      return late ? { do: 'give-up', why: 'not_pending_in_time' } : { do: 'look-pending' };
    case 'pending':
      return batch.backup === 'pending' ? { do: 'attest' } : { do: 'back-up' };
    case 'attested':
      return { do: 'send-word' };
    case 'broadcast':
      if (!isActive) return { do: 'nothing' };
      return batch.backup === 'confirmed' ? { do: 'finish' } : { do: 'back-up' };
    case 'releasing':
      return { do: 'release' };
    case 'conflicting':
      return batch.abort?.conflict == null ? { do: 'conflict' } : { do: 'forget' };
    case 'done':
    case 'aborted':
      return { do: 'nothing' };
  }
}

/** What the node lists of a batch. `unlike`: at its place stands another channel than was asked for. */
export type PendingLook =
  | { is: 'none' }
  | { is: 'some'; count: number }
  | { is: 'all' }
  | { is: 'unlike'; why: string };

/** Compares outpoint, amount, peer and phase; that is all a pending channel shows. */
export function lookAtPending(batch: Batch, listed: readonly PendingChannel[]): PendingLook {
  const outpoints = outpointsOf(batch);
  let count = 0;
  for (const [at, outpoint] of outpoints.entries()) {
    const wanted = batch.channels[at];
    const seen = listed.find((each) => each.outpoint === outpoint);
    if (seen === undefined || wanted === undefined) continue;
    if (seen.peer !== wanted.peer || seen.capacitySat !== wanted.capacitySat) {
      return { is: 'unlike', why: `channel ${at + 1} has another peer or amount than was asked` };
    }
    if (seen.phase !== 'opening') {
      return { is: 'unlike', why: `channel ${at + 1} is ${seen.phase} before it was open` };
    }
    count += 1;
  }
  if (count === 0) return { is: 'none' };
  return count === outpoints.length ? { is: 'all' } : { is: 'some', count };
}

/** Whether the node holds a channel of this batch that no peer forgets: then only a conflict ends it. */
export function isPendingAnywhere(batch: Batch, listed: readonly PendingChannel[]): boolean {
  const outpoints = new Set(outpointsOf(batch));
  return listed.some(({ outpoint }) => outpoints.has(outpoint));
}

/** How a batch is given up: what may be pending, or may be signed, is never just dropped. */
export function abortRoute(
  batch: Batch,
  listed: readonly PendingChannel[],
): 'release' | 'conflict' {
  const mayBePending = batch.wasPending || batch.statement !== null;
  return mayBePending || isPendingAnywhere(batch, listed) ? 'conflict' : 'release';
}

/** Whether a batch still asks for something: then another one waits. */
export function isBeforePending({ phase }: Batch): boolean {
  return ['planned', 'asking', 'funded', 'proposed', 'verified', 'releasing'].includes(phase);
}
