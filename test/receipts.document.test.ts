/** What a pool cannot do with a receipt: contradict it in its own log, show too much of it, or write it two ways. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { signBatch } from '../operator/receipts/batch.ts';
import { readDocument } from '../operator/receipts/document.ts';
import { emptyReceiptLog } from '../operator/receipts/log.ts';
import type { LogRecord } from '../operator/receipts/log-record.ts';
import { proofFor } from '../operator/receipts/proof.ts';
import { publicReceipt } from '../operator/receipts/public-receipt.ts';
import { signReceipt } from '../operator/receipts/unsigned-receipt.ts';
import { type CheckName, verifyEither, verifyReceipt } from '../operator/receipts/verify.ts';
import {
  BATCHES,
  documentAt,
  failedOf,
  KINDS,
  neverMade,
  payment,
  SEQ,
} from './receipt-documents.ts';
import { loggedAt, RECEIPT_KEY, RECEIPTS, recordAt } from './receipt-samples.ts';

const KEY = RECEIPT_KEY.publicKey;

describe('a pool that contradicts itself is found, though it signed everything', () => {
  const { unsigned } = loggedAt(SEQ, BATCHES, payment);
  const { receipt } = signReceipt(unsigned, RECEIPT_KEY);

  /** The receipt with the proof of a record that says something else of it. */
  function failedWith(change: (record: LogRecord) => LogRecord, seq = SEQ): CheckName[] {
    const log = emptyReceiptLog();
    const record = change(recordAt(seq, unsigned));
    const others = Array.from({ length: seq - 1 }, (_, index) => recordAt(index + 1));
    log.appendBatch([...others, record].map((each) => ({ ...each, pool_id: record.pool_id })));
    return failedOf(
      verifyReceipt(receipt, proofFor(log, record, RECEIPT_KEY), RECEIPT_KEY.publicKey),
    );
  }

  test.each<[string, (record: LogRecord) => LogRecord, CheckName[]]>([
    ['nothing else', (record) => record, []],
    ['another schema', saying({ schema: 'weir.action_receipt.v1' }), ['record']],
    ['another id', saying({ id: 'lipr_000000000000000000000000' }), ['record']],
    ['another hash', saying({ canonical_json_sha256: '0'.repeat(64) }), ['record']],
    ['other extensions', saying({ extensions_sha256: '0'.repeat(64) }), ['extensions']],
    ['other public fields', saying({ public_sha256: '0'.repeat(64) }), ['public-fields']],
    ['another pool', (record) => ({ ...record, pool_id: 'other-pool' }), ['record']],
  ])('its record says %s', (_, change, failed) => {
    expect(failedWith(change)).toEqual(failed);
  });

  test('its record stands at another entry than the receipt says', () => {
    expect(failedWith((record) => record, SEQ + 1)).toEqual(['record']);
  });

  test('its batch begins elsewhere than its record says', () => {
    const { log, record } = loggedAt(SEQ, BATCHES, payment);
    const proof = proofFor(log, record, RECEIPT_KEY);
    const { batch } = log.placeOf(SEQ);
    const moved = { ...proof.batch, ...signBatch({ ...batch, firstSeq: 5 }, RECEIPT_KEY) };
    const found = verifyReceipt(receipt, { ...proof, batch: moved }, RECEIPT_KEY.publicKey);
    expect(failedOf(found)).toEqual(['batch-path']);
  });
});

describe('what everybody may see', () => {
  const HIDDEN = ['invoice_hash', 'host', 'payment_hash', 'preimage_sha256', 'error_message'];

  test.each(KINDS)('of %s names no invoice, host, payment, agent or message', (_, make) => {
    const { unsigned } = loggedAt(SEQ, BATCHES, make);
    const text = JSON.stringify(documentAt('public', make));
    for (const name of [...HIDDEN, 'wallet_receipt_sha256', 'agent_id', 'message', 'subject']) {
      const value = unsigned.fields[name];
      expect(text).not.toContain(typeof value === 'string' ? JSON.stringify(value) : `"${name}":`);
      expect(text).not.toContain(`"${name}":`);
    }
  });

  test('does not tell which of the hidden fields there are', () => {
    const [paid, failed] = ['a payment', 'a failed payment'].map((name) =>
      publicReceipt(signReceipt((RECEIPTS[name] ?? neverMade)(SEQ), RECEIPT_KEY)),
    );
    expect(paid?.redacted).toEqual(failed?.redacted);
  });
});

describe('bytes that are read', () => {
  const document = documentAt('whole', payment);
  const text = JSON.stringify(document);

  test('no byte can be another: it does not read, it does not hold, or it says the same', () => {
    const bytes = Buffer.from(text);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (place, mask) => {
        const changed = Buffer.from(bytes);
        changed[place] = (changed[place] ?? 0) ^ mask;
        const found = attempt(() => readDocument(changed.toString('utf8')));
        const holds =
          found !== null && verifyEither(found.receipt, found.proof, KEY).verdict === 'holds';
        expect(holds ? found.receipt : document.receipt).toEqual(document.receipt);
      }),
      { numRuns: 600 },
    );
  });

  test.each([
    ['a member that stands twice', text.replace('"status":', '"status":"failed","status":')],
    ['a fraction that is none', text.replace('"max_fee_msats":312000', '"max_fee_msats":312000.0')],
    ['an exponent', text.replace('"max_fee_msats":312000', '"max_fee_msats":312e3')],
    ['a minus before zero', text.replace('"max_fee_msats":312000', '"max_fee_msats":-0')],
    ['an integer that doubles round', text.replace('312000', '9007199254740993')],
    ['text after the end', `${text}{}`],
    ['nothing', ''],
    ['a hundred thousand brackets', '['.repeat(60_000)],
    ['a megabyte', `${' '.repeat(1_000_000)}${text}`],
    ['a document with more in it', text.replace('{"schema"', '{"paid":true,"schema"')],
  ])('%s is refused', (_, lie) => {
    expect(lie).not.toBe(text);
    expect(() => readDocument(lie)).toThrow(/JSON|bytes|document/);
  });

  test('a bare receipt and one with its proof both read', () => {
    expect(readDocument(JSON.stringify(document.receipt))).toEqual({
      receipt: document.receipt,
      proof: null,
    });
    expect(readDocument(text)).toEqual({ receipt: document.receipt, proof: document.proof });
  });
});

test('the receipt key signs only what this room hashed itself', () => {
  const users = readdirSync('operator', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .filter((name) => /\bsignDigest\b/.test(readFileSync(`operator/${name}`, 'utf8')));
  expect(users.toSorted()).toEqual([
    'receipts/batch.ts',
    'receipts/checkpoint.ts',
    'receipts/schnorr.ts',
    'receipts/unsigned-receipt.ts',
  ]);
});

function saying(change: Partial<NonNullable<LogRecord['receipt']>>) {
  return (record: LogRecord): LogRecord => ({
    ...record,
    ...(record.receipt === undefined ? {} : { receipt: { ...record.receipt, ...change } }),
  });
}

function attempt<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
