/**
 * The hash that receipts, quotes and policy contexts are known by: SHA-256 of the canonical text (RFC 8785).
 * Refused is what two languages would hash differently: fractions, large numbers, keys of two orders. Pure.
 */
import { hash } from 'node:crypto';
import type { Hex32 } from '../../policies/canonical-json.ts';
import { Failure } from '../../policies/failure.ts';

/** Objects and lists within each other: a stack has an end, and a body of a caller chooses its depth. */
export const CANONICAL_DEPTH_MAX = 32;

/** Half of a character beyond the basic plane. UTF-16 and UTF-8 sort keys with such differently. */
const SURROGATE = /[\ud800-\udfff]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * SHA-256, in hex, of the canonical text of a JSON value. What is absent must stand there as `null`.
 *
 * @throws Failure INPUT_INVALID for what JSON readers do not all read the same way: a fraction, an integer
 *   beyond 2^53−1, `undefined`, a bigint, broken text, a key outside the basic plane, more than 32 levels
 */
export function canonicalSha256(value: unknown): Hex32 {
  return hash('sha256', strictCanonicalText(value), 'hex');
}

/** SHA-256 of a text in UTF-8, in hex: how an invoice is named without being shown. */
export function textSha256(text: string): Hex32 {
  return hash('sha256', text, 'hex');
}

/**
 * The text that is hashed: `canonicalJson` of what both take, in one pass, because every receipt and every leaf
 * of the log goes through here.
 *
 * @throws Failure INPUT_INVALID as above
 */
export function strictCanonicalText(value: unknown): string {
  return textOf(value, CANONICAL_DEPTH_MAX);
}

function textOf(value: unknown, depthLeft: number): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return stringText(value);
  if (typeof value === 'number') return integerText(value);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value !== 'object') throw unhashable(`a ${typeof value}`);
  if (depthLeft === 0) throw unhashable(`more than ${CANONICAL_DEPTH_MAX} levels`);
  return Array.isArray(value) ? listText(value, depthLeft) : objectText(value, depthLeft);
}

function stringText(text: string): string {
  if (SURROGATE.test(text) && LONE_SURROGATE.test(text)) {
    throw unhashable('text that is not Unicode');
  }
  return JSON.stringify(text);
}

function integerText(value: number): string {
  if (Number.isSafeInteger(value)) return JSON.stringify(value);
  throw unhashable('a number that is no integer, or above 2^53-1: write it as text');
}

function listText(list: readonly unknown[], depthLeft: number): string {
  let text = '';
  for (const item of list) text += `${text === '' ? '' : ','}${textOf(item, depthLeft - 1)}`;
  return `[${text}]`;
}

function objectText(object: object, depthLeft: number): string {
  // An object with a prototype of its own would be hashed as something else than it shows.
  if (Object.getPrototypeOf(object) !== Object.prototype) throw unhashable('no plain object');
  const members: Readonly<Record<string, unknown>> = { ...object };
  let text = '';
  // UTF-16 order, as RFC 8785 has it.
  for (const key of Object.keys(members).toSorted()) {
    if (SURROGATE.test(key)) throw unhashable('a key with a character beyond the basic plane');
    const member = textOf(members[key], depthLeft - 1);
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${member}`;
  }
  return `{${text}}`;
}

function unhashable(what: string): Failure {
  return new Failure('INPUT_INVALID', `${what} has no canonical hash`);
}
