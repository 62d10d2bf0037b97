/** Peers and channels between nodes, opened the plain way from a node's own coins, ready to be paid through. */
import { addPeer, getChannels, getPeers, openChannel as lnOpenChannel } from 'ln-service';
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
}

/** A channel active on both sides is used by both within seconds. */
const CHANNEL_TIMEOUT_MS = 90_000;
/** LND announces a channel at the third confirmation here; with two more nobody is one block behind. */
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
  return { from, to, txid, vout };
}

/** Waits until both sides say the channel is active. A route over it may still take a moment: see `routeKnown`. */
export async function untilActive({ from, to, txid, vout }: OpenedChannel): Promise<void> {
  await Promise.all(
    [from, to].map((node) =>
      until(
        `the channel of ${from.alias} and ${to.alias} to be active at ${node.alias}`,
        async () => {
          const { channels } = await called('getChannels', getChannels({ lnd: node.lnd }));
          return channels.some(
            (each) =>
              each.transaction_id === txid && each.transaction_vout === vout && each.is_active,
          );
        },
        CHANNEL_TIMEOUT_MS,
      ),
    ),
  );
}

/**
 * Funds `left` and `right` and joins all nodes that were started, but for `pool`: left–right, left–payee,
 * right–payee and, private, right–hidden, of 5,000,000 sat each, half on either side, announced.
 */
export async function openRing(lightning: LightningNetwork): Promise<OpenedChannel[]> {
  const wanted = RING.filter(([from, to]) => lightning.nodes.has(from) && lightning.nodes.has(to));
  const openers = [...new Set(wanted.map(([from]) => lightning.node(from)))];
  // One coin for each channel: change is not spent before it is confirmed.
  await fundNodes(lightning, openers, '0.1', 2);
  const channels: OpenedChannel[] = [];
  for (const [from, to, kind] of wanted) {
    const [one, other] = [lightning.node(from), lightning.node(to)];
    await connectPeers(one, other);
    const wish = { sat: RING_SAT, giveSat: RING_GIVEN_SAT };
    channels.push(
      await proposed(one, other, kind === 'private' ? { ...wish, isPrivate: true } : wish),
    );
  }
  await mineSynced(lightning, ANNOUNCED_BLOCKS);
  await Promise.all(channels.map(untilActive));
  return channels;
}
