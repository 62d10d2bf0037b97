/** What the Lightning node answered about one payment, as a receipt refers to it by hash. Pure. */
import type { Hex32 } from '../../policies/canonical-json.ts';
import type { Msat } from '../../policies/units.ts';
import { canonicalSha256 } from './canonical.ts';

export interface NodeAnswer {
  paymentHash: Hex32;
  /** What the payee got. */
  amountMsat: Msat;
  /** What the route took on top. */
  feeMsat: Msat;
  settledAtMs: number;
  /** HTLCs that were tried. */
  attempts: number;
}

export interface WalletReceipt {
  schema: 'weir.wallet_receipt.v1';
  payment_hash: Hex32;
  amount_msat: string;
  fee_msat: string;
  settled_at_ms: number;
  attempts: number;
}

/** Amounts as decimal text: it is shown to whoever asks for it, and hashed. */
export function walletReceipt(answer: NodeAnswer): WalletReceipt {
  return {
    schema: 'weir.wallet_receipt.v1',
    payment_hash: answer.paymentHash,
    amount_msat: answer.amountMsat.toString(),
    fee_msat: answer.feeMsat.toString(),
    settled_at_ms: answer.settledAtMs,
    attempts: answer.attempts,
  };
}

/** `wallet_receipt_sha256` of a payment receipt. */
export function walletReceiptSha256(answer: NodeAnswer): Hex32 {
  return canonicalSha256(walletReceipt(answer));
}
