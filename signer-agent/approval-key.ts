/**
 * The approval key: a guardian's own yes or no, under a passphrase of its own, in a file of its own. It is
 * open only while one approval is signed; the running agent never has it.
 */
import path from 'node:path';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes, randomBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { openSealedFile, sealFile } from '../custody/sealed-file.ts';
import { Failure } from '../policies/failure.ts';
import { hex32 } from '../policies/intent.ts';
import type { Approval, approvalBody } from '../policies/proposal.ts';
import { signStatement } from '../policies/statement.ts';

export const APPROVAL_FILE = 'approval.sealed';

const content = z.strictObject({ schema: z.literal('weir.approval-key/v1'), secret: hex32 });

/**
 * Makes the approval key of this folder and gives its public key (BIP-340, hex). Where there is one
 * already it is opened instead, so that a ceremony can be taken up again.
 *
 * @throws Failure PASSPHRASE_WRONG when there is one under another passphrase.
 */
export async function makeApprovalKey(dir: string, passphrase: string): Promise<string> {
  const known = await withSecret(dir, passphrase, publicKeyOf).catch((cause: unknown) => {
    if (cause instanceof Failure && cause.code === 'KEY_MISSING') return null;
    throw cause;
  });
  if (known !== null) return known;
  const secret = schnorr.utils.randomSecretKey();
  const text = JSON.stringify({ schema: 'weir.approval-key/v1', secret: bytesToHex(secret) });
  const plain = new TextEncoder().encode(text);
  try {
    await sealFile(path.join(dir, APPROVAL_FILE), plain, passphrase);
    return publicKeyOf(secret);
  } finally {
    plain.fill(0);
    secret.fill(0);
  }
}

/**
 * Signs one decision and forgets the key again.
 *
 * @throws Failure PASSPHRASE_WRONG, KEY_MISSING
 */
export async function signApproval(
  dir: string,
  passphrase: string,
  body: z.infer<typeof approvalBody>,
): Promise<Approval> {
  return await withSecret(dir, passphrase, (secret) =>
    signStatement('approval', body, secret, randomBytes(32)),
  );
}

async function withSecret<T>(
  dir: string,
  passphrase: string,
  use: (secret: Uint8Array) => T,
): Promise<T> {
  const plain = await openSealedFile(path.join(dir, APPROVAL_FILE), passphrase);
  const secret = secretIn(plain);
  try {
    return use(secret);
  } finally {
    secret.fill(0);
  }
}

/** Clears `plain`, whatever is in it. */
function secretIn(plain: Uint8Array): Uint8Array {
  try {
    return hexToBytes(content.parse(JSON.parse(new TextDecoder().decode(plain))).secret);
  } catch {
    // What stands in the file is a secret even when it is malformed: the cause is not kept.
    throw new Failure('INPUT_INVALID', `${APPROVAL_FILE} holds no approval key`);
  } finally {
    plain.fill(0);
  }
}

function publicKeyOf(secret: Uint8Array): string {
  return bytesToHex(schnorr.getPublicKey(secret));
}
