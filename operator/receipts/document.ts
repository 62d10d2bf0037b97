/**
 * Reads the text of a receipt or of a receipt with its proof. Stricter than JSON: a member that stands twice or
 * a number that two readers take for two values would let one text verify as two receipts. Pure.
 */
import { parse } from 'lossless-json';
import { Failure } from '../../policies/failure.ts';
import { DOCUMENT_SCHEMA } from './proof.ts';

/** A receipt, two paths of 53 hashes, and room. */
export const DOCUMENT_BYTES_MAX = 64 * 1024;

/** Integers as every JSON reader has them: no fraction, no exponent, no minus zero. */
const INTEGER = /^(0|-?[1-9][0-9]{0,15})$/;

/** What is in the text: both still to be verified. `proof` is null for a bare receipt. */
export interface ReadDocument {
  receipt: unknown;
  proof: unknown;
}

/** @throws Failure INPUT_TOO_LARGE, INPUT_INVALID for text that does not read the same everywhere */
export function readDocument(text: string): ReadDocument {
  if (Buffer.byteLength(text) > DOCUMENT_BYTES_MAX) {
    throw new Failure('INPUT_TOO_LARGE', `a receipt has at most ${DOCUMENT_BYTES_MAX} bytes`);
  }
  return documentOf(strictJson(text));
}

/** The same of a value that is parsed already. @throws Failure INPUT_INVALID */
export function documentOf(value: unknown): ReadDocument {
  if (typeof value !== 'object' || value === null || !('receipt' in value)) {
    return { receipt: value, proof: null };
  }
  const {
    schema = DOCUMENT_SCHEMA,
    receipt,
    proof = null,
    ...rest
  } = value as Record<string, unknown>;
  if (schema !== DOCUMENT_SCHEMA || Object.keys(rest).length > 0) {
    throw new Failure('INPUT_INVALID', 'beside receipt and proof a document has nothing');
  }
  return { receipt, proof };
}

function strictJson(text: string): unknown {
  try {
    return parse(text, null, { parseNumber: integer });
  } catch (cause) {
    // A RangeError, too: text that nests deeper than a stack is no receipt.
    throw new Failure('INPUT_INVALID', 'no JSON that reads the same everywhere', { cause });
  }
}

function integer(digits: string): number {
  const value = Number.parseInt(digits, 10);
  if (!INTEGER.test(digits) || !Number.isSafeInteger(value)) {
    throw new SyntaxError('a number that is no exact integer');
  }
  return value;
}
