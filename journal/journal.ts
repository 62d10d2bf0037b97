/**
 * What a durable log promises, whoever keeps it: whole entries, in order, on disk before anybody is
 * told. LevelDB keeps it now (`level-journal.ts`), PostgreSQL where one machine is outgrown.
 */
import type { Head, JournalEntry } from './entry.ts';

/** Largest entry: partial signatures for 500 inputs and a raw transaction fit several times. */
export const ENTRY_BYTES_MAX = 16 * 1024 * 1024;
/** Entries in one `append`: more belongs in several. */
export const BATCH_ENTRIES_MAX = 1_000;

export interface Journal {
  /** The last entry that is durable. */
  head(): Head;
  /**
   * Appends all bodies or none, in order, and resolves only when they are durable.
   *
   * @throws Failure INPUT_TOO_LARGE above the bounds; JOURNAL_LOCKED after an append that failed half
   *   way: what is on disk is then unknown until the journal is opened again.
   */
  append(bodies: readonly unknown[]): Promise<readonly JournalEntry[]>;
  /** Entries after `afterSeq`, oldest first, at most `limit`. */
  read(afterSeq: number, limit: number): Promise<readonly JournalEntry[]>;
  close(): Promise<void>;
}

/** Moments of an append at which a crash is tried. */
export type JournalMoment = 'before-batch' | 'after-batch' | 'after-head';

/** Called at each moment; a test throws in it or kills the process. */
export type CrashPoint = (moment: JournalMoment) => void;

/** All entries of a journal in pages, so that a long one needs no long memory. */
export async function* everyEntry(journal: Journal): AsyncGenerator<JournalEntry> {
  const pageSize = 500;
  let after = 0;
  for (;;) {
    const page = await journal.read(after, pageSize);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.seq;
  }
}
