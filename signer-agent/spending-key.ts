/**
 * The key of money: 24 words (BIP-39), an account at the BIP-48 path of P2WSH multisig, and signatures in
 * bulk by children of its two branches. The account's secret stays inside the function that signs.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { HDKey } from '@scure/bip32';
import { generateMnemonic, mnemonicToSeed, validateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { type ChainSecret, checkBulkCurve, childSecret } from '../descriptors/bulk-curve.ts';
import type { Branch, DerivedScript } from '../descriptors/derive.ts';
import type { AccountKey } from '../descriptors/descriptor.ts';
import { type Network, publicNode } from '../descriptors/network.ts';
import { type SpentCoin, signInputs } from '../descriptors/signature.ts';
import { Failure, invariant } from '../policies/failure.ts';

const ENTROPY_BITS = 256;
/** Depth of m/48'/coin'/account'/2'. */
const ACCOUNT_DEPTH = 4;

/** One seat's signing half. */
export interface SpendingKey {
  account: AccountKey;
  signInputs(unsignedTx: Uint8Array, coins: readonly SpentCoin[]): Uint8Array[];
}

/** 24 new words. */
export function newMnemonic(): string {
  return generateMnemonic(wordlist, ENTROPY_BITS);
}

/** Whether these are words with a right checksum (BIP-39). */
export function isMnemonic(words: string): boolean {
  return validateMnemonic(words, wordlist);
}

/**
 * Opens the account of a mnemonic. Seed, master and account secrets are cleared before it returns; the
 * secrets of the branches 0 and 1 stay in the closure.
 */
export async function openSpendingKey(mnemonic: string, network: Network): Promise<SpendingKey> {
  checkBulkCurve();
  const seed = await mnemonicToSeed(mnemonic);
  const master = HDKey.fromMasterSeed(seed, network.bip32);
  seed.fill(0);
  const path = `48h/${network.coinType}h/0h/2h`;
  const node = master.derive(`m/${path.replaceAll('h', "'")}`);
  const { privateKey, publicKey, chainCode } = node;
  invariant(privateKey !== null && publicKey !== null && chainCode !== null, 'an empty node');
  const fingerprint = master.fingerprint.toString(16).padStart(8, '0');
  const account = { fingerprint, path, xpub: node.publicExtendedKey };
  const parent = { privateKey, publicKey, chainCode };
  const branches = { 0: childSecret(parent, 0), 1: childSecret(parent, 1) };
  master.wipePrivateData();
  node.wipePrivateData();
  return {
    account,
    signInputs: (unsignedTx, coins) => signWith(branches, unsignedTx, coins),
  };
}

/**
 * Checks the account key of a seat whose secret is on a device.
 *
 * @throws Failure DESCRIPTOR_INVALID unless it is a BIP-48 account key of this network.
 */
export function requireAccountKey(account: AccountKey, network: Network): void {
  const path = new RegExp(`^48h/${network.coinType}h/(0|[1-9][0-9]{0,8})h/2h$`);
  const named = /^[0-9a-f]{8}$/.test(account.fingerprint) && path.test(account.path);
  if (!named || depthOf(account.xpub, network) !== ACCOUNT_DEPTH) {
    throw new Failure(
      'DESCRIPTOR_INVALID',
      `not a [fingerprint/48h/${network.coinType}h/0h/2h] account key of ${network.name}`,
    );
  }
}

function depthOf(xpub: string, network: Network): number | null {
  try {
    return publicNode(xpub, network).depth;
  } catch {
    // Not an extended public key of this network. The text may be a private one: it goes nowhere.
    return null;
  }
}

function signWith(
  branches: Record<Branch, ChainSecret>,
  unsignedTx: Uint8Array,
  coins: readonly SpentCoin[],
): Uint8Array[] {
  const children: ChainSecret[] = [];
  try {
    return signInputs(unsignedTx, coins, (place) => {
      const child = childSecret(branches[place.branch], place.index);
      children.push(child);
      requireOurs(child.publicKey, place);
      return child.privateKey;
    });
  } finally {
    for (const { privateKey } of children) privateKey.fill(0);
  }
}

/** A seat that redid its key has nothing to sign at the places of the old one. */
function requireOurs(publicKey: Uint8Array, place: DerivedScript): void {
  const wanted = bytesToHex(publicKey);
  if (!place.publicKeys.some((key) => bytesToHex(key) === wanted)) {
    throw new Failure(
      'KEY_MISSING',
      `this seat's key is not one of ${place.branch}/${place.index}`,
    );
  }
}
