/** The one byte-exact encoding of anything that is hashed or signed: RFC 8785, bigints as decimal text. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import canonicalize from 'canonicalize';
import { invariant } from './failure.ts';

/** 32 bytes in lower-case hex. */
export type Hex32 = string;

/**
 * RFC 8785 text of a plain value. A bigint becomes its decimal digits in a string, so that no amount
 * passes through a float; `undefined` members are left out.
 */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(toWire(value));
  invariant(text !== undefined, 'only plain values have a canonical form');
  return text;
}

/** BIP-340 tagged hash of the canonical form: sha256(sha256(tag) ‖ sha256(tag) ‖ text). */
export function taggedHash(tag: string, value: unknown): Uint8Array {
  return taggedHashOfBytes(tag, utf8ToBytes(canonicalJson(value)));
}

/** The same over bytes. */
export function taggedHashOfBytes(tag: string, bytes: Uint8Array): Uint8Array {
  const prefix = sha256(utf8ToBytes(tag));
  return sha256(concatBytes(prefix, prefix, bytes));
}

/** Tagged hash in hex, as ids are written everywhere. */
export function taggedHashHex(tag: string, value: unknown): Hex32 {
  return bytesToHex(taggedHash(tag, value));
}

/** The plain value that travels: bigints as decimal text, everything else as it is. */
export function toWire(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return value.map(toWire);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toWire(member)]));
  }
  return value;
}
