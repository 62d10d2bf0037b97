/** A hash as a few words of BIP-39's English list, for people who compare by voice. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { invariant } from '../policies/failure.ts';

/** 2,048 words: eleven bits each. */
const BITS_PER_WORD = 11;
/** Eleven bits of 32 bytes, this often. */
const WORDS_MAX = 23;

/** The first `count` times eleven bits of a 32-byte hash, from the highest, one word each. */
export function wordsOf(hashHex: string, count: number): string {
  const bytes = hexToBytes(hashHex);
  invariant(bytes.length === 32, 'a word fingerprint is made of 32 bytes');
  invariant(count >= 1 && count <= WORDS_MAX, `a word fingerprint has 1 to ${WORDS_MAX} words`);
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return Array.from({ length: count }, (_, at) => {
    const chunk = bits.slice(at * BITS_PER_WORD, (at + 1) * BITS_PER_WORD);
    return wordlist[Number.parseInt(chunk, 2)] ?? '';
  }).join(' ');
}
