/**
 * Bearer tokens: 256 random bits, shown once. Only the SHA-256 is kept and looked up, so comparing takes no
 * secret time: whoever measures it learns something of a hash that he cannot turn into a token. Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { base64urlnopad } from '@scure/base';
import { invariant } from '../../policies/failure.ts';

/** Lets a scanner of leaked secrets know what it found. */
const PREFIX = 'wt_';
const RANDOM_BYTES = 32;
/** 32 bytes are 43 characters of base64url. */
const TOKEN = /^wt_[A-Za-z0-9_-]{43}$/;

/** @param random 32 bytes of a cryptographic source. */
export function mintToken(random: Uint8Array): { token: string; tokenHash: string } {
  invariant(random.length === RANDOM_BYTES, `a token needs ${RANDOM_BYTES} random bytes`);
  const token = PREFIX + base64urlnopad.encode(random);
  return { token, tokenHash: hashOf(token) };
}

/** SHA-256 in hex, or null for what was never a token of ours. */
export function tokenHash(token: string): string | null {
  return TOKEN.test(token) ? hashOf(token) : null;
}

function hashOf(token: string): string {
  return bytesToHex(sha256(utf8ToBytes(token)));
}
