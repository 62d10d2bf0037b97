/**
 * What one look at the node means: channels that opened, that close, that are closed, each written down once
 * with its postings. One piece of news at a time, since the next may depend on it. Pure.
 */
import { textUpTo } from '../../policies/text.ts';
import { type Sat, sat } from '../../policies/units.ts';
import { type News, plainNews } from '../decision.ts';
import { railTotals } from '../ledger/rail-rows.ts';
import type { Channel, ClosedChannel, PendingChannel } from '../lightning.ts';
import type { PoolState } from '../pool-state.ts';
import type { PlannedChannel } from './channel-event.ts';
import { openedEntry } from './channel-postings.ts';
import { type Batch, type OpenChannel, outpointsOf } from './channel-state.ts';
import { leavingNews, type SeenClose } from './leaving-news.ts';

/** Both anchors of a commitment (BOLT 3): who opens the channel pays them. */
const ANCHORS_SAT = 660n;

export interface ChannelLook {
  channels: readonly Channel[];
  pending: readonly PendingChannel[];
  closed: readonly ClosedChannel[];
  /** By outpoint, each channel as it was when it was last listed open. */
  lastSeen: ReadonlyMap<string, Channel>;
  /** By outpoint of the channel. */
  closes: ReadonlyMap<string, SeenClose>;
  /** All of ours in the channels that are listed open, and at which entry; null where it was not asked. */
  lightning: { msat: bigint; seq: number } | null;
}

/** The first piece of news there is; none when the log knows all of it. */
export function nextChannelNews(state: PoolState, look: ChannelLook): readonly News[] {
  for (const channel of look.channels) {
    const news = openedNews(state, channel);
    if (news.length > 0) return news;
  }
  for (const channel of state.channels.open.values()) {
    const { outpoint } = channel;
    const news = leavingNews(state, channel, {
      pending: look.pending.find((each) => each.outpoint === outpoint),
      closed: look.closed.find((each) => each.outpoint === outpoint),
      listed: look.lastSeen.get(outpoint) ?? null,
      seen: look.closes.get(outpoint) ?? null,
      unexplainedMsat: unexplained(state, look),
    });
    if (news.length > 0) return news;
  }
  return [];
}

/**
 * What the books have more than the node shows, where one channel alone can be the reason: nothing is in flight,
 * nothing was booked since, and no other channel goes.
 */
function unexplained(state: PoolState, look: ChannelLook): bigint | null {
  const { lightningMsat, inflightMsat } = railTotals(state.ledger);
  if (look.lightning?.seq !== state.seq || inflightMsat !== 0n) return null;
  return leavingUnbooked(state.channels, look).length === 1
    ? lightningMsat - look.lightning.msat
    : null;
}

/** Channels that go, and whose close the books do not have yet. */
export function leavingUnbooked(
  { open, closes }: PoolState['channels'],
  { pending, closed }: Pick<ChannelLook, 'pending' | 'closed'>,
): string[] {
  const going = new Set([
    ...pending.filter(({ phase }) => phase !== 'opening').map(({ outpoint }) => outpoint),
    ...closed.map(({ outpoint }) => outpoint),
  ]);
  return [...open.keys()].filter(
    (outpoint) => going.has(outpoint) && closes.get(outpoint)?.phase !== 'closing',
  );
}

interface Planned {
  batch: Batch;
  plan: PlannedChannel;
}

function plannedOf({ channels }: PoolState, outpoint: string): Planned | null {
  for (const batch of channels.batches.values()) {
    const plan = batch.channels[outpointsOf(batch).indexOf(outpoint)];
    if (plan !== undefined) return { batch, plan };
  }
  return null;
}

function openedNews(state: PoolState, channel: Channel): readonly News[] {
  const { outpoint } = channel;
  const { open, closes } = state.channels;
  if (open.has(outpoint) || closes.get(outpoint)?.closed != null) return [];
  const planned = plannedOf(state, outpoint);
  // Its funding is out; the batch says so first, with the money that left the treasury.
  if (planned !== null && planned.batch.phase !== 'broadcast') return [];
  const closesWhere = whereItCloses(state, channel, planned);
  const anchorsSat = anchorsOf(channel);
  const reservedSat =
    channel.openedBy === 'us'
      ? sat(channel.reserveSat + channel.commitFeeSat + anchorsSat)
      : sat(0n);
  const { id, peer, capacitySat, openedBy, announced, closeAddress, commitFeeSat } = channel;
  const opened: News = {
    event: {
      kind: 'channel-opened',
      outpoint,
      channelId: id,
      peer,
      capacitySat,
      openedBy,
      announced,
      batchId: planned?.batch.batchId ?? null,
      closeAddress,
      closes: closesWhere,
      reservedSat: planned === null ? sat(0n) : reservedSat,
      anchorsSat,
      commitFeeSat,
    },
    entry: planned === null ? null : openedEntry({ capacitySat, reservedSat }),
    receipt: null,
  };
  return [opened, ...aboutOpened(state, channel, planned, closesWhere)];
}

/** Where it closes is known only now that it is open: what differs from what was set stops the pool. */
function aboutOpened(
  state: PoolState,
  { outpoint, peer, openedBy, closeAddress }: Channel,
  planned: Planned | null,
  closes: OpenChannel['closes'],
): readonly News[] {
  const given = [...state.channels.inbound.values()].some((each) => each.peer === peer);
  if (closes === 'to_treasury') return [];
  const why = `${outpoint} closes to ${closeAddress ?? 'any address'}, not to the treasury`;
  if (planned === null && !(openedBy === 'peer' && given)) {
    const code = openedBy === 'us' ? 'channel_unknown' : 'channel_uninvited';
    return [plainNews({ kind: 'alarm', code, detail: `${why}; nobody here asked for it` })];
  }
  const alarm = plainNews({ kind: 'alarm', code: 'channel_close_address', detail: why });
  return [alarm, ...freezeNews(state, why)];
}

/** A pool that winds down still pays out: it is frozen, too. */
export function freezeNews(state: PoolState, why: string): readonly News[] {
  return state.mode === 'frozen'
    ? []
    : [plainNews({ kind: 'mode-changed', mode: 'frozen', why: textUpTo(why, 300), by: 'pool' })];
}

function whereItCloses(
  { channels }: PoolState,
  { closeAddress, peer }: Channel,
  planned: Planned | null,
): OpenChannel['closes'] {
  if (closeAddress === null) return 'elsewhere';
  const isOurs =
    planned === null
      ? channels.inbound.get(closeAddress)?.peer === peer && !isTaken(channels.open, closeAddress)
      : planned.plan.closeAddress === closeAddress;
  return isOurs ? 'to_treasury' : 'elsewhere';
}

function isTaken(open: ReadonlyMap<string, OpenChannel>, address: string): boolean {
  return [...open.values()].some((each) => each.closeAddress === address);
}

/** Without HTLCs what is nobody's balance is the commitment's fee and its anchors. */
function anchorsOf({ capacitySat, localMsat, remoteMsat, commitFeeSat }: Channel): Sat {
  const rest = capacitySat - (localMsat + remoteMsat) / 1_000n - commitFeeSat;
  if (rest <= 0n) return sat(0n);
  return sat(rest < ANCHORS_SAT ? rest : ANCHORS_SAT);
}

/** Channels whose fees differ from the policy's, as far as we set them. */
export function feesDue(
  { channels }: PoolState,
  listed: readonly Channel[],
  wanted: { baseMsat: bigint; ratePpm: number },
): string[] {
  return listed
    .filter(({ usable }) => usable === 'active')
    .filter(({ outpoint }) => {
      const known = channels.open.get(outpoint);
      if (known === undefined) return false;
      return known.fees?.baseMsat !== wanted.baseMsat || known.fees.ratePpm !== wanted.ratePpm;
    })
    .map(({ outpoint }) => outpoint);
}
