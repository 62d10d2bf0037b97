/** The receipt of a no: `weir.refusal_receipt.v1`. A caller can show that it asked and what it was told. Pure. */
import type { Hex32 } from '../../policies/canonical-json.ts';
import { type Claims, type ReceiptPlace, receiptExtensions } from './extensions.ts';
import { REFUSAL_SCHEMA } from './receipt-schemas.ts';
import { rfc3339 } from './rfc3339.ts';
import { type UnsignedReceipt, unsignedReceiptOf } from './unsigned-receipt.ts';

export interface Refusal extends ReceiptPlace {
  action: string;
  reasonCode: string;
  message: string;
  agentId: string;
  quoteId: string | null;
  idempotencyKeySha256: Hex32 | null;
  createdAtMs: number;
}

const CLAIMS: Claims = {
  proves: 'The pool states under its receipt key that it refused this call, and why.',
  doesNotProve: [
    'that the same call is refused for ever',
    'that the reason is true of anything outside the pool',
    'that this pool shows everybody the same log: compare checkpoints with others',
  ],
};

/** @throws Failure INPUT_INVALID for text that has no canonical hash */
export function refusalReceipt(refusal: Refusal): UnsignedReceipt {
  return unsignedReceiptOf(
    {
      schema: REFUSAL_SCHEMA,
      pool_id: refusal.poolId,
      action: refusal.action,
      reason_code: refusal.reasonCode,
      message: refusal.message,
      agent_id: refusal.agentId,
      quote_id: refusal.quoteId,
      idempotency_key_sha256: refusal.idempotencyKeySha256,
      created_at: rfc3339(refusal.createdAtMs),
    },
    receiptExtensions(refusal, CLAIMS, {}),
  );
}
