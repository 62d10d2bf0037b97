/** Documents of receipts: made, and verified under the key of the tests. */
import { documentOf } from '../operator/receipts/document.ts';
import { proofFor, type ReceiptDocument, receiptDocument } from '../operator/receipts/proof.ts';
import { publicReceipt } from '../operator/receipts/public-receipt.ts';
import { signReceipt, type UnsignedReceipt } from '../operator/receipts/unsigned-receipt.ts';
import { type CheckName, type Verification, verifyEither } from '../operator/receipts/verify.ts';
import { loggedAt, RECEIPT_KEY, RECEIPTS } from './receipt-samples.ts';

export const BATCHES = [3, 5, 4];
export const SEQ = 6;
export const KINDS = Object.entries(RECEIPTS);
export const payment = RECEIPTS['a payment'] ?? neverMade;

export function neverMade(): UnsignedReceipt {
  throw new Error('there is a sample of each kind');
}

export function documentAt(
  view: 'whole' | 'public',
  make: (seq: number) => UnsignedReceipt,
  secret = RECEIPT_KEY,
): ReceiptDocument {
  const { log, record, unsigned } = loggedAt(SEQ, BATCHES, make);
  const signed = signReceipt(unsigned, secret);
  const receipt = view === 'whole' ? signed.receipt : publicReceipt(signed);
  return receiptDocument(receipt, proofFor(log, record, secret));
}

export function verdictOf(document: unknown): Verification {
  const { receipt, proof } = documentOf(document);
  return verifyEither(receipt, proof, RECEIPT_KEY.publicKey);
}

export function failedOf({ checks }: Verification): CheckName[] {
  return checks.flatMap(({ name, result }) => (result === 'failed' ? [name] : []));
}
