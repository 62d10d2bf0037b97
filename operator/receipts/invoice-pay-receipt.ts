/** The receipt of a payment: `openagents.liquidity.invoice_pay_receipt.v1`, and what it does not prove. Pure. */
import type { Hex32 } from '../../policies/canonical-json.ts';
import type { Msat } from '../../policies/units.ts';
import { wireInteger } from '../protocol.ts';
import { type Claims, type ReceiptPlace, receiptExtensions } from './extensions.ts';
import { INVOICE_PAY_SCHEMA } from './receipt-schemas.ts';
import { rfc3339 } from './rfc3339.ts';
import { type UnsignedReceipt, unsignedReceiptOf } from './unsigned-receipt.ts';

/** The published fields. Null where there is nothing to say. */
export interface InvoicePay {
  quoteId: string;
  /** SHA-256 of the invoice's text. */
  invoiceHash: Hex32;
  host: string;
  quotedAmountMsat: Msat;
  maxAmountMsat: Msat;
  maxFeeMsat: Msat;
  /** Amount and fee that could leave at most. */
  maxAmountForwardedMsat: Msat;
  status: 'succeeded' | 'failed';
  walletReceiptSha256: Hex32 | null;
  /** Equal to the payment hash, by the rules of Lightning. */
  preimageSha256: Hex32 | null;
  paidAtMs: number | null;
  errorCode: string | null;
  errorMessage: string | null;
  policyContextSha256: Hex32;
  runId: string | null;
  trajectoryHash: string | null;
  createdAtMs: number;
}

/** What the published fields have no place for. */
export interface InvoicePayMore extends ReceiptPlace {
  fundingSource: 'prepaid' | 'treasury';
  routeFeeMsat: Msat;
  serviceFeeMsat: Msat;
  /** `lightning`, or `inside` where payee and payer are both ours and no HTLC left. */
  rail: 'lightning' | 'inside';
  attempts: number;
  /** The caller's own name of the rule it paid under. */
  policyId: string | null;
  /** The operator's policy that the quote was made under. */
  operatorPolicySha256: Hex32;
  /** Ids of receipts this one follows from or corrects. */
  parentReceipts: readonly string[];
}

const NEVER_PROVED = [
  'that goods or services were delivered, or worth the price',
  'that the payee is who host says it is: the host is the word of the caller',
  'that this pool shows everybody the same log: compare checkpoints with others',
];
const CLAIMS: Record<InvoicePay['status'], Claims> = {
  succeeded: {
    proves:
      'The pool states under its receipt key that it paid this invoice, once, and what that cost.',
    doesNotProve: [
      'that the payee got the money, unless you see the preimage whose SHA-256 is preimage_sha256',
      ...NEVER_PROVED,
    ],
  },
  failed: {
    proves:
      'The pool states under its receipt key that this attempt ended without a payment and cost nothing.',
    doesNotProve: ['that nobody else paid this invoice', ...NEVER_PROVED],
  },
};
const INSIDE: Claims = {
  proves: 'The pool states under its receipt key that it moved this amount between two balances.',
  doesNotProve: ['that anything moved on Lightning: no preimage was revealed', ...NEVER_PROVED],
};

/** The receipt of a payment that ended. @throws Failure INPUT_INVALID for text that has no canonical hash */
export function invoicePayReceipt(pay: InvoicePay, more: InvoicePayMore): UnsignedReceipt {
  const claims = more.rail === 'inside' && pay.status === 'succeeded' ? INSIDE : CLAIMS[pay.status];
  const extensions = receiptExtensions(more, claims, {
    rail: more.rail,
    funding_source: more.fundingSource,
    route_fee_msats: wireInteger(more.routeFeeMsat),
    service_fee_msats: wireInteger(more.serviceFeeMsat),
    attempts: more.attempts,
    policy_id: more.policyId,
    operator_policy_sha256: more.operatorPolicySha256,
    parent_receipts: more.parentReceipts,
  });
  return unsignedReceiptOf({ schema: INVOICE_PAY_SCHEMA, ...fieldsOf(pay) }, extensions);
}

function fieldsOf(pay: InvoicePay): Record<string, unknown> {
  return {
    quote_id: pay.quoteId,
    invoice_hash: pay.invoiceHash,
    host: pay.host,
    quoted_amount_msats: wireInteger(pay.quotedAmountMsat),
    max_amount_msats: wireInteger(pay.maxAmountMsat),
    max_fee_msats: wireInteger(pay.maxFeeMsat),
    max_amount_forwarded_msats: wireInteger(pay.maxAmountForwardedMsat),
    status: pay.status,
    wallet_receipt_sha256: pay.walletReceiptSha256,
    preimage_sha256: pay.preimageSha256,
    paid_at_ms: pay.paidAtMs,
    error_code: pay.errorCode,
    error_message: pay.errorMessage,
    policy_context_sha256: pay.policyContextSha256,
    run_id: pay.runId,
    trajectory_hash: pay.trajectoryHash,
    created_at: rfc3339(pay.createdAtMs),
  };
}
