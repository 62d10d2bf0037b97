/** Addresses of scripts beside the library's, on each network, and the search for scripts of one's own. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressOf, makeDeriver } from '../descriptors/derive.ts';
import { NETWORKS, type Network } from '../descriptors/network.ts';
import { spendScenario } from './spend-scenario.ts';

const networks = Object.values(NETWORKS).map((each): [string, Network] => [each.name, each]);

function asLibrary(script: string, network: Network): string | null {
  try {
    return Address({ ...network.library }).encode(OutScript.decode(hexToBytes(script)));
  } catch {
    return null;
  }
}

function hash(bytes: number) {
  return fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((all) => Buffer.from(all).toString('hex'));
}

test.each(networks)('%s: addresses are those of the library', (_, network) => {
  const script = fc.oneof(
    hash(20).map((key) => `0014${key}`),
    hash(32).map((key) => `0020${key}`),
    hash(20).map((key) => `76a914${key}88ac`),
    hash(20).map((key) => `a914${key}87`),
    hash(32).map((key) => `5120${key}`),
    hash(33).map((key) => `21${key}ac`),
    hash(21),
    fc.integer({ min: 0, max: 40 }).chain(hash),
  );
  fc.assert(
    fc.property(script, (each) => {
      expect(addressOf(each, network)).toBe(asLibrary(each, network));
    }),
    { numRuns: 400 },
  );
});

test.each(['', '00', '0014', '6a', '51', '0015'.padEnd(46, '1'), '0020'.padEnd(44, '1')])(
  'no address: %s',
  (script) => {
    expect(addressOf(script, NETWORKS.regtest)).toBeNull();
  },
);

const { descriptor } = spendScenario({ threshold: 2, of: 3 }).deriver;

test('its own scripts are found up to the limit and not beyond it, in whatever order they are asked', () => {
  const deriver = makeDeriver(descriptor);
  const { script } = deriver.at(1, 9);
  expect(deriver.find(script, 8)).toBeNull();
  expect(deriver.find(script, 9)).toEqual({ branch: 1, index: 9 });
  expect(deriver.find(script, 8)).toBeNull();
  const other = makeDeriver(descriptor);
  expect(other.find(script, 8)).toBeNull();
  expect(other.find(script, 40)).toEqual({ branch: 1, index: 9 });
  expect(other.find(other.at(0, 3).script, 40)).toEqual({ branch: 0, index: 3 });
  expect(other.find(`0020${'11'.repeat(32)}`, 40)).toBeNull();
  expect(other.find(other.at(0, 41).script, 40)).toBeNull();
});

test('places that others hint at do not blind the search', () => {
  const deriver = makeDeriver(descriptor, 10);
  for (let index = 100; index < 120; index += 1) deriver.at(0, index);
  const { script } = makeDeriver(descriptor).at(1, 5);
  expect(deriver.find(script, 20)).toEqual({ branch: 1, index: 5 });
});
