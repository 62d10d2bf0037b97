/** The English vectors of BIP-39, through the library that spending keys and word fingerprints use. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { HDKey } from '@scure/bip32';
import {
  entropyToMnemonic,
  mnemonicToEntropy,
  mnemonicToSeed,
  validateMnemonic,
} from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { describe, expect, test } from 'vitest';
import vectors from './vectors/bip39.json' with { type: 'json' };
import { named } from './vectors-named.ts';

describe(`${vectors.source.document}, ${vectors.source.section}`, () => {
  const english = named(vectors.english.map((vector) => ({ ...vector, title: vector.mnemonic })));

  test.each(english)('%s: entropy, seed and master key', async (_, vector) => {
    const { entropy, mnemonic, seed, xprv } = vector;
    expect(entropyToMnemonic(hexToBytes(entropy), wordlist)).toBe(mnemonic);
    expect(bytesToHex(mnemonicToEntropy(mnemonic, wordlist))).toBe(entropy);
    const made = await mnemonicToSeed(mnemonic, vectors.passphrase);
    expect(bytesToHex(made)).toBe(seed);
    expect(HDKey.fromMasterSeed(made).privateExtendedKey).toBe(xprv);
  });

  test.each(english)('%s: refused with two words exchanged', (_, vector) => {
    const words = vector.mnemonic.split(' ');
    const at = words.findIndex((word, place) => place > 0 && word !== words[place - 1]);
    const [before = '', here = ''] = words.slice(at - 1, at + 1);
    const exchanged = words.toSpliced(at - 1, 2, here, before).join(' ');
    expect(validateMnemonic(vector.mnemonic, wordlist)).toBe(true);
    expect(validateMnemonic(exchanged, wordlist)).toBe(false);
  });
});
