/** Peers and channels between nodes, opened the plain way from a node's own coins, ready to be paid through. */
import {
  addPeer,
  getChannels,
  getNetworkGraph,
  getPeers,
  openChannel as lnOpenChannel,
} from 'ln-service';
import type { LightningNetwork, NodeName } from './lightning.ts';
import { fundNodes, mineSynced } from './lightning.ts';
import { called } from './ln-call.ts';
import type { LndNode } from './lnd.ts';
import { FORWARDING_FEES } from './lnd-configuration.ts';
import { until } from './wait.ts';

export interface ChannelWish {
  /** Capacity, all of it the opener's but for `giveSat`. */
  sat: number;
  /** Not announced: payments find it by an invoice's hints only. */
  isPrivate?: true;
  /** Given to the other side at the start. */
  giveSat?: number;
}

export interface OpenedChannel {
  from: LndNode;
  to: LndNode;
  txid: string;
  vout: number;
  isPrivate?: true;
}

/** A channel active on both sides is used by both within seconds. */
const CHANNEL_TIMEOUT_MS = 90_000;
/** LND announces a channel no sooner, whatever it is told (BOLT 7 asks for six). */
const ANNOUNCED_BLOCKS = 6;
const RING_SAT = 5_000_000;
const RING_GIVEN_SAT = RING_SAT / 2;

/** Who is joined to whom, opener first. `right` is asked for one channel only: it takes one at a time. */
const RING: readonly (readonly [NodeName, NodeName, 'announced' | 'private'])[] = [
  ['left', 'right', 'announced'],
  ['left', 'payee', 'announced'],
  ['right', 'payee', 'announced'],
  ['right', 'hidden', 'private'],
];

/** Connects them, if they are not, and waits until each lists the other. */
export async function connectPeers(one: LndNode, other: LndNode): Promise<void> {
  const wish = { public_key: other.publicKey, socket: `127.0.0.1:${other.p2pPort}` };
  await until(
    `${one.alias} and ${other.alias} to be peers`,
    async () => {
      const [seen, seenBack] = await Promise.all([lists(one, other), lists(other, one)]);
      // A node that still starts refuses; one that is just being connected to says so.
      if (!seen) {
        await called('addPeer', addPeer({ lnd: one.lnd, ...wish })).catch(() => null);
      }
      return seen && seenBack;
    },
    CHANNEL_TIMEOUT_MS,
  );
}

async function lists({ lnd }: LndNode, other: LndNode): Promise<boolean> {
  const { peers } = await called('getPeers', getPeers({ lnd }));
  return peers.some((peer) => peer.public_key === other.publicKey);
}

/** Opens one from the opener's own coins, mines, and waits until both sides can use it. */
export async function openChannel(
  lightning: LightningNetwork,
  from: LndNode,
  to: LndNode,
  wish: ChannelWish,
): Promise<OpenedChannel> {
  await connectPeers(from, to);
  const channel = await proposed(from, to, wish);
  await mineSynced(lightning, ANNOUNCED_BLOCKS);
  await untilActive(channel);
  return channel;
}

async function proposed(from: LndNode, to: LndNode, wish: ChannelWish): Promise<OpenedChannel> {
  const opening = lnOpenChannel({
    lnd: from.lnd,
    partner_public_key: to.publicKey,
    local_tokens: wish.sat,
    give_tokens: wish.giveSat ?? 0,
    is_private: wish.isPrivate ?? false,
    base_fee_mtokens: String(FORWARDING_FEES.baseMsat),
    fee_rate: FORWARDING_FEES.ratePpm,
  });
  const what = `openChannel ${from.alias} to ${to.alias}`;
  const { transaction_id: txid, transaction_vout: vout } = await called(what, opening);
  const opened = { from, to, txid, vout };
  return wish.isPrivate === undefined ? opened : { ...opened, isPrivate: true };
}

/**
 * Waits until both sides say the channel is active and, where it is public, know it as announced and by both
 * sides' policies, which needs six blocks. Others hear of it a moment later: see `routeKnown`.
 */
export async function untilActive(channel: OpenedChannel): Promise<void> {
  const { from, to } = channel;
  await Promise.all(
    [from, to].map((node) =>
      until(
        `the channel of ${from.alias} and ${to.alias} to be active at ${node.alias}`,
        async () => (await isActive(node, channel)) && (await isAnnounced(node, channel)),
        CHANNEL_TIMEOUT_MS,
      ),
    ),
  );
}

async function isActive({ lnd }: LndNode, { txid, vout }: OpenedChannel): Promise<boolean> {
  const { channels } = await called('getChannels', getChannels({ lnd, is_active: true }));
  return channels.some((each) => each.transaction_id === txid && each.transaction_vout === vout);
}

/** True of a private one: nobody waits for it. */
async function isAnnounced({ lnd }: LndNode, channel: OpenedChannel): Promise<boolean> {
  if (channel.isPrivate === true) return true;
  const { channels } = await called('getNetworkGraph', getNetworkGraph({ lnd }));
  const found = channels.find(
    (each) => each.transaction_id === channel.txid && each.transaction_vout === channel.vout,
  );
  return found?.policies.every((policy) => policy.cltv_delta !== undefined) ?? false;
}

/**
 * Funds `left` and `right` and joins all nodes that were started, but for `pool`: left–right, left–payee,
 * right–payee and, private, right–hidden, of 5,000,000 sat each, half on either side, announced. Two that
 * have a channel already, on a chain that was kept, are only waited for.
 */
export async function openRing(lightning: LightningNetwork): Promise<OpenedChannel[]> {
  const pairs = RING.filter(([from, to]) => lightning.nodes.has(from) && lightning.nodes.has(to));
  const joined = await Promise.all(
    pairs.map(async ([one, other, kind]) => {
      const [from, to] = [lightning.node(one), lightning.node(other)];
      await connectPeers(from, to);
      return { from, to, kind, kept: await channelOf(from, to) };
    }),
  );
  // One coin for each channel: change is not spent before it is confirmed.
  const openers = new Set(joined.flatMap(({ from, kept }) => (kept === null ? [from] : [])));
  await fundNodes(lightning, [...openers], '0.1', 2);
  const channels: OpenedChannel[] = [];
  for (const { from, to, kind, kept } of joined) {
    const wish = { sat: RING_SAT, giveSat: RING_GIVEN_SAT };
    channels.push(
      kept ?? (await proposed(from, to, kind === 'private' ? { ...wish, isPrivate: true } : wish)),
    );
  }
  await mineSynced(lightning, ANNOUNCED_BLOCKS);
  await Promise.all(channels.map(untilActive));
  return channels;
}

async function channelOf(from: LndNode, to: LndNode): Promise<OpenedChannel | null> {
  const { channels } = await called('getChannels', getChannels({ lnd: from.lnd }));
  const found = channels.find((each) => each.partner_public_key === to.publicKey);
  if (found === undefined) return null;
  const opened = { from, to, txid: found.transaction_id, vout: found.transaction_vout };
  return found.is_private ? { ...opened, isPrivate: true } : opened;
}
