/** Entries of a journal: numbered from 1, each hashed over the one before. Pure. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson, type Hex32 } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';

/** What to do about a journal that does not hold: nothing in it is to be mended by hand. */
export const KEEP_AND_RESTORE = 'keep the folder as it is and restore from a backup';

/** One durable fact. `body` is any plain value; it is kept in its canonical form (RFC 8785). */
export interface JournalEntry {
  seq: number;
  previous: Hex32;
  hash: Hex32;
  body: unknown;
}

/** Where a journal stands: its last entry, or `GENESIS` while it is empty. */
export interface Head {
  seq: number;
  hash: Hex32;
}

/** Head of a journal nobody wrote to. */
export const GENESIS: Head = { seq: 0, hash: '0'.repeat(64) };

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const headSchema = z.strictObject({ seq: z.int().min(0), hash: hex32 });
const entrySchema = z.strictObject({
  seq: z.int().min(1),
  previous: hex32,
  hash: hex32,
  body: z.unknown(),
});

/** The entry that continues a head; its hash covers its place and its content. */
export function nextEntry(head: Head, body: unknown): JournalEntry {
  return nextStored(head, { body, text: canonicalJson(body) }).entry;
}

/** The same, with the text of the entry, for a body whose canonical text is known: it is made once and not thrice. */
export function nextStored(
  head: Head,
  { body, text }: { body: unknown; text: string },
): { entry: JournalEntry; text: string } {
  const place = { seq: head.seq + 1, previous: head.hash };
  const entry = { ...place, hash: hashOfText(text, place), body };
  return { entry, text: `${BODY}${text}${tailOf(entry)}` };
}

/**
 * Reads the stored text of the entry after a head.
 *
 * @throws Failure JOURNAL_CORRUPT unless it is one, continues the head, and hashes to what it says
 */
export function storedAfter(head: Head, text: string): JournalEntry {
  const entry = parseEntry(text);
  requireNext(entry, head);
  const tail = tailOf(entry);
  const isWhole = text.startsWith(BODY) && text.endsWith(tail);
  const body = text.slice(BODY.length, text.length - tail.length);
  if (!isWhole || hashOfText(body, entry) !== entry.hash) throw notItsHash(entry);
  return entry;
}

/**
 * Follows a chain from a head and gives the head it ends at.
 *
 * @throws Failure JOURNAL_CORRUPT unless each entry continues the one before and hashes to what it says.
 */
export function verifyChain(entries: Iterable<JournalEntry>, from: Head): Head {
  let head = from;
  for (const entry of entries) {
    requireNext(entry, head);
    const { seq, previous, body } = entry;
    if (taggedHash(canonicalJson({ seq, previous, body })) !== entry.hash) throw notItsHash(entry);
    head = headOf(entry);
  }
  return head;
}

/** Where a journal stands that ends with this entry. */
export function headOf({ seq, hash }: JournalEntry): Head {
  return { seq, hash };
}

/** Text of an entry as it is stored: the canonical form, RFC 8785. */
export function entryText(entry: JournalEntry): string {
  return canonicalJson(entry);
}

/** Reads `entryText`; the chain is not looked at. @throws Failure JOURNAL_CORRUPT for any other text. */
export function parseEntry(text: string): JournalEntry {
  try {
    const { seq, previous, hash, body } = entrySchema.parse(JSON.parse(text));
    return { seq, previous, hash, body };
  } catch (cause) {
    throw corrupt('an entry is not what was written', cause);
  }
}

/** Reads a stored head. @throws Failure JOURNAL_CORRUPT for any other text. */
export function parseHead(text: string): Head {
  try {
    return headSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw corrupt('the head is not what was written', cause);
  }
}

/** A JOURNAL_CORRUPT that says what was found and what to do about it. */
export function corrupt(found: string, cause?: unknown): Failure {
  return new Failure('JOURNAL_CORRUPT', `${found}: ${KEEP_AND_RESTORE}`, { cause });
}

function requireNext({ seq, previous }: JournalEntry, head: Head): void {
  if (seq === head.seq + 1 && previous === head.hash) return;
  throw corrupt(`entry ${seq} does not continue entry ${head.seq}`);
}

function notItsHash({ seq }: JournalEntry): Failure {
  return corrupt(`entry ${seq} does not hash to what it says`);
}

/** Canonical texts begin with the body and end with the rest: keys are sorted (RFC 8785). */
const BODY = '{"body":';

function tailOf({ hash, previous, seq }: Omit<JournalEntry, 'body'>): string {
  return `,"hash":"${hash}","previous":"${previous}","seq":${seq}}`;
}

/** BIP-340 tagged hashing begins with the tag's hash, twice. */
const TAG = createHash('sha256').update('weir/journal-entry/v1').digest();
const TAGGED = createHash('sha256').update(TAG).update(TAG);

/** Tagged hash of the canonical text of `seq`, `previous` and a body given as its own canonical text. */
function hashOfText(body: string, { previous, seq }: { previous: Hex32; seq: number }): Hex32 {
  return taggedHash(`${BODY}${body},"previous":"${previous}","seq":${seq}}`);
}

function taggedHash(text: string): Hex32 {
  return TAGGED.copy().update(text).digest('hex');
}
