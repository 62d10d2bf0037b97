/** Entries of a journal: numbered from 1, each hashed over the one before. Pure. */
import { type Hex32, taggedHashHex } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';

/** One durable fact. `body` is any plain value; it is hashed in its canonical form (RFC 8785). */
export interface JournalEntry {
  seq: number;
  previous: Hex32;
  hash: Hex32;
  body: unknown;
}

/** Where a journal stands: its last entry, or seq 0 for an empty one. */
export interface Head {
  seq: number;
  hash: Hex32;
}

/** Head of a journal nobody wrote to. */
export const EMPTY_HEAD: Head = { seq: 0, hash: '0'.repeat(64) };

/** Hash of an entry, over its place and its content. */
export function entryHash(entry: Omit<JournalEntry, 'hash'>): Hex32 {
  const { seq, previous, body } = entry;
  return taggedHashHex('weir/journal-entry/v1', { seq, previous, body });
}

/** The entry that continues a head. */
export function nextEntry(head: Head, body: unknown): JournalEntry {
  const place = { seq: head.seq + 1, previous: head.hash, body };
  return { ...place, hash: entryHash(place) };
}

/** @throws Failure JOURNAL_CORRUPT unless `entry` continues `head` and hashes to what it says. */
export function requireNext(head: Head, entry: JournalEntry): void {
  if (entry.seq !== head.seq + 1 || entry.previous !== head.hash) {
    throw new Failure('JOURNAL_CORRUPT', `entry ${entry.seq} does not continue entry ${head.seq}`);
  }
  if (entryHash(entry) !== entry.hash) {
    throw new Failure('JOURNAL_CORRUPT', `entry ${entry.seq} does not hash to what it says`);
  }
}
