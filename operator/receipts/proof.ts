/**
 * PUBLISHED: the proof that a record is in the log, and the document of a receipt with its proof, which
 * verifies offline. Pure.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { invariant } from '../../policies/failure.ts';
import { hex32 } from '../../policies/intent.ts';
import { schnorrSignature, xOnlyKey } from '../../policies/statement.ts';
import { signBatch } from './batch.ts';
import { checkpointSchema, signCheckpoint } from './checkpoint.ts';
import type { ReceiptLog } from './log.ts';
import { type LogRecord, logRecordSchema } from './log-record.ts';
import { PATH_MAX } from './merkle-verify.ts';
import type { PublicReceipt } from './public-receipt.ts';
import type { ReceiptKey } from './schnorr.ts';
import type { WireReceipt } from './unsigned-receipt.ts';

const hashPath = z.array(hex32).max(PATH_MAX);

export const receiptProofSchema = z.strictObject({
  schema: z.literal('weir.receipt_proof.v1'),
  record: logRecordSchema,
  /** The commit batch of the record: its leaf, the path to the batch's root, and the signature over that. */
  batch: z.strictObject({
    first_seq: z.int().min(1),
    n: z.int().min(1),
    root: hex32,
    prev_root: hex32,
    signer: xOnlyKey,
    signature: schnorrSignature,
    index: z.int().min(0),
    path: hashPath,
  }),
  /** The whole log at some later moment, and the record's path in it. Both or none. */
  checkpoint: checkpointSchema.optional(),
  inclusion: hashPath.optional(),
});
export type ReceiptProof = z.infer<typeof receiptProofSchema>;

export const DOCUMENT_SCHEMA = 'weir.receipt_document.v1';

/** What is kept in a file: enough to verify with nothing but the pool's key. */
export interface ReceiptDocument {
  schema: typeof DOCUMENT_SCHEMA;
  receipt: WireReceipt | PublicReceipt;
  proof: ReceiptProof;
}

export function receiptDocument(
  receipt: WireReceipt | PublicReceipt,
  proof: ReceiptProof,
): ReceiptDocument {
  return { schema: DOCUMENT_SCHEMA, receipt, proof };
}

/**
 * Proof of a record against the log as it stands. Signs the batch and the checkpoint: both deterministic.
 *
 * @throws BrokenInvariant for a record that is not in the log
 */
export function proofFor(log: ReceiptLog, record: LogRecord, key: ReceiptKey): ReceiptProof {
  const place = log.placeOf(record.seq);
  invariant(record.pool_id === place.batch.poolId, 'a record of another pool');
  return {
    schema: 'weir.receipt_proof.v1',
    record,
    batch: {
      ...signBatch(place.batch, key),
      index: place.index,
      path: place.batchPath.map(bytesToHex),
    },
    checkpoint: signCheckpoint(place.head, key),
    inclusion: place.path.map(bytesToHex),
  };
}
