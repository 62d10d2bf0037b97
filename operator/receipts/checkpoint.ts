/** The signed size and root of the whole log: whoever holds two of them can see whether one extends the other. Pure. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { type Hex32, taggedHashHex } from '../../policies/canonical-json.ts';
import { hex32 } from '../../policies/intent.ts';
import { schnorrSignature, xOnlyKey } from '../../policies/statement.ts';
import type { LogHead } from './log.ts';
import { type ReceiptKey, schnorrHolds, signDigest } from './schnorr.ts';

const TAG = 'weir/checkpoint/v1';

export const checkpointSchema = z.strictObject({
  schema: z.literal('weir.checkpoint.v1'),
  /** `weir/` and the pool's id. */
  origin: z.string().max(80),
  size: z.int().min(0),
  root: hex32,
  /** When the newest record in it was booked. */
  at_ms: z.int().min(0),
  signer: xOnlyKey,
  signature: schnorrSignature,
});
export type Checkpoint = z.infer<typeof checkpointSchema>;

export function originOf(poolId: string): string {
  return `weir/${poolId}`;
}

/** The same head gives the same bytes, whenever it is signed. */
export function signCheckpoint(head: LogHead, key: ReceiptKey): Checkpoint {
  const body = {
    schema: 'weir.checkpoint.v1' as const,
    origin: originOf(head.poolId),
    size: head.size,
    root: bytesToHex(head.root),
    at_ms: head.atMs,
  };
  const signature = signDigest(checkpointDigest(body), key);
  return { ...body, signer: key.publicKey, signature };
}

/** Whether `publicKey` signed this checkpoint of this pool's log. */
export function checkpointHolds(poolId: string, checkpoint: Checkpoint, publicKey: Hex32): boolean {
  const { signer, signature, ...body } = checkpoint;
  return (
    body.origin === originOf(poolId) &&
    signer === publicKey &&
    schnorrHolds(signature, checkpointDigest(body), publicKey)
  );
}

function checkpointDigest(body: Omit<Checkpoint, 'signer' | 'signature'>): Hex32 {
  return taggedHashHex(TAG, body);
}
