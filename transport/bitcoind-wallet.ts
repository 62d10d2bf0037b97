/**
 * A watch-only wallet of one bitcoind over two branches of a descriptor: made once, checked at each start,
 * asked for its coins. It holds no key, and what it says of places is a hint until derived.
 */
import { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import type { Sat } from '../policies/units.ts';
import {
  type BitcoindAddress,
  BitcoindRefusal,
  type BitcoindRpc,
  bitcoindRpc,
  btcAmount,
  rpcInteger,
} from './bitcoind-rpc.ts';

/** Ranged descriptors with checksum; their place in the pair is the branch. */
export interface WatchedBranches {
  receive: string;
  change: string;
}

export interface WatchRequest {
  wallet: string;
  branches: WatchedBranches;
  /** Unix seconds; blocks before it are not searched. 0 searches the whole chain. */
  birthTime: number;
}

/** Where a script is in the descriptor. */
export interface WalletPlace {
  branch: 0 | 1;
  index: number;
}

export interface WalletCoin extends WalletPlace {
  outpoint: string;
  amountSat: Sat;
  /** scriptPubKey, hex. */
  script: string;
  confirmations: number;
  /** By the wallet's judgement: confirmed, or made by our own unconfirmed transaction. */
  safety: 'safe' | 'unsafe';
}

/** Searching the whole main chain takes an hour or two; nothing works without it. */
const RESCAN_MS_MAX = 12 * 60 * 60 * 1_000;
/** Places watched ahead; the node moves the window on with each one that is used. */
const FIRST_RANGE = [0, 999] as const;
/** rpc/protocol.h: RPC_WALLET_NOT_FOUND, RPC_WALLET_ALREADY_LOADED. */
const WALLET_NOT_FOUND = -18;
const WALLET_ALREADY_LOADED = -35;
/** More confirmations than any coin has. */
const CONFIRMATIONS_MAX = 9_999_999;

const walletInfo = z.object({
  private_keys_enabled: z.boolean(),
  scanning: z.union([z.literal(false), z.object({ progress: z.string() })]),
});
const described = z.object({
  descriptors: z.array(
    z.object({
      desc: z.string(),
      active: z.boolean(),
      range: z.tuple([rpcInteger, rpcInteger]).optional(),
    }),
  ),
});
const imported = z.array(
  z.object({ success: z.boolean(), error: z.object({ message: z.string() }).optional() }),
);
const unspent = z.array(
  z.object({
    txid: z.string().regex(/^[0-9a-f]{64}$/),
    vout: rpcInteger,
    amount: btcAmount,
    scriptPubKey: z.string(),
    confirmations: rpcInteger,
    desc: z.string(),
    parent_descs: z.array(z.string()),
    safe: z.boolean(),
  }),
);

/**
 * The wallet of these branches, made and searched for if it is not there. `active` marks a finished
 * search: one that was cut short is made again from the start.
 *
 * @throws Failure WRONG_STATE for a wallet with keys or of something else, NOT_READY while it searches.
 */
export async function watchWallet(
  address: BitcoindAddress,
  request: WatchRequest,
): Promise<BitcoindRpc> {
  const patient = bitcoindRpc({ ...address, timeoutMs: RESCAN_MS_MAX });
  await openWallet(patient, request.wallet);
  const wallet = bitcoindRpc(address).wallet(request.wallet);
  const info = await wallet.call('getwalletinfo', [], walletInfo);
  if (info.private_keys_enabled) {
    throw new Failure('WRONG_STATE', `the node's wallet ${request.wallet} can hold keys`);
  }
  if (info.scanning !== false) {
    const { progress } = info.scanning;
    throw new Failure(
      'NOT_READY',
      `the node's wallet ${request.wallet} searches: ${progress} of 1`,
    );
  }
  const watched = await ownDescriptors(wallet, request);
  if (watched.length === 2 && watched.every(({ active }) => active)) return wallet;
  const { branches, birthTime } = request;
  await importBranches(patient.wallet(request.wallet), branches, (desc) => ({
    active: false,
    timestamp: birthTime,
    range: rangeIn(watched, desc),
  }));
  const searched = await ownDescriptors(wallet, request);
  await importBranches(wallet, branches, (desc) => ({
    active: true,
    timestamp: 'now',
    range: rangeIn(searched, desc),
  }));
  return wallet;
}

type Described = z.infer<typeof described>['descriptors'];

async function openWallet(node: BitcoindRpc, name: string): Promise<void> {
  try {
    await node.call('loadwallet', [name, true], z.unknown());
  } catch (cause) {
    if (!(cause instanceof BitcoindRefusal)) throw cause;
    if (cause.rpcCode === WALLET_ALREADY_LOADED) return;
    if (cause.rpcCode !== WALLET_NOT_FOUND) throw cause;
    // Without keys, blank, of descriptors, loaded again at each start of the node.
    await node.call('createwallet', [name, true, true, null, false, true, true], z.unknown());
  }
}

async function ownDescriptors(wallet: BitcoindRpc, request: WatchRequest): Promise<Described> {
  const { descriptors } = await wallet.call('listdescriptors', [], described);
  if (descriptors.some(({ desc }) => branchOf(desc, request.branches) === null)) {
    throw new Failure('WRONG_STATE', `the node's wallet ${request.wallet} watches something else`);
  }
  return descriptors;
}

async function importBranches(
  wallet: BitcoindRpc,
  { receive, change }: WatchedBranches,
  how: (desc: string) => { active: boolean; timestamp: number | 'now'; range: readonly number[] },
): Promise<void> {
  const answers = await wallet.call(
    'importdescriptors',
    [
      [
        { desc: receive, internal: false, ...how(receive) },
        { desc: change, internal: true, ...how(change) },
      ],
    ],
    imported,
  );
  const failed = answers.find(({ success }) => !success);
  if (failed !== undefined) {
    throw new Failure(
      'BITCOIND_REFUSED',
      `importdescriptors: ${failed.error?.message ?? 'failed'}`,
    );
  }
}

/** A range may only grow. */
function rangeIn(descriptors: Described, desc: string): readonly number[] {
  const there = descriptors.find((each) => plain(each.desc) === plain(desc));
  return there?.range ?? FIRST_RANGE;
}

/** Unspent coins, unconfirmed ones in the mempool included. Coinbases only once they are mature. */
export async function walletCoins(
  wallet: BitcoindRpc,
  branches: WatchedBranches,
): Promise<readonly WalletCoin[]> {
  const coins = await wallet.call('listunspent', [0, CONFIRMATIONS_MAX, [], true], unspent);
  return coins.map((coin) => ({
    outpoint: `${coin.txid}:${coin.vout}`,
    amountSat: coin.amount,
    script: coin.scriptPubKey,
    confirmations: coin.confirmations,
    safety: coin.safe ? 'safe' : 'unsafe',
    ...walletPlace(coin.desc, coin.parent_descs, branches),
  }));
}

/**
 * Where a script is, by what the wallet says of it: the branch from the descriptor it comes from, the
 * index from the end of the first key's path.
 *
 * @throws Failure INPUT_INVALID when the wallet does not say it.
 */
export function walletPlace(
  desc: string,
  parents: readonly string[],
  branches: WatchedBranches,
): WalletPlace {
  const branch = parents.map((parent) => branchOf(parent, branches)).find((each) => each !== null);
  const index = /\[[0-9a-f]{8}[0-9h'/]*\/([0-9]{1,10})\]/.exec(desc)?.[1];
  if (branch === undefined || index === undefined) {
    throw new Failure('INPUT_INVALID', `the node's wallet does not say where ${desc} is`);
  }
  return { branch, index: Number.parseInt(index, 10) };
}

function branchOf(desc: string, { receive, change }: WatchedBranches): 0 | 1 | null {
  if (plain(desc) === plain(receive)) return 0;
  return plain(desc) === plain(change) ? 1 : null;
}

/** Without checksum, hardened steps as `h`: a node may write either form. */
function plain(desc: string): string {
  return (desc.split('#')[0] ?? '').replaceAll("'", 'h');
}
