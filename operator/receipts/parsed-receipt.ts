/** A receipt from outside, parsed against its schema's fixed list of fields: nothing unknown, nothing missing. Pure. */
import { z } from 'zod';
import { Failure } from '../../policies/failure.ts';
import { hex32 } from '../../policies/intent.ts';
import { schnorrSignature, xOnlyKey } from '../../policies/statement.ts';
import { canonicalSha256 } from './canonical.ts';
import { EXTENSIONS_SCHEMA } from './extensions.ts';
import { PUBLIC_MEMBERS } from './public-receipt.ts';
import {
  FIELD_CHARS_MAX,
  hashInputOf,
  publicInputOf,
  type ReceiptSchema,
  receiptSchemaOf,
  UNHASHED_MEMBERS,
} from './receipt-schemas.ts';
import { SIGNATURE_SCHEMA, SIGNATURE_SCHEME } from './unsigned-receipt.ts';

export const receiptSignatureSchema = z.strictObject({
  schema: z.literal(SIGNATURE_SCHEMA),
  scheme: z.literal(SIGNATURE_SCHEME),
  signer_pubkey: xOnlyKey,
  signed_sha256: hex32,
  signature_hex: schnorrSignature,
});

const envelope = z.object({
  receipt_id: z.string().max(64),
  canonical_json_sha256: hex32,
  signature: receiptSignatureSchema,
  extensions: z.looseObject({
    schema: z.literal(EXTENSIONS_SCHEMA),
    pool_id: z.string().max(64),
    seq: z.int().min(1),
    proves: z.string().max(FIELD_CHARS_MAX),
    does_not_prove: z.array(z.string().max(FIELD_CHARS_MAX)).max(20),
  }),
});

export type View = 'whole' | 'public';

export interface ParsedReceipt extends z.infer<typeof envelope> {
  view: View;
  schemaName: string;
  schema: ReceiptSchema;
  /** Hash over all fields; null in a public view, which does not have them. */
  fieldsSha256: string | null;
  publicSha256: string;
  extensionsSha256: string;
}

/** @throws Failure INPUT_INVALID, with the member and the rule */
export function parsedReceipt(value: unknown, view: View): ParsedReceipt {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('a receipt is a JSON object');
  }
  const receipt: Readonly<Record<string, unknown>> = { ...value };
  const schemaName = receipt['schema'];
  const schema = receiptSchemaOf(schemaName);
  if (schema === null || typeof schemaName !== 'string') {
    throw invalid('schema is no receipt of this pool');
  }
  requireMembers(receipt, schema, view);
  const parsed = envelope.safeParse(receipt);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
  const extensions = receipt['extensions'];
  return {
    ...parsed.data,
    view,
    schemaName,
    schema,
    fieldsSha256: view === 'whole' ? canonicalSha256(hashInputOf(schema, receipt)) : null,
    publicSha256: canonicalSha256(publicInputOf(schema, receipt)),
    extensionsSha256: canonicalSha256(extensions),
  };
}

function requireMembers(
  receipt: Readonly<Record<string, unknown>>,
  schema: ReceiptSchema,
  view: View,
): void {
  const hidden = view === 'public' ? schema.private : [];
  const fields = [...schema.required, ...schema.optional].filter((name) => !hidden.includes(name));
  const allowed = [...fields, ...(view === 'public' ? PUBLIC_MEMBERS : UNHASHED_MEMBERS)];
  for (const name of Object.keys(receipt)) {
    // Beside the hash anybody could have written it.
    if (!allowed.some((each) => each === name)) throw invalid('a member that its schema has not');
  }
  for (const name of fields) {
    const value = receipt[name] ?? null;
    if (value === null && schema.required.includes(name)) throw invalid(`${name} is missing`);
    if (typeof value === 'string' && value.length > FIELD_CHARS_MAX) {
      throw invalid(`${name} is longer than ${FIELD_CHARS_MAX} characters`);
    }
  }
  if (view === 'public' && !sameNames(receipt['redacted'], schema.private)) {
    throw invalid('redacted names other fields than its schema hides');
  }
}

function sameNames(found: unknown, expected: readonly string[]): boolean {
  return (
    Array.isArray(found) &&
    found.length === expected.length &&
    expected.every((name, place) => found[place] === name)
  );
}

function invalid(message: string): Failure {
  return new Failure('INPUT_INVALID', message);
}
