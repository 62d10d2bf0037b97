/** The pool's channels as the log makes them: batches, open channels, closes, the last backup. */
import type { FeeRate, Msat, Sat } from '../../policies/units.ts';
import type { AbortWhy, ChannelEventOf, PlannedChannel } from './channel-event.ts';

/**
 * `releasing` and `conflicting` are on their way to `aborted`; a batch that was attested may still be seen
 * broadcast from there, since somebody may have signed.
 */
export type BatchPhase =
  | 'planned'
  | 'asking'
  | 'funded'
  | 'proposed'
  | 'verified'
  | 'pending'
  | 'attested'
  | 'broadcast'
  | 'done'
  | 'releasing'
  | 'conflicting'
  | 'aborted';

export interface Batch {
  batchId: string;
  initiator: string;
  plannedAtMs: number;
  channels: readonly PlannedChannel[];
  reserve: ChannelEventOf<'channel-batch-planned'>['reserve'];
  phase: BatchPhase;
  funding: ChannelEventOf<'channel-funding-asked'>['funding'];
  fundedAtMs: number | null;
  proposal: Omit<ChannelEventOf<'channel-batch-proposed'>, 'kind' | 'batchId'> | null;
  /** Whether all were seen pending, ever. */
  wasPending: boolean;
  /** Newest phase in which a stored backup covered all of them. */
  backup: 'none' | 'pending' | 'confirmed';
  statement: ChannelEventOf<'channel-batch-attested'>['statement'] | null;
  broadcastAtMs: number | null;
  abort: {
    why: AbortWhy;
    detail: string;
    atMs: number;
    cancelId: string | null;
    conflict: ChannelEventOf<'channel-conflict-buried'> | null;
  } | null;
  /** Peers that may go on counting a channel of this batch as pending. */
  busyPeers: readonly string[];
  endedAtMs: number | null;
}

export interface OpenChannel {
  outpoint: string;
  channelId: string;
  peer: string;
  capacitySat: Sat;
  openedBy: 'us' | 'peer';
  announced: 'public' | 'private';
  batchId: string | null;
  closeAddress: string | null;
  closes: 'to_treasury' | 'elsewhere';
  /** As booked in `ln.reserved`. */
  reservedSat: Sat;
  anchorsSat: Sat;
  /** At that time. */
  commitFeeSat: Sat;
  openedAtMs: number;
  fees: { baseMsat: Msat; ratePpm: number } | null;
  /** A backup made after it was active covers it: only that one counts. */
  backedUp: boolean;
}

export type ClosePhase =
  | 'asked'
  | 'approved'
  /** The node was asked and did not answer yet, or nobody knows what it answered. */
  | 'started'
  | 'refused'
  | 'closing'
  | 'closed'
  | 'ended';

export interface Close {
  outpoint: string;
  phase: ClosePhase;
  /** Null where nobody here asked for it. */
  order: {
    authorizationId: string;
    how: 'cooperative' | 'force';
    closeIndex: number;
    maxFeeRateSatPerKvb: FeeRate;
    initiator: string;
  } | null;
  approvedBy: readonly string[];
  attempts: number;
  startedAtMs: number | null;
  lastAnswer: { why: string; detail: string; atMs: number } | null;
  txid: string | null;
  localMsat: Msat | null;
  /** In `ln.pending_close`, as booked; null before it was seen closing. */
  booked: { poolMsat: Msat; othersMsat: Msat } | null;
  channel: OpenChannel | null;
  closed: ChannelEventOf<'channel-closed'> | null;
  endedWhy: ChannelEventOf<'channel-close-ended'>['why'] | null;
}

export interface InboundAddress {
  peer: string;
  closeIndex: number;
  closeAddress: string;
  givenAtMs: number;
}

export interface Channels {
  batches: Map<string, Batch>;
  /** By outpoint: active once, and not seen closed. */
  open: Map<string, OpenChannel>;
  closes: Map<string, Close>;
  /** By address. */
  inbound: Map<string, InboundAddress>;
  /** Closes since the last remainder was booked: each may have left less than a satoshi. */
  closedSinceRemainder: number;
  backup: { file: string; sha256: string; outpoints: ReadonlySet<string>; atMs: number } | null;
}

export function emptyChannels(): Channels {
  return {
    batches: new Map(),
    open: new Map(),
    closes: new Map(),
    inbound: new Map(),
    closedSinceRemainder: 0,
    backup: null,
  };
}

/** Funding outpoints of a batch, in the order of the plan; none before it is proposed. */
export function outpointsOf({ proposal }: Pick<Batch, 'proposal'>): string[] {
  return proposal === null ? [] : proposal.vouts.map((vout) => `${proposal.txid}:${vout}`);
}
