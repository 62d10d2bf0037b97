/** Every route of the pool, served under both prefixes by the same procedures. A test keeps this table. */
import type { z } from 'zod';
import type { Action } from '../pool-api.ts';
import {
  byPaymentHash,
  byQuoteId,
  byReceiptId,
  byTopupId,
  eventPage,
  eventQuery,
  logPage,
  logQuery,
  paymentList,
  paymentPage,
  paymentView,
  payRequest,
  payResponse,
  prepaidView,
  quotePayRequest,
  quotePayResponse,
  statusResponse,
  topupRequest,
  topupView,
  withdrawRequest,
} from '../protocol.ts';
import { checkpointSchema } from '../receipts/checkpoint.ts';
import { receiptProofSchema } from '../receipts/proof.ts';
import { receiptDocumentShape } from '../receipts/receipt-shape.ts';
import type { Auth, ProcedureName } from './router.ts';

/** The published client calls under the second, the specification under the first. */
export const PREFIXES = ['/v1', '/internal/v1'] as const;

export interface Route {
  method: 'GET' | 'POST';
  /** Below the prefix; `{name}` is a parameter. */
  path: string;
  procedure: ProcedureName;
  action: Action | null;
  auth: Auth;
  /** What makes a repeated POST the same one: every POST has it. */
  idempotency: 'idempotency_key' | 'quote_id' | null;
  summary: string;
  /** Body of a POST; path and query of a GET. */
  input: z.ZodObject | null;
  output: z.ZodType;
}

function get(path: string, procedure: ProcedureName, rest: Omit<Route, Fixed>): Route {
  return { method: 'GET', path, procedure, idempotency: null, ...rest };
}

type Fixed = 'method' | 'path' | 'procedure' | 'idempotency';
const reading = { action: 'read', auth: 'required' } as const;
const open = { action: null, auth: 'none' } as const;

export const ROUTES: readonly Route[] = [
  {
    method: 'POST',
    path: '/liquidity/quote_pay',
    procedure: 'quotePay',
    action: 'pay',
    auth: 'required',
    idempotency: 'idempotency_key',
    summary:
      'Quote an invoice. The same key gives the same quote; another body under it is refused.',
    input: quotePayRequest,
    output: quotePayResponse,
  },
  {
    method: 'POST',
    path: '/liquidity/pay',
    procedure: 'pay',
    action: 'pay',
    auth: 'required',
    idempotency: 'quote_id',
    summary:
      'Pay a quote, at most once. A 409 payment_in_flight means that the outcome is not known yet: send the identical request again, it ends with the final receipt.',
    input: payRequest,
    output: payResponse,
  },
  get('/liquidity/status', 'status', {
    ...open,
    summary: 'Whether the pool can pay, and the key its receipts verify with.',
    input: null,
    output: statusResponse,
  }),
  get('/liquidity/quotes/{quote_id}', 'quote', {
    ...reading,
    summary: 'A quote of yours and what became of it.',
    input: byQuoteId,
    output: paymentView,
  }),
  get('/liquidity/payments/{payment_hash}', 'payment', {
    ...reading,
    summary: 'The payment of yours with this payment hash: the authority on whether it was paid.',
    input: byPaymentHash,
    output: paymentView,
  }),
  get('/liquidity/payments', 'payments', {
    ...reading,
    summary: 'Your payments, oldest first, a page at a time.',
    input: paymentPage,
    output: paymentList,
  }),
  get('/prepaid', 'prepaid', {
    ...reading,
    summary: 'Your prepaid balance, what of it is held, and your limits.',
    input: null,
    output: prepaidView,
  }),
  {
    method: 'POST',
    path: '/prepaid/topups',
    procedure: 'topup',
    action: 'topup',
    auth: 'required',
    idempotency: 'idempotency_key',
    summary: 'An invoice whose payment raises your balance. The same key gives the same invoice.',
    input: topupRequest,
    output: topupView,
  },
  get('/prepaid/topups/{id}', 'topupOf', {
    ...reading,
    summary: 'A top-up of yours.',
    input: byTopupId,
    output: topupView,
  }),
  {
    method: 'POST',
    path: '/prepaid/withdrawals',
    procedure: 'withdraw',
    action: 'withdraw',
    auth: 'required',
    idempotency: 'idempotency_key',
    summary:
      'Pay your balance out to an invoice of your own. Answers like pay, and is repeated like it; open while the pool winds down.',
    input: withdrawRequest,
    output: payResponse,
  },
  get('/receipts/{receipt_id}', 'receipt', {
    action: null,
    auth: 'optional',
    summary: 'A receipt. Whole for its owner; without invoice, host and payment hash for others.',
    input: byReceiptId,
    output: receiptDocumentShape,
  }),
  get('/proofs/{receipt_id}', 'proof', {
    ...open,
    summary: 'Proof that a receipt is in the public log (RFC 6962).',
    input: byReceiptId,
    output: receiptProofSchema,
  }),
  get('/events', 'events', {
    ...reading,
    summary:
      'What happened to your payments and top-ups after a place, oldest first. Waits up to wait_ms for something. Webhooks only hint; this is the truth.',
    input: eventQuery,
    output: eventPage,
  }),
  get('/log', 'log', {
    ...open,
    summary: 'Records of the public log after a place.',
    input: logQuery,
    output: logPage,
  }),
  get('/log/checkpoint', 'checkpoint', {
    ...open,
    summary: 'The signed size and root of the public log.',
    input: null,
    output: checkpointSchema,
  }),
];
