/** Receipts of every kind, a key, and a log around them, for the tests of receipts. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { actionReceipt } from '../operator/receipts/action-receipt.ts';
import {
  type InvoicePay,
  type InvoicePayMore,
  invoicePayReceipt,
} from '../operator/receipts/invoice-pay-receipt.ts';
import { emptyReceiptLog, type ReceiptLog } from '../operator/receipts/log.ts';
import { type LogRecord, logRecord } from '../operator/receipts/log-record.ts';
import { refusalReceipt } from '../operator/receipts/refusal-receipt.ts';
import { receiptKey } from '../operator/receipts/schnorr.ts';
import type { UnsignedReceipt } from '../operator/receipts/unsigned-receipt.ts';
import { msat } from '../policies/units.ts';

export const RECEIPT_KEY = receiptKey(sha256(utf8ToBytes('receipt key of the tests')));
export const OTHER_RECEIPT_KEY = receiptKey(sha256(utf8ToBytes('another receipt key')));
export const POOL = 'test-pool';

export function hexOf(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text)));
}

export const PAID: InvoicePay = {
  quoteId: 'liq_quote_0199',
  invoiceHash: hexOf('invoice'),
  host: 'sats4ai.com',
  quotedAmountMsat: msat(31_200_000n),
  maxAmountMsat: msat(35_000_000n),
  maxFeeMsat: msat(312_000n),
  maxAmountForwardedMsat: msat(31_512_000n),
  status: 'succeeded',
  walletReceiptSha256: hexOf('wallet receipt'),
  preimageSha256: hexOf('preimage'),
  paidAtMs: 1_772_000_290_000,
  errorCode: null,
  errorMessage: null,
  policyContextSha256: hexOf('policy context'),
  runId: 'run-7',
  trajectoryHash: null,
  createdAtMs: 1_772_000_290_123,
};
export const FAILED: InvoicePay = {
  ...PAID,
  status: 'failed',
  walletReceiptSha256: null,
  preimageSha256: null,
  paidAtMs: null,
  errorCode: 'no_route',
  errorMessage: 'no route to the payee',
};

export function payMore(seq: number): InvoicePayMore {
  return {
    poolId: POOL,
    seq,
    fundingSource: 'prepaid',
    routeFeeMsat: msat(1_234n),
    serviceFeeMsat: msat(10_000n),
    rail: 'lightning',
    attempts: 2,
    policyId: null,
    operatorPolicySha256: hexOf('operator policy'),
    parentReceipts: [],
  };
}

/** One receipt of each kind, for entry `seq`. */
export const RECEIPTS: Readonly<Record<string, (seq: number) => UnsignedReceipt>> = {
  'a payment': (seq) => invoicePayReceipt(PAID, payMore(seq)),
  'a failed payment': (seq) => invoicePayReceipt(FAILED, payMore(seq)),
  'a refusal': (seq) =>
    refusalReceipt({
      poolId: POOL,
      seq,
      action: 'quote_pay',
      reasonCode: 'host_not_allowed',
      message: 'host evil.example is not allowed',
      agentId: 'agent-1',
      quoteId: null,
      idempotencyKeySha256: hexOf('key'),
      createdAtMs: 1_772_000_290_000,
    }),
  'an action': (seq) =>
    actionReceipt({
      poolId: POOL,
      seq,
      action: 'topup_credited',
      subject: 'topup_1',
      amounts: { received_msat: '5000000' },
      agentId: 'agent-1',
      createdAtMs: 1_772_000_290_000,
    }),
};

/** Record of entry `seq`; every third has no receipt unless one is given. */
export function recordAt(seq: number, receipt: UnsignedReceipt | null = null): LogRecord {
  return logRecord({
    poolId: POOL,
    seq,
    atMs: 1_772_000_000_000 + seq,
    kind: 'pay-settled',
    eventSha256: hexOf(`event ${seq}`),
    receipt,
  });
}

export interface LoggedReceipt {
  log: ReceiptLog;
  record: LogRecord;
  unsigned: UnsignedReceipt;
}

/** A log in batches of these sizes, with the receipt at entry `seq`. */
export function loggedAt(
  seq: number,
  batches: readonly number[],
  make: (seq: number) => UnsignedReceipt,
): LoggedReceipt {
  const log = emptyReceiptLog();
  const unsigned = make(seq);
  const record = recordAt(seq, unsigned);
  let next = 1;
  for (const size of batches) {
    const first = next;
    const records = Array.from({ length: size }, (_, index) =>
      first + index === seq ? record : recordAt(first + index),
    );
    log.appendBatch(records);
    next += size;
  }
  return { log, record, unsigned };
}
