/**
 * The receipt of what has no schema of its own: `weir.action_receipt.v1` for top-ups, credentials, channels,
 * modes and capital. Pure.
 */
import { type Claims, type ReceiptPlace, receiptExtensions } from './extensions.ts';
import { ACTION_SCHEMA } from './receipt-schemas.ts';
import { rfc3339 } from './rfc3339.ts';
import { type UnsignedReceipt, unsignedReceiptOf } from './unsigned-receipt.ts';

export interface Action extends ReceiptPlace {
  /** `topup_credited`, `channel_opened`, … */
  action: string;
  /** What it was done to, by its id. */
  subject: string;
  /** Decimal text, unit at the end of the name: `received_msat`. */
  amounts: Readonly<Record<string, string>>;
  agentId: string | null;
  /** Ids that belong to it: a transaction, a proposal, an approval. */
  links?: Readonly<Record<string, string | readonly string[]>>;
  createdAtMs: number;
}

const CLAIMS: Claims = {
  proves: 'The pool states under its receipt key that this happened, and when it booked it.',
  doesNotProve: [
    'that anybody outside the pool agrees: look at the chain or ask the peer',
    'that the pool still has the money',
    'that this pool shows everybody the same log: compare checkpoints with others',
  ],
};

/** @throws Failure INPUT_INVALID for text that has no canonical hash */
export function actionReceipt(action: Action): UnsignedReceipt {
  return unsignedReceiptOf(
    {
      schema: ACTION_SCHEMA,
      pool_id: action.poolId,
      action: action.action,
      subject: action.subject,
      amounts: action.amounts,
      agent_id: action.agentId,
      links: action.links ?? null,
      created_at: rfc3339(action.createdAtMs),
    },
    receiptExtensions(action, CLAIMS, {}),
  );
}
