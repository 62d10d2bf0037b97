/** Intents of a policy: for each kind of spend and of authorization, what it may do and who agrees. */
import { z } from 'zod';
import { CHANNELS_MAX, INPUTS_MAX, nodeKey, OUTPUTS_MAX } from './intent.ts';
import { approvalsText, intentWindows } from './policy-limits.ts';
import {
  amountText,
  blocksText,
  countText,
  feerateText,
  keyedList,
  labelText,
  shapedBy,
  shareText,
} from './scalar.ts';
import { xOnlyKey } from './statement.ts';

/** More peers than a person can judge one by one. */
const PEERS_MAX = 50;

/** A bump may be bumped this often at most, whatever a policy says: each one is a mempool's work. */
const BUMPS_MAX = 100;

export const perPayee = z.strictObject({ max: amountText, per_day: amountText });
export type PerPayee = z.infer<typeof perPayee>;

const withdrawalBatch = z.strictObject({
  payees: z.strictObject({
    authorised_by: z.literal('lp_signature'),
    once: z.literal('forever'),
  }),
  per_payee: perPayee,
  max_payees: countText(0, OUTPUTS_MAX - 1),
  approvals: approvalsText,
  windows: intentWindows,
});

const treasuryMove = z.strictObject({
  to: labelText,
  approvals: approvalsText,
  windows: intentWindows,
});

const hotTopup = z.strictObject({
  to: labelText,
  max: amountText,
  min_interval: blocksText(0),
  approvals: approvalsText,
  windows: intentWindows,
});

const consolidate = z.strictObject({
  self_transfer: z.literal('all'),
  max_rate: feerateText,
  max_inputs: countText(1, INPUTS_MAX),
  approvals: approvalsText,
});

/** Fee limits that hold instead of the global ones: a bump or a cancel must be able to outbid. */
const ownFees = {
  max_rate: feerateText,
  max_abs: amountText,
  max_ppm_of_inputs: shareText,
};
const bumpable = z.enum(['withdrawal_batch', 'treasury_move', 'hot_topup', 'consolidate']);
const feeBump = z.strictObject({
  of: keyedList(bumpable, { key: (kind) => kind, min: 0, max: 4 }),
  max_bumps: countText(0, BUMPS_MAX),
  ...ownFees,
  counts_as: z.literal('fee_only'),
  approvals: approvalsText,
});

const cancel = z.strictObject({ ...ownFees, approvals: approvalsText });

const channelPeer = z.strictObject({
  node: nodeKey,
  name: labelText,
  /** Over everything ever opened to it; what was closed since counts too. */
  max_capacity: amountText,
});
const channelOpen = z.strictObject({
  peers: keyedList(channelPeer, { key: ({ name }) => name, min: 0, max: PEERS_MAX }),
  min_channel: amountText,
  max_channel: amountText,
  /** In one transaction. */
  max_channels: countText(1, CHANNELS_MAX),
  /** The pool's key: it says when every channel is pending. */
  attested_by: xOnlyKey,
  /** What the Lightning node's own wallet may get on top, and of which list its addresses are. */
  reserve: z.strictObject({ to: labelText, max: amountText }),
  /** Always there, and at least this: a child that spends it can pay for a stuck funding. */
  min_change: amountText,
  approvals: approvalsText,
  windows: intentWindows,
});
export type ChannelOpenPolicy = z.infer<typeof channelOpen>;
/** What a guardian's overlay may tighten of it. */
export const ownChannelBounds = channelOpen.pick({
  min_channel: true,
  max_channel: true,
  max_channels: true,
  min_change: true,
});
const noChannels = z.literal('not_yet', 'must be not_yet, or say which channels');

const authorization = { kind: z.literal('authorization') };
const agreed = z.strictObject({ approvals: approvalsText });
const forceReason = z.enum(['peer_offline', 'htlc_deadline', 'breach_risk']);

export const intents = z.strictObject({
  withdrawal_batch: withdrawalBatch,
  treasury_move: treasuryMove,
  hot_topup: hotTopup,
  consolidate,
  fee_bump: feeBump,
  cancel,
  channel_open: shapedBy<'not_yet' | ChannelOpenPolicy>((keys) =>
    keys.size === 0 ? noChannels : channelOpen,
  ),
  policy_change: z.strictObject({ ...authorization, tighten: agreed, loosen: agreed }),
  registry_change: z.strictObject({ ...authorization, approvals: approvalsText }),
  breaker: z.strictObject({ ...authorization, trip: agreed, reset: agreed }),
  large_ln_payout: z.strictObject({
    ...authorization,
    over: amountText,
    max: amountText,
    once: z.literal('forever'),
    approvals: approvalsText,
  }),
  channel_close: z.strictObject({
    ...authorization,
    cooperative: agreed,
    force: z.strictObject({
      approvals: approvalsText,
      reasons: keyedList(forceReason, { key: (why) => why, min: 0, max: 3 }),
    }),
    max_rate: feerateText,
  }),
  snapshot: z.strictObject({ ...authorization, approvals: approvalsText }),
});
export type PolicyIntents = z.infer<typeof intents>;
