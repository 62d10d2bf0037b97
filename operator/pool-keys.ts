/**
 * The pool's own keys in one sealed file: one signs receipts, one its word to the treasury, one secret makes the
 * preimages of top-ups. None of them can move treasury money, and none signs what a caller supplies.
 */
import path from 'node:path';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { openSealedFile, sealFile } from '../custody/sealed-file.ts';
import { Failure } from '../policies/failure.ts';
import { FILES } from './config.ts';

const hexKey = z.string().regex(/^[0-9a-f]{64}$/);
const sealed = z.strictObject({ receipts: hexKey, word: hexKey, topups: hexKey });

export interface PoolKeys {
  receipts: Uint8Array;
  /** x-only, in hex. */
  receiptsPublic: string;
  word: Uint8Array;
  wordPublic: string;
  topups: Uint8Array;
}

/** Makes and seals new keys. @throws Failure WRONG_STATE where there are some */
export async function makePoolKeys(dir: string, passphrase: string): Promise<PoolKeys> {
  const made = {
    receipts: bytesToHex(schnorr.utils.randomSecretKey()),
    word: bytesToHex(schnorr.utils.randomSecretKey()),
    topups: bytesToHex(schnorr.utils.randomSecretKey()),
  };
  await sealFile(path.join(dir, FILES.keys), utf8ToBytes(JSON.stringify(made)), passphrase);
  return keysOf(made);
}

/** @throws Failure KEY_MISSING, PASSPHRASE_WRONG */
export async function openPoolKeys(dir: string, passphrase: string): Promise<PoolKeys> {
  const plain = await openSealedFile(path.join(dir, FILES.keys), passphrase);
  const parsed = sealed.safeParse(JSON.parse(Buffer.from(plain).toString('utf8')));
  if (!parsed.success) throw new Failure('KEY_MISSING', 'the sealed file holds no keys of a pool');
  return keysOf(parsed.data);
}

function keysOf({ receipts, word, topups }: z.infer<typeof sealed>): PoolKeys {
  const receiptKey = hexToBytes(receipts);
  const wordKey = hexToBytes(word);
  return {
    receipts: receiptKey,
    receiptsPublic: bytesToHex(schnorr.getPublicKey(receiptKey)),
    word: wordKey,
    wordPublic: bytesToHex(schnorr.getPublicKey(wordKey)),
    topups: hexToBytes(topups),
  };
}
