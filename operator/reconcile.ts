/**
 * At start and every hour: every payment the node knows is matched to a row of ours. One that we do not know, or a
 * node whose channels are older than what we saw, stops dispatch until a person has looked.
 */
import { Failure } from '../policies/failure.ts';
import { type Decision, type News, nothing, plainNews } from './decision.ts';
import type { Engine } from './engine.ts';
import type { Channel, ListedPayment, NodeStanding, Payer } from './lightning.ts';
import { isNodeFailure } from './node-failure.ts';
import type { NodeLook, NodeWatch } from './node-watch.ts';
import { alarmed, decideOutcome } from './outcome-decision.ts';
import type { PoolState } from './pool-state.ts';

/** Between two matches of all payments. */
const RECONCILE_MS = 60 * 60_000;
/** A match that could not be made is tried again after this. */
const RETRY_MS = 30_000;
/** Payments older than this before the newest unresolved one were matched before. */
const LOOK_BACK_MS = 26 * 60 * 60_000;
/** Channel updates are written down this often at most. */
const SEEN_EVERY_MS = 10_000;

export interface ReconcileOptions {
  engine: Engine;
  payer: Pick<Payer, 'payments'>;
  watch: NodeWatch;
  now: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface Reconciled {
  matched: number;
  unknown: readonly string[];
}

/** Matches once. `since` 0: from the pool's beginning, as a start does. */
export async function reconcileOnce(
  { engine, payer }: ReconcileOptions,
  sinceMs: number,
): Promise<Reconciled> {
  let matched = 0;
  const unknown: string[] = [];
  for await (const page of payer.payments(sinceMs)) {
    for (const listed of page) {
      if (listed.createdAtMs < sinceMs) continue;
      if (await matchedTo(engine, listed)) matched += 1;
      else if (engine.state().unordered.get(listed.paymentHash) !== 'accepted') {
        unknown.push(listed.paymentHash);
      }
    }
  }
  if (unknown.length > 0) await engine.act((state) => decideUnordered(state, unknown));
  return { matched, unknown };
}

/** Hashes in one entry. */
const UNORDERED_MAX = 1_000;

/** Writes down what nobody ordered, and freezes; a person who unfreezes accepts exactly these. Pure. */
export function decideUnordered(state: PoolState, hashes: readonly string[]): Decision<null> {
  const unseen = hashes.filter((hash) => !state.unordered.has(hash)).slice(0, UNORDERED_MAX);
  const [first = ''] = hashes;
  const why = `the node made ${hashes.length} payments that we did not order, ${first} among them`;
  const seen: News[] =
    unseen.length === 0 ? [] : [plainNews({ kind: 'payments-unordered', hashes: unseen })];
  return { news: [...seen, ...frozenFor(state, why).news], answer: null };
}

async function matchedTo(
  engine: Engine,
  { paymentHash, outcome }: ListedPayment,
): Promise<boolean> {
  const quoteId = engine.state().paymentByHash.get(paymentHash);
  if (quoteId === undefined) return false;
  const payment = engine.state().payments.get(quoteId);
  // What failed in our books and settled at the node is money gone; the rest, the driver books itself.
  if (payment?.state === 'failed' && outcome.is === 'settled') {
    await engine.act((state, nowMs) => decideOutcome(state, nowMs, { quoteId, outcome }));
  }
  return true;
}

function frozenFor(state: PoolState, why: string): Decision<null> {
  return state.mode === 'frozen' ? nothing(null) : { news: alarmed(why), answer: null };
}

/** Channels that show fewer commitment updates than we once saw: the node runs on an old database. Pure. */
export function staleChannels(
  seen: ReadonlyMap<string, bigint>,
  channels: readonly Channel[],
): string[] {
  return channels
    .filter(({ outpoint, updates }) => updates < (seen.get(outpoint) ?? 0n))
    .map(({ outpoint }) => outpoint);
}

/** Freezes for another node, for stale channels and for lost ones, else writes the new counts down. Pure. */
export function decideSeen(
  state: PoolState,
  of: Pick<NodeLook, 'channels' | 'lost'> & {
    standing: Pick<NodeStanding, 'publicKey' | 'height'>;
  },
): Decision<null> {
  const { publicKey, height } = of.standing;
  if (isAnother(state, publicKey)) {
    return frozenFor(state, `the node is ${publicKey}, the books are of ${state.opened?.nodeKey}`);
  }
  const stale = staleChannels(state.updatesSeen, of.channels);
  if (stale.length > 0) {
    return frozenFor(
      state,
      `the node runs on an old channel database: ${stale.join(', ')} went back`,
    );
  }
  if (of.lost.length > 0) {
    return frozenFor(
      state,
      `the node runs on an old channel database: the peers of ${of.lost.join(', ')} proved it`,
    );
  }
  const updates = of.channels
    .filter(({ outpoint, updates: count }) => count > (state.updatesSeen.get(outpoint) ?? -1n))
    .map(({ outpoint, updates: count }) => ({ outpoint, count: count.toString() }));
  if (updates.length === 0) return nothing(null);
  return { news: [plainNews({ kind: 'node-seen', height, updates })], answer: null };
}

/** What it pays is not in these books, and what they hold is not in it. */
export function isAnother({ opened }: Pick<PoolState, 'opened'>, publicKey: string): boolean {
  return opened !== null && opened.nodeKey !== publicKey;
}

/** The node's clock and ours differ by less. */
const CLOCKS_MS = 60 * 60_000;
/** A part that timed out is off the chain this many blocks later, if not at once. */
const SETTLES_LATE_BLOCKS = 144;

/** From when on the hourly match looks: as far back as anything that failed in our books could still settle. Pure. */
export function matchSince({ payments }: PoolState, height: number, nowMs: number): number {
  let since = Math.max(0, nowMs - LOOK_BACK_MS);
  for (const { state, maxTimeoutHeight, reservedAtMs } of payments.values()) {
    const mayStill = state === 'failed' && maxTimeoutHeight + SETTLES_LATE_BLOCKS > height;
    if (mayStill) since = Math.min(since, reservedAtMs - CLOCKS_MS);
  }
  return since;
}

/** Both, until the signal. The first match is made before anything is dispatched: `ready` waits for it. */
export function reconciler(options: ReconcileOptions): {
  ready: Promise<Reconciled>;
  /** Whether the first match was made. */
  isMatched(): boolean;
  stop(): Promise<void>;
} {
  const { engine, watch, now, sleep } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let lastSeen = 0;
  let matched = false;
  watch.onLook(async (look) => {
    const { standing, channels, lost } = look;
    const wrong =
      lost.length > 0 ||
      isAnother(engine.state(), standing.publicKey) ||
      staleChannels(engine.state().updatesSeen, channels).length > 0;
    if (!wrong && now() - lastSeen < SEEN_EVERY_MS) return;
    lastSeen = now();
    await engine.act((state) => decideSeen(state, look));
  });

  async function firstMatch(): Promise<Reconciled> {
    for (;;) {
      const done = await tried(options, 0);
      if (done !== null) {
        matched = true;
        return done;
      }
      if (signal.aborted) throw new Failure('NOT_READY', 'stopped before the first match');
      await sleep(RETRY_MS / 10, signal);
    }
  }

  async function loop(first: Promise<Reconciled>): Promise<void> {
    await first.catch(() => null);
    while (!signal.aborted) {
      await sleep(RECONCILE_MS, signal);
      if (signal.aborted) return;
      const since = matchSince(engine.state(), watch.look()?.standing.height ?? 0, now());
      while (!signal.aborted && (await tried(options, since)) === null)
        await sleep(RETRY_MS, signal);
    }
  }
  const ready = firstMatch();
  const running = loop(ready);
  return {
    ready,
    isMatched: () => matched,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function tried(options: ReconcileOptions, sinceMs: number): Promise<Reconciled | null> {
  // What the node paid before there was a pool is not ours to judge.
  const from = Math.max(sinceMs, options.engine.state().openedAtMs);
  try {
    // Which node it is, and how new, comes before what it paid: what a start finds reserved is sent after this.
    const look = await options.watch.refresh();
    await options.engine.act((state) => decideSeen(state, look));
    return await reconcileOnce(options, from);
  } catch (cause) {
    if (isNodeFailure(cause)) return null;
    throw cause;
  }
}
