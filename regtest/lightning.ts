/**
 * A small Lightning network: the operator's node `pool`, two routing peers, a payee, and a payee behind hints.
 *
 *     pool --(the product's)-- left ------ right ~~~~ hidden        ~~ private
 *       \-(the product's)------ | -------- /  |
 *                               \-- payee ---/
 *
 * Channels of `pool` are opened by what is tested. `right` takes one pending channel at a time, as LND does.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createChainAddress, getUtxos, getWalletInfo } from 'ln-service';
import type { FeeSource } from './fee-source.ts';
import { startFeeSource } from './fee-source.ts';
import { called } from './ln-call.ts';
import type { LndNode, LndStart } from './lnd.ts';
import { startLnd } from './lnd.ts';
import type { RegtestNetwork } from './network.ts';
import { mine, pay, syncTips } from './network.ts';
import { until } from './wait.ts';

export const NODE_NAMES = ['pool', 'left', 'right', 'payee', 'hidden'] as const;
export type NodeName = (typeof NODE_NAMES)[number];

export interface LightningStart {
  binary: LndStart['binary'];
  network: RegtestNetwork;
  /** Default: all five. Fewer start sooner. */
  nodes?: readonly NodeName[];
  /** Default: `lightning` in the network's folder, and gone with it. */
  dir?: string;
  /** More words for a node's command line, after this world's own. */
  extraArgs?: Partial<Record<NodeName, readonly string[]>>;
}

export interface LightningNetwork {
  readonly dir: string;
  readonly network: RegtestNetwork;
  readonly fees: FeeSource;
  readonly nodes: ReadonlyMap<NodeName, LndNode>;
  /** Throws when that node was not asked for. */
  node(name: NodeName): LndNode;
  /** Stops the nodes and the fee source; the bitcoinds are the caller's. */
  stop(): Promise<void>;
}

/** A block reaches a node within a second; slower by far only on a machine that does much else. */
const SYNC_TIMEOUT_MS = 90_000;
/** More blocks at once could jump over the deadline of a payment that is under way. */
const BLOCKS_AT_ONCE = 6;
/** LND's own default: what the public network's peers allow. */
const ONE_PENDING_CHANNEL = ['--maxpendingchannels=1'];

/** All up, at the tip of the chain, without coins, peers or channels. */
export async function startLightning(start: LightningStart): Promise<LightningNetwork> {
  const { network, nodes: names = NODE_NAMES } = start;
  const dir = start.dir ?? path.join(network.dir, 'lightning');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const fees = await startFeeSource();
  // LND waits for a block younger than two hours before it takes calls, and a kept chain may be older.
  await mine(network, network.first, 1);
  await syncTips(network);
  const started = await Promise.allSettled(
    names.map(async (name) => [name, await startLnd(nodeStart(start, name, dir, fees))] as const),
  );
  const nodes = new Map(
    started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])),
  );
  const lightning: LightningNetwork = {
    dir,
    network,
    fees,
    nodes,
    node(name) {
      const found = nodes.get(name);
      if (found === undefined) throw new Error(`${name} was not started`);
      return found;
    },
    async stop() {
      await Promise.all([...nodes.values()].map((node) => node.stop()));
      await fees.stop();
    },
  };
  try {
    const failed = started.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    await mineSynced(lightning, 1);
    return lightning;
  } catch (cause) {
    await lightning.stop();
    throw cause;
  }
}

function nodeStart(start: LightningStart, name: NodeName, dir: string, fees: FeeSource): LndStart {
  return {
    binary: start.binary,
    dir: path.join(dir, name),
    alias: name,
    bitcoind: start.network.first,
    feeUrl: fees.url,
    seed: name === 'pool' ? 'real' : 'none',
    extraArgs: [
      ...(name === 'right' ? ONE_PENDING_CHANNEL : []),
      ...(start.extraArgs?.[name] ?? []),
    ],
  };
}

/**
 * Mines, and waits until every node that runs is at the tip and says it is synced: before that it refuses to
 * open channels and may not know that it was paid.
 */
export async function mineSynced(lightning: LightningNetwork, blocks: number): Promise<void> {
  const { network } = lightning;
  for (let left = blocks; left > 0; left -= BLOCKS_AT_ONCE) {
    await mine(network, network.first, Math.min(left, BLOCKS_AT_ONCE));
    await syncTips(network);
    await synced(lightning);
  }
}

/** Waits until every node that runs and is not paused is at the tip of bitcoind. */
export async function synced({ nodes, network }: LightningNetwork): Promise<void> {
  const awake = [...nodes.values()].filter((node) => node.pid !== null && !node.isPaused);
  await Promise.all(
    awake.map((node) =>
      until(
        `${node.alias} to be synced to the chain`,
        async () => {
          const height = await network.first.rpc<number>('getblockcount');
          const { lnd } = node;
          const info = await called('getWalletInfo', getWalletInfo({ lnd }));
          return info.is_synced_to_chain && info.current_block_height === height;
        },
        SYNC_TIMEOUT_MS,
      ),
    ),
  );
}

/** Pays nodes that many bitcoins (`"0.5"`) in each of `coins` outputs, confirmed in one block and seen by them. */
export async function fundNodes(
  lightning: LightningNetwork,
  nodes: readonly LndNode[],
  btc: string,
  coins = 1,
): Promise<void> {
  const paid: { node: LndNode; txid: string }[] = [];
  for (const node of nodes) {
    for (let each = 0; each < coins; each += 1) {
      paid.push({ node, txid: await pay(lightning.network, await chainAddress(node), btc) });
    }
  }
  await mineSynced(lightning, 1);
  await Promise.all(
    paid.map(({ node, txid }) =>
      until(`${node.alias} to see its coin ${txid}`, () => holds(node, txid), SYNC_TIMEOUT_MS),
    ),
  );
}

/** The same for one. */
export function fundNode(lightning: LightningNetwork, node: LndNode, btc: string): Promise<void> {
  return fundNodes(lightning, [node], btc);
}

async function chainAddress({ lnd }: LndNode): Promise<string> {
  const wish = createChainAddress({ lnd, format: 'p2wpkh' });
  return (await called('createChainAddress', wish)).address;
}

async function holds({ lnd }: LndNode, txid: string): Promise<boolean> {
  const { utxos } = await called('getUtxos', getUtxos({ lnd, min_confirmations: 1 }));
  return utxos.some((coin) => coin.transaction_id === txid);
}
