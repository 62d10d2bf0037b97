/**
 * BIP-32's own vectors through everything here that derives: the reference library, the reader of
 * account keys, and the bulk curve for the steps it takes (no hardened ones).
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { HDKey } from '@scure/bip32';
import { describe, expect, test } from 'vitest';
import { childPoint, childSecret } from '../descriptors/bulk-curve.ts';
import { NETWORKS, publicNode } from '../descriptors/network.ts';
import vectors from './vectors/bip32.json' with { type: 'json' };
import { named } from './vectors-named.ts';

const HARDENED = 0x80000000;

describe(`${vectors.source.document}, ${vectors.source.section}`, () => {
  test.each(named(vectors.chains))('%s: both extended keys', (_, { seed, path, xpub, xprv }) => {
    const node = HDKey.fromMasterSeed(hexToBytes(seed)).derive(path.replaceAll('H', "'"));
    expect(node.publicExtendedKey).toBe(xpub);
    expect(node.privateExtendedKey).toBe(xprv);
    const read = publicNode(xpub, NETWORKS.bitcoin);
    expect(read.publicKey).toEqual(node.publicKey);
    expect(read.chainCode).toEqual(node.chainCode);
    expect(() => publicNode(xprv, NETWORKS.bitcoin)).toThrow('private key');
  });

  const soft = vectors.chains.filter(({ path }) => /\/[0-9]+$/.test(path));

  test.each(named(soft))('%s: its last step on the bulk curve', (_, { seed, path, xpub }) => {
    const at = path.lastIndexOf('/');
    const parent = vectors.chains.find(
      (chain) => chain.seed === seed && chain.path === path.slice(0, at),
    );
    const { privateKey, publicKey, chainCode } = HDKey.fromExtendedKey(parent?.xprv ?? '');
    if (privateKey === null || publicKey === null || chainCode === null) throw new Error('a hole');
    const index = Number.parseInt(path.slice(at + 1), 10);
    const wanted = HDKey.fromExtendedKey(xpub);
    expect(childPoint({ publicKey, chainCode }, index)).toEqual({
      publicKey: wanted.publicKey,
      chainCode: wanted.chainCode,
    });
    const secret = childSecret({ privateKey, publicKey, chainCode }, index);
    expect(secret.publicKey).toEqual(wanted.publicKey);
    expect(secret.chainCode).toEqual(wanted.chainCode);
    expect(new HDKey({ privateKey: secret.privateKey }).publicKey).toEqual(wanted.publicKey);
  });

  test('the bulk curve takes no hardened step', () => {
    const { publicKey, chainCode } = HDKey.fromExtendedKey(vectors.chains[0]?.xpub ?? '');
    if (publicKey === null || chainCode === null) throw new Error('a hole');
    expect(() => childPoint({ publicKey, chainCode }, HARDENED)).toThrow('hardened');
  });

  const invalid = vectors.invalid.map(({ title, key }): [string, string] => [title, key]);

  test.each(invalid)('refuses an extended key: %s (%s)', (_, key) => {
    expect(() => publicNode(key, NETWORKS.bitcoin)).toThrow(Error);
    expect(() => HDKey.fromExtendedKey(key)).toThrow(Error);
  });
});
