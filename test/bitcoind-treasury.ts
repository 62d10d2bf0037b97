/** A 2-of-3 treasury on a regtest node whose own wallet holds two of the keys: it spends as a quorum would. */
import { HDKey } from '@scure/bip32';
import { makeDeriver } from '../descriptors/derive.ts';
import { branchDescriptor, descriptorChecksum, makeDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import type { Bitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/wait.ts';

const PATH = '48h/1h/0h/2h';
/** The node knows a block or a transaction; its wallet reads it a moment later. */
const WALLET_TIMEOUT_MS = 20_000;

export interface BitcoindTreasury {
  branches: { receive: string; change: string };
  address(branch: 0 | 1, index: number): string;
  script(branch: 0 | 1, index: number): string;
  /** Pays from the treasury's coins through the node's wallet with two keys. Gives the txid. */
  spend(outputs: Record<string, string>, options?: Record<string, unknown>): Promise<string>;
  /** The same, signed and not sent: raw hex. */
  signed(outputs: Record<string, string>, options?: Record<string, unknown>): Promise<string>;
  wallet: string;
}

/** `seed` names the treasury: another seed, other keys. */
export async function bitcoindTreasury(node: Bitcoind, seed: string): Promise<BitcoindTreasury> {
  const network = NETWORKS.regtest;
  const accounts = ['one', 'two', 'three'].map((name) => {
    const bytes = Buffer.from(`${seed} ${name}`.padEnd(32, '.')).subarray(0, 32);
    const root = HDKey.fromMasterSeed(bytes, network.bip32);
    const fingerprint = root.fingerprint.toString(16).padStart(8, '0');
    const account = root.derive(`m/${PATH.replaceAll('h', "'")}`);
    return { fingerprint, xpub: account.publicExtendedKey, xprv: account.privateExtendedKey };
  });
  const descriptor = makeDescriptor({
    template: { kind: 'wsh-sortedmulti' },
    threshold: 2,
    keys: accounts.map(({ fingerprint, xpub }) => ({ fingerprint, path: PATH, xpub })),
    network,
  });
  const branches = {
    receive: branchDescriptor(descriptor, 0),
    change: branchDescriptor(descriptor, 1),
  };
  const deriver = makeDeriver(descriptor);
  const wallet = `keys of ${seed}`;
  await node.rpc('createwallet', [wallet, false, true, null, false, true, false]);
  const withKeys = (desc: string): string => {
    const body = accounts
      .slice(0, 2)
      .reduce((text, { xpub, xprv }) => text.replace(xpub, xprv), desc.split('#')[0] ?? '');
    return `${body}#${descriptorChecksum(body)}`;
  };
  const shared = { active: true, range: [0, 999], timestamp: 'now' };
  const imported = await node.rpc<{ success: boolean }[]>(
    'importdescriptors',
    [
      [
        { desc: withKeys(branches.receive), internal: false, ...shared },
        { desc: withKeys(branches.change), internal: true, ...shared },
      ],
    ],
    wallet,
  );
  if (!imported.every(({ success }) => success)) throw new Error(JSON.stringify(imported));
  const send = (outputs: Record<string, string>, options: Record<string, unknown>) =>
    until(
      'the wallet with the keys to see its coins',
      () =>
        node
          .rpc<{ txid: string; hex: string }>(
            'send',
            [outputs, null, 'unset', 5, { replaceable: true, ...options }],
            wallet,
          )
          .catch((cause: unknown) => {
            if (String(cause).includes('Insufficient funds')) return null;
            throw cause;
          }),
      WALLET_TIMEOUT_MS,
    );
  return {
    branches,
    wallet,
    address: (branch, index) => deriver.address(branch, index),
    script: (branch, index) => deriver.at(branch, index).script,
    spend: async (outputs, options = {}) => (await send(outputs, options)).txid,
    signed: async (outputs, options = {}) =>
      (await send(outputs, { ...options, add_to_wallet: false })).hex,
  };
}
