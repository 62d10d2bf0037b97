/**
 * The tagged fields of a BOLT 11 invoice, as far as readers may differ in them. Of a field that comes twice some
 * take the first and some the last, so that we and the node would pay different things: such an invoice is no
 * invoice here. Pure.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { bech32 } from '@scure/base';

/** BOLT 11, "Human-Readable Part": `ln`, the network, an amount and its multiplier. */
const PREFIX = /^ln(?:bcrt|bc|tbs|tb|sb)(?:([1-9][0-9]*)([munp])?)?$/;
/** Words of the timestamp before, and of the signature after the fields. */
const TIMESTAMP_WORDS = 7;
const SIGNATURE_WORDS = 104;
/** Numbers of more words would not be exact; no expiry or delta needs half as many. */
const NUMBER_WORDS_MAX = 7;
const KEY_BYTES = 33;

/** Letters of BOLT 11 and the words that stand for them. */
const TAGS = { p: 1, r: 3, features: 5, x: 6, d: 13, s: 16, n: 19, b: 20, h: 23, c: 24, m: 27 };
/** Fields that may come once. Private routes and fallback addresses may come often. */
const ONCE = new Set<number>(Object.values(TAGS).filter((tag) => tag !== TAGS.r));

export type Fields =
  /** `payee`: the one it names, where it names one. */
  | { is: 'good'; payee: string | null }
  /** What is wrong with it. */
  | { is: 'bad'; why: string };

/** Reads the fields of an invoice in lower case whose checksum is good. */
export function readFields(request: string): Fields {
  const decoded = bech32.decodeUnsafe(request, request.length);
  if (decoded === undefined) return bad('has another checksum');
  const { prefix, words } = decoded;
  const amount = PREFIX.exec(prefix);
  if (amount === null) return bad('is of an unknown network, or its amount is written otherwise');
  // A tenth of a millisatoshi cannot be paid (BOLT 11: the last digit of a `p` amount is 0).
  if (amount[2] === 'p' && amount[1]?.endsWith('0') !== true)
    return bad('asks for less than 1 msat');
  return walked(words.slice(TIMESTAMP_WORDS, -SIGNATURE_WORDS));
}

function walked(words: readonly number[]): Fields {
  const seen = new Set<number>();
  let payee: string | null = null;
  for (let at = 0; at < words.length; ) {
    const [tag, high, low] = words.slice(at, at + 3);
    if (tag === undefined || high === undefined || low === undefined) return bad('breaks off');
    const length = high * 32 + low;
    const field = words.slice(at + 3, at + 3 + length);
    if (field.length !== length) return bad('breaks off');
    if (ONCE.has(tag) && seen.has(tag)) return bad('says something twice');
    seen.add(tag);
    const isNumber = tag === TAGS.x || tag === TAGS.c;
    if (isNumber && length > NUMBER_WORDS_MAX) return bad('has a number out of bounds');
    if (tag === TAGS.n) payee = keyOf(field);
    at += 3 + length;
  }
  if (seen.has(TAGS.b)) return bad('is to be paid over blinded paths, which cannot be judged here');
  if (!seen.has(TAGS.p)) return bad('has no payment hash');
  if (!seen.has(TAGS.s)) return bad('has no payment secret');
  return { is: 'good', payee };
}

function keyOf(field: readonly number[]): string {
  const bytes = bech32.fromWordsUnsafe([...field]);
  return bytes?.length === KEY_BYTES ? bytesToHex(bytes) : '';
}

function bad(why: string): Fields {
  return { is: 'bad', why };
}
