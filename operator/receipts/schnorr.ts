/**
 * BIP-340 signatures of the receipt key: libsecp256k1 in WASM makes them, checked against noble before the
 * first; noble verifies them, so that no library vouches for itself. Auxiliary randomness is all zero: the same
 * receipt has the same signature for ever. Pure.
 */
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import * as tiny from 'tiny-secp256k1';
import type { Hex32 } from '../../policies/canonical-json.ts';
import { invariant } from '../../policies/failure.ts';

const NO_AUX_RAND = new Uint8Array(32);

/** A receipt key: its own, never one of Nostr or of money, because it signs bare hashes of receipts. */
export interface ReceiptKey {
  secretKey: Uint8Array;
  /** x-only, in hex. */
  publicKey: Hex32;
}

/** The key of a secret. Stops the process unless WASM and noble sign the same bytes. */
export function receiptKey(secretKey: Uint8Array): ReceiptKey {
  checkReceiptCurve();
  return { secretKey, publicKey: publicKeyOf(secretKey) };
}

/** x-only key of a secret, in hex. */
export function publicKeyOf(secretKey: Uint8Array): Hex32 {
  return bytesToHex(tiny.xOnlyPointFromScalar(secretKey));
}

/** 64 bytes in hex. Called with digests that this room made itself, never with one it was given. */
export function signDigest(digest: Hex32, { secretKey }: Pick<ReceiptKey, 'secretKey'>): string {
  return bytesToHex(tiny.signSchnorr(hexToBytes(digest), secretKey, NO_AUX_RAND));
}

/** Whether this is a signature of `digest` by an x-only key; false for bytes that are neither. */
export function schnorrHolds(signature: string, digest: Hex32, publicKey: Hex32): boolean {
  try {
    return schnorr.verify(hexToBytes(signature), hexToBytes(digest), hexToBytes(publicKey));
  } catch {
    // Not a point, or not a pair of scalars: not a signature.
    return false;
  }
}

function checkReceiptCurve(): void {
  const secretKey = sha256(utf8ToBytes('weir receipt curve check'));
  const digest = sha256(utf8ToBytes('weir receipt curve check message'));
  const mine = signDigest(bytesToHex(digest), { secretKey });
  const theirs = bytesToHex(schnorr.sign(digest, secretKey, NO_AUX_RAND));
  invariant(mine === theirs, 'libsecp256k1 and noble sign differently');
  const key = publicKeyOf(secretKey);
  invariant(
    key === bytesToHex(schnorr.getPublicKey(secretKey)),
    'libsecp256k1 and noble disagree on a public key',
  );
}
