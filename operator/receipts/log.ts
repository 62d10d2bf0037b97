/**
 * The log of a pool's records: one tree over all of them, and where each commit batch began. It holds hashes
 * only; the records themselves are made again from the journal. Pure.
 */
import { invariant } from '../../policies/failure.ts';
import { type LogRecord, recordLeaf } from './log-record.ts';
import { type MerkleTree, merkleTree, merkleTreeOf, provenIn, rootOf } from './merkle.ts';

/** Four bytes for the number of a batch's first entry: a log of four thousand million entries. */
const SEQ_MAX = 0xffffffff;
const BATCHES_AT_START = 256;
const NO_ROOT = new Uint8Array(32);

/** One commit batch: entries that became durable together, under one signature. */
export interface LogBatch {
  poolId: string;
  firstSeq: number;
  n: number;
  root: Uint8Array;
  /** Root of the batch before, 32 zero bytes before the first. */
  prevRoot: Uint8Array;
}

/** The whole log at a moment: `size` records, the newest booked at `atMs`. */
export interface LogHead {
  poolId: string;
  size: number;
  root: Uint8Array;
  atMs: number;
}

/** Where one record stands. */
export interface LogPlace {
  batch: LogBatch;
  /** Place in the batch, and the path to its root. */
  index: number;
  batchPath: Uint8Array[];
  head: LogHead;
  /** Path from leaf `seq - 1` to the root of the head. */
  path: Uint8Array[];
}

/** Everything a log is, for a checkpoint file. `levels` and `firstSeqs` are views: write them before the log grows. */
export interface ReceiptLogState {
  poolId: string;
  atMs: number;
  levels: readonly Uint8Array[];
  /** Four bytes big-endian each. */
  firstSeqs: Uint8Array;
}

export interface ReceiptLog {
  size(): number;
  /** Adds the records of one commit batch, in order; none is no batch. @throws BrokenInvariant for a gap */
  appendBatch(records: readonly LogRecord[]): void;
  head(): LogHead;
  /** @throws BrokenInvariant for an entry that is not in the log */
  placeOf(seq: number): LogPlace;
  /** Proof that the log of `to` records begins with that of `from`, and both roots. */
  consistency(
    from: number,
    to: number,
  ): { path: Uint8Array[]; fromRoot: Uint8Array; toRoot: Uint8Array };
  state(): ReceiptLogState;
}

export function emptyReceiptLog(): ReceiptLog {
  const origin = { poolId: '', atMs: 0 };
  return logOver(merkleTree(), firstSeqList(new Uint8Array(0)), origin);
}

/** The log of a checkpoint. @throws BrokenInvariant for parts that do not belong together */
export function receiptLogOf(state: ReceiptLogState): ReceiptLog {
  const tree = merkleTreeOf(state.levels);
  const firstSeqs = firstSeqList(state.firstSeqs);
  const { poolId, atMs } = state;
  invariant(
    firstSeqs.count() === 0 ? tree.size() === 0 : firstSeqs.at(0) === 1,
    'the first batch begins with the first entry',
  );
  for (let index = 1; index < firstSeqs.count(); index += 1) {
    invariant(firstSeqs.at(index) > firstSeqs.at(index - 1), 'batches stand in order');
  }
  invariant(
    firstSeqs.count() === 0 || firstSeqs.at(firstSeqs.count() - 1) <= tree.size(),
    'no batch begins after the last entry',
  );
  return logOver(tree, firstSeqs, { poolId, atMs });
}

function logOver(
  tree: MerkleTree,
  firstSeqs: FirstSeqs,
  origin: { poolId: string; atMs: number },
): ReceiptLog {
  let { poolId, atMs } = origin;

  function leavesOf(batch: number): Uint8Array[] {
    const first = firstSeqs.at(batch);
    const after = batch + 1 < firstSeqs.count() ? firstSeqs.at(batch + 1) : tree.size() + 1;
    return Array.from({ length: after - first }, (_, index) => tree.leaf(first - 1 + index));
  }

  function numberOf(seq: number): number {
    invariant(isSeqUpTo(seq, tree.size()), `entry ${seq} of a log of ${tree.size()}`);
    return firstSeqs.lastUpTo(seq);
  }

  const head = (): LogHead => ({ poolId, size: tree.size(), root: tree.root(), atMs });

  return {
    size: () => tree.size(),
    appendBatch(records) {
      const [first] = records;
      if (first === undefined) return;
      requireNext(records, { size: tree.size(), poolId: poolId === '' ? first.pool_id : poolId });
      firstSeqs.push(first.seq);
      poolId = first.pool_id;
      for (const record of records) {
        tree.push(recordLeaf(record));
        atMs = record.at_ms;
      }
    },
    head,
    placeOf(seq) {
      const number = numberOf(seq);
      const leaves = leavesOf(number);
      const firstSeq = firstSeqs.at(number);
      const index = seq - firstSeq;
      const { root, path: batchPath } = provenIn(leaves, index);
      const prevRoot = number === 0 ? NO_ROOT : rootOf(leavesOf(number - 1));
      const now = head();
      return {
        batch: { poolId, firstSeq, n: leaves.length, root, prevRoot },
        index,
        batchPath,
        head: now,
        path: tree.inclusion(seq - 1, now.size),
      };
    },
    consistency(from, to) {
      return {
        path: tree.consistency(from, to),
        fromRoot: tree.root(from),
        toRoot: tree.root(to),
      };
    },
    state: () => ({ poolId, atMs, levels: tree.levels(), firstSeqs: firstSeqs.bytes() }),
  };
}

/** All of them before any: a batch is taken whole or not. */
function requireNext(
  records: readonly LogRecord[],
  { size, poolId }: { size: number; poolId: string },
): void {
  for (const [index, record] of records.entries()) {
    const seq = size + 1 + index;
    invariant(record.seq === seq, `record ${record.seq} where ${seq} belongs`);
    invariant(record.pool_id === poolId, 'a log is of one pool');
  }
}

function isSeqUpTo(seq: number, size: number): boolean {
  return Number.isSafeInteger(seq) && seq >= 1 && seq <= size;
}

interface FirstSeqs {
  count(): number;
  at(index: number): number;
  push(seq: number): void;
  /** Number of the last batch that begins with `seq` or before. */
  lastUpTo(seq: number): number;
  bytes(): Uint8Array;
}

function firstSeqList(bytes: Uint8Array): FirstSeqs {
  invariant(bytes.length % 4 === 0, 'the first entries of batches are four bytes each');
  let count = bytes.length / 4;
  let room = Buffer.alloc(Math.max(bytes.length, BATCHES_AT_START * 4));
  room.set(bytes);
  const at = (index: number): number => room.readUInt32BE(index * 4);
  return {
    count: () => count,
    at,
    push(seq) {
      invariant(seq >= 1 && seq <= SEQ_MAX, `entry ${seq} is beyond what a log holds`);
      if ((count + 1) * 4 > room.length) room = Buffer.concat([room, Buffer.alloc(room.length)]);
      room.writeUInt32BE(seq, count * 4);
      count += 1;
    },
    lastUpTo(seq) {
      let [low, high] = [0, count - 1];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if (at(middle) <= seq) low = middle;
        else high = middle - 1;
      }
      return low;
    },
    bytes: () => room.subarray(0, count * 4),
  };
}
