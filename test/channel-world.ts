/**
 * The pool's channels on a real coordinator, a fake chain and a Lightning node in memory. The operator's books are
 * kept as bytes: a restart parses them again and forgets everything else.
 */

import { hexToBytes } from '@noble/hashes/utils.js';
import { RawTx } from '@scure/btc-signer/script.js';
import { parsePreviousTx } from '../descriptors/previous-tx.ts';
import { apply } from '../operator/apply.ts';
import type { ChainPort } from '../operator/chain.ts';
import { PENDING_DEADLINE_MS } from '../operator/channels/batch-steps.ts';
import {
  physicalRails,
  type RailDifferences,
  railDifferences,
} from '../operator/channels/books-check.ts';
import { type ChannelParts, turns } from '../operator/channels/channel-parts.ts';
import type { ChannelService } from '../operator/channels/channel-protocol.ts';
import { channelService } from '../operator/channels/channel-service.ts';
import type { Batch } from '../operator/channels/channel-state.ts';
import { channelRounds, type WatchOptions } from '../operator/channels/channel-watch.ts';
import { inboundRules } from '../operator/channels/inbound.ts';
import { treasuryFollower } from '../operator/channels/treasury-log.ts';
import type { CrashMoment } from '../operator/crash-at.ts';
import type { News } from '../operator/decision.ts';
import { forwardsReader } from '../operator/forwards-driver.ts';
import { railTotals } from '../operator/ledger/rail-rows.ts';
import { capitalBrought } from '../operator/ledger/rows.ts';
import type { Forward, NodeReader } from '../operator/lightning.ts';
import type { OperatorPolicy } from '../operator/operator-policy.ts';
import { bodyOf, factOf } from '../operator/pool-entry.ts';
import type { PoolEvent } from '../operator/pool-event.ts';
import { emptyPool, type PoolState } from '../operator/pool-state.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { signStatement } from '../policies/statement.ts';
import { type FeeRate, msat, sat } from '../policies/units.ts';
import { ALPHA, BETA } from './channel-cases.ts';
import { OWN_KEY, POLICY, type Pool, poolDesk } from './channel-desk.ts';
import { type FakeLnd, fakeLnd } from './channel-lnd.ts';
import { TEST_POLICY } from './pool-scenario.ts';
import { TIP } from './spend-scenario.ts';
import { keyOf, secretOf } from './treasury-scenario.ts';

/** The process ends here, as by a power cut. */
export class Crash extends Error {}

export const TREASURY_SAT = 240_000_000n;
export const TWO = [
  { peer: ALPHA, socket: null, capacitySat: sat(300_000n), announced: 'public' as const },
  { peer: BETA, socket: null, capacitySat: sat(400_000n), announced: 'private' as const },
];

export interface ChannelWorld {
  desk: Pool;
  lnd: FakeLnd;
  chain: ChainPort;
  clock: { now: number };
  /** What went through the node, oldest first. */
  forwards: Forward[];
  state(): PoolState;
  events(): readonly PoolEvent[];
  service(): ChannelService;
  parts(): ChannelParts;
  /** One round of the watch; a crash in it is a crash. */
  round(): Promise<void>;
  rounds(count: number): Promise<void>;
  trouble(): string | null;
  /** Everything but the books is gone. */
  restart(): void;
  /** At this moment, the nth time, the process ends. */
  crashAt(moment: CrashMoment | `after ${PoolEvent['kind']}`, nth?: number): void;
  /** The quorum signs, the coordinator sends, blocks come. */
  quorumSigns(proposalId: string): Promise<void>;
  mine(blocks: number): Promise<void>;
  policy: OperatorPolicy;
  close(): Promise<void>;
}

export async function channelWorld(
  change: Partial<OperatorPolicy> & { treasuryPolicy?: string } = {},
): Promise<ChannelWorld> {
  const { treasuryPolicy = POLICY, ...more } = change;
  const desk = await poolDesk(treasuryPolicy);
  const lnd = fakeLnd(desk);
  for (const peer of [ALPHA, BETA]) lnd.moods.set(peer, 'signs');
  const clock = { now: 1_800_000_000_000 };
  const forwards: Forward[] = [];
  const bodies: string[] = [];
  const policy: OperatorPolicy = { ...TEST_POLICY, ...more };
  let crash: { at: string; left: number } | null = null;
  let state = emptyPool();
  let made = 0;

  function passes(moment: string): void {
    if (crash === null || crash.at !== moment) return;
    crash.left -= 1;
    if (crash.left > 0) return;
    crash = null;
    throw new Crash(moment);
  }

  function write(news: readonly News[]): void {
    for (const each of news) {
      const seq = bodies.length + 1;
      const atMs = Math.max(clock.now, state.atMs);
      const body = canonicalJson(bodyOf(each, { atMs, batchFirst: seq }));
      bodies.push(body);
      apply(state, factAt(seq, body));
      passes(`after ${each.event.kind}`);
    }
  }

  const engine: ChannelParts['engine'] = {
    state: () => state,
    async act(decide) {
      const { news, answer } = decide(state, clock.now);
      write(news);
      return answer;
    },
  };
  const chain = chainOf(desk);

  function partsOf(): ChannelParts {
    const reader: NodeReader = {
      ...lnd.reader,
      forwards: async ({ skip }) => forwards.slice(skip),
    };
    const coordinator: ChannelParts['coordinator'] = new Proxy(desk.pool, {
      // The desk's service is another one after its own restart.
      get: (_, name) => Reflect.get(desk.pool, name) as unknown,
    });
    const trust = {
      treasuryId: desk.s.t.id,
      network: 'regtest' as const,
      coordinatorKey: keyOf('coordinator'),
    };
    return {
      engine,
      manager: lnd.manager,
      reader,
      forwards: { catchUp: forwardsReader({ engine, reader }) },
      coordinator,
      treasury: treasuryFollower(coordinator, trust),
      chain,
      backups: {
        store: async (backup, atMs) => ({
          file: `channels-${atMs}`,
          sha256: backup.multiHex.slice(0, 64).padEnd(64, '0'),
        }),
      },
      network: 'regtest',
      policy: () => policy,
      attest: (body) =>
        signStatement('channels-pending', body, secretOf('pool'), new Uint8Array(32)),
      random32: () => (made += 1).toString(16).padStart(64, '0'),
      now: () => clock.now,
      pendingDeadlineMs: PENDING_DEADLINE_MS,
      crashPoint: passes,
    };
  }

  function start() {
    const parts = partsOf();
    const inTurn = turns();
    const options: WatchOptions = {
      parts,
      inTurn,
      csvBlocks: 144,
      watchtowers: [],
      sleep: async () => {
        clock.now += 5_000;
      },
      onFatal: () => undefined,
    };
    const watch = channelRounds(options);
    void lnd.manager.accept(inboundRules(parts), new AbortController().signal);
    return {
      parts,
      watch,
      service: channelService({ parts, watch, inTurn, sleep: options.sleep }),
    };
  }
  write([
    {
      event: {
        kind: 'pool-opened',
        poolId: policy.poolId,
        network: 'regtest',
        receiptKey: keyOf('receipts'),
        nodeKey: OWN_KEY,
      },
      entry: null,
      receipt: null,
    },
    {
      event: {
        kind: 'capital-brought',
        rail: 'cold',
        amountMsat: msat(TREASURY_SAT * 1_000n),
        why: 'test',
      },
      entry: capitalBrought({ rail: 'cold', amountMsat: msat(TREASURY_SAT * 1_000n) }),
      receipt: null,
    },
  ]);
  let running = start();

  return {
    desk,
    lnd,
    chain,
    clock,
    forwards,
    policy,
    state: () => state,
    events: () => bodies.map((body, at) => factAt(at + 1, body).event),
    service: () => running.service,
    parts: () => running.parts,
    round: () => running.watch.round(),
    async rounds(count) {
      for (let round = 0; round < count; round += 1) await running.watch.round();
    },
    trouble: () => running.watch.trouble(),
    restart() {
      crash = null;
      state = emptyPool();
      bodies.forEach((body, at) => apply(state, factAt(at + 1, body)));
      running = start();
    },
    crashAt(moment, nth = 1) {
      crash = { at: moment, left: nth };
    },
    async quorumSigns(proposalId) {
      await desk.contribute('ana', proposalId);
      await desk.contribute('cleo', proposalId);
      await desk.loop.round();
    },
    async mine(blocks) {
      desk.chain.mine(blocks);
      await desk.loop.round();
    },
    close: () => desk.close(),
  };
}

/** An entry as a journal would give it back. */
function factAt(seq: number, body: string) {
  return factOf({ seq, previous: '', hash: '', body: JSON.parse(body) as unknown }).fact;
}

function spends(raw: string): string[] {
  if (raw === '') return [];
  return RawTx.decode(hexToBytes(raw)).inputs.map(
    ({ txid, index }) => `${Buffer.from(txid).toString('hex')}:${index}`,
  );
}

/** The coordinator's fake chain, as the pool's own node shows it. */
function chainOf({ chain }: Pool): ChainPort {
  const mempool = async (): Promise<string[]> => [
    ...(await chain.previousTxs([...chain.mempool()])).values(),
  ];
  const away = (): void => {
    if (chain.away !== null) throw new Failure('BITCOIND_UNREACHABLE', 'away');
  };
  return {
    async tip() {
      away();
      return { height: TIP + chain.blocks().length, sync: 'synced' };
    },
    async output(outpoint) {
      away();
      const [txid = '', vout = '0'] = outpoint.split(':');
      const blocks = chain.blocks();
      const unmined = await mempool();
      const spent =
        blocks.some((block) => block.some((tx) => tx.outpoints.includes(outpoint))) ||
        unmined.some((raw) => spends(raw).includes(outpoint));
      if (spent) return null;
      const at = blocks.findIndex((block) => block.some((tx) => tx.txid === txid));
      const mined = blocks[at]?.find((tx) => tx.txid === txid)?.outputs;
      const outputs =
        mined ??
        unmined.map((raw) => parsePreviousTx(hexToBytes(raw))).find((tx) => tx.txid === txid)
          ?.outputs;
      const output = outputs?.[Number.parseInt(vout, 10)];
      return output === undefined
        ? null
        : {
            amountSat: sat(output.amountSat),
            script: output.script,
            confirmations: at < 0 ? 0 : blocks.length - at,
          };
    },
    async minedAt(txid, height) {
      away();
      const found = chain.blocks()[height - TIP - 1]?.find((tx) => tx.txid === txid);
      return found === undefined
        ? null
        : { rawTx: found.raw, confirmations: TIP + chain.blocks().length - height + 1 };
    },
    async inMempool(txid) {
      away();
      return chain.mempool().includes(txid)
        ? ((await chain.previousTxs([txid])).get(txid) ?? null)
        : null;
    },
    feeEstimate: async () => 2_000n as FeeRate,
  };
}

/** The newest batch. */
export function batchOf(world: ChannelWorld): Batch {
  const batch = [...world.state().channels.batches.values()].at(-1);
  if (batch === undefined) throw new Error('no batch');
  return batch;
}

/** Books less what the node and the treasury hold. */
export async function differences(world: ChannelWorld): Promise<RailDifferences> {
  const { reader, coordinator } = world.parts();
  await world.desk.work.look();
  const [balance, channels, pending, { treasurySat }] = await Promise.all([
    reader.balance(),
    reader.channels(),
    reader.pendingChannels(),
    coordinator.standing(),
  ]);
  const books = world.state().channels;
  const there = physicalRails({ books, balance, channels, pending, coldSat: treasurySat });
  return railDifferences(railTotals(world.state().ledger), there);
}

export const NO_DIFFERENCE: RailDifferences = {
  lightningMsat: 0n,
  pendingOpenMsat: 0n,
  chainMsat: 0n,
  coldMsat: 0n,
};

/** Asks for channels; a crash is one. */
export async function asksToOpen(world: ChannelWorld, channels = TWO): Promise<void> {
  await surviving(world, async () => {
    await world.service().open({ initiator: 'olga', channels });
  });
}

/** Work that may crash: then the operator starts anew. */
export async function surviving(world: ChannelWorld, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (!(cause instanceof Crash)) throw cause;
    world.restart();
  }
}

/** Rounds, a quorum that signs what it may sign, blocks, until the batch is done or given up. */
export async function driven(world: ChannelWorld): Promise<Batch> {
  const signed = new Set<string>();
  for (let turn = 0; turn < 40; turn += 1) {
    await surviving(world, () => world.round());
    const { phase } = batchOf(world);
    if (phase === 'done' || phase === 'aborted') return batchOf(world);
    world.clock.now += 30_000;
    for (const { id, pending, proposal } of world.desk.work.log.treasury().proposals.values()) {
      const may = proposal.intent.kind === 'cancel' || pending !== null;
      if (!may || signed.has(id)) continue;
      signed.add(id);
      await world.quorumSigns(id);
    }
    await world.mine(1);
  }
  throw new Error(`the batch stays ${batchOf(world).phase}`);
}
