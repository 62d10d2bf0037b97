/**
 * BIP-380's vectors: checksums as every descriptor here is given and asked for one, key expressions as
 * an allowlist entry may have them, and all of them refused where a seat's account key belongs.
 */
import { describe, expect, test } from 'vitest';
import {
  descriptorChecksum,
  makeDescriptor,
  parseTreasuryDescriptor,
} from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { payeeScript } from '../descriptors/payee-script.ts';
import { ACCOUNT_PATH, accountOf, masterFingerprintOf } from './treasury-scenario.ts';
import vectors from './vectors/bip380.json' with { type: 'json' };
import { named } from './vectors-named.ts';

const title = `${vectors.source.document}, ${vectors.source.section}`;
const withChecksum = (body: string) => `${body}#${descriptorChecksum(body)}`;
const compile = (descriptor: string) => payeeScript(descriptor, 0, NETWORKS.bitcoin);
const compileKey = (key: string) => compile(withChecksum(`pkh(${key})`));

describe(`${title}: checksum and character set`, () => {
  test.each(named(vectors.checksums))('%s', (_, { descriptor, valid }) => {
    const [body = '', ...sums] = descriptor.split('#');
    expect(sums.length === 1 && sums[0] === descriptorChecksum(body) && sums[0] !== '').toBe(valid);
  });

  // The library has no raw() (BIP-385): the same mistakes are made on a descriptor that it compiles.
  const body = `pkh(${vectors.validKeys[0]?.key})`;
  const sum = descriptorChecksum(body);
  const flipped = sum.startsWith('q') ? 'p' : 'q';
  test('an allowlist entry: Valid checksum', () => {
    expect(compile(`${body}#${sum}`)).toMatch(/^76a914/);
  });

  test.each([
    ['No checksum', body],
    ['Missing checksum', `${body}#`],
    ['Too long checksum (9 chars)', `${body}#${sum}x`],
    ['Too short checksum (7 chars)', `${body}#${sum.slice(0, 7)}`],
    ['Error in payload', `${body.replace('0260', '0360')}#${sum}`],
    ['Error in checksum', `${body}#${flipped}${sum.slice(1)}`],
    ['Error in checksum, doubled mark', `${body}##${sum.slice(1)}`],
    ['Invalid characters in payload', `${body.replace('pkh', 'pkÜ')}#00000000`],
    ['Invalid characters in payload, and no checksum', `${body.replace('pkh', 'pkÜ')}#`],
  ])('refuses an allowlist entry: %s', (_, descriptor) => {
    expect(() => compile(descriptor)).toThrow('an allowlist entry is no descriptor');
  });
});

/**
 * Valid as text, with no script to make: a hardened step needs the private key. The document says how
 * to write them; a compiler of scripts refuses them.
 */
const NO_SCRIPT = new Set([
  'Extended public key with hardened derivation and unhardened children',
  'Extended public key with hardened derivation and children',
  'Extended public key with key origin, hardened derivation and children',
]);

describe(`${title}: key expressions`, () => {
  const withScript = vectors.validKeys.filter((each) => !NO_SCRIPT.has(each.title));
  const without = vectors.validKeys.filter((each) => NO_SCRIPT.has(each.title));

  test.each(named(withScript))('valid: %s', (_, { key }) => {
    expect(compileKey(key)).toMatch(/^76a914[0-9a-f]{40}88ac$/);
  });

  test.each(named(without))('valid, and without a script to make: %s', (_, { key }) => {
    expect(() => compileKey(key)).toThrow('an allowlist entry is no descriptor');
  });

  const invalid = vectors.invalidKeys.map((each): [string, string] => [each.title, each.key]);

  test.each(invalid)('invalid: %s, %s', (_, key) => {
    expect(() => compileKey(key)).toThrow('an allowlist entry is no descriptor');
  });

  const treasury = makeDescriptor({
    template: { kind: 'wsh-sortedmulti' },
    threshold: 2,
    keys: ['ana', 'ben', 'cleo'].map((seat) => ({
      fingerprint: masterFingerprintOf(seat),
      path: ACCOUNT_PATH,
      xpub: accountOf(seat).publicExtendedKey,
    })),
    network: NETWORKS.regtest,
  });
  const everywhere = [...vectors.validKeys, ...vectors.invalidKeys].flatMap(
    ({ title: name, key }) => [key, `${key}/<0;1>/*`].map((text): [string, string] => [name, text]),
  );

  test.each(everywhere)('no account key of a seat: %s, %s', (_, key) => {
    const [body = ''] = treasury.text.split('#');
    const seat = /\[[^[]+\/<0;1>\/\*/.exec(body)?.[0] ?? '';
    expect(parseTreasuryDescriptor(withChecksum(body), NETWORKS.regtest).hash).toBe(treasury.hash);
    expect(() =>
      parseTreasuryDescriptor(withChecksum(body.replace(seat, key)), NETWORKS.regtest),
    ).toThrow('descriptor');
  });
});
