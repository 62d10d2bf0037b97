/**
 * Closes that were asked for: the quorum's yes is counted in its log, the node is asked once at a time, and what
 * it did not answer is looked up before it is asked again.
 */
import { Failure } from '../../policies/failure.ts';
import { textUpTo } from '../../policies/text.ts';
import { type FeeRate, feerate } from '../../policies/units.ts';
import { plainNews } from '../decision.ts';
import type { Channel, ClosedChannel, CloseOutcome, PendingChannel } from '../lightning.ts';
import type { ChannelParts } from './channel-parts.ts';
import { detailOf } from './channel-parts.ts';
import type { Close, ClosePhase } from './channel-state.ts';
import { CLOSE_UNKNOWN_MS, type CloseStep, closeSeen, closeStep } from './close-steps.ts';

/** The least that LND takes: 253 sat/kw (chainfee/rates.go, FeePerKwFloor) in whole sat per vbyte. */
const RELAY_FEERATE = feerate(2_000n);

export interface NodeLists {
  channels: readonly Channel[];
  pending: readonly PendingChannel[];
  closed: readonly ClosedChannel[];
}

/** Does what can be done for every close now. @throws Failure of who is away */
export async function advanceCloses(parts: ChannelParts, lists: NodeLists): Promise<void> {
  const due = [...parts.engine.state().channels.closes.values()].filter(isUnderWay);
  if (due.length === 0) return;
  const treasury = await parts.treasury.refresh();
  const { height } = await parts.chain.tip();
  for (const { outpoint } of due) {
    const close = parts.engine.state().channels.closes.get(outpoint);
    if (close === undefined) continue;
    const step = closeStep(close, treasury, { nowMs: parts.now(), tipHeight: height });
    await perform(parts, close, step, lists);
  }
}

function isUnderWay({ phase, order }: Close): boolean {
  return order !== null && !['closing', 'closed', 'ended'].includes(phase);
}

async function perform(
  parts: ChannelParts,
  close: Close,
  step: CloseStep,
  lists: NodeLists,
): Promise<void> {
  const { outpoint } = close;
  switch (step.do) {
    case 'note-approvals':
      await record(parts, close, ['asked'], {
        kind: 'channel-close-approved',
        outpoint,
        authorizationId: close.order?.authorizationId ?? '',
        approvedBy: step.by,
      });
      return;
    case 'start':
      // What closes by itself already needs no order.
      if (closeSeen(outpoint, lists) !== 'open') return;
      return start(parts, close, step.attempt);
    case 'settle-unknown':
      return settleUnknown(parts, close, lists);
    case 'end':
      await record(parts, close, ['asked', 'approved', 'refused'], {
        kind: 'channel-close-ended',
        outpoint,
        why: step.why,
      });
      return;
    case 'nothing':
      return;
  }
}

async function start(parts: ChannelParts, close: Close, attempt: number): Promise<void> {
  const { outpoint, order } = close;
  if (order === null) return;
  const bid = await feerateOf(parts, order.maxFeeRateSatPerKvb);
  const begun = await record(parts, close, ['approved', 'refused'], {
    kind: 'channel-close-started',
    outpoint,
    attempt,
  });
  if (!begun) return;
  parts.crashPoint('before-close');
  // A force close takes the commitment's own fee.
  const rate = order.how === 'force' ? null : bid;
  const outcome = await outcomeOf(parts, { outpoint, how: order.how, feerate: rate });
  parts.crashPoint('after-close');
  // That it closes is seen in the node's lists, with the money: they say it next.
  if (outcome.is === 'closing') return;
  const why = outcome.is === 'refused' ? outcome.why : 'unknown';
  await record(parts, close, ['started'], {
    kind: 'channel-close-answered',
    outpoint,
    attempt,
    outcome: outcome.is,
    why,
    detail: textUpTo(outcome.detail, 300),
  });
}

async function outcomeOf(
  { manager }: ChannelParts,
  order: Parameters<ChannelParts['manager']['close']>[0],
): Promise<CloseOutcome> {
  try {
    return await manager.close(order);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return { is: 'unknown', detail: detailOf(cause) };
  }
}

/** What the chain asks for, and never more than the quorum allowed. */
async function feerateOf({ chain }: ChannelParts, most: FeeRate): Promise<FeeRate> {
  const estimate = (await chain.feeEstimate()) ?? RELAY_FEERATE;
  const wanted = estimate > RELAY_FEERATE ? estimate : RELAY_FEERATE;
  return wanted < most ? wanted : most;
}

async function settleUnknown(parts: ChannelParts, close: Close, lists: NodeLists): Promise<void> {
  const { outpoint, attempts, startedAtMs } = close;
  if (closeSeen(outpoint, lists) !== 'open') return;
  if (parts.now() - (startedAtMs ?? 0) < CLOSE_UNKNOWN_MS) return;
  await record(parts, close, ['started'], {
    kind: 'channel-close-answered',
    outpoint,
    attempt: attempts,
    outcome: 'refused',
    why: 'not_seen',
    detail: 'the node did not answer, and the channel works on',
  });
}

type CloseEvent = Parameters<typeof plainNews>[0] & { outpoint: string };

/** Writes it down unless the close went on meanwhile; answers whether it did. */
function record(
  { engine }: ChannelParts,
  { outpoint }: Close,
  from: readonly ClosePhase[],
  event: CloseEvent,
): Promise<boolean> {
  return engine.act((state) => {
    const phase = state.channels.closes.get(outpoint)?.phase;
    const may = phase !== undefined && from.includes(phase);
    return { news: may ? [plainNews(event)] : [], answer: may };
  });
}
