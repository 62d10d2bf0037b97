/** BIP-340's vectors through noble's schnorr, called as signed statements call it. */
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import vectors from './vectors/bip340.json' with { type: 'json' };
import { named } from './vectors-named.ts';

/** As `statementHolds` does: what is no point or no signature throws, and that is a no. */
function holds(signature: string, message: string, key: string): boolean {
  try {
    return schnorr.verify(hexToBytes(signature), hexToBytes(message), hexToBytes(key));
  } catch {
    return false;
  }
}

describe(`${vectors.source.document}, ${vectors.source.section}`, () => {
  const rows = vectors.vectors.map((vector) => ({
    ...vector,
    title: `${vector.index} (${vector.comment === '' ? 'no comment' : vector.comment})`,
  }));

  test.each(named(rows))('%s', (_, { signature, message, publicKey, valid }) => {
    expect(holds(signature, message, publicKey)).toBe(valid);
  });

  const signing = rows.flatMap(({ secretKey, auxRand, ...rest }) =>
    secretKey === null || auxRand === null ? [] : [{ ...rest, secretKey, auxRand }],
  );

  test.each(named(signing))('%s: signing gives the same bytes', (_, vector) => {
    const secret = hexToBytes(vector.secretKey);
    expect(bytesToHex(schnorr.getPublicKey(secret))).toBe(vector.publicKey);
    const made = schnorr.sign(hexToBytes(vector.message), secret, hexToBytes(vector.auxRand));
    expect(bytesToHex(made)).toBe(vector.signature);
  });
});
