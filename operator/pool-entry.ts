/** One journal entry of the pool: event, postings and receipt in one body, and the public record made of it. */
import { z } from 'zod';
import type { JournalEntry } from '../journal/entry.ts';
import { corrupt } from '../journal/entry.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import type { Fact } from './apply.ts';
import type { News } from './decision.ts';
import { type Entry, entrySchema } from './ledger/entry.ts';
import { type PoolEvent, poolEvent, unixMs } from './pool-event.ts';
import { type LogRecord, logRecord } from './receipts/log-record.ts';
import { type UnsignedReceipt, unsignedReceipt } from './receipts/unsigned-receipt.ts';

const entryBody = z.strictObject({
  schema: z.literal('weir.pool_entry.v1'),
  /** First entry of the commit batch that this one was written in: one signature covers a batch. */
  batchFirst: z.int().min(1),
  atMs: unixMs,
  event: poolEvent,
  postings: entrySchema.nullable(),
  receipt: unsignedReceipt.nullable(),
});

/** Kinds that come by the thousand a second: each of their fields was parsed within these bounds as it came in. */
const PARSED_BEFORE: ReadonlySet<PoolEvent['kind']> = new Set([
  'quoted',
  'pay-reserved',
  'pay-settled',
  'pay-failed',
  'topup-opened',
  'topup-invoiced',
  'topup-credited',
  'topup-closed',
  'refused',
]);

/**
 * What is written is read back at the next start, or there is none: words of a coordinator, a peer or a person that
 * are beyond the bounds of an event stop here, before anything is made of them.
 *
 * @throws Failure INPUT_INVALID
 */
export function requireReadable(event: PoolEvent): void {
  if (PARSED_BEFORE.has(event.kind)) return;
  const parsed = poolEvent.safeParse(event);
  const field = parsed.error?.issues[0]?.path.join('.');
  if (field === undefined && hasText(event)) return;
  throw new Failure('INPUT_INVALID', `${event.kind} cannot be kept: ${field ?? 'broken text'}`);
}

function hasText(event: PoolEvent): boolean {
  try {
    return canonicalJson(event) !== '';
  } catch {
    return false;
  }
}

/** As it is handed to the journal. */
export interface EntryBody {
  schema: 'weir.pool_entry.v1';
  batchFirst: number;
  atMs: number;
  event: PoolEvent;
  postings: Entry | null;
  receipt: UnsignedReceipt | null;
}

/** The body that is appended; amounts become decimal text in the journal's canonical form. */
export function bodyOf(news: News, at: { atMs: number; batchFirst: number }): EntryBody {
  return {
    schema: 'weir.pool_entry.v1',
    batchFirst: at.batchFirst,
    atMs: at.atMs,
    event: news.event,
    postings: news.entry,
    receipt: news.receipt,
  };
}

/** What an entry says. @throws Failure JOURNAL_CORRUPT for a body that is none of the pool's */
export function factOf(entry: JournalEntry): {
  fact: Fact;
  batchFirst: number;
  receipt: UnsignedReceipt | null;
} {
  const parsed = entryBody.safeParse(entry.body);
  if (!parsed.success) {
    throw corrupt(`entry ${entry.seq} is not of a pool`, parsed.error);
  }
  const { atMs, batchFirst, event, postings, receipt } = parsed.data;
  const fact = {
    seq: entry.seq,
    atMs,
    event,
    entry: postings,
    receiptId: receipt?.receiptId ?? null,
  };
  return { fact, batchFirst, receipt };
}

/** The public record of an entry: when, what kind, and hashes. Nothing private is in it. */
export function recordOf(
  entry: JournalEntry,
  of: { poolId: string; atMs: number; kind: string; receipt: UnsignedReceipt | null },
): LogRecord {
  return logRecord({ ...of, seq: entry.seq, eventSha256: entry.hash });
}
