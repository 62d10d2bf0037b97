/**
 * What a durable log promises, whoever keeps it: whole entries, in order, on disk before anybody is
 * told. LevelDB keeps it now (`level-journal.ts`), PostgreSQL where one machine is outgrown.
 */
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import type { Head, JournalEntry } from './entry.ts';

/** Bytes of one body: partial signatures for 500 inputs and a raw transaction fit several times. */
export const ENTRY_BYTES_MAX = 16 * 1024 * 1024;
/** Entries in one `append`: more belongs in several. */
export const BATCH_ENTRIES_MAX = 1_000;
/** Bytes of all bodies of one `append`: it is held in memory several times while it is written. */
export const BATCH_BYTES_MAX = 64 * 1024 * 1024;
/** Appends that wait for the one before: more means that the disk does not keep up. */
export const APPENDS_WAITING_MAX = 256;
/** Entries in one page of `read`. */
export const PAGE_ENTRIES_MAX = 1_000;
/** A page ends with the entry that brings it to this many characters. */
export const PAGE_CHARS_MAX = 16 * 1024 * 1024;

export interface Journal {
  /** The last entry that is durable. */
  head(): Head;
  /**
   * Appends all bodies or none, in the order of the calls, and resolves only when they are durable.
   * Bodies are taken as they are at the moment of the call.
   *
   * @throws Failure INPUT_TOO_LARGE above the bounds; NOT_READY when too many appends wait; WRONG_STATE
   *   after `close`; JOURNAL_LOCKED when writing failed, and for every append after that: whether these
   *   entries are in the journal is unknown until it is opened again.
   */
  append(bodies: readonly unknown[]): Promise<readonly JournalEntry[]>;
  /**
   * Durable entries after `afterSeq`, oldest first: at most `limit`, fewer where a page is full, none
   * only at the head.
   *
   * @throws Failure INPUT_INVALID for a place or limit that is none; JOURNAL_CORRUPT when an entry is no
   *   longer what was written; WRONG_STATE after `close`.
   */
  read(afterSeq: number, limit: number): Promise<readonly JournalEntry[]>;
  /** Finishes the appends that wait, then lets go of the store. Twice is once. */
  close(): Promise<void>;
}

/** All entries of a journal after `afterSeq`, in pages, so that a long one needs no long memory. */
export async function* everyEntry(journal: Journal, afterSeq = 0): AsyncGenerator<JournalEntry> {
  let after = afterSeq;
  for (;;) {
    const page = await journal.read(after, PAGE_ENTRIES_MAX);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.seq;
  }
}

/** A body as it is kept: its canonical text, and a copy that is what that text says. */
export interface PlainBody {
  body: unknown;
  text: string;
}

/**
 * Bodies as a journal keeps them: copies that hash to the same when they are read back.
 *
 * @throws Failure INPUT_TOO_LARGE above the bounds of an entry or a batch.
 */
export function plainBodies(bodies: readonly unknown[]): readonly PlainBody[] {
  if (bodies.length > BATCH_ENTRIES_MAX) {
    throw tooLarge(`${bodies.length} entries at once`, `${BATCH_ENTRIES_MAX} entries`);
  }
  let batchBytes = 0;
  return bodies.map((body) => {
    const text = canonicalJson(body);
    const bytes = Buffer.byteLength(text);
    if (bytes > ENTRY_BYTES_MAX) throw tooLarge(`an entry of ${bytes} bytes`, `${ENTRY_BYTES_MAX}`);
    batchBytes += bytes;
    if (batchBytes > BATCH_BYTES_MAX) {
      throw tooLarge(`a batch of over ${batchBytes} bytes`, `${BATCH_BYTES_MAX}`);
    }
    return { body: JSON.parse(text) as unknown, text };
  });
}

/** @throws Failure INPUT_INVALID unless these name a page: a seq from 0 and at least one entry. */
export function requirePage(afterSeq: number, limit: number): void {
  if (!Number.isSafeInteger(afterSeq) || afterSeq < 0) {
    throw new Failure('INPUT_INVALID', `afterSeq ${afterSeq} is not the number of an entry or 0`);
  }
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new Failure('INPUT_INVALID', `limit ${limit} is not a number of entries from 1`);
  }
}

function tooLarge(found: string, allowed: string): Failure {
  return new Failure('INPUT_TOO_LARGE', `${found}, allowed are ${allowed}: append it in parts`);
}
