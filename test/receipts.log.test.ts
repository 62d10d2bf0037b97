/** The log of records: batches, their signatures, checkpoints, and what it is made of after a restart. */
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchHolds, signBatch } from '../operator/receipts/batch.ts';
import { checkpointHolds, signCheckpoint } from '../operator/receipts/checkpoint.ts';
import { emptyReceiptLog, type ReceiptLog, receiptLogOf } from '../operator/receipts/log.ts';
import { type LogRecord, recordLeaf } from '../operator/receipts/log-record.ts';
import { rootOf } from '../operator/receipts/merkle.ts';
import { consistencyHolds, inclusionHolds } from '../operator/receipts/merkle-verify.ts';
import { taggedHashOfBytes } from '../policies/canonical-json.ts';
import { OTHER_RECEIPT_KEY, POOL, RECEIPT_KEY, recordAt } from './receipt-samples.ts';

const KEY = RECEIPT_KEY.publicKey;

function logOf(batches: readonly number[]): ReceiptLog {
  const log = emptyReceiptLog();
  for (const size of batches) extend(log, size);
  return log;
}

function extend(log: ReceiptLog, count: number): void {
  const first = log.size() + 1;
  log.appendBatch(Array.from({ length: count }, (_, index) => recordAt(first + index)));
}

function leavesOf(records: readonly LogRecord[]): Uint8Array[] {
  return records.map(recordLeaf);
}

const batchSizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 9 });

describe('every record is provable', () => {
  test('to the root of its batch and to the root of the whole, however the batches fell', () => {
    fc.assert(
      fc.property(batchSizes, (batches) => {
        const log = logOf(batches);
        for (let seq = 1; seq <= log.size(); seq += 1) {
          const place = log.placeOf(seq);
          const leaf = recordLeaf(recordAt(seq));
          const { batch, index, head } = place;
          const inBatch = { leaf, index, size: batch.n, path: place.batchPath, root: batch.root };
          expect(batch.firstSeq + index).toBe(seq);
          expect(inclusionHolds(inBatch)).toBe(true);
          const whole = { leaf, index: seq - 1, size: head.size, path: place.path };
          expect(inclusionHolds({ ...whole, root: head.root })).toBe(true);
        }
      }),
      { numRuns: 15 },
    );
  });

  test('a batch names the root of the one before, the first one none', () => {
    const log = logOf([3, 1, 5]);
    const roots = [
      new Uint8Array(32),
      rootOf(leavesOf([1, 2, 3].map((seq) => recordAt(seq)))),
      rootOf(leavesOf([recordAt(4)])),
    ];
    for (const [number, seq] of [1, 4, 5].entries()) {
      expect(bytesToHex(log.placeOf(seq).batch.prevRoot)).toBe(
        bytesToHex(roots[number] ?? new Uint8Array()),
      );
    }
    expect(log.placeOf(9).batch).toEqual(log.placeOf(5).batch);
  });

  test('a batch of one has the record itself as its root', () => {
    expect(bytesToHex(logOf([3, 1]).placeOf(4).batch.root)).toBe(
      bytesToHex(recordLeaf(recordAt(4))),
    );
  });

  test('the whole does not depend on how the batches fell', () => {
    expect(logOf([9]).head()).toEqual(logOf([1, 3, 5]).head());
  });

  test('a record that says anything else is another leaf', () => {
    const record = recordAt(4);
    for (const other of [
      { ...record, at_ms: record.at_ms + 1 },
      { ...record, kind: 'refused' },
      { ...record, event_sha256: 'f'.repeat(64) },
      { ...record, pool_id: 'other-pool' },
    ]) {
      expect(bytesToHex(recordLeaf(other))).not.toBe(bytesToHex(recordLeaf(record)));
    }
  });
});

describe('what the log does not take', () => {
  test.each([
    ['a gap', [recordAt(5)]],
    ['an entry that it has', [recordAt(3)]],
    ['a batch whose entries are not in order', [recordAt(4), recordAt(6)]],
    ['a record of another pool', [{ ...recordAt(4), pool_id: 'other-pool' }]],
    ['a batch of two pools', [recordAt(4), { ...recordAt(5), pool_id: 'other-pool' }]],
  ])('%s', (_, records) => {
    const log = logOf([3]);
    expect(() => {
      log.appendBatch(records);
    }).toThrow(/record|of one pool/);
    expect(log.size()).toBe(3);
    expect(log.head()).toEqual(logOf([3]).head());
    extend(log, 2);
    expect(log.placeOf(5)).toEqual(logOf([3, 2]).placeOf(5));
  });

  test('a batch of nothing is no batch', () => {
    const log = logOf([3]);
    log.appendBatch([]);
    extend(log, 1);
    expect(log.placeOf(4).batch).toEqual(logOf([3, 1]).placeOf(4).batch);
  });

  test.each([[0], [4], [1.5]])('there is no place for entry %d of three', (seq) => {
    expect(() => logOf([3]).placeOf(seq)).toThrow(/entry/);
  });
});

describe('a log read back from its state', () => {
  test('is the same log and grows the same way', () => {
    fc.assert(
      fc.property(batchSizes, fc.integer({ min: 1, max: 20 }), (batches, more) => {
        const log = logOf(batches);
        const { levels, firstSeqs, ...rest } = log.state();
        const again = receiptLogOf({
          ...rest,
          levels: levels.map((level) => Uint8Array.from(level)),
          firstSeqs: Uint8Array.from(firstSeqs),
        });
        for (const each of [log, again]) extend(each, more);
        expect(again.head()).toEqual(log.head());
        for (const seq of [1, log.size()]) expect(again.placeOf(seq)).toEqual(log.placeOf(seq));
      }),
      { numRuns: 15 },
    );
  });

  test('an empty one is empty', () => {
    expect(receiptLogOf(emptyReceiptLog().state()).head()).toEqual(emptyReceiptLog().head());
  });

  const state = logOf([3, 2]).state();
  test.each([
    ['batches that begin after the first entry', [2, 4]],
    ['batches out of order', [1, 1]],
    ['a batch that begins after the last entry', [1, 6]],
    ['no batches', []],
  ])('%s is no log', (_, firsts) => {
    const firstSeqs = Buffer.alloc(firsts.length * 4);
    for (const [index, first] of firsts.entries()) firstSeqs.writeUInt32BE(first, index * 4);
    expect(() => receiptLogOf({ ...state, firstSeqs })).toThrow(/batch/);
  });
});

describe('signatures of the log', () => {
  const batch = signBatch(logOf([3, 2]).placeOf(4).batch, RECEIPT_KEY);

  test('a batch is signed over its tag, pool, place and roots, byte for byte', () => {
    const message = Buffer.concat([
      Buffer.from(POOL),
      Buffer.from('00000000000000040000000000000002', 'hex'),
      Buffer.from(batch.root, 'hex'),
      Buffer.from(batch.prev_root, 'hex'),
    ]);
    const digest = taggedHashOfBytes('openagents/batch/v1', message);
    const signature = hexToBytes(batch.signature);
    expect(schnorr.verify(signature, digest, hexToBytes(KEY))).toBe(true);
  });

  test('made again they are the same', () => {
    expect(signBatch(logOf([3, 2]).placeOf(4).batch, RECEIPT_KEY)).toEqual(batch);
    const head = logOf([3, 2]).head();
    expect(signCheckpoint(head, RECEIPT_KEY)).toEqual(signCheckpoint(head, RECEIPT_KEY));
  });

  test.each([
    ['the batch itself', POOL, {}, true],
    ['a batch of another pool', 'test-poo', {}, false],
    ['another first entry', POOL, { first_seq: 5 }, false],
    ['another count', POOL, { n: 3 }, false],
    ['another root', POOL, { root: 'f'.repeat(64) }, false],
    ['another batch before', POOL, { prev_root: '0'.repeat(64) }, false],
    ['another signer', POOL, { signer: OTHER_RECEIPT_KEY.publicKey }, false],
    ['another signature', POOL, { signature: '0'.repeat(128) }, false],
  ])('%s: %s', (_, poolId, change, verdict) => {
    expect(batchHolds(poolId, { ...batch, ...change }, KEY)).toBe(verdict);
  });

  const checkpoint = signCheckpoint(logOf([3, 2]).head(), RECEIPT_KEY);
  test.each([
    ['the checkpoint itself', POOL, {}, true],
    ['a checkpoint of another pool', 'other-pool', {}, false],
    ['a checkpoint renamed to another pool', 'other-pool', { origin: 'weir/other-pool' }, false],
    ['another size', POOL, { size: 6 }, false],
    ['another root', POOL, { root: 'f'.repeat(64) }, false],
    ['another time', POOL, { at_ms: 1 }, false],
    ['another signer', POOL, { signer: OTHER_RECEIPT_KEY.publicKey }, false],
    ['another signature', POOL, { signature: '0'.repeat(128) }, false],
  ])('%s: %s', (_, poolId, change, verdict) => {
    expect(checkpointHolds(poolId, { ...checkpoint, ...change }, KEY)).toBe(verdict);
  });

  test('the time of a checkpoint is that of its newest record', () => {
    expect(checkpoint.at_ms).toBe(recordAt(5).at_ms);
  });

  test('a later log is provably an extension of an earlier one', () => {
    const log = logOf([3, 2]);
    const earlier = log.head();
    extend(log, 8);
    const { path, fromRoot, toRoot } = log.consistency(earlier.size, 13);
    expect(fromRoot).toEqual(earlier.root);
    expect(toRoot).toEqual(log.head().root);
    expect(consistencyHolds({ from: 5, to: 13, fromRoot, toRoot, path })).toBe(true);
  });
});
