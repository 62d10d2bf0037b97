/**
 * BIP-143's examples through the digests, the signatures and their verification. A treasury signs
 * SIGHASH_ALL over a whole witness script and nothing else: examples of that kind must come out to the
 * byte, all others must be refused as signatures.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import type { DerivedScript } from '../descriptors/derive.ts';
import { type SpentCoin, sighashes, signatureHolds, signInputs } from '../descriptors/signature.ts';
import { satAmount } from '../policies/intent.ts';
import vectors from './vectors/bip143.json' with { type: 'json' };
import { named } from './vectors-named.ts';

/**
 * The signatures of these examples were there before their keys, with an S above half the order: valid by
 * consensus, not relayed (BIP-146), and refused here.
 */
const HIGH_S = 'No FindAndDelete';

interface Example {
  unsignedTx: string;
  input: number;
  scriptCode: string;
  amountSat: string;
}

/** Coins up to the example's own; the ones before it do not enter its digest. */
function coinsOf({ input, scriptCode, amountSat }: Example): SpentCoin[] {
  const place: DerivedScript = {
    branch: 0,
    index: 0,
    script: '',
    witnessScript: hexToBytes(scriptCode),
    publicKeys: [],
    recoveryKeys: [],
  };
  return Array.from({ length: input + 1 }, () => ({
    amountSat: satAmount.parse(amountSat),
    place,
  }));
}

function digestOf(example: Example): Uint8Array {
  return (
    sighashes(hexToBytes(example.unsignedTx), coinsOf(example))[example.input] ?? new Uint8Array()
  );
}

describe(`${vectors.source.document}, ${vectors.source.section}`, () => {
  test.each(named(vectors.all))('%s: the digest, and its signature', (title, example) => {
    expect(bytesToHex(digestOf(example))).toBe(example.sighash);
    const [key, signature] = [hexToBytes(example.publicKey), hexToBytes(example.signature)];
    expect(signatureHolds(digestOf(example), key, signature)).toBe(!title.startsWith(HIGH_S));
  });

  const withKey = vectors.all.flatMap(({ privateKey, ...rest }) =>
    privateKey === null ? [] : [{ ...rest, privateKey }],
  );

  test.each(named(withKey))('%s: signing gives the same bytes', (_, example) => {
    const made = signInputs(hexToBytes(example.unsignedTx), coinsOf(example), () =>
      hexToBytes(example.privateKey),
    );
    expect(bytesToHex(made[example.input] ?? new Uint8Array())).toBe(example.signature);
  });

  // SIGHASH_SINGLE, NONE and ANYONECANPAY have digests that nothing here computes, by design.
  test.each(named(vectors.otherSighashTypes))('refuses the signature: %s', (_, example) => {
    const [key, signature] = [hexToBytes(example.publicKey), hexToBytes(example.signature)];
    expect(bytesToHex(digestOf(example))).not.toBe(example.sighash);
    expect(signatureHolds(hexToBytes(example.sighash), key, signature)).toBe(false);
    const retyped = Uint8Array.from([...signature.slice(0, -1), 1]);
    expect(signatureHolds(hexToBytes(example.sighash), key, retyped)).toBe(true);
    expect(signatureHolds(digestOf(example), key, retyped)).toBe(false);
  });
});
