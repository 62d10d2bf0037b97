/** The treasury in other wallets' files: the same descriptor, the same addresses, no more and no less. */
import { describe, expect, test } from 'vitest';
import { makeDeriver } from '../descriptors/derive.ts';
import {
  branchDescriptor,
  descriptorChecksum,
  makeDescriptor,
  parseTreasuryDescriptor,
} from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import type { DescriptorTemplate, KeyRecord, WalletRecord } from '../policies/wallet-record.ts';
import { WALLET_FORMATS } from '../signer-agent/local-protocol.ts';
import { exportWallet } from '../signer-agent/wallet-export.ts';
import { describeWithBitcoind, sharedNetwork } from './bitcoind-available.ts';
import { treasuryScenario } from './treasury-scenario.ts';

const network = NETWORKS.regtest;
const PLAIN: DescriptorTemplate = { kind: 'wsh-sortedmulti' };
const RECOVERY: DescriptorTemplate = {
  kind: 'wsh-sortedmulti-recovery',
  recoveryThreshold: 1,
  older: 1_000,
};

function recordOf(threshold: number, of: number, template = PLAIN): WalletRecord {
  const descriptor = (records: readonly KeyRecord[]) => {
    const keys = records.map(({ body: { fingerprint, path, xpub } }) => {
      return { fingerprint, path, xpub };
    });
    const made = makeDescriptor({ template, threshold, keys, network });
    return { text: made.text, first: makeDeriver(made).address(0, 0) };
  };
  return treasuryScenario({ threshold, of, descriptor }).wallet;
}

/** `<0;1>` put back into a receive descriptor. */
function canonicalOf(receive: string): string {
  const body = (receive.split('#')[0] ?? '').replaceAll('/0/*', '/<0;1>/*');
  return `${body}#${descriptorChecksum(body)}`;
}

const quorums = [
  [2, 3],
  [3, 5],
] as const;

describe.each(quorums)('an export of %i-of-%i', (threshold, of) => {
  const record = recordOf(threshold, of);
  const descriptor = parseTreasuryDescriptor(record.descriptor, network);

  test('for Bitcoin Core is both branches, active, from the beginning of the chain', () => {
    const shared = { active: true, range: [0, 999], timestamp: 0 };
    expect(JSON.parse(exportWallet(record, 'core'))).toEqual([
      { desc: branchDescriptor(descriptor, 0), internal: false, ...shared },
      { desc: branchDescriptor(descriptor, 1), internal: true, ...shared },
    ]);
  });

  test('for Sparrow is one line that is no comment, and it parses back', () => {
    const lines = exportWallet(record, 'sparrow').split('\n');
    const [text = '', ...rest] = lines.filter((line) => line !== '' && !line.startsWith('#'));
    expect(rest).toEqual([]);
    expect(parseTreasuryDescriptor(text, network)).toEqual(descriptor);
  });

  test('for Specter is the receive branch with one device for each seat, in order', () => {
    const wallet = JSON.parse(exportWallet(record, 'specter'));
    expect(Object.keys(wallet)).toEqual(['label', 'blockheight', 'descriptor', 'devices']);
    expect(wallet.descriptor).toBe(branchDescriptor(descriptor, 0));
    expect(parseTreasuryDescriptor(canonicalOf(wallet.descriptor), network)).toEqual(descriptor);
    const devices = record.params.seats.map((label) => ({ type: 'other', label }));
    expect(wallet.devices).toEqual(devices);
    expect(wallet).toMatchObject({ label: 'weir-test-1', blockheight: 0 });
  });

  test('for Caravan has the quorum and all keys, which make the same descriptor', () => {
    const config = JSON.parse(exportWallet(record, 'caravan'));
    const keys = config.extendedPublicKeys.map((key: Record<string, string>) => ({
      fingerprint: key['xfp'],
      path: key['bip32Path']?.replace('m/', '').replaceAll("'", 'h'),
      xpub: key['xpub'],
    }));
    const rebuilt = { template: PLAIN, threshold: config.quorum.requiredSigners, keys, network };
    expect(makeDescriptor(rebuilt)).toEqual(descriptor);
    expect(config).toMatchObject({
      name: 'weir-test-1',
      addressType: 'P2WSH',
      network: 'regtest',
      quorum: { requiredSigners: threshold, totalSigners: of },
      startingAddressIndex: 0,
    });
  });

  test('for Caravan asks no public server about the addresses', () => {
    const { client } = JSON.parse(exportWallet(record, 'caravan'));
    expect(client).toEqual({ type: 'private', url: 'http://127.0.0.1:18443', username: '' });
  });
});

describe('an export', () => {
  test('names another wallet for each epoch', () => {
    const record = { ...recordOf(2, 3), epoch: 2 };
    expect(exportWallet(record, 'specter')).toContain('"weir-test-2"');
    expect(exportWallet(record, 'sparrow')).toContain('# weir-test-2\n');
  });

  test.each(['sparrow', 'specter', 'caravan'] as const)(
    'with a recovery path is refused for %s, which would watch other addresses',
    (format) => {
      const record = recordOf(2, 3, RECOVERY);
      expect(() => exportWallet(record, format)).toThrow(
        expect.objectContaining({ code: 'WRONG_STATE' }),
      );
    },
  );

  test('with a recovery path is both branches for Bitcoin Core', () => {
    const record = recordOf(2, 3, RECOVERY);
    const descriptor = parseTreasuryDescriptor(record.descriptor, network);
    const [receive, change] = JSON.parse(exportWallet(record, 'core'));
    expect(receive.desc).toBe(branchDescriptor(descriptor, 0));
    expect(change.desc).toBe(branchDescriptor(descriptor, 1));
  });

  test('of signet is refused for Caravan', () => {
    const record = recordOf(2, 3);
    const signet = { ...record, params: { ...record.params, network: 'signet' as const } };
    expect(() => exportWallet(signet, 'caravan')).toThrow(
      expect.objectContaining({ code: 'WRONG_STATE' }),
    );
  });

  test.each(WALLET_FORMATS)('of a record without a treasury descriptor is refused for %s', (to) => {
    const record = { ...recordOf(2, 3), descriptor: 'wpkh(xpub)#aaaaaaaa' };
    expect(() => exportWallet(record, to)).toThrow(
      expect.objectContaining({ code: 'DESCRIPTOR_INVALID' }),
    );
  });
});

describeWithBitcoind('a node', () => {
  const nodes = sharedNetwork();

  test.each([
    ['2-of-3', recordOf(2, 3)],
    ['3-of-5', recordOf(3, 5)],
    ['a recovery path', recordOf(2, 3, RECOVERY)],
  ])('imports the export of %s and gives our own first addresses', async (name, record) => {
    const node = nodes().first;
    const wallet = `export ${name}`;
    await node.rpc('createwallet', [wallet, true, true]);
    const requests: unknown = JSON.parse(exportWallet(record, 'core'));
    const answers = await node.rpc<{ success: boolean }[]>('importdescriptors', [requests], wallet);
    expect(answers.map(({ success }) => success)).toEqual([true, true]);
    const deriver = makeDeriver(parseTreasuryDescriptor(record.descriptor, network));
    expect(await node.rpc('getnewaddress', ['', 'bech32'], wallet)).toBe(record.firstAddress);
    expect(await node.rpc('getnewaddress', ['', 'bech32'], wallet)).toBe(deriver.address(0, 1));
    expect(await node.rpc('getrawchangeaddress', ['bech32'], wallet)).toBe(deriver.address(1, 0));
  });
});
