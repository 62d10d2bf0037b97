/**
 * Without Weir: threshold guardians' words and the wallet export, in Bitcoin Core's own wallet. What this
 * shows is that nobody depends on this program to get at the money.
 */
import { HDKey } from '@scure/bip32';
import { mnemonicToSeedSync } from '@scure/bip39';
import { descriptorChecksum } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { until } from '../regtest/wait.ts';
import { agentJson, homeOf, type World } from './world.ts';

interface CoreRow {
  desc: string;
  internal: boolean;
}
const WALLET = 'rescue';
const ACCOUNT = "m/48'/1'/0'/2'";
const SCAN_MS_MAX = 60_000;

/** Moves everything to an address with the words of these seats. Gives the txid. */
export async function rescue(
  world: World,
  seats: readonly string[],
  address: string,
): Promise<string> {
  const { first } = world.network;
  const [any = ''] = seats;
  const { wallet } = await agentJson<{ wallet: string }>(world, any, [
    'export',
    'wallet',
    '--format',
    'core',
  ]);
  const rows = JSON.parse(wallet) as CoreRow[];
  await first.rpc('createwallet', [WALLET, false, true, '', false, true, false]);
  const imported = await first.rpc<{ success: boolean; error?: { message: string } }[]>(
    'importdescriptors',
    [
      rows.map((row) => ({
        ...row,
        desc: withKeys(world, row.desc, seats),
        active: true,
        range: [0, 200],
        timestamp: 0,
      })),
    ],
    WALLET,
  );
  const failed = imported.find(({ success }) => !success);
  if (failed !== undefined) throw new Error(`importdescriptors: ${failed.error?.message ?? ''}`);
  const { txid } = await until(
    'the rescue wallet to find the coins',
    () =>
      first
        .rpc<{ txid: string; complete: boolean }>('sendall', [[address], null, 'unset', 5], WALLET)
        .catch((cause: unknown) => {
          if (String(cause).includes('Total value of UTXO pool too low')) return null;
          throw cause;
        }),
    SCAN_MS_MAX,
  );
  return txid;
}

/** The descriptor with extended private keys for those seats, as Core signs with it. */
function withKeys(world: World, desc: string, seats: readonly string[]): string {
  const { bip32 } = NETWORKS.regtest;
  let body = desc.split('#')[0] ?? '';
  for (const seatId of seats) {
    const seed = mnemonicToSeedSync(homeOf(world, seatId).mnemonic);
    const account = HDKey.fromMasterSeed(seed, bip32).derive(ACCOUNT);
    body = body.replace(account.publicExtendedKey, account.privateExtendedKey);
  }
  return `${body}#${descriptorChecksum(body)}`;
}
