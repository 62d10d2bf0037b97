/**
 * What the end-to-end tests of the pool share: real LNDs, a treasury of running processes and an operator process
 * beside them, started once for all tests of a `describe`.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import {
  operatorJson,
  type PoolStart,
  type PoolWorld,
  startPoolWorld,
} from '../demo/lightning-world.ts';
import { STEP_MS_MAX } from '../demo/world.ts';
import { mineSynced } from '../regtest/lightning.ts';
import { type RegtestNetwork, startNetwork } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { bitcoindBinary } from './bitcoind-available.ts';
import { lndBinary } from './lnd-available.ts';

/** Five nodes, three agents and two more processes on few cores. */
export const POOL_MS_MAX = 600_000;
const TAIL_CHARS = 3_000;

export type PoolOptions = Pick<PoolStart, 'nodes' | 'operatorPolicy' | 'treasuryPolicy'> & {
  coinsBtc?: readonly string[];
};

/** A pool for all tests of the `describe` this is called in; there only once the tests run. */
export function sharedPool(options: PoolOptions = {}): () => PoolWorld {
  let pool: PoolWorld | undefined;
  let chain: RegtestNetwork | undefined;
  let dir: string | undefined;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'weir-e2e-pool-'));
    chain = await startNetwork({ binary: bitcoindBinary() });
    const { coinsBtc = ['0.5'], ...more } = options;
    pool = await startPoolWorld({
      dir,
      lnd: lndBinary(),
      bitcoind: bitcoindBinary(),
      quorum: { threshold: 2, of: 3 },
      network: chain,
      coinsBtc,
      ...more,
    });
  }, POOL_MS_MAX);
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail' && dir !== undefined) await showLogs(dir);
  });
  afterAll(async () => {
    await pool?.stop();
    await chain?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }, POOL_MS_MAX);
  return () => {
    if (pool === undefined) throw new Error('the pool is there only inside a test');
    return pool;
  };
}

async function showLogs(dir: string): Promise<void> {
  for (const name of (await readdir(dir)).filter((each) => each.endsWith('.log'))) {
    const text = await readFile(path.join(dir, name), 'utf8');
    if (text !== '') process.stderr.write(`${name}: ${text.slice(-TAIL_CHARS)}\n`);
  }
}

export interface ListedBatch {
  batchId: string;
  phase: string;
  proposalId: string | null;
  txid: string | null;
  outpoints: string[];
  channels: { peer: string; closeAddress: string }[];
  reserve: { address: string; amountSat: string } | null;
  abort: { why: string; detail: string; cancelId: string | null } | null;
}

export interface ListedChannel {
  outpoint: string;
  peer: string;
  openedBy: string;
  state: string;
  closes: string;
  backedUp: boolean;
}

/** What `weir operator channels list --json` prints. */
export interface ChannelList {
  channels: ListedChannel[];
  batches: ListedBatch[];
  closes: { outpoint: string; phase: string; txid: string | null; closed: unknown }[];
  differences: Record<string, string> | null;
  trouble: string | null;
}

export function channelsOf(world: PoolWorld): Promise<ChannelList> {
  return operatorJson<ChannelList>(world, ['channels', 'list']);
}

/** Looks until the list is as `is` says; an operator that is away is asked again. */
export function untilList(
  world: PoolWorld,
  what: string,
  is: (list: ChannelList) => boolean,
): Promise<ChannelList> {
  return until(
    what,
    async () => {
      const list = await channelsOf(world).catch(() => null);
      return list !== null && is(list) ? list : null;
    },
    STEP_MS_MAX,
  );
}

/** The same while blocks come, one at a time: what waits for depth gets it, and nothing is mined too early. */
export async function minedUntil(
  world: PoolWorld,
  what: string,
  is: (list: ChannelList) => boolean,
): Promise<ChannelList> {
  const BLOCKS_MAX = 20;
  for (let blocks = 0; blocks < BLOCKS_MAX; blocks += 1) {
    const list = await channelsOf(world);
    if (is(list)) return list;
    await mineSynced(world.lightning, 1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return untilList(world, what, is);
}

/** `--channel` words for a node of the world. */
export function wish(world: PoolWorld, name: 'left' | 'right', sats: string): string[] {
  const node = world.lightning.node(name);
  return ['--channel', `${node.publicKey}@127.0.0.1:${node.p2pPort}=${sats}`];
}

/** Asks for channels; 4 is the exit code of a no. */
export function opens(world: PoolWorld, channels: readonly string[]): Promise<ListedBatch> {
  const words = ['channels', 'open', '--initiator', 'pool', ...channels];
  return operatorJson<ListedBatch>(world, words, [0, 4]);
}
