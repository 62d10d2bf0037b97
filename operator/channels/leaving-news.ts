/** Channels that close, whoever began, and what the books make of it: rows R5 and R6, each once. Pure. */
import { invariant } from '../../policies/failure.ts';
import { msat, type Sat } from '../../policies/units.ts';
import { type News, plainNews } from '../decision.ts';
import type { Channel, ClosedChannel, PendingChannel } from '../lightning.ts';
import type { PoolState } from '../pool-state.ts';
import { closedHow } from './channel-event.ts';
import { closedEntry, closingEntry } from './channel-postings.ts';
import type { Close, OpenChannel } from './channel-state.ts';

/** A closing transaction by our own node. */
export interface SeenClose {
  txid: string;
  /** 0 in the mempool. */
  confirmations: number;
  height: number | null;
  /** What it pays to the channel's close address. */
  toCloseAddressSat: Sat;
  /** What the channel held more than all of its outputs: its opener pays that (BOLT 2, BOLT 3). */
  feeSat: Sat;
}

/** A close that our node shows this deep is over for the books. */
export const CLOSE_CONFIRMATIONS = 3;

/** What is listed of one channel that the books hold open. */
export interface Leaving {
  pending: PendingChannel | undefined;
  closed: ClosedChannel | undefined;
  /** As it was when it was last listed open; null after a restart. */
  listed: Channel | null;
  seen: SeenClose | null;
  /** What the books have on Lightning and nothing else explains; null where more than this could be it. */
  unexplainedMsat: bigint | null;
}

/** News of a channel that leaves; none while it stays or nothing new is known. */
export function leavingNews(
  state: PoolState,
  channel: OpenChannel,
  leaving: Leaving,
): readonly News[] {
  const close = state.channels.closes.get(channel.outpoint);
  if (close?.phase === 'closing') return closedNews(state, channel, close, leaving);
  const { pending, closed } = leaving;
  const leaves = closed !== undefined || (pending !== undefined && pending.phase !== 'opening');
  return leaves ? closingNews(state, channel, close, leaving) : [];
}

/** Everything of ours in a channel, fee and anchors of a commitment that we pay included. */
export function oursMsat(
  channel: Pick<OpenChannel, 'openedBy' | 'anchorsSat'>,
  {
    localMsat,
    unsettledOutMsat,
    commitFeeSat,
  }: Pick<Channel, 'localMsat' | 'unsettledOutMsat' | 'commitFeeSat'>,
): bigint {
  const paid = channel.openedBy === 'us' ? (commitFeeSat + channel.anchorsSat) * 1_000n : 0n;
  return localMsat + unsettledOutMsat + paid;
}

function closingNews(
  state: PoolState,
  channel: OpenChannel,
  close: Close | undefined,
  leaving: Leaving,
): readonly News[] {
  const { outpoint } = channel;
  if (waitsForItsClose(channel, leaving)) return [];
  const totalMsat = totalOf(channel, leaving);
  const { entry, poolMsat, othersMsat } = closingEntry(state.ledger, {
    totalMsat,
    reservedMsat: channel.reservedSat * 1_000n,
    feeMsat: knownFeeMsat(channel, totalMsat, leaving.seen),
  });
  const asked = close?.order != null && close.attempts > 0 ? 'quorum' : 'nobody';
  const news: News = {
    event: {
      kind: 'channel-closing',
      outpoint,
      txid: closeTxidOf(leaving),
      asked,
      localMsat: msat(totalMsat),
      poolMsat,
      othersMsat,
    },
    entry: entry.postings.length === 0 ? null : entry,
    receipt: null,
  };
  if (asked === 'quorum') return [news];
  const detail = `${outpoint} is closing, and nobody here asked for it`;
  return [news, plainNews({ kind: 'alarm', code: 'channel_closed_unasked', detail })];
}

/** Seen only when it was over: what the close cost us is in its transaction, which our own node will show. */
function waitsForItsClose({ openedBy }: OpenChannel, leaving: Leaving): boolean {
  const { pending, listed, closed, seen } = leaving;
  const isLate = pending === undefined && listed === null;
  return isLate && openedBy === 'us' && closed?.closeTxid != null && seen === null;
}

/**
 * Its balance by the node's newest word, in whole satoshi. Where the books miss nearly that and nothing else can be
 * the reason, what they miss is it, to the millisatoshi.
 */
function totalOf(channel: OpenChannel, leaving: Leaving): bigint {
  const { unexplainedMsat } = leaving;
  const { leastMsat, mostMsat } = boundsOf(channel, leaving);
  const within =
    unexplainedMsat !== null && unexplainedMsat >= leastMsat && unexplainedMsat <= mostMsat;
  return within ? unexplainedMsat : leastMsat;
}

/** What a cooperative close costs at most, where nobody has seen its transaction: more than that is another loss. */
const CLOSE_FEE_SAT_MAX = 50_000n;

/**
 * A commitment's fee may have changed since we looked; parts of a satoshi nobody lists. An HTLC that was out then has
 * ended since, and may be in the newer balance already: it is counted once at most.
 */
function boundsOf(
  channel: OpenChannel,
  { listed, pending, closed, seen }: Leaving,
): { leastMsat: bigint; mostMsat: bigint } {
  const commitFeeSat = listed?.commitFeeSat ?? channel.commitFeeSat;
  if (pending !== undefined || listed !== null) {
    const localMsat = pending === undefined ? listed?.localMsat : msat(pending.localSat * 1_000n);
    const ours = oursMsat(channel, {
      localMsat: localMsat ?? msat(0n),
      unsettledOutMsat: msat(0n),
      commitFeeSat,
    });
    const wasOut = listed?.unsettledOutMsat ?? 0n;
    return { leastMsat: ours, mostMsat: ours + wasOut + commitFeeSat * 1_000n + 999n };
  }
  // A closing transaction has the commitment's fee in what it pays, less its own.
  const feeSat = channel.openedBy === 'us' ? (seen?.feeSat ?? 0n) : 0n;
  const leastMsat = ((closed?.settledSat ?? 0n) + feeSat) * 1_000n;
  return { leastMsat, mostMsat: leastMsat + CLOSE_FEE_SAT_MAX * 1_000n };
}

/** What is lost by closing, where that is seen already. A force close pays the close address nothing. */
function knownFeeMsat(channel: OpenChannel, totalMsat: bigint, seen: SeenClose | null): bigint {
  if (seen === null || channel.closes !== 'to_treasury' || seen.toCloseAddressSat === 0n) return 0n;
  const lost = totalMsat - seen.toCloseAddressSat * 1_000n;
  return lost > 0n ? lost : 0n;
}

function closeTxidOf({ seen, closed, pending }: Leaving): string | null {
  return seen?.txid ?? closed?.closeTxid ?? pending?.closeTxid ?? null;
}

function closedNews(
  state: PoolState,
  channel: OpenChannel,
  close: Close,
  { closed, seen }: Leaving,
): readonly News[] {
  const { outpoint } = channel;
  const { booked } = close;
  invariant(booked !== null, `${outpoint} closes and was not booked`);
  if (closed === undefined || seen === null || seen.height === null) return [];
  if (seen.confirmations < CLOSE_CONFIRMATIONS) return [];
  const toTreasury = closed.how === 'cooperative' && channel.closes === 'to_treasury';
  const paidSat = toTreasury ? seen.toCloseAddressSat : closed.settledSat;
  const entry = closedEntry(state.ledger, {
    ...booked,
    paidMsat: paidSat * 1_000n,
    to: toTreasury ? 'cold' : 'chain.conf',
  });
  const how = closedHow.safeParse(closed.how).data ?? 'unknown';
  const paidTo = toTreasury ? 'treasury' : 'node';
  return [
    {
      event: {
        kind: 'channel-closed',
        outpoint,
        txid: seen.txid,
        how,
        paidSat,
        paidTo: paidSat === 0n ? 'nobody' : paidTo,
        height: seen.height,
      },
      entry: entry.postings.length === 0 ? null : entry,
      receipt: null,
    },
  ];
}
