/**
 * The signature of a commit batch: one for all entries that became durable together, BIP-340 over a tagged hash
 * of the batch's root and its place. Made again at any time, it is the same. Pure.
 */
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { type Hex32, taggedHashOfBytes } from '../../policies/canonical-json.ts';
import type { LogBatch } from './log.ts';
import { type ReceiptKey, schnorrHolds, signDigest } from './schnorr.ts';

const TAG = 'openagents/batch/v1';

/** As it travels. Roots in hex. */
export interface SignedBatch {
  first_seq: number;
  n: number;
  root: Hex32;
  /** Root of the batch before, 32 zero bytes before the first: batches cannot be left out or swapped. */
  prev_root: Hex32;
  signer: Hex32;
  signature: string;
}

export function signBatch(batch: LogBatch, key: ReceiptKey): SignedBatch {
  const place = {
    first_seq: batch.firstSeq,
    n: batch.n,
    root: bytesToHex(batch.root),
    prev_root: bytesToHex(batch.prevRoot),
  };
  const signature = signDigest(batchDigest(batch.poolId, place), key);
  return { ...place, signer: key.publicKey, signature };
}

/** Whether `publicKey` signed this batch of this pool. */
export function batchHolds(poolId: string, batch: SignedBatch, publicKey: Hex32): boolean {
  return (
    batch.signer === publicKey &&
    schnorrHolds(batch.signature, batchDigest(poolId, batch), publicKey)
  );
}

/** Tagged hash of pool id ‖ u64 first_seq ‖ u64 n ‖ root ‖ prev_root, integers big-endian. */
export function batchDigest(
  poolId: string,
  batch: Omit<SignedBatch, 'signer' | 'signature'>,
): Hex32 {
  const place = Buffer.alloc(16);
  place.writeBigUInt64BE(BigInt(batch.first_seq), 0);
  place.writeBigUInt64BE(BigInt(batch.n), 8);
  const message = concatBytes(
    utf8ToBytes(poolId),
    place,
    hexToBytes(batch.root),
    hexToBytes(batch.prev_root),
  );
  return bytesToHex(taggedHashOfBytes(TAG, message));
}
