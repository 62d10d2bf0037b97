/**
 * Values of the pool's state as JSON has them, and back: amounts are marked text, lists that are maps and sets are
 * marked, too. Whatever else is no plain value is refused, so that nothing is written that reads back otherwise. Pure.
 */
import { invariant } from '../../policies/failure.ts';

/** Before decimal digits it is an amount; text of its own that begins so has one more. */
const MARK = '#';
const MARK_CODE = 35;
const MAP = '#map';
const SET = '#set';

/** @throws BrokenInvariant for what JSON would lose: a fraction, a function, an object of a class */
export function plainOf(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
      return value.charCodeAt(0) === MARK_CODE ? `${MARK}${value}` : value;
    case 'bigint':
      return `${MARK}${value}`;
    case 'boolean':
      return value;
    case 'number':
      invariant(Number.isSafeInteger(value), 'a number of the state is an integer');
      return value;
    case 'object':
      return value === null ? null : plainObject(value);
    case 'undefined':
    case 'function':
    case 'symbol':
      invariant(false, `a ${typeof value} is in the state`);
  }
}

function plainObject(value: object): unknown {
  if (Array.isArray(value)) return value.map(plainOf);
  if (value instanceof Map) {
    return [MAP, ...[...value].map(([key, member]) => [plainOf(key), plainOf(member)])];
  }
  if (value instanceof Set) return [SET, ...[...value].map(plainOf)];
  const kind: unknown = Object.getPrototypeOf(value);
  invariant(kind === Object.prototype || kind === null, 'an object of a class is in the state');
  const plain: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    // Absent and undefined are the same to every reader of the state.
    if (member !== undefined) plain[key] = plainOf(member);
  }
  return plain;
}

/** What `plainOf` was given; lists and objects are changed in place. @throws SyntaxError for an amount that is none */
export function valueOf(plain: unknown): unknown {
  if (typeof plain === 'string') return plain.charCodeAt(0) === MARK_CODE ? marked(plain) : plain;
  if (typeof plain !== 'object' || plain === null) return plain;
  if (Array.isArray(plain)) return listOf(plain);
  const object = plain as Record<string, unknown>;
  for (const key of Object.keys(object)) {
    const member = object[key];
    if (typeof member === 'string' || typeof member === 'object') object[key] = valueOf(member);
  }
  return object;
}

function marked(text: string): unknown {
  const rest = text.slice(1);
  return rest.charCodeAt(0) === MARK_CODE ? rest : BigInt(rest);
}

function listOf(plain: unknown[]): unknown {
  const [kind] = plain;
  if (kind === SET) return new Set(plain.slice(1).map(valueOf));
  if (kind === MAP) {
    return new Map(plain.slice(1).map((pair) => valueOf(pair) as [unknown, unknown]));
  }
  return plain.map(valueOf);
}
