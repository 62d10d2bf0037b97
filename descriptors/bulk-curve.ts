/**
 * Curve work in bulk: libsecp256k1 in WASM (`tiny-secp256k1`), checked against noble when a deriver or
 * signer is made. There is no fallback: a curve that disagrees stops the process.
 */

import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import * as tiny from 'tiny-secp256k1';
import { invariant } from '../policies/failure.ts';

/** A point with its chain code: what a BIP-32 public child is derived from. */
export interface ChainPoint {
  publicKey: Uint8Array;
  chainCode: Uint8Array;
}

/** A secret with its point and chain code. */
export interface ChainSecret extends ChainPoint {
  privateKey: Uint8Array;
}

/**
 * CKDpub of BIP-32 for many children of one parent, non-hardened: what is the parent's alone is computed
 * once, its half of the HMAC and its point without compression.
 */
export function childPointsOf(parent: ChainPoint): (index: number) => ChainPoint {
  const tweakOf = tweaksOf(parent);
  const point = tiny.pointCompress(parent.publicKey, false);
  return (index) => {
    const [tweak, chainCode] = tweakOf(index);
    // One multiple of the generator and one addition: quicker here than `pointAddScalar`.
    const step = tiny.pointFromScalar(tweak, false);
    const publicKey = step === null ? null : tiny.pointAdd(point, step, true);
    invariant(publicKey !== null, 'BIP-32: a child at infinity, probability 2^-127');
    return { publicKey, chainCode };
  };
}

/** One child. */
export function childPoint(parent: ChainPoint, index: number): ChainPoint {
  return childPointsOf(parent)(index);
}

/** CKDpriv of BIP-32, non-hardened. */
export function childSecret(parent: ChainSecret, index: number): ChainSecret {
  const [tweak, chainCode] = tweaksOf(parent)(index);
  const privateKey = tiny.privateAdd(parent.privateKey, tweak);
  const publicKey = privateKey === null ? null : tiny.pointFromScalar(privateKey, true);
  invariant(privateKey !== null && publicKey !== null, 'BIP-32: a child at infinity');
  return { privateKey, publicKey, chainCode };
}

/** Whether 33 bytes are a point of the curve, compressed (SEC 1). */
export function isCompressedPoint(bytes: Uint8Array): boolean {
  return bytes.length === 33 && tiny.isPoint(bytes);
}

/** ECDSA, RFC 6979 nonce, low S: 64 bytes r ‖ s. */
export function signEcdsa(digest: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return tiny.sign(digest, privateKey);
}

/** Whether 64 bytes r ‖ s with a low S are a signature of `digest` (BIP-146). */
export function verifyEcdsa(
  digest: Uint8Array,
  publicKey: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return tiny.verify(digest, publicKey, signature, true);
  } catch {
    // Not a point, or not a pair of scalars: not a signature.
    return false;
  }
}

/** Stops the process unless WASM and noble agree on fixed values, right and wrong ones. */
export function checkBulkCurve(): void {
  const privateKey = sha256(utf8ToBytes('weir curve check'));
  const digest = sha256(utf8ToBytes('weir curve check message'));
  const publicKey = secp256k1.getPublicKey(privateKey, true);
  const chainCode = sha256(utf8ToBytes('weir curve check chain'));
  const mine = signEcdsa(digest, privateKey);
  const theirs = secp256k1.sign(digest, privateKey, { prehash: false });
  invariant(same(mine, theirs), 'libsecp256k1 and noble sign differently');
  invariant(verifyEcdsa(digest, publicKey, theirs), 'libsecp256k1 rejects a good signature');
  const wrong = Uint8Array.from(theirs, (byte, place) => (place === 40 ? byte ^ 1 : byte));
  invariant(!verifyEcdsa(digest, publicKey, wrong), 'libsecp256k1 accepts a bad signature');
  const child = childSecret({ privateKey, publicKey, chainCode }, 7);
  invariant(
    same(child.publicKey, secp256k1.getPublicKey(child.privateKey, true)) &&
      same(child.publicKey, childPoint({ publicKey, chainCode }, 7).publicKey),
    'libsecp256k1 and noble derive differently',
  );
}

function tweaksOf({
  publicKey,
  chainCode,
}: ChainPoint): (index: number) => [Uint8Array, Uint8Array] {
  const keyed = hmac.create(sha512, chainCode);
  return (index) => {
    invariant(index >= 0 && index < 0x80000000, 'a hardened child needs a private parent');
    const serial = new Uint8Array(4);
    new DataView(serial.buffer).setUint32(0, index);
    const digest = keyed.clone().update(publicKey).update(serial).digest();
    return [digest.slice(0, 32), digest.slice(32)];
  };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, place) => byte === b[place]);
}
