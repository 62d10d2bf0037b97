/**
 * What the end-to-end tests of the pool share: real LNDs, a treasury of running processes and an operator process
 * beside them, started once for all tests of a `describe`.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { base64 } from '@scure/base';
import { getPendingChannels } from 'ln-service';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import {
  operatorJson,
  type PoolStart,
  type PoolWorld,
  startPoolWorld,
} from '../demo/lightning-world.ts';
import { STEP_MS_MAX } from '../demo/world.ts';
import { decodePsbt } from '../descriptors/psbt.ts';
import { mineSynced } from '../regtest/lightning.ts';
import { called } from '../regtest/ln-call.ts';
import type { LndNode } from '../regtest/lnd.ts';
import { minerAddress, type RegtestNetwork, startNetwork } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { bitcoindBinary } from './bitcoind-available.ts';
import { guardianSaysYes, operatorSaysYes } from './e2e-people.ts';
import { isOut, rowOf, untilSent } from './e2e-world.ts';
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

const ALL_AGREE = { lightningMsat: '0', pendingOpenMsat: '0', chainMsat: '0', coldMsat: '0' };
export const QUORUM = ['ana', 'ben'] as const;
/** The wallet that mines (`regtest/network.ts`). */
export const MINER = 'miner';

/** Everybody who is asked says yes, until it is out. */
export async function agreed(world: PoolWorld, id: string): Promise<void> {
  const { treasury } = world;
  // A small one may be signed already: then nobody is asked.
  if (!isOut(await rowOf(treasury, id))) {
    await operatorSaysYes(treasury, id);
    await guardianSaysYes(treasury, QUORUM[0], id);
  }
  await until(
    `a quorum for ${id.slice(0, 8)}`,
    async () => {
      const row = await rowOf(treasury, id);
      for (const seat of row.asks) await guardianSaysYes(treasury, seat, id);
      return isOut(row) ? true : null;
    },
    STEP_MS_MAX,
  );
  await untilSent(treasury, id);
}

/** The batch as it is now. */
export async function batchNow(world: PoolWorld, { batchId }: ListedBatch): Promise<ListedBatch> {
  const { batches } = await channelsOf(world);
  const found = batches.find((each) => each.batchId === batchId);
  if (found === undefined) throw new Error(`no batch ${batchId}`);
  return found;
}

export async function opened(world: PoolWorld, batch: ListedBatch): Promise<void> {
  await agreed(world, batch.proposalId ?? '');
  await minedUntil(world, 'the batch to be done', ({ batches }) =>
    batches.some((each) => each.batchId === batch.batchId && each.phase === 'done'),
  );
}

export async function booksAgree(world: PoolWorld): Promise<void> {
  const { differences } = await untilList(world, 'books, node and treasury to agree', (list) =>
    Object.values(list.differences ?? { none: '1' }).every((each) => each === '0'),
  );
  expect(differences).toEqual(ALL_AGREE);
}

export async function pendingAt({ lnd }: LndNode): Promise<string[]> {
  const { pending_channels: found } = await called('pending', getPendingChannels({ lnd }));
  return found
    .filter((each) => each.is_opening)
    .map((each) => `${each.transaction_id}:${each.transaction_vout}`);
}

interface Unsigned {
  /** Without witness, hex. */
  tx: string;
  inputs: { txid: string; vout: number }[];
}

export async function unsignedOf({ first }: RegtestNetwork, psbt: string): Promise<Unsigned> {
  const { tx } = await first.rpc<{ tx: { vin: Unsigned['inputs'] } }>('decodepsbt', [psbt]);
  const { unsignedTx } = decodePsbt(base64.decode(psbt));
  return { tx: Buffer.from(unsignedTx).toString('hex'), inputs: tx.vin };
}

/** Another spend of its coins, sent. */
export async function conflictOf(network: RegtestNetwork, psbt: string): Promise<string> {
  const { first } = network;
  const { inputs } = await unsignedOf(network, psbt);
  const places = inputs.map(({ txid, vout }) => ({ txid, vout }));
  const payee = { [await minerAddress(network)]: '0.5' };
  const raw = await first.rpc<string>('createrawtransaction', [places, [payee]]);
  const { hex } = await first.rpc<{ hex: string }>('signrawtransactionwithwallet', [raw], MINER);
  await first.rpc('sendrawtransaction', [hex, 0]);
  return hex;
}
