/**
 * The public record of one journal entry, and its leaf in the log. Nothing private is in it: when, what kind,
 * and hashes. Pure.
 */
import { z } from 'zod';
import type { Hex32 } from '../../policies/canonical-json.ts';
import { hex32, label } from '../../policies/intent.ts';
import { strictCanonicalText } from './canonical.ts';
import { leafHash } from './merkle.ts';
import type { UnsignedReceipt } from './unsigned-receipt.ts';

export const LOG_RECORD_SCHEMA = 'weir.log_record.v1';

export const logRecordSchema = z.strictObject({
  schema: z.literal(LOG_RECORD_SCHEMA),
  pool_id: label,
  /** Entries are numbered from 1; leaf `seq - 1` of the tree. */
  seq: z.int().min(1),
  at_ms: z.int().min(0),
  kind: z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be a-z, 0-9, -, at most 64'),
  /** Hash of the journal entry: it covers the private event and, by its chain, all before it. */
  event_sha256: hex32,
  receipt: z
    .strictObject({
      schema: z.string().regex(/^[a-z0-9._]{1,80}$/, 'must be a-z, 0-9, . and _, at most 80'),
      id: z.string().regex(/^[a-z0-9_]{1,64}$/, 'must be a-z, 0-9, _, at most 64'),
      canonical_json_sha256: hex32,
      extensions_sha256: hex32,
      /** Over the fields that everybody may see, so that a public receipt verifies, too. */
      public_sha256: hex32,
    })
    .optional(),
});
export type LogRecord = z.infer<typeof logRecordSchema>;

export interface LoggedEntry {
  poolId: string;
  seq: number;
  atMs: number;
  kind: string;
  eventSha256: Hex32;
  receipt: UnsignedReceipt | null;
}

export function logRecord({
  poolId,
  seq,
  atMs,
  kind,
  eventSha256,
  receipt,
}: LoggedEntry): LogRecord {
  return {
    schema: LOG_RECORD_SCHEMA,
    pool_id: poolId,
    seq,
    at_ms: atMs,
    kind,
    event_sha256: eventSha256,
    ...(receipt === null ? {} : { receipt: receiptRefOf(receipt) }),
  };
}

/** Hash of a record as a leaf: over its canonical text (RFC 8785). */
export function recordLeaf(record: LogRecord): Uint8Array {
  return leafHash(Buffer.from(strictCanonicalText(record), 'utf8'));
}

function receiptRefOf(receipt: UnsignedReceipt): NonNullable<LogRecord['receipt']> {
  return {
    schema: receipt.schema,
    id: receipt.receiptId,
    canonical_json_sha256: receipt.canonicalSha256,
    extensions_sha256: receipt.extensionsSha256,
    public_sha256: receipt.publicSha256,
  };
}
