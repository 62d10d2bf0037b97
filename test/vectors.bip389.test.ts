/**
 * BIP-389's vectors. This project writes one tuple, `<0;1>` (and `<2;3>` beside it), and of an allowlist
 * entry takes the first of a pair; other tuples are refused, listed with the reason.
 */
import { describe, expect, test } from 'vitest';
import { branchDescriptor, descriptorChecksum, makeDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { payeeScript } from '../descriptors/payee-script.ts';
import { Failure } from '../policies/failure.ts';
import { ACCOUNT_PATH, accountOf, masterFingerprintOf } from './treasury-scenario.ts';
import vectors from './vectors/bip389.json' with { type: 'json' };

/** Why a valid vector is refused; the first that fits is the reason. */
const REFUSED: readonly [RegExp, string][] = [
  [/^multi\(/, 'bare multisig is not in the library'],
  [/<[^>]*h[^>]*>/, 'hardened steps in a tuple are not in the library'],
  [/<[0-9]+;[0-9]+;[0-9;]+>/, 'a tuple of three has no receive and change'],
];
const reasonOf = (descriptor: string) =>
  REFUSED.find(([pattern]) => pattern.test(descriptor))?.[1] ?? null;

function compile(descriptor: string): string {
  return payeeScript(`${descriptor}#${descriptorChecksum(descriptor)}`, 7, NETWORKS.bitcoin);
}

describe(`${vectors.source.document}, ${vectors.source.section}`, () => {
  const rows = vectors.valid.map((each): [string, string[]] => [each.descriptor, each.expanded]);
  const read = rows.filter(([descriptor]) => reasonOf(descriptor) === null);
  const refused = rows.flatMap(([descriptor]): [string, string][] => {
    const why = reasonOf(descriptor);
    return why === null ? [] : [[why, descriptor]];
  });
  const single = rows.flatMap(([, expanded]) =>
    expanded.filter((each) => !each.startsWith('multi')),
  );

  test.each(read)(
    '%s is read as the first of its pair',
    (descriptor, [first = '', second = '']) => {
      expect(compile(descriptor)).toBe(compile(first));
      expect(compile(descriptor)).not.toBe(compile(second));
    },
  );

  test.each(refused)('refused, %s: %s', (_, descriptor) => {
    expect(() => compile(descriptor)).toThrow(Failure);
  });

  test.each(single)('%s, an expansion, compiles alone', (descriptor) => {
    expect(compile(descriptor)).toMatch(/^([0-9a-f]{2})+$/);
  });

  const invalid = vectors.invalid.map((each): [string, string] => [each.title, each.descriptor]);

  test.each(invalid)('refuses: %s, %s', (_, descriptor) => {
    expect(() => compile(descriptor)).toThrow(Failure);
  });

  test.each(['wpkh(KEY/<1;1>/*)', 'wsh(sortedmulti(2,KEY/<0;1>/*,KEY/<0;1>/<2;3>/*))'])(
    'refuses what the document forbids and has no vector for: %s',
    (template) => {
      const key = vectors.valid[0]?.descriptor.match(/xpub[0-9A-Za-z]+/)?.[0] ?? '';
      expect(() => compile(template.replaceAll('KEY', key))).toThrow(Failure);
    },
  );
});

test.each([
  [{ kind: 'wsh-sortedmulti' } as const],
  [{ kind: 'wsh-sortedmulti-recovery', recoveryThreshold: 1, older: 4032 } as const],
])('the two branches of a treasury are its expansions, all keys in lockstep: %o', (template) => {
  const keys = ['ana', 'ben', 'cleo'].map((seat) => ({
    fingerprint: masterFingerprintOf(seat),
    path: ACCOUNT_PATH,
    xpub: accountOf(seat).publicExtendedKey,
  }));
  const treasury = makeDescriptor({ template, threshold: 2, keys, network: NETWORKS.regtest });
  const [body = ''] = treasury.text.split('#');
  for (const branch of [0, 1] as const) {
    const tuples = /<([0-9]+);([0-9]+)>/g;
    const expanded = body.replaceAll(tuples, (_, first: string, second: string) =>
      branch === 0 ? first : second,
    );
    expect(branchDescriptor(treasury, branch)).toBe(`${expanded}#${descriptorChecksum(expanded)}`);
  }
});
