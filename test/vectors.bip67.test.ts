/**
 * BIP-67's vectors through the deriver's own sorted multisig and through the library's. The document is
 * about P2SH: the address is checked of `sh(…)`, the script of what a treasury puts behind P2WSH.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { addressOf, sortedMultisig } from '../descriptors/derive.ts';
import { descriptorChecksum } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { payeeScript } from '../descriptors/payee-script.ts';
import vectors from './vectors/bip67.json' with { type: 'json' };
import { named } from './vectors-named.ts';

describe(`${vectors.source.document}, ${vectors.source.section}`, () => {
  test.each(named(vectors.vectors))('%s: the deriver sorts', (_, { keys, threshold, script }) => {
    const points = keys.map((key) => hexToBytes(key));
    expect(bytesToHex(sortedMultisig(threshold, points))).toBe(script);
    expect(bytesToHex(sortedMultisig(threshold, points.toReversed()))).toBe(script);
  });

  test.each(named(vectors.vectors))('%s: the library sorts', (_, vector) => {
    const { keys, threshold, script, address } = vector;
    const compiled = (kind: 'sh' | 'wsh') => {
      const body = `${kind}(sortedmulti(${threshold},${keys.join(',')}))`;
      return payeeScript(`${body}#${descriptorChecksum(body)}`, 0, NETWORKS.bitcoin);
    };
    expect(addressOf(compiled('sh'), NETWORKS.bitcoin)).toBe(address);
    expect(compiled('wsh')).toBe(`0020${bytesToHex(sha256(hexToBytes(script)))}`);
  });
});
