/**
 * JSON of callers, read strictly: no number but an integer that every reader keeps exactly, no key with
 * two values, no deep nesting. `35000.0` is refused although JavaScript reads it as 35000, because others hash it differently.
 */
import { parse } from 'lossless-json';
import { isWholeText } from '../../policies/text.ts';
import type { ApiRefusal } from '../pool-api.ts';
import { NESTING_MAX } from '../protocol.ts';
import { refuse } from '../reasons.ts';

export type JsonRead = { is: 'ok'; value: unknown } | { is: 'refused'; refusal: ApiRefusal };

/** Longest field path that is told and kept; keys are the caller's own text. */
const FIELD_CHARS_MAX = 64;
/** A whole body may nest its `policy_context` one deeper. */
const DEPTH_MAX = NESTING_MAX + 2;
/** Such text has no UTF-8: no log can hold it, and others cannot hash it. */
const NOT_WHOLE = 'holds half of a character';
const INTEGER = /^-?(0|[1-9][0-9]{0,15})$/;

/** Stands where a number stood that is no integer. */
class NotAnInteger {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export function readJson(text: string): JsonRead {
  if (tooDeep(text)) return refused(`the body nests deeper than ${DEPTH_MAX}`);
  let value: unknown;
  try {
    value = parse(text, undefined, { parseNumber, onDuplicateKey });
  } catch (cause) {
    const twice = cause instanceof KeyTwice;
    return refused(twice ? `${cause.message} stands twice` : 'the body is not JSON');
  }
  const wrong = firstWrong(value, []);
  if (wrong === null) return { is: 'ok', value };
  const field = fieldName(wrong.path);
  return { is: 'refused', refusal: refuse('field_invalid', `${field}: ${wrong.rule}`, { field }) };
}

/** `policy_context.limits.0`, short and printable: it goes into answers and receipts. */
export function fieldName(path: readonly PropertyKey[]): string {
  return printable(path.map(String).join('.')) || 'body';
}

export function printable(text: string): string {
  return text.slice(0, FIELD_CHARS_MAX).replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, ' ');
}

function refused(message: string): JsonRead {
  return { is: 'refused', refusal: refuse('body_invalid', message) };
}

class KeyTwice extends Error {
  override readonly name = 'KeyTwice';
}

function onDuplicateKey({ key }: { key: string }): never {
  throw new KeyTwice(printable(key));
}

function parseNumber(text: string): number | NotAnInteger {
  const value = INTEGER.test(text) ? Number.parseInt(text, 10) : Number.NaN;
  return Number.isSafeInteger(value) ? value : new NotAnInteger(text);
}

/** Brackets outside of strings, counted before anything recursive reads the text. */
function tooDeep(text: string): boolean {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    if (depth > DEPTH_MAX) return true;
  }
  return false;
}

function firstWrong(value: unknown, path: string[]): { path: string[]; rule: string } | null {
  if (value instanceof NotAnInteger) {
    return { path, rule: `must be an integer up to 2^53-1, not ${printable(value.text)}` };
  }
  if (typeof value === 'string' && !isWholeText(value)) return { path, rule: NOT_WHOLE };
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    if (!isWholeText(key)) return { path: [...path, key], rule: NOT_WHOLE };
    // Readers differ on what it means, so do hashes over it.
    if (key === '__proto__') return { path: [...path, key], rule: 'is no name for a field' };
    const wrong = firstWrong(member, [...path, key]);
    if (wrong !== null) return wrong;
  }
  return null;
}
