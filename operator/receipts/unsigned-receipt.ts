/**
 * A receipt as the journal holds it: complete and hashed, without a signature. A signature is made when
 * somebody asks, and is the same whenever it is made. Pure.
 */
import { z } from 'zod';
import { invariant } from '../../policies/failure.ts';
import { hex32 } from '../../policies/intent.ts';
import { canonicalSha256 } from './canonical.ts';
import {
  hashInputOf,
  publicInputOf,
  receiptIdOf,
  receiptSchemaOf,
  withoutNulls,
} from './receipt-schemas.ts';
import { type ReceiptKey, signDigest } from './schnorr.ts';

export const unsignedReceipt = z.strictObject({
  schema: z.string().max(80),
  receiptId: z.string().max(64),
  /** Over `fields`: `canonical_json_sha256` on the wire. */
  canonicalSha256: hex32,
  /** Over the fields that everybody may see. */
  publicSha256: hex32,
  extensionsSha256: hex32,
  /** Every field of the schema, absent ones as null. */
  fields: z.record(z.string(), z.unknown()),
  extensions: z.record(z.string(), z.unknown()),
});
export type UnsignedReceipt = z.infer<typeof unsignedReceipt>;

/** How the published receipts are signed: BIP-340 over the hash itself, auxiliary randomness all zero. */
export const SIGNATURE_SCHEMA = 'openagents.receipt_signature.v1';
export const SIGNATURE_SCHEME = 'secp256k1_schnorr_no_aux_rand';

export interface ReceiptSignature {
  schema: typeof SIGNATURE_SCHEMA;
  scheme: typeof SIGNATURE_SCHEME;
  /** x-only, BIP-340. */
  signer_pubkey: string;
  signed_sha256: string;
  signature_hex: string;
}

/** A receipt as it travels: the fields that are not null, and what is made of them. */
export interface WireReceipt {
  [field: string]: unknown;
  receipt_id: string;
  canonical_json_sha256: string;
  extensions: Readonly<Record<string, unknown>>;
  signature: ReceiptSignature;
}

export interface SignedReceipt {
  receiptId: string;
  seq: number;
  receipt: WireReceipt;
}

/** A receipt of these fields, hashed. @throws BrokenInvariant for a field that the schema does not have */
export function unsignedReceiptOf(
  fields: Readonly<Record<string, unknown>> & { schema: string },
  extensions: Readonly<Record<string, unknown>>,
): UnsignedReceipt {
  const schema = receiptSchemaOf(fields.schema);
  invariant(schema !== null, `${fields.schema} is no receipt of ours`);
  const input = hashInputOf(schema, fields);
  for (const name of Object.keys(fields)) {
    invariant(Object.hasOwn(input, name), `${fields.schema} has no field ${name}`);
  }
  for (const name of schema.required) {
    invariant(input[name] !== null, `${fields.schema} needs ${name}`);
  }
  const sha256 = canonicalSha256(input);
  return {
    schema: fields.schema,
    receiptId: receiptIdOf(schema.prefix, sha256),
    canonicalSha256: sha256,
    publicSha256: canonicalSha256(publicInputOf(schema, fields)),
    extensionsSha256: canonicalSha256(extensions),
    fields: input,
    extensions,
  };
}

/**
 * Signs a receipt under the pool's receipt key. The digest is made of the fields here and now: there is no way
 * to have another one signed.
 *
 * @throws BrokenInvariant when the fields do not hash to what the receipt says
 */
export function signReceipt(unsigned: UnsignedReceipt, key: ReceiptKey): SignedReceipt {
  const again = unsignedReceiptOf(
    { ...unsigned.fields, schema: unsigned.schema },
    unsigned.extensions,
  );
  const { receiptId, canonicalSha256: sha256, extensions } = again;
  invariant(
    sha256 === unsigned.canonicalSha256 && receiptId === unsigned.receiptId,
    `${unsigned.receiptId} does not hash to what it says`,
  );
  const receipt: WireReceipt = {
    ...withoutNulls(again.fields),
    receipt_id: receiptId,
    canonical_json_sha256: sha256,
    extensions,
    signature: {
      schema: SIGNATURE_SCHEMA,
      scheme: SIGNATURE_SCHEME,
      signer_pubkey: key.publicKey,
      signed_sha256: sha256,
      signature_hex: signDigest(sha256, key),
    },
  };
  return { receiptId, seq: seqIn(unsigned), receipt };
}

/** Number of the entry that a receipt is in. */
export function seqIn({ extensions }: Pick<UnsignedReceipt, 'extensions'>): number {
  return z.int().parse(extensions['seq']);
}
