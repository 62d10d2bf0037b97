/** The receipt of a payment that ended, made of what is stored of it. Pure. */
import { type Msat, msat } from '../policies/units.ts';
import type { Payment, PoolState } from './pool-state.ts';
import { invoicePayReceipt } from './receipts/invoice-pay-receipt.ts';
import type { UnsignedReceipt } from './receipts/unsigned-receipt.ts';
import { walletReceiptSha256 } from './receipts/wallet-receipt.ts';

const PAID: ReadonlySet<Payment['state']> = new Set(['settled', 'settled-late']);

export interface PayReceiptPlace {
  nowMs: number;
  seq: number;
  poolId: string;
  /** Ids of receipts that this one corrects. */
  parentReceipts?: readonly string[];
}

/** `payment` is as it is after its end. */
export function payReceipt(
  payment: Payment,
  { nowMs, seq, poolId, parentReceipts = [] }: PayReceiptPlace,
): UnsignedReceipt {
  const { quote, failure, preimage, settledAtMs } = payment;
  const paid = PAID.has(payment.state);
  const routeFeeMsat = payment.routeFeeMsat ?? msat(0n);
  const forwarded = quote.amountMsat + quote.maxFeeMsat;
  return invoicePayReceipt(
    {
      quoteId: quote.quoteId,
      invoiceHash: quote.invoiceHash,
      host: quote.host,
      quotedAmountMsat: quote.amountMsat,
      maxAmountMsat: quote.maxAmountMsat,
      maxFeeMsat: quote.maxFeeMsat,
      maxAmountForwardedMsat: msat(
        forwarded < quote.maxAmountMsat ? forwarded : quote.maxAmountMsat,
      ),
      status: paid ? 'succeeded' : 'failed',
      walletReceiptSha256: paid ? nodeAnswerSha256(payment, routeFeeMsat) : null,
      // SHA-256 of the preimage is the payment hash (BOLT 11).
      preimageSha256: paid && preimage !== null ? quote.paymentHash : null,
      paidAtMs: paid ? settledAtMs : null,
      errorCode: failure?.why ?? null,
      errorMessage: failure?.detail ?? null,
      policyContextSha256: quote.policyContextSha256,
      runId: payment.runId,
      trajectoryHash: payment.trajectoryHash,
      createdAtMs: nowMs,
    },
    {
      poolId,
      seq,
      fundingSource: quote.funding,
      routeFeeMsat,
      serviceFeeMsat: paid ? quote.serviceFeeMsat : msat(0n),
      rail: payment.inside === null ? 'lightning' : 'inside',
      attempts: payment.attempts,
      policyId: payment.policyId,
      operatorPolicySha256: quote.operatorPolicyHash,
      parentReceipts,
    },
  );
}

/** The receipt that a payment had before; asked for seldom enough that every receipt is looked through. */
export function earlierReceipts(state: PoolState, { finalSeq }: Payment): string[] {
  return [...state.receipts].filter(([, seq]) => seq === finalSeq).map(([id]) => id);
}

/** Null for a payment inside: no node answered. */
function nodeAnswerSha256(payment: Payment, feeMsat: Msat): string | null {
  const { quote, preimage, settledAtMs, attempts } = payment;
  if (preimage === null || settledAtMs === null) return null;
  const { paymentHash, amountMsat } = quote;
  return walletReceiptSha256({ paymentHash, amountMsat, feeMsat, settledAtMs, attempts });
}
