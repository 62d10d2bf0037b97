/** The fold of channel events. What breaks a rule of money here stops the process: the log cannot say it. */
import { invariant } from '../../policies/failure.ts';
import type { PoolEvent } from '../pool-event.ts';
import { applyBatchEvent, type BatchEvent, isBatchEvent } from './batch-apply.ts';
import type { ChannelEvent, ChannelEventOf } from './channel-event.ts';
import { type Channels, type Close, outpointsOf } from './channel-state.ts';

export function isChannelEvent(event: PoolEvent): event is ChannelEvent {
  return event.kind.startsWith('channel-');
}

/** Applies one event in place. @throws BrokenInvariant when the log contradicts itself */
export function applyChannelEvent(channels: Channels, event: ChannelEvent, atMs: number): void {
  if (isBatchEvent(event)) applyBatchEvent(channels, event, atMs);
  else applyOther(channels, event, atMs);
}

function applyOther(
  channels: Channels,
  event: Exclude<ChannelEvent, BatchEvent>,
  atMs: number,
): void {
  switch (event.kind) {
    case 'channel-inbound-address': {
      const { peer, closeIndex, closeAddress } = event;
      channels.inbound.set(closeAddress, { peer, closeIndex, closeAddress, givenAtMs: atMs });
      return;
    }
    case 'channel-opened':
      return open(channels, event, atMs);
    case 'channel-fees-set': {
      const channel = channels.open.get(event.outpoint);
      invariant(channel !== undefined, `${event.outpoint} has fees and is not open`);
      channel.fees = { baseMsat: event.baseMsat, ratePpm: event.ratePpm };
      return;
    }
    case 'channel-backup-stored':
      return storeBackup(channels, event, atMs);
    case 'channel-remainder':
      channels.closedSinceRemainder = 0;
      return;
    case 'channel-close-asked':
      return askClose(channels, event);
    case 'channel-close-approved':
    case 'channel-close-started':
    case 'channel-close-answered':
    case 'channel-close-ended':
    case 'channel-closing':
    case 'channel-closed':
      return applyClose(channels, event, atMs);
  }
}

function open(channels: Channels, event: ChannelEventOf<'channel-opened'>, atMs: number): void {
  const { kind: _, ...seen } = event;
  invariant(!channels.open.has(event.outpoint), `${event.outpoint} opens twice`);
  invariant(channels.closes.get(event.outpoint)?.closed == null, `${event.outpoint} opens again`);
  channels.open.set(event.outpoint, {
    ...seen,
    openedAtMs: atMs,
    fees: null,
    backedUp: false,
  });
}

/** A backup made while a channel was pending may not restore it: only what came after it was active counts. */
function storeBackup(
  channels: Channels,
  event: ChannelEventOf<'channel-backup-stored'>,
  atMs: number,
): void {
  const covered = new Set(event.outpoints);
  channels.backup = { file: event.file, sha256: event.sha256, outpoints: covered, atMs };
  for (const channel of channels.open.values()) {
    channel.backedUp = covered.has(channel.outpoint);
  }
  for (const batch of channels.batches.values()) {
    const outpoints = outpointsOf(batch);
    if (outpoints.length === 0 || !outpoints.every((each) => covered.has(each))) continue;
    if (batch.phase === 'pending') batch.backup = 'pending';
    const isActive = outpoints.every((each) => channels.open.has(each));
    if (batch.phase === 'broadcast' && isActive) batch.backup = 'confirmed';
  }
}

type CloseEvent = Exclude<
  Extract<ChannelEvent, { kind: `channel-clos${string}` }>,
  { kind: 'channel-close-asked' }
>;

function applyClose(channels: Channels, event: CloseEvent, atMs: number): void {
  const close = channels.closes.get(event.outpoint) ?? unasked(channels, event);
  switch (event.kind) {
    case 'channel-close-approved':
      invariant(close.phase === 'asked', `${event.outpoint} is approved while ${close.phase}`);
      invariant(
        close.order?.authorizationId === event.authorizationId,
        `${event.outpoint} is approved by another decision`,
      );
      close.phase = 'approved';
      close.approvedBy = event.approvedBy;
      return;
    case 'channel-close-started':
      invariant(close.approvedBy.length > 0, `${event.outpoint} closes and nobody approved`);
      invariant(
        close.phase === 'approved' || close.phase === 'refused',
        `${event.outpoint} closes while ${close.phase}`,
      );
      invariant(event.attempt === close.attempts + 1, `${event.outpoint} closes out of turn`);
      close.phase = 'started';
      close.attempts = event.attempt;
      close.startedAtMs = atMs;
      return;
    case 'channel-close-answered':
      invariant(close.phase === 'started', `${event.outpoint} is answered while ${close.phase}`);
      close.phase = event.outcome === 'refused' ? 'refused' : 'started';
      close.lastAnswer = { why: event.why, detail: event.detail, atMs };
      return;
    case 'channel-close-ended':
      close.phase = 'ended';
      close.endedWhy = event.why;
      return;
    case 'channel-closing':
    case 'channel-closed':
      return leave(channels, close, event);
  }
}

function askClose(channels: Channels, event: ChannelEventOf<'channel-close-asked'>): void {
  const { outpoint, authorizationId, how, closeIndex, maxFeeRateSatPerKvb, initiator } = event;
  const before = channels.closes.get(outpoint);
  invariant(
    before === undefined || before.phase === 'ended',
    `${outpoint} is asked to close while ${before?.phase}`,
  );
  channels.closes.set(outpoint, {
    ...emptyClose(channels, outpoint),
    phase: 'asked',
    order: { authorizationId, how, closeIndex, maxFeeRateSatPerKvb, initiator },
  });
}

function leave(
  channels: Channels,
  close: Close,
  event: ChannelEventOf<'channel-closing' | 'channel-closed'>,
): void {
  invariant(close.phase !== 'closed', `${event.outpoint} closes twice`);
  close.txid = event.txid ?? close.txid;
  if (event.kind === 'channel-closing') {
    close.phase = 'closing';
    close.localMsat = event.localMsat;
    const { poolMsat, othersMsat } = event;
    close.booked = { poolMsat, othersMsat };
    return;
  }
  invariant(close.phase === 'closing', `${event.outpoint} is closed and was not closing`);
  close.phase = 'closed';
  close.closed = event;
  channels.closedSinceRemainder += 1;
  channels.open.delete(event.outpoint);
}

/** The peer's close, or the node's own: nobody here asked for it. */
function unasked(channels: Channels, event: CloseEvent): Close {
  invariant(event.kind === 'channel-closing', `${event.kind} of a close that nobody asked for`);
  const close = emptyClose(channels, event.outpoint);
  channels.closes.set(event.outpoint, close);
  return close;
}

function emptyClose(channels: Channels, outpoint: string): Close {
  const channel = channels.open.get(outpoint);
  return {
    outpoint,
    phase: 'closing',
    order: null,
    approvedBy: [],
    attempts: 0,
    startedAtMs: null,
    lastAnswer: null,
    txid: null,
    localMsat: null,
    booked: null,
    // A copy: one object in two places would be two after a checkpoint.
    channel: channel === undefined ? null : structuredClone(channel),
    closed: null,
    endedWhy: null,
  };
}
