/**
 * What happened to the pool's channels: batches that the treasury funds, channels that peers open to us,
 * closes. An intent is an event before the call it stands for, so that a crash leaves a question, never a gap.
 */
import { z } from 'zod';
import {
  CHANNELS_MAX,
  channelFunding,
  childIndex,
  feerateAmount,
  height,
  hex32,
  hexBytes,
  INPUTS_MAX,
  label,
  nodeKey,
  outpoint,
  satAmount,
} from '../../policies/intent.ts';
import { channelsPending } from '../../policies/proposal.ts';
import { msatAmount } from '../scalar-schemas.ts';

/** Channels that one node of ours may have at once, and one backup may cover. */
export const CHANNELS_HELD_MAX = 2_000;
/** Base64 of the largest transaction that is proposed. */
export const PSBT_CHARS_MAX = 2_000_000;

const batchId = hex32;
const address = z.string().max(100);
const detail = z.string().max(300);
const announced = z.enum(['public', 'private']);
export const closeHow = z.enum(['cooperative', 'force']);
/** How a channel ended, as far as can be seen. `unknown`: the node does not say. */
export const closedHow = z.enum([
  'cooperative',
  'local_force',
  'remote_force',
  'breach',
  'unknown',
]);

export const plannedChannel = z.strictObject({
  peer: nodeKey,
  capacitySat: satAmount,
  announced,
  closeIndex: childIndex,
  closeAddress: address,
});
export type PlannedChannel = z.infer<typeof plannedChannel>;

/** Why a batch came to nothing, or is about to. */
export const abortWhy = z.enum([
  'interrupted',
  'peer_refused',
  'proposal_refused',
  'proposal_unlike',
  'node_refused',
  'reservation_lost',
  'not_pending_in_time',
  'operator',
  'expired',
  'proposal_dead',
  'books_short',
]);
export type AbortWhy = z.infer<typeof abortWhy>;

const batchEvents = [
  z.strictObject({
    kind: z.literal('channel-batch-planned'),
    batchId,
    initiator: label,
    channels: z.array(plannedChannel).min(1).max(CHANNELS_MAX),
    reserve: z.strictObject({ address, amountSat: satAmount }).nullable(),
  }),
  /** The node is about to be asked; peers may hold a slot from here on. */
  z.strictObject({ kind: z.literal('channel-funding-asking'), batchId }),
  /** In the order of the plan. */
  z.strictObject({
    kind: z.literal('channel-funding-asked'),
    batchId,
    funding: z
      .array(
        z.strictObject({
          pendingId: hex32,
          fundingScript: channelFunding.shape.fundingScript,
          amountSat: satAmount,
        }),
      )
      .min(1)
      .max(CHANNELS_MAX),
  }),
  /** Proposed by the coordinator, and found by us to be what was asked. */
  z.strictObject({
    kind: z.literal('channel-batch-proposed'),
    batchId,
    proposalId: hex32,
    txid: hex32,
    /** Serialized without witness. */
    unsignedTx: hexBytes.max(PSBT_CHARS_MAX),
    psbt: z.string().max(PSBT_CHARS_MAX),
    /** Coins that it spends: whatever else spends one of them kills it. */
    inputs: z.array(outpoint).min(1).max(INPUTS_MAX),
    /** Outputs of the channels, in the order of the plan. */
    vouts: z.array(z.int().min(0).max(0xffff)).min(1).max(CHANNELS_MAX),
    feeSat: satAmount,
    expiryHeight: height,
  }),
  /** The node took the transaction as it is; peers are asked for their signatures. */
  z.strictObject({ kind: z.literal('channel-batch-verified'), batchId }),
  /** The node lists all of them: each peer's signature of our first commitment is held. */
  z.strictObject({ kind: z.literal('channel-batch-pending'), batchId }),
  /** The pool's word. From here on somebody may sign, whatever else happens. */
  z.strictObject({
    kind: z.literal('channel-batch-attested'),
    batchId,
    statement: channelsPending,
  }),
  z.strictObject({ kind: z.literal('channel-batch-broadcast'), batchId }),
  z.strictObject({ kind: z.literal('channel-batch-done'), batchId }),
  /** `release`: nothing was pending. `conflict`: the coins must move elsewhere first, six deep. */
  z.strictObject({
    kind: z.literal('channel-batch-aborting'),
    batchId,
    why: abortWhy,
    detail,
    route: z.enum(['release', 'conflict']),
  }),
  z.strictObject({ kind: z.literal('channel-batch-cancel-proposed'), batchId, cancelId: hex32 }),
  /** Another spend of its coins, as our own node shows it. */
  z.strictObject({
    kind: z.literal('channel-conflict-buried'),
    batchId,
    txid: hex32,
    rawTx: hexBytes.max(PSBT_CHARS_MAX),
    spends: outpoint,
    height,
    confirmations: z.int().min(0),
    /** What the treasury paid for it, where it is the cancel of this batch; 0 where it is something else. */
    feeSat: satAmount,
  }),
  z.strictObject({
    kind: z.literal('channel-batch-aborted'),
    batchId,
    /** Peers that may go on counting a channel of ours as pending. */
    busyPeers: z.array(nodeKey).max(CHANNELS_MAX),
  }),
] as const;

const channelEventsOnly = [
  /** A close address is a channel's own: it is given away before a peer hears of it. */
  z.strictObject({
    kind: z.literal('channel-inbound-address'),
    peer: nodeKey,
    closeIndex: childIndex,
    closeAddress: address,
  }),
  /** Seen active for the first time. */
  z.strictObject({
    kind: z.literal('channel-opened'),
    outpoint,
    channelId: z.string().max(40),
    peer: nodeKey,
    capacitySat: satAmount,
    openedBy: z.enum(['us', 'peer']),
    announced,
    batchId: batchId.nullable(),
    /** What the node says the peer holds as our upfront shutdown script (BOLT 2). */
    closeAddress: address.nullable(),
    /** Whether that is the treasury's address for this channel. */
    closes: z.enum(['to_treasury', 'elsewhere']),
    /** Reserve, commitment fee and anchors of a channel we opened: ours, and not to be spent. */
    reservedSat: satAmount,
    /** Value of both anchors, which who opened pays (BOLT 3). */
    anchorsSat: satAmount,
    commitFeeSat: satAmount,
  }),
  z.strictObject({
    kind: z.literal('channel-fees-set'),
    outpoint,
    baseMsat: msatAmount,
    ratePpm: z.int().min(0).max(1_000_000),
  }),
  /** Written and read back: `outpoints` are what the node says is inside. */
  z.strictObject({
    kind: z.literal('channel-backup-stored'),
    file: z.string().max(200),
    sha256: hex32,
    outpoints: z.array(outpoint).max(CHANNELS_HELD_MAX),
  }),
  z.strictObject({
    kind: z.literal('channel-close-asked'),
    outpoint,
    authorizationId: hex32,
    how: closeHow,
    closeIndex: childIndex,
    maxFeeRateSatPerKvb: feerateAmount,
    initiator: label,
  }),
  /** Counted by us in the treasury log. */
  z.strictObject({
    kind: z.literal('channel-close-approved'),
    outpoint,
    authorizationId: hex32,
    approvedBy: z.array(label).min(1).max(20),
  }),
  z.strictObject({
    kind: z.literal('channel-close-started'),
    outpoint,
    attempt: z.int().min(1),
  }),
  z.strictObject({
    kind: z.literal('channel-close-answered'),
    outpoint,
    attempt: z.int().min(1),
    outcome: z.enum(['refused', 'unknown']),
    why: z.string().max(64),
    detail,
  }),
  z.strictObject({
    kind: z.literal('channel-close-ended'),
    outpoint,
    why: z.enum(['expired', 'given_up', 'rejected']),
  }),
  /** It is closing, whoever began. `nobody`: no quorum asked for it. */
  z.strictObject({
    kind: z.literal('channel-closing'),
    outpoint,
    txid: hex32.nullable(),
    asked: z.enum(['quorum', 'nobody']),
    /** Ours in it when it was seen, with what was reserved of it. */
    localMsat: msatAmount,
    /** What of that the close is expected to bring, as booked: the pool's, and what is not the pool's. */
    poolMsat: msatAmount,
    othersMsat: msatAmount,
  }),
  z.strictObject({
    kind: z.literal('channel-closed'),
    outpoint,
    txid: hex32,
    how: closedHow,
    paidSat: satAmount,
    paidTo: z.enum(['treasury', 'node', 'nobody']),
    height,
  }),
  /** A close pays whole satoshis: what was left below one is gone with its fee. */
  z.strictObject({ kind: z.literal('channel-remainder'), amountMsat: msatAmount }),
] as const;

/** Everything that can happen to channels; the pool's own events are `pool-event.ts`. */
export const channelEvents = [...batchEvents, ...channelEventsOnly] as const;
export type ChannelEvent = z.infer<(typeof channelEvents)[number]>;
export type ChannelEventOf<K extends ChannelEvent['kind']> = Extract<ChannelEvent, { kind: K }>;
