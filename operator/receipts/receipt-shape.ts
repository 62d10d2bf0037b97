/**
 * PUBLISHED: the shape of receipts and of what belongs to them, for the API's document. Whether one holds is found by
 * `verify.ts`, which reads more strictly. Pure.
 */
import { z } from 'zod';
import { hex32 } from '../../policies/intent.ts';
import { EXTENSIONS_SCHEMA } from './extensions.ts';
import { receiptSignatureSchema } from './parsed-receipt.ts';
import { DOCUMENT_SCHEMA, receiptProofSchema } from './proof.ts';
import { INVOICE_PAY_SCHEMA, RECEIPT_SCHEMAS } from './receipt-schemas.ts';

const ofPayments = `; of ${INVOICE_PAY_SCHEMA} only`;

export const receiptExtensionsShape = z.looseObject({
  schema: z.literal(EXTENSIONS_SCHEMA),
  pool_id: z.string(),
  seq: z.int().min(1).describe('Entry of the log'),
  rail: z
    .enum(['lightning', 'inside'])
    .optional()
    .describe(`inside: payee and payer are both the pool's, no HTLC left${ofPayments}`),
  funding_source: z.enum(['prepaid', 'treasury']).optional().describe(`Whose money${ofPayments}`),
  route_fee_msats: z.int().min(0).optional().describe(`What the route cost${ofPayments}`),
  service_fee_msats: z.int().min(0).optional().describe(`What the pool took${ofPayments}`),
  attempts: z.int().min(0).optional().describe(`HTLC attempts of the node${ofPayments}`),
  policy_id: z.string().optional().describe(`As pay named it${ofPayments}`),
  operator_policy_sha256: hex32.optional().describe(`Rules of the quote${ofPayments}`),
  parent_receipts: z
    .array(z.string())
    .optional()
    .describe(`Ids of receipts that this one takes back${ofPayments}`),
  proves: z.string().describe('What it says, in words'),
  does_not_prove: z.array(z.string()).describe('What a reader may think it says, and it does not'),
});

export const receiptShape = z
  .looseObject({
    schema: z.enum(Object.keys(RECEIPT_SCHEMAS)),
    receipt_id: z.string(),
    canonical_json_sha256: hex32.describe(
      'Over exactly the fields of the schema, those that are absent as null',
    ),
    signature: receiptSignatureSchema.describe('BIP-340 over canonical_json_sha256'),
    extensions: receiptExtensionsShape.describe('Bound by the log record, not by the hash'),
    redacted: z
      .array(z.string())
      .optional()
      .describe('Fields that only its owner sees; absent where the receipt is whole'),
  })
  .describe(`Beside these the fields of its schema. ${fieldsInWords()}`);

export const receiptDocumentShape = z.object({
  schema: z.literal(DOCUMENT_SCHEMA),
  receipt: receiptShape,
  proof: receiptProofSchema,
});

function fieldsInWords(): string {
  return Object.entries(RECEIPT_SCHEMAS)
    .map(([name, { required, optional }]) => {
      const own = required.filter((field) => field !== 'schema');
      return `${name}: ${own.join(', ')}; where there is something to say ${optional.join(', ')}.`;
    })
    .join(' ');
}
