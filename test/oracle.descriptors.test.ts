/** bitcoind as the oracle of our descriptors: checksums, expansions, addresses and scripts. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { branchDescriptor, descriptorChecksum } from '../descriptors/descriptor.ts';
import { describeWithBitcoind, sharedNetwork } from './bitcoind-available.ts';
import { type OracleOptions, oracleTreasury } from './oracle-treasury.ts';

const RECOVERY = { kind: 'wsh-sortedmulti-recovery', recoveryThreshold: 1 } as const;
const TREASURIES: [string, OracleOptions][] = [
  ['2 of 3', { threshold: 2, of: 3 }],
  ['3 of 5', { threshold: 3, of: 5 }],
  ['2 of 3 with recovery', { threshold: 2, of: 3, template: { ...RECOVERY, older: 4_032 } }],
  ['3 of 5 with recovery', { threshold: 3, of: 5, template: { ...RECOVERY, older: 65_535 } }],
  [
    '2 of 3 with the shortest recovery',
    { threshold: 2, of: 3, template: { ...RECOVERY, older: 1 } },
  ],
];
/** The first of a wallet, its gap, some far ones, and the last that is not hardened. */
const LAST_INDEX = 0x7fffffff;
const FAR = [127, 128, 255, 256, 1_000, 65_535, 1_000_000, LAST_INDEX];

describeWithBitcoind('descriptors, with bitcoind as the oracle', () => {
  const network = sharedNetwork();

  test.each(TREASURIES)("%s: checksums and both expansions are the node's", async (_, options) => {
    const { descriptor } = oracleTreasury(options);
    const info = await network().first.rpc<{
      checksum: string;
      isrange: boolean;
      issolvable: boolean;
      hasprivatekeys: boolean;
      multipath_expansion?: string[];
    }>('getdescriptorinfo', [descriptor.text]);
    const [body = '', sum] = descriptor.text.split('#');
    expect(info).toMatchObject({ isrange: true, issolvable: true, hasprivatekeys: false });
    expect(info.checksum).toBe(sum);
    expect(descriptorChecksum(body)).toBe(sum);
    const branches = [branchDescriptor(descriptor, 0), branchDescriptor(descriptor, 1)];
    expect(info.multipath_expansion).toEqual(branches);
    for (const branch of branches) {
      const of = await network().first.rpc('getdescriptorinfo', [branch]);
      expect(of).toMatchObject({ checksum: branch.split('#')[1], descriptor: branch });
    }
  });

  test.each(TREASURIES)(
    "%s: addresses 0 to 20 of both branches are the node's",
    async (_, options) => {
      const { descriptor, deriver } = oracleTreasury(options);
      const derived = await network().first.rpc('deriveaddresses', [descriptor.text, [0, 20]]);
      const indexes = Array.from({ length: 21 }, (__, index) => index);
      expect(derived).toEqual(
        ([0, 1] as const).map((branch) => indexes.map((index) => deriver.address(branch, index))),
      );
    },
  );

  test.each(TREASURIES)(
    "%s: far addresses, scripts and witness scripts are the node's",
    async (...row) => {
      const { descriptor, deriver } = oracleTreasury(row[1]);
      const { first } = network();
      for (const branch of [0, 1] as const) {
        const text = branchDescriptor(descriptor, branch);
        for (const index of FAR) {
          const [address] = await first.rpc<string[]>('deriveaddresses', [text, [index, index]]);
          expect(address).toBe(deriver.address(branch, index));
          const { script, witnessScript } = deriver.at(branch, index);
          const read = await first.rpc('validateaddress', [address]);
          expect(read).toMatchObject({ isvalid: true, scriptPubKey: script });
          const decoded = await first.rpc('decodescript', [bytesToHex(witnessScript)]);
          expect(decoded).toMatchObject({ segwit: { hex: script, address } });
        }
      }
    },
  );

  test('refuses to derive past the last index, as the node does', async () => {
    const { descriptor, deriver } = oracleTreasury({ threshold: 2, of: 3 });
    const past = LAST_INDEX + 1;
    expect(() => deriver.at(0, past)).toThrow('hardened');
    await expect(
      network().first.rpc('deriveaddresses', [branchDescriptor(descriptor, 0), [past, past]]),
    ).rejects.toThrow(/range/i);
  });

  test('a checksum with one character changed is refused by the node and by us', async () => {
    const { descriptor } = oracleTreasury({ threshold: 2, of: 3 });
    const [body = '', sum = ''] = branchDescriptor(descriptor, 0).split('#');
    const wrong = `${sum.startsWith('q') ? 'p' : 'q'}${sum.slice(1)}`;
    expect(descriptorChecksum(body)).not.toBe(wrong);
    await expect(
      network().first.rpc('deriveaddresses', [`${body}#${wrong}`, [0, 0]]),
    ).rejects.toThrow(/checksum/);
  });
});
