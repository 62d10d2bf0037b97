/**
 * From the disk to the pool as it was: the newest checkpoint, where it is of this journal, and the entries after it;
 * else all of them. Written again where that took long, and when the pool closes.
 *
 * Not while it runs: the state is one object that every decision changes, so writing it would either hold up every
 * caller for seconds or need it twice in memory. A kill costs the replay of what this run added.
 */
import type { Head } from '../../journal/entry.ts';
import { everyEntry, type Journal } from '../../journal/journal.ts';
import { openJournal } from '../../journal/level-journal.ts';
import { BrokenInvariant, Failure } from '../../policies/failure.ts';
import { apply } from '../apply.ts';
import { factOf, recordOf } from '../pool-entry.ts';
import { emptyPool } from '../pool-state.ts';
import { emptyReceiptLog } from '../receipts/log.ts';
import type { LogRecord } from '../receipts/log-record.ts';
import type { Checkpoint } from './lines.ts';
import type { CheckpointStore } from './store.ts';

/**
 * Opens a journal, checking only what is after the head of a checkpoint. Where that head is not in it, all is checked.
 *
 * @throws Failure as `openJournal`
 */
export async function openBooks(dir: string, checkedUpTo: Head | null): Promise<Journal> {
  if (checkedUpTo === null) return openJournal(dir);
  try {
    return await openJournal(dir, undefined, { checkedUpTo });
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.code !== 'JOURNAL_CORRUPT') throw cause;
    return openJournal(dir);
  }
}

/** The pool after the last entry. @throws Failure JOURNAL_CORRUPT; BrokenInvariant when the log contradicts itself */
export async function restored(
  journal: Journal,
  store: CheckpointStore | null,
): Promise<Checkpoint & { fromSeq: number }> {
  const found = await startingPoint(journal, store);
  const { state, receipts } = found ?? { state: emptyPool(), receipts: emptyReceiptLog() };
  const fromSeq = found?.head.seq ?? 0;
  let batch: LogRecord[] = [];
  for await (const entry of everyEntry(journal, fromSeq)) {
    const { fact, batchFirst, receipt } = factOf(entry);
    if (batchFirst === entry.seq && batch.length > 0) {
      receipts.appendBatch(batch);
      batch = [];
    }
    apply(state, fact);
    const { atMs, event } = fact;
    const poolId = state.opened?.poolId ?? '';
    batch.push(recordOf(entry, { poolId, atMs, kind: event.kind, receipt }));
  }
  receipts.appendBatch(batch);
  return { head: journal.head(), state, receipts, fromSeq };
}

async function startingPoint(
  journal: Journal,
  store: CheckpointStore | null,
): Promise<Checkpoint | null> {
  const found = (await store?.load()) ?? null;
  if (found === null || (await holds(journal, found.head))) return found;
  const { seq } = found.head;
  const after = seq > journal.head().seq ? `, which ends at ${journal.head().seq}` : '';
  store?.note(`the checkpoint is not used: its entry ${seq} is not in the journal${after}`);
  return null;
}

async function holds(journal: Journal, { seq, hash }: Head): Promise<boolean> {
  if (seq > journal.head().seq) return false;
  const [entry] = await journal.read(seq - 1, 1);
  return entry?.hash === hash;
}

/** Writes a checkpoint; a disk that does not take it costs a longer restart and nothing else. */
export async function keep(store: CheckpointStore, checkpoint: Checkpoint): Promise<void> {
  try {
    await store.save(checkpoint);
  } catch (cause) {
    if (cause instanceof BrokenInvariant) throw cause;
    store.note(`no checkpoint is written: ${cause instanceof Error ? cause.message : 'unknown'}`);
  }
}
