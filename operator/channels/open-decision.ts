/**
 * Whether a batch of channels may be asked for, said early and with every reason: the quorum's policy, the
 * pool's own limits, the books, the node. Pure; the coordinator and each guardian's agent judge again.
 */
import type { ChannelOpenPolicy } from '../../policies/policy-intents.ts';
import { policyAt, type Treasury } from '../../policies/treasury.ts';
import type { Sat } from '../../policies/units.ts';
import { type Decision, nothing, plainNews } from '../decision.ts';
import { available } from '../ledger/ledger.ts';
import type { Channel, NodeBalance, NodeStanding, PendingChannel } from '../lightning.ts';
import type { OperatorPolicy } from '../operator-policy.ts';
import type { PoolState } from '../pool-state.ts';
import { isBeforePending } from './batch-steps.ts';
import type { PlannedChannel } from './channel-event.ts';
import { type Batch, type Channels, outpointsOf } from './channel-state.ts';

/** How long a peer that runs LND counts a channel that is never funded (`maxpendingchannels`, 2,016 blocks). */
export const BUSY_MS = 14 * 24 * 60 * 60_000;

export const OPEN_REFUSALS = [
  'mode',
  'node_not_synced',
  'another_batch',
  'policy_not_yet',
  'too_many',
  'peer_not_listed',
  'channel_too_small',
  'channel_too_large',
  'hot_limit',
  'books_short',
] as const;

/** A no, before anybody was asked. */
export interface OpenRefusal {
  code: (typeof OPEN_REFUSALS)[number];
  detail: string;
}

/** A wish for one channel. */
export interface ChannelWish {
  peer: string;
  capacitySat: Sat;
  announced: 'public' | 'private';
}

/** What was looked up for a decision; nothing of it is older than the call. */
export interface OpenFacts {
  treasury: Treasury;
  tipHeight: number;
  standing: NodeStanding;
  balance: NodeBalance;
  channels: readonly Channel[];
  pending: readonly PendingChannel[];
  policy: Pick<OperatorPolicy, 'hotLimitMsat'>;
}

/** Every reason against it; none means that the node and the peers may be asked. */
export function openRefusals(
  state: PoolState,
  wishes: readonly ChannelWish[],
  facts: OpenFacts,
): OpenRefusal[] {
  const refusals: OpenRefusal[] = [];
  if (state.mode !== 'open') refusals.push({ code: 'mode', detail: `the pool is ${state.mode}` });
  if (!facts.standing.syncedToChain) {
    refusals.push({ code: 'node_not_synced', detail: 'the node is behind the chain' });
  }
  const before = [...state.channels.batches.values()].find(isBeforePending);
  if (before !== undefined) {
    const detail = `batch ${before.batchId.slice(0, 8)} is ${before.phase}: finish or abort it first`;
    refusals.push({ code: 'another_batch', detail });
  }
  const { policy } = policyAt(facts.treasury, facts.tipHeight);
  const rules = policy.intents.channel_open;
  if (rules === 'not_yet') {
    refusals.push({
      code: 'policy_not_yet',
      detail: "the treasury's policy opens no channels yet",
    });
  } else {
    refusals.push(...againstPolicy(wishes, rules));
  }
  return [...refusals, ...againstLimits(state, wishes, facts)];
}

function againstPolicy(wishes: readonly ChannelWish[], rules: ChannelOpenPolicy): OpenRefusal[] {
  const refusals: OpenRefusal[] = [];
  if (wishes.length > rules.max_channels) {
    const detail = `${wishes.length} channels; the policy takes ${rules.max_channels} at once`;
    refusals.push({ code: 'too_many', detail });
  }
  for (const { peer, capacitySat } of wishes) {
    if (!rules.peers.some(({ node }) => node === peer)) {
      const detail = `the treasury's policy does not list ${peer}`;
      refusals.push({ code: 'peer_not_listed', detail });
    }
    if (capacitySat < rules.min_channel) {
      const detail = `${capacitySat} sat; the least is ${rules.min_channel}`;
      refusals.push({ code: 'channel_too_small', detail });
    }
    if (capacitySat > rules.max_channel) {
      const detail = `${capacitySat} sat; the most is ${rules.max_channel}`;
      refusals.push({ code: 'channel_too_large', detail });
    }
  }
  return refusals;
}

function againstLimits(
  state: PoolState,
  wishes: readonly ChannelWish[],
  { balance, policy }: OpenFacts,
): OpenRefusal[] {
  const refusals: OpenRefusal[] = [];
  const wishedMsat = sumOf(wishes) * 1_000n;
  const underWayMsat = committedMsat(state.channels);
  const hotMsat =
    balance.channelsMsat +
    balance.unsettledMsat +
    (balance.chainConfirmedSat + balance.chainUnconfirmedSat) * 1_000n;
  const would = hotMsat + underWayMsat + unopenedMsat(state.channels) + wishedMsat;
  if (would > policy.hotLimitMsat) {
    const detail = `${would} msat would be hot; the limit is ${policy.hotLimitMsat}`;
    refusals.push({ code: 'hot_limit', detail });
  }
  const coldMsat = available(state.ledger, 'LLP:asset:cold');
  if (underWayMsat + wishedMsat > coldMsat) {
    const detail = `the books have ${coldMsat} msat in the treasury, less than is asked for`;
    refusals.push({ code: 'books_short', detail });
  }
  return refusals;
}

/** What batches that are not broadcast yet will take from the treasury; their fee comes on top. */
export function committedMsat({ batches }: Channels): bigint {
  let total = 0n;
  for (const batch of batches.values()) {
    if (['broadcast', 'done', 'aborted'].includes(batch.phase)) continue;
    total += sumOf(batch.channels) + (batch.reserve?.amountSat ?? 0n);
    total += batch.proposal?.feeSat ?? 0n;
  }
  return total * 1_000n;
}

/** Broadcast and not open yet: out of the treasury, and not in a balance of the node. */
function unopenedMsat({ batches, open }: Channels): bigint {
  let total = 0n;
  for (const batch of batches.values()) {
    if (batch.phase !== 'broadcast') continue;
    for (const [at, outpoint] of outpointsOf(batch).entries()) {
      if (!open.has(outpoint)) total += batch.channels[at]?.capacitySat ?? 0n;
    }
  }
  return total * 1_000n;
}

export function sumOf(channels: readonly { capacitySat: bigint }[]): bigint {
  return channels.reduce((sum, { capacitySat }) => sum + capacitySat, 0n);
}

/** Peers that may still count a channel of an earlier batch as pending, and of which one. */
export function busySlots(channels: Channels, peers: readonly string[], nowMs: number): string[] {
  const since = nowMs - BUSY_MS;
  return [...channels.batches.values()].flatMap((batch) =>
    batch.endedAtMs !== null && batch.endedAtMs > since
      ? batch.busyPeers
          .filter((peer) => peers.includes(peer))
          .map((peer) => `${peer} may count a channel of batch ${batch.batchId.slice(0, 8)} still`)
      : [],
  );
}

/** Writes the plan down. What stands against it is asked again: something may have come in between. */
export function decidePlanned(
  state: PoolState,
  plan: {
    batchId: string;
    initiator: string;
    channels: readonly PlannedChannel[];
    reserve: Batch['reserve'];
  },
  facts: OpenFacts,
): Decision<readonly OpenRefusal[]> {
  const refusals = openRefusals(state, plan.channels, facts);
  const known = knownCloseAddresses(state.channels);
  const taken = plan.channels.find(({ closeAddress }) => known.has(closeAddress));
  if (taken !== undefined) {
    const detail = `a peer was promised ${taken.closeAddress} meanwhile: ask again`;
    refusals.push({ code: 'another_batch', detail });
  }
  if (refusals.length > 0) return nothing(refusals);
  const event = { kind: 'channel-batch-planned' as const, ...plan, channels: [...plan.channels] };
  return { news: [plainNews(event)], answer: [] };
}

/** Indexes and addresses that a channel of ours has or was promised: each is one channel's own. */
export function knownCloseAddresses({ batches, inbound, open }: Channels): ReadonlySet<string> {
  return new Set([
    ...[...batches.values()].flatMap(({ channels }) =>
      channels.map(({ closeAddress }) => closeAddress),
    ),
    ...inbound.keys(),
    ...[...open.values()].flatMap(({ closeAddress }) => closeAddress ?? []),
  ]);
}
