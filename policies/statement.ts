/**
 * Signed statements: a domain, a plain body, a key, a BIP-340 signature. No function here signs a raw
 * digest, so a transaction's sighash can never be smuggled in as a message.
 */
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { taggedHash } from './canonical-json.ts';
import { Failure } from './failure.ts';

/** What a signature can be about. The tag of each is `weir/<domain>/v1`. */
export const DOMAINS = [
  'log-entry',
  'acknowledgement',
  'request',
  'seat-claim',
  'key-record',
  'seat-confirmation',
  'approval',
  'verdict',
  'lp-order',
  'lp-registration',
  'freshness',
  'channels-pending',
] as const;
export type Domain = (typeof DOMAINS)[number];

/** An x-only public key (BIP-340), 32 bytes in hex. */
export const xOnlyKey = z.string().regex(/^[0-9a-f]{64}$/, 'must be 32 bytes in lower-case hex');
/** A BIP-340 signature, 64 bytes in hex. */
export const schnorrSignature = z
  .string()
  .regex(/^[0-9a-f]{128}$/, 'must be 64 bytes in lower-case hex');

export interface Signed<T> {
  body: T;
  key: string;
  signature: string;
}

/** Schema of a signed statement around the schema of its body. */
export function signedSchema<S extends z.ZodType>(body: S) {
  return z.strictObject({ body, key: xOnlyKey, signature: schnorrSignature });
}

/** Digest that a statement's signature covers. */
export function statementDigest(domain: Domain, body: unknown): Uint8Array {
  return taggedHash(`weir/${domain}/v1`, body);
}

/** Signs a body under a domain. `auxRand` is 32 fresh random bytes (BIP-340). */
export function signStatement<T>(
  domain: Domain,
  body: T,
  secretKey: Uint8Array,
  auxRand: Uint8Array,
): Signed<T> {
  const signature = schnorr.sign(statementDigest(domain, body), secretKey, auxRand);
  return {
    body,
    key: bytesToHex(schnorr.getPublicKey(secretKey)),
    signature: bytesToHex(signature),
  };
}

/** Whether the statement carries a valid signature by the key it names. */
export function statementHolds(domain: Domain, statement: Signed<unknown>): boolean {
  try {
    return schnorr.verify(
      hexToBytes(statement.signature),
      statementDigest(domain, statement.body),
      hexToBytes(statement.key),
    );
  } catch {
    // A key that is no point of the curve has no valid signature.
    return false;
  }
}

/** @throws Failure SIGNATURE_INVALID unless `key` signed the statement under `domain`. */
export function requireStatement(domain: Domain, statement: Signed<unknown>, key: string): void {
  if (statement.key !== key || !statementHolds(domain, statement)) {
    throw new Failure('SIGNATURE_INVALID', `this ${domain} is not signed by ${key}`);
  }
}
