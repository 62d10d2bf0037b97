/**
 * Drives every reserved payment to its end: dispatch, follow, look up again, never guess. What a restart finds
 * reserved is looked up first. The payment hash is the key that the node deduplicates on.
 */
import { BrokenInvariant, Failure } from '../policies/failure.ts';
import type { CrashPoint } from './crash-at.ts';
import type { Engine } from './engine.ts';
import type { Payer, PayOrder, PayOutcome, Receiver } from './lightning.ts';
import type { NodeLook, NodeWatch } from './node-watch.ts';
import type { OperatorPolicy } from './operator-policy.ts';
import { alarmed, decideOutcome, insideOutcome, type Terminal } from './outcome-decision.ts';
import type { Payment, PoolState } from './pool-state.ts';

/** An answer is awaited this much longer than the node looks for paths; after it the payment is looked up. */
export const DISPATCH_GRACE_MS = 10_000;
/** First and longest wait between two look-ups of a payment in flight. */
const LOOK_MS_MIN = 200;
const LOOK_MS_MAX = 15_000;
/** An invoice that ran out this long ago cannot be paid by an HTLC that nobody saw yet (accounts for clocks). */
export const LOST_AFTER_EXPIRY_MS = 15 * 60_000;
/** Look-ups in a row that must find nothing before a payment counts as never made. */
const NOT_FOUND_MIN = 2;

export interface DriverOptions {
  engine: Engine;
  payer: Payer;
  receiver: Pick<Receiver, 'cancelInvoice'>;
  policy: OperatorPolicy;
  watch: Pick<NodeWatch, 'look'>;
  now: () => number;
  /** Resolves after the time, or at once when the signal is aborted. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  crashPoint: CrashPoint;
  onFatal: (cause: unknown) => void;
}

export interface PaymentDriver {
  /** A payment that was reserved just now, by this process. */
  dispatch(quoteId: string): void;
  /** All that a restart finds reserved. */
  resume(): void;
  /** Stops looking; what is in flight stays so. Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

export function paymentDriver(options: DriverOptions): PaymentDriver {
  const { engine, onFatal } = options;
  const running = new Map<string, Promise<void>>();
  const stopping = new AbortController();

  function start(quoteId: string, first: 'dispatch' | 'look'): void {
    if (running.has(quoteId) || stopping.signal.aborted) return;
    const run = drive(options, { quoteId, first, signal: stopping.signal })
      .catch((cause: unknown) => {
        if (!stopping.signal.aborted || cause instanceof BrokenInvariant) onFatal(cause);
      })
      .finally(() => running.delete(quoteId));
    running.set(quoteId, run);
  }

  return {
    dispatch: (quoteId) => start(quoteId, 'dispatch'),
    resume() {
      for (const quoteId of engine.state().unresolved) start(quoteId, 'look');
    },
    async stop() {
      stopping.abort();
      await Promise.all(running.values());
    },
  };
}

interface Drive {
  quoteId: string;
  first: 'dispatch' | 'look';
  signal: AbortSignal;
}

async function drive(options: DriverOptions, { quoteId, first, signal }: Drive): Promise<void> {
  const { engine } = options;
  let step: 'dispatch' | 'look' = first;
  let waitMs = LOOK_MS_MIN;
  let notFound = 0;
  // What a call reserved at this moment is sent by that call, once it is on the disk, and by nobody before.
  if (first === 'look') await engine.durable();
  while (!signal.aborted) {
    const payment = engine.state().payments.get(quoteId);
    if (payment?.state !== 'reserved') return;
    const outcome = await asked(options, payment, step);
    if (outcome.is !== 'unknown' && (await booked(engine, quoteId, outcome))) return;
    notFound = outcome.is === 'unknown' && outcome.why === 'not_found' ? notFound + 1 : 0;
    const next = notFound === 0 ? 'look' : await afterNotFound(options, payment, notFound);
    if (typeof next !== 'string' && (await booked(engine, quoteId, next))) return;
    step = typeof next === 'string' ? next : 'look';
    if (signal.aborted) return;
    await options.sleep(waitMs, signal);
    waitMs = Math.min(waitMs * 2, LOOK_MS_MAX);
  }
}

/** False where the disk does not keep up: the node tells the same again. */
async function booked(engine: Engine, quoteId: string, outcome: Terminal): Promise<boolean> {
  try {
    await engine.act((state, nowMs) => decideOutcome(state, nowMs, { quoteId, outcome }));
    return true;
  } catch (cause) {
    if (cause instanceof Failure && cause.code === 'NOT_READY') return false;
    throw cause;
  }
}

async function asked(
  options: DriverOptions,
  payment: Payment,
  step: 'dispatch' | 'look',
): Promise<PayOutcome> {
  const { payer, crashPoint } = options;
  if (payment.inside !== null) return cancelledInside(options, payment);
  // What was reserved just before a freeze waits with the rest; a person decides when it is sent.
  if (step === 'look' || options.engine.state().mode === 'frozen') {
    crashPoint('before-look-up');
    return outcomeOfThis(payment, await payer.lookUp(payment.quote.paymentHash));
  }
  crashPoint('before-dispatch');
  const outcome = await payer.pay(orderOf(payment, options.policy));
  crashPoint('after-dispatch');
  return outcome;
}

/**
 * A hash that failed under an earlier quote may be paid again. Until the node has the new order it tells of the old
 * one: that is no word on this one, whichever clock is ahead. Where the node's is behind ours the order is given
 * once more, for nothing.
 */
export function outcomeOfThis(
  { reservedAtMs, earlierBegunAtMs }: Payment,
  outcome: PayOutcome,
): PayOutcome {
  if (outcome.is !== 'failed') return outcome;
  const { begunAtMs = reservedAtMs } = outcome;
  if (begunAtMs >= reservedAtMs && begunAtMs !== earlierBegunAtMs) return outcome;
  const detail = 'the node knows an earlier payment of this hash only';
  return { is: 'unknown', why: 'not_found', timeoutHeight: null, detail };
}

/** The same payment gives the same order, in this process and in the next: same hash, same caps. */
export function orderOf({ quote, maxTimeoutHeight }: Payment, policy: OperatorPolicy): PayOrder {
  const { pathfindingMs, partsMax } = policy.pay.urgency[quote.urgency];
  return {
    request: quote.request,
    paymentHash: quote.paymentHash,
    maxFeeMsat: quote.routeFeeCapMsat,
    partsMax,
    pathfindingMs,
    maxTimeoutHeight,
    outgoingChannels: [],
    deadlineMs: pathfindingMs + DISPATCH_GRACE_MS,
  };
}

/** Both sides are ours: the invoice goes first, so that nobody can pay it a second time over Lightning. */
async function cancelledInside(options: DriverOptions, payment: Payment): Promise<PayOutcome> {
  options.crashPoint('before-cancel-invoice');
  const answer = await options.receiver.cancelInvoice(payment.quote.paymentHash);
  options.crashPoint('after-cancel-invoice');
  if (answer !== 'unknown') return insideOutcome(answer, options.now());
  return {
    is: 'unknown',
    why: 'unreachable',
    timeoutHeight: null,
    detail: 'invoice not cancelled yet',
  };
}

/**
 * The node knows no such payment, which proves nothing: a call may be on its way to it, or it runs on an old
 * database. While the invoice lives, the same hash is dispatched again with the same caps; long after, and from a
 * node that is not older than the payment, it counts as never made.
 */
async function afterNotFound(
  options: DriverOptions,
  payment: Payment,
  notFound: number,
): Promise<'dispatch' | 'look' | Terminal> {
  const { engine, policy, now } = options;
  const { quote } = payment;
  if (engine.state().mode === 'frozen') return 'look';
  if (!(await nodeIsCurrent(options, payment))) return 'look';
  if (quote.invoiceExpiresAtMs > now() + policy.pay.minInvoiceLifeMs) return 'dispatch';
  if (now() < quote.invoiceExpiresAtMs + LOST_AFTER_EXPIRY_MS || notFound < NOT_FOUND_MIN)
    return 'look';
  return {
    is: 'failed',
    why: 'error',
    detail: 'the node never knew it, and the invoice ran out long ago',
  };
}

/**
 * A node that lost its database, or runs on an old one, has the same key and says "not found" to what it sent. What
 * settled before this payment was reserved it must know, and the newest settlement too, which alone proves nothing;
 * where nothing had settled yet, it must show every channel that was ever seen, not older than it was.
 */
async function nodeIsCurrent(
  { engine, payer, watch }: DriverOptions,
  { witness }: Payment,
): Promise<boolean> {
  const { newestSettled } = engine.state();
  if (witness === null && !showsAllChannels(engine.state(), watch.look())) return false;
  for (const hash of new Set([witness, newestSettled])) {
    if (hash !== null && !(await knowsSettled({ engine, payer }, hash))) return false;
  }
  return true;
}

/** Freezes where it says that it does not; silence is neither. */
async function knowsSettled(
  { engine, payer }: Pick<DriverOptions, 'engine' | 'payer'>,
  hash: string,
): Promise<boolean> {
  const outcome = await payer.lookUp(hash);
  if (outcome.is === 'settled') return true;
  const forgotten =
    outcome.is === 'failed' || (outcome.is === 'unknown' && outcome.why === 'not_found');
  if (forgotten) {
    const why = `the node no longer knows the settled payment ${hash}`;
    await engine.act((state) => ({
      news: state.mode === 'frozen' ? [] : alarmed(why),
      answer: null,
    }));
  }
  return false;
}

function showsAllChannels({ updatesSeen }: PoolState, look: NodeLook | null): boolean {
  if (look === null || updatesSeen.size === 0) return false;
  const shown = new Map(look.channels.map(({ outpoint, updates }) => [outpoint, updates]));
  return [...updatesSeen].every(([outpoint, count]) => (shown.get(outpoint) ?? -1n) >= count);
}
