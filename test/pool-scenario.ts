/** A whole pool on a real journal with a node in memory: opened, credited, crashed and opened again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { createJournal, openJournal } from '../journal/level-journal.ts';
import { decideCapital } from '../operator/capital-decision.ts';
import { type CrashPoint, NO_CRASH } from '../operator/crash-at.ts';
import { crashingJournal } from '../operator/crashing-journal.ts';
import { type Engine, openEngine } from '../operator/engine.ts';
import { type ForwardsDriver, forwardsDriver } from '../operator/forwards-driver.ts';
import { paymentEnds } from '../operator/liquidity-service.ts';
import { nodeWatch } from '../operator/node-watch.ts';
import type { AgentRules, OperatorPolicy } from '../operator/operator-policy.ts';
import { paymentDriver } from '../operator/payment-driver.ts';
import type { Caller, PoolApi } from '../operator/pool-api.ts';
import { poolService } from '../operator/pool-service.ts';
import { receiptDesk } from '../operator/receipt-desk.ts';
import { reconciler } from '../operator/reconcile.ts';
import { type TopupDriver, topupDriver } from '../operator/topup-driver.ts';
import { msat, ppm } from '../policies/units.ts';
import { type FakeNode, fakeNode, NODE_KEY } from './fake-node.ts';

const SECRET = new Uint8Array(32).fill(7);
export const RECEIPT_KEY = bytesToHex(schnorr.getPublicKey(SECRET));

export const GENEROUS: AgentRules = {
  perPaymentMsat: msat(500_000_000n),
  perDayMsat: msat(5_000_000_000n),
  inFlightMax: 100,
  inFlightMsat: msat(5_000_000_000n),
  quotesMax: 100,
  ratePerMinute: 6_000,
  hosts: null,
  payees: null,
  balanceMsat: msat(1_000_000_000n),
};

const URGENCY = { pathfindingMs: 1_000, partsMax: 4, maxTimeoutBlocks: 144 };

export const TEST_POLICY: OperatorPolicy = {
  poolId: 'llp-test',
  network: 'regtest',
  hash: 'd'.repeat(64),
  quotes: { ttlMs: 60_000 },
  pay: {
    maxAmountMsat: msat(400_000_000n),
    maxFeeBaseMsat: msat(5_000n),
    maxFeePpm: ppm(10_000n),
    minInvoiceLifeMs: 30_000,
    minAmountMsat: msat(1_000n),
    holdOpenMs: 1_000,
    urgency: { low: URGENCY, normal: URGENCY, high: URGENCY },
    perPayeeInFlightMax: 100,
    perPayeeInFlightMsat: msat(5_000_000_000n),
  },
  serviceFee: { baseMsat: msat(50n), ratePpm: ppm(1_000n) },
  prepaid: {
    topupMinMsat: msat(1_000n),
    topupMaxMsat: msat(500_000_000n),
    topupExpiryMs: 600_000,
  },
  agentDefaults: GENEROUS,
  agents: new Map(),
  inbound: [],
  channelFees: { baseMsat: msat(1_000n), ratePpm: 100 },
  hotLimitMsat: msat(100_000_000_000n),
};
export function agent(agentId: string, more: Partial<Caller> = {}): Caller {
  return {
    credentialId: `cred-${agentId}`,
    agentId,
    role: 'agent',
    actions: ['pay', 'read', 'topup', 'withdraw'],
    perPaymentMsat: null,
    perDayMsat: null,
    ...more,
  };
}

/** Time that a test moves; sleeps end when it says so, or at once in `fast`. */
export interface TestClock {
  nowMs: number;
  now: () => number;
}

export function testClock(): TestClock {
  const clock = { nowMs: 1_760_000_000_000, now: () => clock.nowMs };
  return clock;
}

export interface TestPool {
  api: PoolApi;
  engine: Engine;
  topups: TopupDriver;
  forwards: ForwardsDriver;
  policy: OperatorPolicy;
  /** As a power cut: nothing is finished, nothing is written. */
  crash(): Promise<void>;
  close(): Promise<void>;
  fatal(): unknown;
}

export interface World {
  dir: string;
  node: FakeNode;
  clock: TestClock;
  open(more?: { crashPoint?: CrashPoint; policy?: OperatorPolicy }): Promise<TestPool>;
  remove(): Promise<void>;
}

/** A folder with a journal that says that a pool is opened, and capital on the node. */
export async function poolWorld(): Promise<World> {
  const dir = await mkdtemp(path.join(tmpdir(), 'weir-pool-'));
  const clock = testClock();
  const node = fakeNode(clock.now);
  const journal = await createJournal(dir);
  const engine = await openEngine({ journal, now: clock.now, onFatal: () => undefined });
  const event = {
    kind: 'pool-opened' as const,
    poolId: TEST_POLICY.poolId,
    network: 'regtest' as const,
    receiptKey: RECEIPT_KEY,
    nodeKey: NODE_KEY,
  };
  await engine.act(() => ({ news: [{ event, entry: null, receipt: null }], answer: null }));
  const brought = { rail: 'ln.local' as const, amountMsat: msat(10_000_000_000n), why: 'test' };
  await engine.act((state, nowMs) => decideCapital(state, nowMs, brought));
  await engine.close();
  return {
    dir,
    node,
    clock,
    open: (more = {}) => openPool(dir, node, clock, more),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

async function openPool(
  dir: string,
  node: FakeNode,
  clock: TestClock,
  {
    crashPoint = NO_CRASH,
    policy = TEST_POLICY,
  }: { crashPoint?: CrashPoint; policy?: OperatorPolicy },
): Promise<TestPool> {
  let fatal: unknown = null;
  const onFatal = (cause: unknown): void => {
    fatal ??= cause;
  };
  const raw = await openJournal(dir);
  const journal = crashingJournal(raw, crashPoint);
  const engine = await openEngine({ journal, now: clock.now, onFatal });
  const timing = { now: clock.now, sleep, crashPoint, onFatal };
  const { reader, payer, receiver } = node;
  const watch = nodeWatch({ reader, seq: () => engine.state().seq, ...timing });
  if (!node.away) await watch.refresh();
  const matching = reconciler({
    engine,
    payer,
    watch,
    now: clock.now,
    sleep: foreverUnlessStopped,
  });
  const driver = paymentDriver({ engine, payer, receiver, policy, watch, ...timing });
  const topups = topupDriver({ engine, receiver, topupSecret: SECRET, ...timing });
  // It reads once by itself; then when a test says so.
  const forwards = forwardsDriver({ engine, reader, sleep: foreverUnlessStopped, onFatal });
  const desk = receiptDesk(engine, SECRET, RECEIPT_KEY);
  const ends = paymentEnds(engine);
  const isMatched = (): boolean => matching.isMatched();
  const parts = {
    engine,
    reader,
    payer,
    watch,
    driver,
    desk,
    policy,
    ends,
    isMatched,
    now: clock.now,
  };
  const api = poolService({ ...parts, topups, topupSecret: SECRET });
  if (!node.away) {
    await matching.ready;
    driver.resume();
  } else {
    void matching.ready.then(
      () => driver.resume(),
      () => undefined,
    );
  }
  const stopAll = async (): Promise<void> => {
    await Promise.all([driver.stop(), topups.stop(), matching.stop(), forwards.stop()]);
    await watch.stop();
  };
  return {
    api,
    engine,
    topups,
    forwards,
    policy,
    fatal: () => fatal,
    async crash() {
      await Promise.allSettled([stopAll()]);
      await raw.close();
    },
    async close() {
      await stopAll();
      await engine.close();
    },
  };
}

/** A turn of the loop: what waits for time in production waits for nothing here. */
async function sleep(_ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => setTimeout(resolve, 1));
}

function foreverUnlessStopped(_ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Waits for what becomes true by itself. */
export async function untilTrue(
  what: string,
  check: () => boolean | Promise<boolean>,
): Promise<void> {
  for (let tries = 0; tries < 5_000; tries += 1) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`waited in vain for ${what}`);
}
