/**
 * One seat's secrets: identity key, the secret of its MACs, and the spending key unless a device has it.
 * They are sealed in one file and live in this closure; what leaves it are signatures, MACs and public keys.
 */
import { access, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, randomBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { openSealedFile, sealFile } from '../custody/sealed-file.ts';
import type { AccountKey } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import type { SpentCoin } from '../descriptors/signature.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { hex32, type NetworkName, networkName } from '../policies/intent.ts';
import { type Domain, type Signed, signStatement } from '../policies/statement.ts';
import { type DeviceLimits, deviceLimits, type WalletRecord } from '../policies/wallet-record.ts';
import {
  isMnemonic,
  newMnemonic,
  openSpendingKey,
  requireAccountKey,
  type SpendingKey,
} from './spending-key.ts';

export const KEYSTORE_FILE = 'signer.sealed';
/** A seat redoes its key a few times at most; each replaced one is kept, for coins sent to it by mistake. */
const REPLACED_MAX = 16;

export interface Keystore {
  /** BIP-340 public key, hex: the seat's name on the wire. */
  identityKey: string;
  network: NetworkName;
  /** Null before `makeSpendingKey`. */
  account: AccountKey | null;
  /** Where the spending key is. */
  holder: 'here' | 'device';
  device: DeviceLimits | null;
  /** Signs a statement with the identity key. */
  say<T>(domain: Domain, body: T): Signed<T>;
  /** HMAC-SHA-256 in hex over the record, by a secret of its own: pins what the guardian confirmed (B1). */
  macOf(record: WalletRecord): string;
  /**
   * Makes 24 words, sealed before it returns, and gives them once, for paper. A second call replaces
   * them: the seat redoes its part.
   *
   * @throws Failure WRONG_STATE on a seat whose key is on a device.
   */
  makeSpendingKey(): Promise<{ account: AccountKey; mnemonic: string }>;
  /** DER with sighash byte, one per input. @throws Failure KEY_MISSING on a device's seat. */
  signInputs(unsignedTx: Uint8Array, coins: readonly SpentCoin[]): Uint8Array[];
}

/** What a new keystore is for. `device` where the spending key is on a hardware signer. */
export interface KeystoreOptions {
  network: NetworkName;
  device: { account: AccountKey; limits: DeviceLimits } | null;
}

const mnemonicText = z.string().refine(isMnemonic);
const accountKey = z.strictObject({
  fingerprint: z.string(),
  path: z.string(),
  xpub: z.string().max(120),
});
const content = z.strictObject({
  schema: z.literal('weir.keystore/v1'),
  network: networkName,
  identitySecret: hex32,
  macSecret: hex32,
  spending: z.discriminatedUnion('holder', [
    z.strictObject({
      holder: z.literal('here'),
      mnemonic: mnemonicText.nullable(),
      replaced: z.array(mnemonicText).max(REPLACED_MAX),
    }),
    z.strictObject({ holder: z.literal('device'), account: accountKey, limits: deviceLimits }),
  ]),
});
type Content = z.infer<typeof content>;

/**
 * Makes the secrets of a seat in a folder, which is made where it is missing (mode 0700).
 *
 * @throws Failure WRONG_STATE where there is a keystore already; DESCRIPTOR_INVALID for a device's key of
 *   another network or path.
 */
export async function createKeystore(
  dir: string,
  passphrase: string,
  options: KeystoreOptions,
): Promise<Keystore> {
  const { network, device } = options;
  if (device !== null) requireAccountKey(device.account, NETWORKS[network]);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (await isThere(path.join(dir, KEYSTORE_FILE))) {
    throw new Failure('WRONG_STATE', `there is a ${KEYSTORE_FILE} already: nothing was changed`);
  }
  const made: Content = {
    schema: 'weir.keystore/v1',
    network,
    identitySecret: bytesToHex(schnorr.utils.randomSecretKey()),
    macSecret: bytesToHex(randomBytes(32)),
    spending:
      device === null
        ? { holder: 'here', mnemonic: null, replaced: [] }
        : { holder: 'device', ...device },
  };
  await write(dir, passphrase, made);
  return await keystoreOf(dir, passphrase, made);
}

/**
 * Opens a seat's keystore.
 *
 * @throws Failure PASSPHRASE_WRONG, KEY_MISSING without a file, INPUT_INVALID for another content
 */
export async function openKeystore(dir: string, passphrase: string): Promise<Keystore> {
  return await keystoreOf(dir, passphrase, await read(dir, passphrase));
}

async function keystoreOf(dir: string, passphrase: string, value: Content): Promise<Keystore> {
  const { network, spending, ...secrets } = value;
  const identity = hexToBytes(secrets.identitySecret);
  const macSecret = hexToBytes(secrets.macSecret);
  const words = spending.holder === 'here' ? spending.mnemonic : null;
  let key: SpendingKey | null =
    words === null ? null : await openSpendingKey(words, NETWORKS[network]);
  return {
    identityKey: bytesToHex(schnorr.getPublicKey(identity)),
    network,
    holder: spending.holder,
    device: spending.holder === 'device' ? spending.limits : null,
    get account() {
      return spending.holder === 'device' ? spending.account : (key?.account ?? null);
    },
    say: (domain, body) => signStatement(domain, body, identity, randomBytes(32)),
    macOf: (record) => bytesToHex(hmac(sha256, macSecret, utf8ToBytes(canonicalJson(record)))),
    async makeSpendingKey() {
      const mnemonic = newMnemonic();
      await replaceWords(dir, passphrase, mnemonic);
      key = await openSpendingKey(mnemonic, NETWORKS[network]);
      return { account: key.account, mnemonic };
    },
    signInputs(unsignedTx, coins) {
      if (key === null) throw new Failure('KEY_MISSING', missingKey(spending.holder));
      return key.signInputs(unsignedTx, coins);
    },
  };
}

function missingKey(holder: 'here' | 'device'): string {
  return holder === 'device'
    ? "this seat's spending key is on a device"
    : 'this seat has no spending key yet';
}

async function replaceWords(dir: string, passphrase: string, mnemonic: string): Promise<void> {
  const now = await read(dir, passphrase);
  if (now.spending.holder === 'device') {
    throw new Failure('WRONG_STATE', "this seat's spending key is on a device");
  }
  const { mnemonic: last, replaced } = now.spending;
  if (replaced.length >= REPLACED_MAX) {
    throw new Failure(
      'WRONG_STATE',
      `this seat redid its key ${REPLACED_MAX} times: make a new one`,
    );
  }
  const kept = last === null ? replaced : [...replaced, last];
  const spending = { holder: 'here' as const, mnemonic, replaced: kept };
  await write(dir, passphrase, { ...now, spending });
}

async function write(dir: string, passphrase: string, value: Content): Promise<void> {
  const plain = new TextEncoder().encode(JSON.stringify(value));
  try {
    await sealFile(path.join(dir, KEYSTORE_FILE), plain, passphrase);
  } finally {
    plain.fill(0);
  }
}

async function read(dir: string, passphrase: string): Promise<Content> {
  const plain = await openSealedFile(path.join(dir, KEYSTORE_FILE), passphrase);
  try {
    return content.parse(JSON.parse(new TextDecoder().decode(plain)));
  } catch {
    // What stands in the file is a secret even when it is malformed: the cause is not kept.
    throw new Failure('INPUT_INVALID', `${KEYSTORE_FILE} holds no keystore of this version`);
  } finally {
    plain.fill(0);
  }
}

async function isThere(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}
