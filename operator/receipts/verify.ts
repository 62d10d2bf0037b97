/**
 * PUBLISHED: verifies a receipt with nothing but its bytes and the pool's key. Every check has a name and a
 * result; what was not checked is said, and so is what a receipt that holds does not prove. Pure; it does not
 * throw on what a stranger made.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import type { Hex32 } from '../../policies/canonical-json.ts';
import { Failure } from '../../policies/failure.ts';
import { batchHolds } from './batch.ts';
import { checkpointHolds } from './checkpoint.ts';
import { recordLeaf } from './log-record.ts';
import { inclusionHolds } from './merkle-verify.ts';
import { type ParsedReceipt, parsedReceipt, type View } from './parsed-receipt.ts';
import { type ReceiptProof, receiptProofSchema } from './proof.ts';
import { receiptIdOf } from './receipt-schemas.ts';
import { schnorrHolds } from './schnorr.ts';

/** In the order they are made: each rests on those before. */
export const CHECKS = [
  'fields',
  'hash',
  'id',
  'signature',
  'proof-form',
  'record',
  'extensions',
  'public-fields',
  'batch-path',
  'batch-signature',
  'inclusion',
  'checkpoint',
] as const;
export type CheckName = (typeof CHECKS)[number];

export interface Check {
  name: CheckName;
  result: 'passed' | 'failed' | 'not-checked';
  /** Why it failed or was not made; empty where it passed. */
  detail: string;
}

export interface Verification {
  /** `holds`: no check failed, and the pool's key stands behind every field that is shown. */
  verdict: 'holds' | 'broken';
  view: View;
  receiptId: string | null;
  checks: readonly Check[];
  /** What the pool says that it states; null where that is not bound by anything. */
  proves: string | null;
  doesNotProve: readonly string[];
}

/** Whole receipt: `proof` null leaves the log unchecked, and the extensions with it. */
export function verifyReceipt(receipt: unknown, proof: unknown, poolKey: Hex32): Verification {
  return verified(receipt, proof, { poolKey, view: 'whole' });
}

/** Public receipt: only its proof binds what it shows, so without one it does not hold. */
export function verifyPublic(receipt: unknown, proof: unknown, poolKey: Hex32): Verification {
  return verified(receipt, proof, { poolKey, view: 'public' });
}

/** A receipt of either kind: a public one says what it redacted. */
export function verifyEither(receipt: unknown, proof: unknown, poolKey: Hex32): Verification {
  const isPublic = typeof receipt === 'object' && receipt !== null && 'redacted' in receipt;
  return verified(receipt, proof, { poolKey, view: isPublic ? 'public' : 'whole' });
}

type Answer = true | { failed: string } | { not: string };
type Answers = Partial<Record<CheckName, Answer>>;

function verified(
  receipt: unknown,
  proof: unknown,
  { poolKey, view }: { poolKey: Hex32; view: View },
): Verification {
  const parsed = attempt(() => parsedReceipt(receipt, view));
  if (parsed instanceof Failure) {
    const checks = listed({ fields: { failed: parsed.message } }, 'the receipt could not be read');
    return { ...NOTHING, verdict: 'broken', view, checks };
  }
  const answers: Answers = { fields: true, ...ownAnswers(parsed, poolKey) };
  const logged = proof === null || proof === undefined ? null : logAnswers(parsed, proof, poolKey);
  const checks = listed(
    { ...answers, ...(logged ?? unlogged(view)) },
    logged === null ? 'there is no proof with it' : 'the proof does not have it',
  );
  const holds = checks.every(({ result }) => result !== 'failed');
  const bound = holds && logged !== null;
  return {
    verdict: holds ? 'holds' : 'broken',
    view,
    receiptId: parsed.receipt_id,
    checks,
    proves: bound ? parsed.extensions.proves : null,
    doesNotProve: notProved(parsed, { bound, checks }),
  };
}

const NOTHING = { receiptId: null, proves: null, doesNotProve: [] };

function ownAnswers(receipt: ParsedReceipt, poolKey: Hex32): Answers {
  const { canonical_json_sha256: sha256, signature, schema, fieldsSha256 } = receipt;
  return {
    hash:
      fieldsSha256 === null
        ? { not: `it covers what is not shown: ${schema.private.join(', ')}` }
        : asked(fieldsSha256 === sha256, 'the fields have another hash'),
    id: asked(
      receipt.receipt_id === receiptIdOf(schema.prefix, sha256),
      'the id is of another hash',
    ),
    signature: signatureAnswer(signature, sha256, poolKey),
  };
}

function signatureAnswer(
  signature: ParsedReceipt['signature'],
  sha256: Hex32,
  poolKey: Hex32,
): Answer {
  if (signature.signer_pubkey !== poolKey) return { failed: 'signed by another key' };
  if (signature.signed_sha256 !== sha256) return { failed: 'it is a signature of another hash' };
  return asked(
    schnorrHolds(signature.signature_hex, sha256, poolKey),
    'no signature of the pool over this hash',
  );
}

/** Nothing but the record binds the fields of a public receipt. */
function unlogged(view: View): Answers {
  return view === 'public' ? { 'public-fields': { failed: 'only a proof binds them' } } : {};
}

function logAnswers(receipt: ParsedReceipt, raw: unknown, poolKey: Hex32): Answers {
  const parsed = receiptProofSchema.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return {
      'proof-form': { failed: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}` },
    };
  }
  const proof = parsed.data;
  const { record, batch } = proof;
  const bound = record.receipt;
  return {
    'proof-form': true,
    record: recordAnswer(receipt, proof),
    extensions: asked(
      bound?.extensions_sha256 === receipt.extensionsSha256,
      'the record has other extensions',
    ),
    'public-fields': asked(
      bound?.public_sha256 === receipt.publicSha256,
      'the record has other public fields',
    ),
    'batch-path': asked(batchPathHolds(proof), 'the record is not in the batch'),
    'batch-signature': asked(
      batchHolds(record.pool_id, batch, poolKey),
      'the pool did not sign this batch',
    ),
    ...checkpointAnswers(proof, poolKey),
  };
}

function recordAnswer(receipt: ParsedReceipt, { record }: ReceiptProof): Answer {
  const { receipt: bound } = record;
  if (bound === undefined) return { failed: 'the record is of an entry without a receipt' };
  const { extensions } = receipt;
  const isOfIt =
    bound.schema === receipt.schemaName &&
    bound.id === receipt.receipt_id &&
    bound.canonical_json_sha256 === receipt.canonical_json_sha256 &&
    record.pool_id === extensions.pool_id &&
    record.seq === extensions.seq;
  return asked(isOfIt, 'the record is of another receipt');
}

function batchPathHolds({ record, batch }: ReceiptProof): boolean {
  return (
    record.seq === batch.first_seq + batch.index &&
    inclusionHolds({
      leaf: recordLeaf(record),
      index: batch.index,
      size: batch.n,
      path: batch.path.map(hexToBytes),
      root: hexToBytes(batch.root),
    })
  );
}

function checkpointAnswers({ record, checkpoint, inclusion }: ReceiptProof, key: Hex32): Answers {
  if (checkpoint === undefined && inclusion === undefined) return {};
  if (checkpoint === undefined || inclusion === undefined) {
    return { inclusion: { failed: 'a checkpoint and its path come together' } };
  }
  return {
    inclusion: asked(
      inclusionHolds({
        leaf: recordLeaf(record),
        index: record.seq - 1,
        size: checkpoint.size,
        path: inclusion.map(hexToBytes),
        root: hexToBytes(checkpoint.root),
      }),
      'the record is not in the log of the checkpoint',
    ),
    checkpoint: asked(
      checkpointHolds(record.pool_id, checkpoint, key),
      'the pool did not sign this checkpoint',
    ),
  };
}

function notProved(
  receipt: ParsedReceipt,
  { bound, checks }: { bound: boolean; checks: readonly Check[] },
): string[] {
  const inLog = checks.some(({ name, result }) => name === 'inclusion' && result === 'passed');
  return [
    ...(bound ? receipt.extensions.does_not_prove : []),
    ...(bound ? [] : ['anything that its extensions say: nothing here binds them']),
    ...(inLog ? [] : ['that it is in the log which the pool shows to others']),
    'that the key is of the pool you mean: take it from somebody you trust',
  ];
}

function asked(holds: boolean, otherwise: string): Answer {
  return holds ? true : { failed: otherwise };
}

/** All checks in order; those without an answer were not made. */
function listed(answers: Answers, otherwise: string): Check[] {
  return CHECKS.map((name) => {
    const answer = answers[name];
    if (answer === undefined) return { name, result: 'not-checked', detail: otherwise };
    if (answer === true) return { name, result: 'passed', detail: '' };
    if ('failed' in answer) return { name, result: 'failed', detail: answer.failed };
    return { name, result: 'not-checked', detail: answer.not };
  });
}

function attempt<T>(work: () => T): T | Failure {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof Failure) return cause;
    throw cause;
  }
}
