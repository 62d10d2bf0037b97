/**
 * The loop: look at the node, write down what is new, go on with batches and closes, keep fees and backups as
 * they should be. Where somebody is away the rest goes on; nothing is concluded from silence.
 */
import { Failure } from '../../policies/failure.ts';
import { msat } from '../../policies/units.ts';
import { type News, plainNews } from '../decision.ts';
import { available } from '../ledger/ledger.ts';
import { railTotals } from '../ledger/rail-rows.ts';
import type { Channel } from '../lightning.ts';
import type { PoolState } from '../pool-state.ts';
import { backUp } from './backup-run.ts';
import { advanceBatch } from './batch-run.ts';
import { isPendingAnywhere } from './batch-steps.ts';
import { physicalRails, remainderMsat } from './books-check.ts';
import { type ChannelLook, feesDue, leavingUnbooked, nextChannelNews } from './channel-look.ts';
import { batchNews, type ChannelParts, detailOf } from './channel-parts.ts';
import { remainderEntry } from './channel-postings.ts';
import type { Batch } from './channel-state.ts';
import { advanceCloses, type NodeLists } from './close-run.ts';
import { closesSeen } from './closes-seen.ts';
import { inboundRules } from './inbound.ts';
import { offlineWatch } from './offline-watch.ts';

/** Between two rounds. */
export const ROUND_MS = 2_000;
/** News of one look: more is left for the next. */
const NEWS_MAX = 200;
/** A funding that is not mined in this time is a person's matter (LN-12). */
const UNMINED_MS = 3 * 24 * 60 * 60_000;
/** A close this deep is booked, or cannot be seen. */
const UNSEEN_BLOCKS = 12;
/** An acceptor that ended is begun again after this. */
const ACCEPT_AGAIN_MS = 1_000;

export interface ChannelWatch {
  /** One round; a command that waits for something calls it, too. @throws what is no Failure, and JOURNAL_LOCKED */
  round(): Promise<void>;
  /** What went wrong in the last round, or null. */
  trouble(): string | null;
  stop(): Promise<void>;
}

export interface WatchOptions {
  parts: ChannelParts;
  /** One at a time with the commands. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** What we give peers to find a stolen commitment (`to_self_delay`): a quarter of it offline is an alarm. */
  csvBlocks: number;
  watchtowers: readonly { publicKey: string; socket: string }[];
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  onFatal: (cause: unknown) => void;
}

/** A watch that runs on its own until `stop`. */
export function channelWatch(options: WatchOptions): ChannelWatch {
  const { parts } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const rounds = channelRounds(options);
  const loops = [repeat(rounds.round), repeat(() => accept(parts, signal), ACCEPT_AGAIN_MS)];

  async function repeat(work: () => Promise<void>, pauseMs = ROUND_MS): Promise<void> {
    try {
      while (!signal.aborted) {
        await work();
        await options.sleep(pauseMs, signal);
      }
    } catch (cause) {
      if (!signal.aborted) options.onFatal(cause);
    }
  }

  return {
    ...rounds,
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

async function accept(parts: ChannelParts, signal: AbortSignal): Promise<void> {
  try {
    await parts.manager.accept(inboundRules(parts), signal);
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.code === 'JOURNAL_LOCKED') throw cause;
  }
}

/** The rounds alone, for who drives them. */
export function channelRounds(options: WatchOptions): Pick<ChannelWatch, 'round' | 'trouble'> {
  const { parts, inTurn } = options;
  const { engine } = parts;
  const lastSeen = new Map<string, Channel>();
  const told = new Set<string>();
  const offline = offlineWatch(options);
  let troubles: string[] = [];
  let towers: readonly WatchOptions['watchtowers'][number][] = options.watchtowers;

  /** A failure of one thing holds up no other. */
  async function attempt<T>(effort: () => Promise<T>): Promise<T | null> {
    try {
      return await effort();
    } catch (cause) {
      if (!(cause instanceof Failure) || cause.code === 'JOURNAL_LOCKED') throw cause;
      troubles.push(`${cause.code}: ${detailOf(cause)}`);
      return null;
    }
  }

  async function round(): Promise<void> {
    troubles = [];
    const lists = await attempt(() => nodeLists(parts));
    await attempt(() => offline.saw(lists === null ? 'nothing' : 'an answer'));
    if (lists === null) return;
    // What is still open shows what it held when it is gone.
    for (const channel of lists.channels) lastSeen.set(channel.outpoint, channel);
    await attempt(() => strays(parts, lists));
    for (const { batchId } of engine.state().channels.batches.values()) {
      await attempt(() => advanceBatch(parts, batchId));
    }
    const closes = await attempt(() => closesSeen(parts, lists));
    const asked = { ...lists, lastSeen };
    const lightning = await attempt(() => lightningIfNeeded(parts, lists));
    if (closes !== null) await attempt(() => writeNews({ ...asked, closes, lightning }));
    await attempt(() => bookRemainder(parts));
    await attempt(() => advanceCloses(parts, lists));
    await attempt(() => setFees(parts, lists));
    await attempt(() => keepBackup(parts));
    await attempt(() => addTowers());
    await attempt(() => alarms(lists));
    for (const outpoint of lastSeen.keys()) {
      if (!isKnown(engine.state(), outpoint, lists)) lastSeen.delete(outpoint);
    }
  }

  async function writeNews(look: ChannelLook): Promise<void> {
    for (let count = 0; count < NEWS_MAX; count += 1) {
      const isNew = await engine.act((state) => {
        const news = nextChannelNews(state, look);
        return { news, answer: news.length > 0 };
      });
      if (!isNew) return;
    }
  }

  async function addTowers(): Promise<void> {
    for (const { publicKey, socket } of towers) {
      await parts.manager.addWatchtower(publicKey, socket);
      towers = towers.filter((each) => each.publicKey !== publicKey);
    }
  }

  async function alarms(lists: NodeLists): Promise<void> {
    for (const { key, news } of await alarmsNow(parts, lists)) {
      if (told.has(key)) continue;
      await engine.act(() => ({ news, answer: null }));
      told.add(key);
    }
  }

  return {
    round: () => inTurn(round),
    trouble: () => troubles[0] ?? null,
  };
}

async function nodeLists({ reader }: ChannelParts): Promise<NodeLists> {
  const [channels, pending, closed] = await Promise.all([
    reader.channels(),
    reader.pendingChannels(),
    reader.closedChannels(),
  ]);
  return { channels, pending, closed };
}

/** Ours in the open channels, where one goes: what the books have more went with it. */
async function lightningIfNeeded(
  { engine, reader, forwards }: ChannelParts,
  { pending, closed }: NodeLists,
): Promise<ChannelLook['lightning']> {
  if (leavingUnbooked(engine.state().channels, { pending, closed }).length === 0) return null;
  await forwards.catchUp();
  const { channels: books, seq } = engine.state();
  // In this order: a forward that settled on its way out is in the list before its balance moves, and shows as an
  // HTLC until it has come in.
  const channels = await reader.channels();
  const balance = await reader.balance();
  await forwards.catchUp();
  if (isComingIn(channels)) return null;
  const there = physicalRails({ books, balance, channels, pending, coldSat: null });
  return { msat: there.lightningMsat, seq };
}

/** Ours before it arrives: it may be booked and in no balance. */
function isComingIn(channels: readonly Channel[]): boolean {
  return channels.some(({ incomingHtlcs }) => incomingHtlcs > 0);
}

function isKnown({ channels }: PoolState, outpoint: string, lists: NodeLists): boolean {
  return channels.open.has(outpoint) || lists.channels.some((each) => each.outpoint === outpoint);
}

/** A batch that was let go, and whose channels a peer signed after all. */
async function strays({ engine }: ChannelParts, lists: NodeLists): Promise<void> {
  const back = (batch: Batch): boolean =>
    batch.phase === 'aborted' && isPendingAnywhere(batch, lists.pending);
  for (const batch of [...engine.state().channels.batches.values()].filter(back)) {
    const { batchId, abort } = batch;
    const event = {
      kind: 'channel-batch-aborting' as const,
      batchId,
      why: abort?.why ?? ('node_refused' as const),
      detail: 'the node lists its channels as pending after all',
      route: 'conflict' as const,
    };
    await engine.act((state) => ({ news: batchNews(state, event), answer: null }));
  }
}

async function bookRemainder({ engine, reader, forwards }: ChannelParts): Promise<void> {
  if (engine.state().channels.closedSinceRemainder === 0) return;
  const before = engine.state().seq;
  const [channels, pending] = await Promise.all([reader.channels(), reader.pendingChannels()]);
  const balance = await reader.balance();
  const remainderIn = (state: PoolState): bigint | null => {
    const { channels: books, ledger, unresolved } = state;
    const there = physicalRails({ books, balance, channels, pending, coldSat: null });
    const isStill = balance.unsettledMsat === 0n && !isComingIn(channels);
    return remainderMsat({
      differenceMsat: railTotals(ledger).lightningMsat - there.lightningMsat,
      closes: books.closedSinceRemainder,
      // Something that happened while we looked could be the whole difference.
      quiet: state.seq === before && unresolved.size === 0 && isStill,
    });
  };
  if (remainderIn(engine.state()) === null) return;
  // A forward that nobody had read: then this was an entry ago, and the next round looks again.
  await forwards.catchUp();
  await engine.act((state) => {
    const amount = remainderIn(state);
    const isCovered = amount !== null && available(state.ledger, 'LLP:asset:ln.local') >= amount;
    if (!isCovered) return { news: [], answer: null };
    const event = { kind: 'channel-remainder' as const, amountMsat: msat(amount) };
    return { news: [{ event, entry: remainderEntry(msat(amount)), receipt: null }], answer: null };
  });
}

async function setFees(parts: ChannelParts, lists: NodeLists): Promise<void> {
  const { baseMsat, ratePpm } = parts.policy().channelFees;
  for (const outpoint of feesDue(parts.engine.state(), lists.channels, { baseMsat, ratePpm })) {
    await parts.manager.setChannelFees({ outpoint, baseMsat, ratePpm });
    await parts.engine.act(() => ({
      news: [plainNews({ kind: 'channel-fees-set', outpoint, baseMsat, ratePpm })],
      answer: null,
    }));
  }
}

/** A channel that opened since the last backup may not be restorable from it. */
async function keepBackup(parts: ChannelParts): Promise<void> {
  const { open, closes } = parts.engine.state().channels;
  const due = [...open.values()].some(
    ({ backedUp, outpoint }) => !backedUp && closes.get(outpoint)?.phase !== 'closing',
  );
  if (due) await backUp(parts, []);
}

interface Alarm {
  key: string;
  news: readonly News[];
}

/** What stays wrong: each said once while this process runs. Pure. */
function standingAlarms(state: PoolState, lists: NodeLists, nowMs: number): Alarm[] {
  const { batches, open } = state.channels;
  const unmined = [...batches.values()].filter(
    ({ phase, broadcastAtMs, backup }) =>
      phase === 'broadcast' &&
      backup !== 'confirmed' &&
      nowMs - (broadcastAtMs ?? nowMs) > UNMINED_MS,
  );
  const listed = new Set(
    [...lists.channels, ...lists.pending, ...lists.closed].map(({ outpoint }) => outpoint),
  );
  const gone = [...open.keys()].filter((outpoint) => !listed.has(outpoint));
  return [
    ...unmined.map(({ batchId }) =>
      alarmOf('channel_open_unmined', `batch ${batchId} is broadcast and not open for days`),
    ),
    ...gone.map((outpoint) =>
      alarmOf('channel_gone', `the node does not list ${outpoint}, which the books hold open`),
    ),
  ];
}

async function alarmsNow(parts: ChannelParts, lists: NodeLists): Promise<Alarm[]> {
  const standing = standingAlarms(parts.engine.state(), lists, parts.now());
  return [...standing, ...(await closesUnseen(parts, lists))];
}

/** Closed by the node's word, deep, and still waited for: our bitcoind may have pruned the block that shows how. */
async function closesUnseen(
  { engine, chain }: ChannelParts,
  { closed }: NodeLists,
): Promise<Alarm[]> {
  const { open } = engine.state().channels;
  const late = closed.filter(({ outpoint }) => open.has(outpoint));
  if (late.length === 0) return [];
  // While it is away nothing can be told of it; what else is wrong is said all the same.
  const tip = await chain.tip().catch(() => null);
  if (tip === null) return [];
  return late
    .filter(({ closeHeight }) => closeHeight !== null && tip.height - closeHeight >= UNSEEN_BLOCKS)
    .map(({ outpoint, closeHeight }) => {
      const detail = `${outpoint} closed at ${closeHeight}, and our bitcoind does not show the transaction: it is not booked`;
      return alarmOf('channel_close_unseen', detail);
    });
}

function alarmOf(code: string, detail: string): Alarm {
  return { key: `${code} ${detail}`, news: [plainNews({ kind: 'alarm', code, detail })] };
}
