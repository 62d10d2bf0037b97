/**
 * PUBLISHED: the receipts of this pool, field by field. A hash covers exactly the fields of its schema, those
 * that are absent as `null`; the wire leaves those out. Nothing is ever added to a schema under the same name.
 */

export const INVOICE_PAY_SCHEMA = 'openagents.liquidity.invoice_pay_receipt.v1';
export const REFUSAL_SCHEMA = 'weir.refusal_receipt.v1';
export const ACTION_SCHEMA = 'weir.action_receipt.v1';

/** Largest text in a field, in UTF-16 units: longer ones are refused before anything is hashed. */
export const FIELD_CHARS_MAX = 2_000;

export interface ReceiptSchema {
  /** A receipt's id is this and the first 24 hex digits of its hash. */
  prefix: string;
  required: readonly string[];
  /** Null in the hash and absent on the wire where there is nothing to say. */
  optional: readonly string[];
  /** Left out of what everybody may see, present or not, so that its absence tells nothing. */
  private: readonly string[];
}

/** By schema name. `Object.hasOwn` before asking: names come from outside. */
export const RECEIPT_SCHEMAS: Readonly<Record<string, ReceiptSchema>> = {
  [INVOICE_PAY_SCHEMA]: {
    prefix: 'lipr_',
    required: [
      'schema',
      'quote_id',
      'invoice_hash',
      'host',
      'quoted_amount_msats',
      'max_amount_msats',
      'max_fee_msats',
      'max_amount_forwarded_msats',
      'status',
      'policy_context_sha256',
      'created_at',
    ],
    optional: [
      'wallet_receipt_sha256',
      'preimage_sha256',
      'paid_at_ms',
      'error_code',
      'error_message',
      'run_id',
      'trajectory_hash',
    ],
    // `preimage_sha256` is the payment hash, and `wallet_receipt_sha256` can be tried with one that is guessed.
    private: ['invoice_hash', 'host', 'preimage_sha256', 'wallet_receipt_sha256', 'error_message'],
  },
  [REFUSAL_SCHEMA]: {
    prefix: 'wrr_',
    required: ['schema', 'pool_id', 'action', 'reason_code', 'message', 'agent_id', 'created_at'],
    optional: ['quote_id', 'idempotency_key_sha256'],
    private: ['message', 'agent_id', 'quote_id', 'idempotency_key_sha256'],
  },
  [ACTION_SCHEMA]: {
    prefix: 'war_',
    required: ['schema', 'pool_id', 'action', 'subject', 'amounts', 'created_at'],
    optional: ['agent_id', 'links'],
    private: ['subject', 'agent_id', 'links'],
  },
};

/** Members of a wire receipt that its hash does not cover. */
export const UNHASHED_MEMBERS = [
  'receipt_id',
  'canonical_json_sha256',
  'signature',
  'extensions',
] as const;

/** Digits of the hash in an id. */
const ID_HEX = 24;

export function receiptIdOf(prefix: string, sha256: string): string {
  return `${prefix}${sha256.slice(0, ID_HEX)}`;
}

/** The schema of a name that came from outside, or null. */
export function receiptSchemaOf(name: unknown): ReceiptSchema | null {
  if (typeof name !== 'string' || !Object.hasOwn(RECEIPT_SCHEMAS, name)) return null;
  return RECEIPT_SCHEMAS[name] ?? null;
}

/** Every field of the schema and no other, absent ones as null: what is hashed. */
export function hashInputOf(
  schema: ReceiptSchema,
  fields: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return picked(fields, [...schema.required, ...schema.optional]);
}

/** The same without what is private. */
export function publicInputOf(
  schema: ReceiptSchema,
  fields: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const names = [...schema.required, ...schema.optional];
  return picked(
    fields,
    names.filter((name) => !schema.private.includes(name)),
  );
}

/** Without the members that are null. */
export function withoutNulls(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

function picked(
  fields: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(
    names.map((name) => [name, Object.hasOwn(fields, name) ? (fields[name] ?? null) : null]),
  );
}
