/**
 * A checkpoint as lines of JSON: what it is of, every field of the pool's state with a line for each member of a map
 * or set, and the receipt log's hashes. A million entries need no long text anywhere. The fields are those that an
 * empty pool has, so that none can be forgotten. Pure.
 */
import type { Head } from '../../journal/entry.ts';
import { Failure, invariant } from '../../policies/failure.ts';
import { ledgerFromState, ledgerState } from '../ledger/ledger-state.ts';
import { emptyPool, type PoolState } from '../pool-state.ts';
import { type ReceiptLog, receiptLogOf } from '../receipts/log.ts';
import { plainOf, valueOf } from './plain-value.ts';

export const CHECKPOINT_SCHEMA = 'weir.pool_checkpoint.v1';
/** Bytes of the receipt log in one line. */
const CHUNK_BYTES = 48 * 1024;

/** The pool after one entry, as a replay of all entries up to it makes it. */
export interface Checkpoint {
  head: Head;
  state: PoolState;
  receipts: ReceiptLog;
}

/** First line of a file. `program` names the code that folded the entries: another one may fold them otherwise. */
export interface CheckpointTitle {
  schema: typeof CHECKPOINT_SCHEMA;
  program: string;
  seq: number;
  hash: string;
}

/** @throws BrokenInvariant for a state that is not the one after `head`, or has a field that an empty pool lacks */
export function* checkpointLines(
  { head, state, receipts }: Checkpoint,
  program: string,
): Generator<string> {
  invariant(state.seq === head.seq, `the state after ${state.seq} is not that after ${head.seq}`);
  invariant(receipts.size() === head.seq, 'the receipt log is as long as the journal');
  const title: CheckpointTitle = { schema: CHECKPOINT_SCHEMA, program, ...head };
  yield JSON.stringify(title);
  yield* fieldLines(emptyPool(), state, '');
  const { levels, firstSeqs, ...log } = receipts.state();
  yield JSON.stringify(['receipts', 'log', log, levels.length]);
  for (const [index, level] of levels.entries()) yield* byteLines(`receipts.${index}`, level);
  yield* byteLines('receipts.batches', firstSeqs);
}

function* fieldLines(empty: object, state: object, prefix: string): Generator<string> {
  const fields = Object.entries(empty);
  const names = Object.keys(state);
  invariant(
    names.length === fields.length && fields.every(([name]) => Object.hasOwn(state, name)),
    `the state has the fields of an empty pool${prefix === '' ? '' : ` in ${prefix}`}`,
  );
  for (const [name, start] of fields) {
    const value: unknown = (state as Record<string, unknown>)[name];
    const path = `${prefix}${name}`;
    if (isGroup(start)) yield* fieldLines(start, value as object, `${path}.`);
    else if (value instanceof Map) yield* memberLines(path, 'map', value);
    else if (value instanceof Set) yield* memberLines(path, 'set', value);
    else yield JSON.stringify([path, 'is', plainOf(value)]);
  }
}

function* memberLines(
  path: string,
  kind: 'map' | 'set',
  members: ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>,
): Generator<string> {
  yield JSON.stringify([path, kind, members.size]);
  for (const member of members) yield JSON.stringify(plainOf(member));
}

function* byteLines(path: string, bytes: Uint8Array): Generator<string> {
  yield JSON.stringify([path, 'bytes', bytes.length]);
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    yield JSON.stringify(Buffer.from(bytes.subarray(at, at + CHUNK_BYTES)).toString('base64'));
  }
}

/** Fields that are fields themselves: the ledger, the channels. */
function isGroup(start: unknown): start is object {
  return (
    typeof start === 'object' &&
    start !== null &&
    !(start instanceof Map) &&
    !(start instanceof Set) &&
    !Array.isArray(start)
  );
}

/** Takes lines one by one, without line ends; the call after the last gives the checkpoint. */
export type CheckpointReader = Generator<undefined, Checkpoint, string>;
type Reading<T> = Generator<undefined, T, string>;

/**
 * Reads what `checkpointLines` gives. Start it with one empty `next()`.
 *
 * @throws Failure INPUT_INVALID for lines of another program, or that are none; JOURNAL_CORRUPT for a ledger that
 *   no entries can have made; SyntaxError for what is no JSON; BrokenInvariant for a log that is none
 */
export function* checkpointReader(program: string): CheckpointReader {
  const { seq, hash } = titleOf(yield, program);
  const state = emptyPool();
  yield* readFields(state, '');
  const receipts = yield* readReceipts();
  if (state.seq !== seq || receipts.size() !== seq)
    throw unreadable('its parts are of two moments');
  // Its laws are looked at: balanced, within every flag, holds as the accounts say.
  ledgerFromState(ledgerState(state.ledger));
  return { head: { seq, hash }, state, receipts };
}

/** @throws Failure INPUT_INVALID, SyntaxError */
export function titleOf(line: string, program: string): CheckpointTitle {
  const title = JSON.parse(line) as Partial<CheckpointTitle> | null;
  const { schema, seq, hash } = title ?? {};
  if (schema !== CHECKPOINT_SCHEMA) throw unreadable('it is of another version');
  if (title?.program !== program) throw unreadable('another version of the program wrote it');
  if (!Number.isSafeInteger(seq) || seq === undefined || seq < 1 || typeof hash !== 'string') {
    throw unreadable('it names no entry');
  }
  return { schema, program, seq, hash };
}

function* readFields(into: object, prefix: string): Reading<void> {
  for (const [name, start] of Object.entries(into)) {
    const path = `${prefix}${name}`;
    if (isGroup(start)) {
      yield* readFields(start, `${path}.`);
      continue;
    }
    const [kind, value] = titled(yield, path);
    if (start instanceof Map && kind === 'map') yield* readMap(start, value);
    else if (start instanceof Set && kind === 'set') yield* readSet(start, value);
    else if (kind === 'is' && !isMembers(start)) Object.assign(into, { [name]: valueOf(value) });
    else throw unreadable(`${path} is no ${String(kind)}`);
  }
}

function isMembers(start: unknown): boolean {
  return start instanceof Map || start instanceof Set;
}

function* readMap(into: Map<unknown, unknown>, size: unknown): Reading<void> {
  while (into.size < Number.parseInt(String(size), 10)) {
    const before = into.size;
    const [key, value] = valueOf(JSON.parse(yield)) as [unknown, unknown];
    into.set(key, value);
    if (into.size === before) throw unreadable('a key comes twice');
  }
}

function* readSet(into: Set<unknown>, size: unknown): Reading<void> {
  while (into.size < Number.parseInt(String(size), 10)) {
    const before = into.size;
    into.add(valueOf(JSON.parse(yield)));
    if (into.size === before) throw unreadable('a member comes twice');
  }
}

function* readReceipts(): Reading<ReceiptLog> {
  const [, log, count] = titled(yield, 'receipts');
  const { poolId, atMs } = log as { poolId: string; atMs: number };
  const levels: Uint8Array[] = [];
  for (let index = 0; index < Number.parseInt(String(count), 10); index += 1) {
    levels.push(yield* readBytes(`receipts.${index}`));
  }
  const firstSeqs = yield* readBytes('receipts.batches');
  return receiptLogOf({ poolId, atMs, levels, firstSeqs });
}

function* readBytes(path: string): Reading<Uint8Array> {
  const [, length] = titled(yield, path);
  const parts: Buffer[] = [];
  let left = Number.parseInt(String(length), 10);
  while (left > 0) {
    const part = Buffer.from(String(JSON.parse(yield)), 'base64');
    if (part.length === 0) throw unreadable(`${path} ends early`);
    left -= part.length;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** What a line that opens a field says after the field's name. */
function titled(line: string, path: string): unknown[] {
  const [name, ...rest] = JSON.parse(line) as unknown[];
  if (name !== path) throw unreadable(`${path} is missing`);
  return rest;
}

function unreadable(what: string): Failure {
  return new Failure('INPUT_INVALID', what);
}
