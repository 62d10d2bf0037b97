/**
 * The one writer: decisions in order, applied at once, durable in batches, answered only then. State seen by a
 * decision may be ahead of the disk; no answer and no effect is.
 */
import type { Journal } from '../journal/journal.ts';
import { BrokenInvariant } from '../policies/failure.ts';
import { apply } from './apply.ts';
import type { Checkpoint } from './checkpoint/lines.ts';
import { keep, restored } from './checkpoint/restart.ts';
import type { CheckpointStore } from './checkpoint/store.ts';
import { commitQueue, type Dated } from './commit-queue.ts';
import type { Decide, News } from './decision.ts';
import { bodyOf, recordOf, requireReadable } from './pool-entry.ts';
import type { PoolState } from './pool-state.ts';
import type { ReceiptLog } from './receipts/log.ts';
import type { LogRecord } from './receipts/log-record.ts';

export interface Engine {
  /** State as decided, perhaps ahead of the disk: for decisions and effects that check again. */
  state(): PoolState;
  receipts(): ReceiptLog;
  journal: Journal;
  /**
   * Decides, and resolves when what was decided is durable.
   *
   * @throws Failure INPUT_INVALID for what could not be read back; NOT_READY when too many wait; JOURNAL_LOCKED when the disk does not take it: the process must stop
   */
  act<T>(decide: Decide<T>): Promise<T>;
  /**
   * Resolves when everything decided so far is durable: then what is read has happened.
   *
   * @throws Failure JOURNAL_LOCKED when the disk refused some of it
   */
  durable(): Promise<void>;
  /** Called after each durable batch, until the answer is called. */
  onDurable(listener: (news: readonly News[]) => void): () => void;
  close(): Promise<void>;
}

export interface EngineOptions {
  journal: Journal;
  now: () => number;
  /** Called once when the disk does not take a batch: nothing is known any more. */
  onFatal: (cause: unknown) => void;
  /** Where checkpoints are kept; without one every entry is replayed. */
  checkpoint?: CheckpointStore | null;
}

/** Goes on from where the journal ends, by way of the checkpoint if there is one. @throws Failure JOURNAL_CORRUPT */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { journal, checkpoint: store = null } = options;
  const { fromSeq, ...restart } = await restored(journal, store);
  if (store === null || restart.head.seq - fromSeq < store.rhythm.replayed) {
    return runningEngine(options, restart, fromSeq);
  }
  await keep(store, restart);
  return runningEngine(options, restart, restart.head.seq);
}

function entryLost(seq: number): never {
  throw new BrokenInvariant(`the journal gave entry ${seq} for nothing that was appended`);
}

function runningEngine(
  { journal, now, onFatal, checkpoint: store = null }: EngineOptions,
  { state, receipts }: Checkpoint,
  keptSeq: number,
): Engine {
  const listeners = new Set<(news: readonly News[]) => void>();
  let durableSeq = state.seq;
  const queue = commitQueue({
    async write(dated) {
      const records = await appended(journal, dated, {
        first: durableSeq + 1,
        poolId: () => state.opened?.poolId ?? '',
      });
      receipts.appendBatch(records);
      durableSeq += dated.length;
    },
    written: (news) => {
      for (const listener of listeners) listener(news);
    },
    onFatal,
  });

  return {
    state: () => state,
    receipts: () => receipts,
    journal,
    async act(decide) {
      queue.requireRoom();
      const atMs = Math.max(now(), state.atMs);
      const { news, answer } = decide(state, atMs);
      for (const { event } of news) requireReadable(event);
      try {
        for (const each of news) applyNews(state, each, atMs);
      } catch (cause) {
        // The state is no longer what the journal says: nothing may be decided on it.
        queue.stop(cause);
        throw cause;
      }
      if (news.length > 0 || queue.busy())
        await queue.add(news.map((each) => ({ news: each, atMs })));
      return answer;
    },
    durable: () => queue.settled(),
    onDurable(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      // Whoever waited for a disk that refused was told; there is a journal to close all the same.
      await queue.settled().catch(() => undefined);
      const head = journal.head();
      // A state ahead of a disk that failed is nobody's.
      const isWhole = state.seq === head.seq && receipts.size() === head.seq;
      try {
        if (store !== null && isWhole && head.seq - keptSeq >= store.rhythm.added) {
          await keep(store, { head, state, receipts });
        }
      } finally {
        await journal.close();
      }
    },
  };
}

function applyNews(state: PoolState, { event, entry, receipt }: News, atMs: number): void {
  const receiptId = receipt?.receiptId ?? null;
  apply(state, { seq: state.seq + 1, atMs, event, entry, receiptId });
}

/** Appends a batch and gives the public records of its entries. */
async function appended(
  journal: Journal,
  dated: readonly Dated[],
  { first, poolId }: { first: number; poolId: () => string },
): Promise<LogRecord[]> {
  const bodies = dated.map(({ news, atMs }) => bodyOf(news, { atMs, batchFirst: first }));
  const entries = await journal.append(bodies);
  return entries.map((entry, index) => {
    const { news, atMs } = dated[index] ?? entryLost(entry.seq);
    const { event, receipt } = news;
    return recordOf(entry, { poolId: poolId(), atMs, kind: event.kind, receipt });
  });
}
