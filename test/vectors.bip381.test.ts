/**
 * The vectors of BIP-381, 382 and 383 through the compiler that allowlist entries go through. Those that
 * the library cannot compile are listed with the reason, and expected to be refused.
 */
import { describe, expect, test } from 'vitest';
import { descriptorChecksum } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { payeeScript } from '../descriptors/payee-script.ts';
import { Failure } from '../policies/failure.ts';
import bip381 from './vectors/bip381.json' with { type: 'json' };
import bip382 from './vectors/bip382.json' with { type: 'json' };
import bip383 from './vectors/bip383.json' with { type: 'json' };

/** `multi` and `sortedmulti` outside of `sh` and `wsh`: bare multisig is not in the library. */
const BARE_MULTISIG = /^(sorted)?multi\(/;
const BARE_VECTORS = 4;

function compile(descriptor: string, index: number): string {
  return payeeScript(`${descriptor}#${descriptorChecksum(descriptor)}`, index, NETWORKS.bitcoin);
}

const all = [bip381, bip382, bip383];

function scriptsOf(valid: (typeof all)[number]['valid']): [string, number, string][] {
  return valid.flatMap(({ descriptor, scripts }) =>
    scripts.map((script, index): [string, number, string] => [descriptor, index, script]),
  );
}

describe.each(all)('$source.document, $source.section', (vectors) => {
  const compiled = vectors.valid.filter(({ descriptor }) => !BARE_MULTISIG.test(descriptor));

  test.each(scriptsOf(compiled))('%s, script %i', (descriptor, index, script) => {
    expect(compile(descriptor, index)).toBe(script);
  });

  const invalid = vectors.invalid.map((each): [string, string] => [each.title, each.descriptor]);

  test.each(invalid)('refuses: %s, %s', (_, descriptor) => {
    expect(() => compile(descriptor, 0)).toThrow(Failure);
  });
});

describe('BIP-383, not compiled by the library: bare multisig', () => {
  const bare = all.flatMap(({ valid }) =>
    valid.filter(({ descriptor }) => BARE_MULTISIG.test(descriptor)),
  );

  test.each(scriptsOf(bare))('refuses: %s, script %i', (descriptor, index) => {
    expect(() => compile(descriptor, index)).toThrow(Failure);
  });

  test('it is all that is refused', () => {
    expect(bare).toHaveLength(BARE_VECTORS);
    expect(all.flatMap(({ valid }) => valid)).toHaveLength(38);
  });
});
