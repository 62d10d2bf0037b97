/**
 * The hash that receipts, quotes and policy contexts are known by: SHA-256 of the canonical text. Stricter
 * than RFC 8785 where two languages would disagree: no fractions, no large numbers, one order of keys. Pure.
 */
import { hash } from 'node:crypto';
import { canonicalJson, type Hex32 } from '../../policies/canonical-json.ts';
import { Failure } from '../../policies/failure.ts';

/** Objects and lists within each other: a stack has an end, and a body of a caller chooses its depth. */
export const CANONICAL_DEPTH_MAX = 32;

/** Half of a character beyond the basic plane. UTF-16 and UTF-8 sort keys with such differently. */
const SURROGATE = /[\ud800-\udfff]/;

/**
 * SHA-256, in hex, of the canonical text of a JSON value. What is absent must stand there as `null`.
 *
 * @throws Failure INPUT_INVALID for what JSON readers do not all read the same way: a fraction, an integer
 *   beyond 2^53−1, `undefined`, a bigint, broken text, a key outside the basic plane, more than 32 levels
 */
export function canonicalSha256(value: unknown): Hex32 {
  requireHashable(value, CANONICAL_DEPTH_MAX);
  return hash('sha256', canonicalJson(value), 'hex');
}

/** SHA-256 of a text in UTF-8, in hex: how an invoice is named without being shown. */
export function textSha256(text: string): Hex32 {
  return hash('sha256', text, 'hex');
}

function requireHashable(value: unknown, depthLeft: number): void {
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    if (!SURROGATE.test(value) || isWellFormed(value)) return;
    throw unhashable('text that is not Unicode');
  }
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return;
    throw unhashable('a number that is no integer, or above 2^53-1: write it as text');
  }
  if (typeof value !== 'object') throw unhashable(`a ${typeof value}`);
  if (depthLeft === 0) throw unhashable(`more than ${CANONICAL_DEPTH_MAX} levels`);
  if (Array.isArray(value)) {
    for (const item of value) requireHashable(item, depthLeft - 1);
    return;
  }
  requirePlain(value);
  for (const [key, member] of Object.entries(value)) {
    if (SURROGATE.test(key)) throw unhashable('a key with a character beyond the basic plane');
    requireHashable(member, depthLeft - 1);
  }
}

/** An object with a prototype of its own, or with `toJSON`, would be hashed as something else than it shows. */
function requirePlain(value: object): void {
  if (Object.getPrototypeOf(value) !== Object.prototype) throw unhashable('no plain object');
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') throw unhashable('a toJSON');
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function unhashable(what: string): Failure {
  return new Failure('INPUT_INVALID', `${what} has no canonical hash`);
}
