/**
 * A receipt as everybody may see it: without whom it paid, what for, and the hashes that would name the payment.
 * What is left is bound by the log record, so it verifies with its proof. Pure.
 */
import { invariant } from '../../policies/failure.ts';
import { receiptSchemaOf, UNHASHED_MEMBERS } from './receipt-schemas.ts';
import type { ReceiptSignature, SignedReceipt } from './unsigned-receipt.ts';

export interface PublicReceipt {
  [field: string]: unknown;
  receipt_id: string;
  canonical_json_sha256: string;
  extensions: Readonly<Record<string, unknown>>;
  signature: ReceiptSignature;
  /** Fields of the schema that are not shown, whether the receipt has them or not. */
  redacted: readonly string[];
}

export function publicReceipt({ receipt }: SignedReceipt): PublicReceipt {
  const schema = receiptSchemaOf(receipt['schema']);
  invariant(schema !== null, `${receipt.receipt_id} is no receipt of ours`);
  const { receipt_id, canonical_json_sha256, extensions, signature } = receipt;
  const shown = [...schema.required, ...schema.optional].filter(
    (name) => Object.hasOwn(receipt, name) && !schema.private.includes(name),
  );
  return {
    ...Object.fromEntries(shown.map((name) => [name, receipt[name]])),
    receipt_id,
    canonical_json_sha256,
    extensions,
    signature,
    redacted: [...schema.private],
  };
}

/** Members of a public receipt that are no fields of its schema. */
export const PUBLIC_MEMBERS = [...UNHASHED_MEMBERS, 'redacted'] as const;
