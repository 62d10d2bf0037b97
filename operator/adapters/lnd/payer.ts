/**
 * Paying and looking payments up. ln-service composes the message and we listen at the wire: a stream that ends
 * without an outcome, an error, a time-out and a look-up that finds nothing are all unknown. LND deduplicates by
 * payment hash, so the same order may be given again.
 */
import type { EventEmitter } from 'node:events';
import { subscribeToPayViaRequest } from 'ln-service';
import { z } from 'zod';
import { BrokenInvariant, Failure, invariant } from '../../../policies/failure.ts';
import type { ListedPayment, Payer, PayOrder, PayOutcome } from '../../lightning.ts';
import { readAnswer } from './answers.ts';
import {
  digits,
  type LndConnection,
  type RawStream,
  rawCall,
  rawStream,
  shaped,
} from './connect.ts';
import { asked, LONG_CALL_MS } from './deadline.ts';
import { estimated } from './estimate.ts';
import { tapped } from './guard.ts';
import { readInvoice } from './invoice.ts';
import { channelNumber, listedOf, outcomeOf, rawPayment, unknown } from './payment.ts';
import { CLTV_LIMIT_MAX, lintPayment, type Message, type PaymentTerms } from './request-lint.ts';

/** A look-up is answered at once, or the node is away. */
const LOOK_UP_MS = 10_000;
/** Payments in one page, and pages at most: ten million payments. */
const PAGE_PAYMENTS = 500;
const PAGES_MAX = 20_000;

type Lnd = LndConnection['lnd'];

/** The quoter's credential finds routes and cannot pay; the payer's pays and can do nothing else. */
export function openPayer({ lnd }: LndConnection, quoter: LndConnection): Payer {
  return {
    pay: (order) => paid(lnd, order),
    lookUp: (paymentHash) => tracked(lnd, paymentHash, { until: 'first_word', ms: LOOK_UP_MS }),
    payments: (sinceMs) => listed(lnd, sinceMs),
    estimate: (question) => estimated(quoter.lnd, question),
  };
}

async function paid(lnd: Lnd, order: PayOrder): Promise<PayOutcome> {
  const invoice = readInvoice(order.request);
  invariant(!('rule' in invoice), 'an order names a text that is no invoice');
  invariant(invoice.paymentHash === order.paymentHash, 'an order names another payment hash');
  invariant(invoice.amountMsat !== null, 'an order names an invoice without an amount');
  const startedAt = Date.now();
  const sent = await dispatched(lnd, order);
  const outcome =
    sent === 'known_already'
      ? await tracked(lnd, order.paymentHash, {
          until: 'outcome',
          ms: Math.max(0, order.deadlineMs - (Date.now() - startedAt)),
        })
      : sent;
  return outcome.is === 'settled' ? examined(outcome, order, invoice.amountMsat) : outcome;
}

type Settled = Extract<PayOutcome, { is: 'settled' }>;

/** Money that is gone is reported as gone; what it broke on its way is said beside it. */
function examined(outcome: Settled, order: PayOrder, amountMsat: bigint): Settled {
  const { outgoingChannels: allowed, maxFeeMsat } = order;
  const strayed = outcome.firstChannels.filter((id) => !allowed.includes(id));
  const violations = [
    ...(outcome.violations ?? []),
    ...(outcome.amountMsat === amountMsat ? [] : ['it sent another amount than the invoice asks']),
    ...(outcome.feeMsat <= maxFeeMsat ? [] : ['its fee is above the cap']),
    ...(allowed.length === 0 || strayed.length === 0 ? [] : ['it left by a channel not allowed']),
  ];
  return violations.length === 0 ? outcome : { ...outcome, violations };
}

/** Follows the stream until a terminal word or the deadline. Leaving the stream cancels nothing at the node. */
function dispatched(lnd: Lnd, order: PayOrder): Promise<PayOutcome | 'known_already'> {
  return new Promise((resolve, reject) => {
    let last: PayOutcome = unknown('deadline', `nothing within ${order.deadlineMs} ms`);
    let isOver = false;
    let isSent = false;
    const end = (outcome: PayOutcome | 'known_already'): void => {
      isOver = true;
      clearTimeout(timer);
      resolve(outcome);
    };
    const failed = (cause: unknown): void => {
      try {
        end(errorOf(cause));
      } catch (broken) {
        clearTimeout(timer);
        reject(broken);
      }
    };
    const timer = setTimeout(() => end(pastDeadline(last)), order.deadlineMs);
    const opened = (stream: EventEmitter): void => {
      isSent = true;
      stream.on('data', (said: unknown) => {
        if (isOver) return;
        last = wordOf(said, order.paymentHash);
        if (last.is !== 'unknown') end(last);
      });
      stream.on('end', () => end(unknown('stream_ended', 'the stream ended without an outcome')));
      stream.on('error', failed);
    };
    const terms = termsOf(order);
    const before = (message: Message): unknown => refusedBefore(message, terms);
    const place = { service: 'router' as const, method: 'sendPaymentV2' };
    const sub = subscribeToPayViaRequest({
      lnd: tapped(lnd, place, { before, opened }),
      request: order.request,
      // Left out it would be without a limit.
      max_fee_mtokens: order.maxFeeMsat.toString(),
      max_paths: order.partsMax,
      pathfinding_timeout: order.pathfindingMs,
      max_timeout_height: order.maxTimeoutHeight,
      // Plural, and on the call by request only: elsewhere it is dropped without a word.
      ...(order.outgoingChannels.length === 0
        ? {}
        : { outgoing_channels: [...order.outgoingChannels] }),
    });
    // Refusals before anything is sent. From then on the wire alone counts: the library stumbles over words that
    // it does not know, and calls failed what is not.
    sub.on('error', (cause: unknown) => {
      if (!isSent) failed(cause);
    });
  });
}

function termsOf(order: PayOrder): PaymentTerms {
  return {
    request: order.request,
    maxFeeMsat: order.maxFeeMsat,
    partsMax: order.partsMax,
    outgoingChannels: order.outgoingChannels.map(channelNumber),
  };
}

/**
 * A height that has passed meanwhile makes the library send no limit at all, and a node that went back in the
 * chain counts more blocks up to it: neither is a bug of ours, and both stop this payment only. Whatever else is
 * wrong with the message stops the process.
 */
function refusedBefore(message: Message, terms: PaymentTerms): Failure | BrokenInvariant | null {
  const cltv = message['cltv_limit'];
  if (typeof cltv !== 'number' || cltv < 1) {
    return new Failure('NOT_READY', 'the height that this payment may be locked until has passed');
  }
  if (cltv > CLTV_LIMIT_MAX) {
    return new Failure('NOT_READY', 'the node is further behind the chain than it was');
  }
  const problems = lintPayment(message, terms);
  return problems.length === 0
    ? null
    : new BrokenInvariant(`an order to pay is sent otherwise: ${problems.join(', ')}`);
}

/** Nothing that goes wrong on the way is an outcome: an earlier dispatch of this hash may be under way. */
function errorOf(cause: unknown): PayOutcome | 'known_already' {
  if (cause instanceof Failure) return unknown('unrecognised', cause.message);
  const { kind, details } = readAnswer(cause);
  if (kind === 'exists') return 'known_already';
  if (kind === 'deadline') return unknown('deadline', details);
  return unknown(
    kind === 'unreachable' || kind === 'denied' ? 'unreachable' : 'unrecognised',
    details,
  );
}

function pastDeadline(last: PayOutcome): PayOutcome {
  return last.is === 'unknown' && last.why === 'in_flight'
    ? last
    : unknown('deadline', 'no end within the time of this call');
}

/** One message of a stream of payments; only one of this payment counts. */
function wordOf(said: unknown, paymentHash: string): PayOutcome {
  const read = rawPayment.safeParse(said);
  if (!read.success) return unknown('unrecognised', 'a payment of another shape');
  if (read.data.payment_hash !== paymentHash) {
    return unknown('unrecognised', 'a payment of another hash');
  }
  return outcomeOf(read.data);
}

interface Following {
  /** A look-up takes what is said first; who follows waits for a terminal word. */
  until: 'first_word' | 'outcome';
  ms: number;
}

/**
 * What the node says of a payment. Asked at the wire: ln-service's own look-up never ends for one that is in
 * flight without a part (lnd#6249).
 */
function tracked(lnd: Lnd, paymentHash: string, { until, ms }: Following): Promise<PayOutcome> {
  return new Promise((resolve) => {
    const request = { payment_hash: Buffer.from(paymentHash, 'hex'), no_inflight_updates: false };
    const stream: RawStream = rawStream(lnd.router, 'trackPaymentV2', request);
    let last: PayOutcome = unknown('deadline', `no answer within ${ms} ms`);
    const end = (outcome: PayOutcome): void => {
      clearTimeout(timer);
      resolve(outcome);
      stream.cancel();
    };
    const timer = setTimeout(() => end(last), ms);
    stream.on('data', (said: unknown) => {
      last = wordOf(said, paymentHash);
      if (until === 'first_word' || last.is !== 'unknown') end(last);
    });
    stream.on('end', () => end(unknown('stream_ended', 'the look-up ended without an answer')));
    // Cancelling is an error to gRPC, too; by then this is settled.
    stream.on('error', (cause: unknown) => end(notFoundOr(cause)));
  });
}

/** That the node knows no such payment proves nothing: an order may be on its way to it. */
function notFoundOr(cause: unknown): PayOutcome {
  const { kind, details } = readAnswer(cause);
  if (kind === 'not_found') return unknown('not_found', details);
  const outcome = errorOf(cause);
  return outcome === 'known_already' ? unknown('unrecognised', details) : outcome;
}

const page = z.object({
  payments: z.array(rawPayment).max(PAGE_PAYMENTS),
  first_index_offset: digits,
});

/** Raw, because ln-service lists what succeeded, failed and is pending apart, and a payment may change lists. */
async function* listed(lnd: Lnd, sinceMs: number): AsyncGenerator<readonly ListedPayment[]> {
  let offset = 0n;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const request = {
      include_incomplete: true,
      max_payments: PAGE_PAYMENTS.toString(),
      index_offset: offset.toString(),
      reversed: true,
      creation_date_start: Math.max(0, Math.floor(sinceMs / 1_000)).toString(),
    };
    const call = (): Promise<unknown> => rawCall(lnd.default, 'listPayments', request);
    const said = shaped('payments', page, await asked('ListPayments', call, LONG_CALL_MS));
    yield said.payments.toReversed().map(listedOf);
    const next = BigInt(said.first_index_offset);
    if (said.payments.length < PAGE_PAYMENTS || next <= 1n) return;
    if (offset !== 0n && next >= offset) break;
    offset = next;
  }
  throw new Failure('LND_UNREACHABLE', 'the Lightning node lists its payments without an end');
}
