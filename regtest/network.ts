/** Two connected nodes with coins to spend: mining, funding, and the ways in which two nodes can disagree. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Bitcoind, BitcoindStart } from './bitcoind.ts';
import { startBitcoind } from './bitcoind.ts';
import { until } from './wait.ts';

export interface NetworkStart {
  binary: BitcoindStart['binary'];
  /** Kept at the end. Without it a folder is made under the system's own for such, and removed by `stop`. */
  dir?: string;
  extraArgs?: readonly string[];
}

export interface RegtestNetwork {
  readonly dir: string;
  /** Holds the miner's wallet, loaded again at each start. */
  readonly first: Bitcoind;
  readonly second: Bitcoind;
  /** Stops both nodes. */
  stop(): Promise<void>;
}

export interface Funding {
  txid: string;
  vout: number;
  blockHash: string;
}

/** A coinbase can be spent this many blocks later (consensus/consensus.h, COINBASE_MATURITY). */
const COINBASE_MATURITY = 100;
/** Blocks paid to the miner at the start: one more than needed would do, some coins are handy. */
const FIRST_BLOCKS = COINBASE_MATURITY + 5;
/** Peers and blocks on loopback take milliseconds; slower by far only on a machine that does much else. */
const AGREE_TIMEOUT_MS = 60_000;
const MINER = 'miner';

/** Two nodes, connected, at the same tip, with mature coins in the miner's wallet on the first. */
export async function startNetwork(start: NetworkStart): Promise<RegtestNetwork> {
  const dir = start.dir ?? (await mkdtemp(path.join(tmpdir(), 'regtest-')));
  const node = (name: string): Promise<Bitcoind> =>
    startBitcoind({
      binary: start.binary,
      dataDir: path.join(dir, name),
      extraArgs: start.extraArgs ?? [],
    });
  const started = await Promise.allSettled([node('first'), node('second')]);
  const nodes = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((each) => each.stop()));
    if (start.dir === undefined) await rm(dir, { recursive: true, force: true });
  };
  try {
    const failed = started.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const [first, second] = nodes;
    if (first === undefined || second === undefined) throw new Error('a node is missing');
    const network = { dir, first, second, stop };
    await prepared(network);
    return network;
  } catch (cause) {
    await stop();
    throw cause;
  }
}

async function prepared(network: RegtestNetwork): Promise<void> {
  const { first } = network;
  await connect(network);
  const wallets = await first.rpc<string[]>('listwallets');
  if (wallets.includes(MINER)) return;
  await first.rpc('createwallet', [MINER, false, false, '', false, true, true]);
  await mine(network, first, FIRST_BLOCKS);
  await syncTips(network);
}

/** A new address of the miner's wallet. */
export function minerAddress({ first }: RegtestNetwork): Promise<string> {
  return first.rpc<string>('getnewaddress', ['', 'bech32'], MINER);
}

/**
 * Mines on one node and gives the block hashes, without waiting for the other. Without an address each call
 * pays a new one of the miner's: two nodes that mine the same second must not find the same block.
 */
export async function mine(
  network: RegtestNetwork,
  node: Bitcoind,
  count: number,
  address?: string,
): Promise<string[]> {
  const payee = address ?? (await minerAddress(network));
  return node.rpc<string[]>('generatetoaddress', [count, payee]);
}

/** Pays BTC as text (`"1.5"`) from the miner's wallet without mining. Gives the txid. */
export function pay(
  { first }: RegtestNetwork,
  address: string,
  amountBtc: string,
): Promise<string> {
  return first.rpc<string>('sendtoaddress', [address, amountBtc], MINER);
}

/** Pays, mines one block on the first node, and waits until both have it. */
export async function fund(
  network: RegtestNetwork,
  address: string,
  amountBtc: string,
): Promise<Funding> {
  const txid = await pay(network, address, amountBtc);
  const [blockHash = ''] = await mine(network, network.first, 1);
  await syncTips(network);
  const { vout } = await network.first.rpc<{
    vout: { n: number; scriptPubKey: { address?: string } }[];
  }>('getrawtransaction', [txid, true, blockHash]);
  const paid = vout.find((output) => output.scriptPubKey.address === address);
  if (paid === undefined) throw new Error(`${txid} does not pay ${address}`);
  return { txid, vout: paid.n, blockHash };
}

/** Waits until both nodes have the same best block, and gives its hash. */
export function syncTips({ first, second }: RegtestNetwork): Promise<string> {
  return until(
    'both nodes to have the same tip',
    async () => {
      const [one, other] = await Promise.all([tip(first), tip(second)]);
      return one === other && one;
    },
    AGREE_TIMEOUT_MS,
  );
}

/** Waits until both nodes hold the same unconfirmed transactions, and gives their txids. */
export function syncMempools({ first, second }: RegtestNetwork): Promise<string[]> {
  return until(
    'both nodes to hold the same transactions',
    async () => {
      const [one, other] = await Promise.all([mempool(first), mempool(second)]);
      return one.join() === other.join() && one;
    },
    AGREE_TIMEOUT_MS,
  );
}

export function tip(node: Bitcoind): Promise<string> {
  return node.rpc<string>('getbestblockhash');
}

async function mempool(node: Bitcoind): Promise<string[]> {
  return (await node.rpc<string[]>('getrawmempool')).toSorted();
}

/** Connects the nodes, after `partition` or a restart too, and waits until they agree on the tip. */
export async function connect(network: RegtestNetwork): Promise<void> {
  const { first, second } = network;
  await Promise.all([first, second].map((node) => node.rpc('setnetworkactive', [true])));
  if (!(await areConnected(network))) {
    await first.rpc('addnode', [`127.0.0.1:${second.p2pPort}`, 'onetry']);
  }
  await until('the nodes to see each other', () => areConnected(network), AGREE_TIMEOUT_MS);
  await syncTips(network);
}

/** Cuts the nodes off from each other until `connect`. Each can mine a chain of its own. */
export async function partition(network: RegtestNetwork): Promise<void> {
  const { first, second } = network;
  await Promise.all([first, second].map((node) => node.rpc('setnetworkactive', [false])));
  await until(
    'the nodes to lose each other',
    async () => {
      const counts = await Promise.all([peers(first), peers(second)]);
      return counts.every((each) => each.length === 0);
    },
    AGREE_TIMEOUT_MS,
  );
}

/** Makes one node drop a block and all after it; its peer keeps them. */
export async function invalidateBlock(node: Bitcoind, blockHash: string): Promise<void> {
  await node.rpc('invalidateblock', [blockHash]);
}

export async function reconsiderBlock(node: Bitcoind, blockHash: string): Promise<void> {
  await node.rpc('reconsiderblock', [blockHash]);
}

/** The handshake is over on both sides: each has heard the other's `verack`. */
async function areConnected({ first, second }: RegtestNetwork): Promise<boolean> {
  const seen = await Promise.all([peers(first), peers(second)]);
  return seen.every((each) => each.some((peer) => 'verack' in peer.bytesrecv_per_msg));
}

function peers(node: Bitcoind): Promise<{ bytesrecv_per_msg: Record<string, number> }[]> {
  return node.rpc('getpeerinfo');
}
