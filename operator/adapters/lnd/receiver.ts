/**
 * Receiving. Invoices come of derived preimages, so that making one twice is making it once. The cursor of the
 * settlement stream is ours: the library's own goes back after an event that has none.
 */
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { cancelHodlInvoice, createInvoice, getInvoice } from 'ln-service';
import { z } from 'zod';
import { Failure, invariant } from '../../../policies/failure.ts';
import { hex32 } from '../../../policies/intent.ts';
import { MAX_MONEY_MSAT, msat } from '../../../policies/units.ts';
import type { InvoiceStanding, ReceivedPayment, Receiver } from '../../lightning.ts';
import { failureOf, readAnswer } from './answers.ts';
import { digits, type LndConnection, type RawStream, rawStream } from './connect.ts';
import { asked, CALL_MS, within } from './deadline.ts';
import { readInvoice } from './invoice.ts';
import { NO_ADDS_INDEX } from './request-lint.ts';

/** The least an index can be: LND sends none from before when it is told 0 (lnd#2469). */
const FIRST_INDEX = 1;
/** Settlements that are read ahead of who asks for them; the rest waits at the node. */
const AHEAD_MAX = 16;
const MS_PER_S = 1_000;

type Lnd = LndConnection['lnd'];
type Ask = Parameters<Receiver['createInvoice']>[0];

const amount = digits.refine((text) => BigInt(text) <= MAX_MONEY_MSAT, 'more than there is');
const invoiceAnswer = z.object({
  id: hex32,
  is_confirmed: z.boolean(),
  is_canceled: z.boolean().optional(),
  is_held: z.boolean().optional(),
  received_mtokens: amount,
  confirmed_at: z.iso.datetime().optional(),
  confirmed_index: z.int().min(0).optional(),
  request: z.string().optional(),
});
type Said = z.infer<typeof invoiceAnswer>;

export function openReceiver({ lnd }: LndConnection): Receiver {
  return {
    createInvoice: (ask) => created(lnd, ask),
    invoice: (paymentHash) => standingOf(lnd, paymentHash),
    cancelInvoice: (paymentHash) => cancelled(lnd, paymentHash),
    receive: (after, signal) => settlements(lnd, after, signal),
  };
}

async function created(lnd: Lnd, ask: Ask) {
  const paymentHash = createHash('sha256').update(Buffer.from(ask.preimage, 'hex')).digest('hex');
  const call = createInvoice({
    lnd,
    secret: ask.preimage,
    mtokens: ask.amountMsat.toString(),
    description: ask.description,
    expires_at: new Date(Date.now() + ask.expiresInMs).toISOString(),
    is_including_private_channels: ask.announced === 'private',
  });
  let request: string | undefined;
  try {
    request = (await within(CALL_MS * 2, call)).request;
  } catch (cause) {
    // It is there already, by an earlier call whose answer was lost.
    if (readAnswer(cause).kind !== 'exists') throw failureOf('AddInvoice', cause);
    request = (await asked('LookupInvoice', () => found(lnd, paymentHash))).request;
  }
  const read = readInvoice(request ?? '');
  invariant(!('rule' in read), 'the node made an invoice that cannot be read');
  invariant(read.paymentHash === paymentHash, 'the node made an invoice of another hash');
  invariant(read.amountMsat === ask.amountMsat, 'the node has an invoice of another amount');
  return { request: read.request, paymentHash, expiresAtMs: read.expiresAtMs };
}

/** Rejects as ln-service does. */
async function found(lnd: Lnd, paymentHash: string): Promise<Said> {
  const said: unknown = await getInvoice({ lnd, id: paymentHash });
  const read = invoiceAnswer.safeParse(said);
  if (read.success) return read.data;
  throw new Failure('LND_UNREACHABLE', 'the Lightning node has an invoice of another shape');
}

async function standingOf(lnd: Lnd, paymentHash: string): Promise<InvoiceStanding> {
  try {
    return standingSaid(await within(CALL_MS, found(lnd, paymentHash)));
  } catch (cause) {
    if (cause instanceof Failure) return { is: 'unknown', why: 'unrecognised' };
    const { kind } = readAnswer(cause);
    if (kind === 'not_found' || kind === 'deadline') return { is: 'unknown', why: kind };
    const isAway = kind === 'unreachable' || kind === 'denied';
    return { is: 'unknown', why: isAway ? 'unreachable' : 'unrecognised' };
  }
}

function standingSaid(said: Said): InvoiceStanding {
  if (said.is_confirmed) {
    const { confirmed_at: at, confirmed_index: settleIndex, received_mtokens } = said;
    if (at === undefined || settleIndex === undefined) {
      return { is: 'unknown', why: 'unrecognised' };
    }
    const receivedMsat = msat(BigInt(received_mtokens));
    return { is: 'settled', receivedMsat, settledAtMs: Date.parse(at), settleIndex };
  }
  if (said.is_canceled === true) return { is: 'cancelled' };
  return { is: said.is_held === true ? 'held' : 'open' };
}

/** The node's own state afterwards is the answer: a cancel whose answer was lost may have arrived. */
async function cancelled(
  lnd: Lnd,
  paymentHash: string,
): Promise<'cancelled' | 'settled' | 'unknown'> {
  try {
    await within(CALL_MS, cancelHodlInvoice({ lnd, id: paymentHash }));
  } catch (cause) {
    // Read for its broken invariant only: what the node holds now is asked next.
    readAnswer(cause);
  }
  const standing = await standingOf(lnd, paymentHash);
  return standing.is === 'settled' || standing.is === 'cancelled' ? standing.is : 'unknown';
}

/** As LND writes an invoice (lightning.proto, Invoice), as far as a settlement goes. */
const settledInvoice = z.object({
  r_hash: z.instanceof(Uint8Array).refine((bytes) => bytes.length === 32),
  amt_paid_msat: amount,
  settle_date: digits,
  settle_index: digits,
});
const update = z.object({ state: z.union([z.string(), z.number()]) });

/**
 * Settlements after an index, in their order, each once. Indexes may have gaps (lnd#7071): that none is missing
 * between two says nothing, and open invoices are looked up as well.
 *
 * @throws Failure LND_UNREACHABLE when the stream breaks: begin again from what is durable
 */
async function* settlements(
  lnd: Lnd,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<ReceivedPayment> {
  const words = new PassThrough({ objectMode: true, highWaterMark: AHEAD_MAX });
  const stream = subscribed(lnd, Math.max(FIRST_INDEX, after), words);
  stream.pipe(words);
  const streams = [stream];
  // From index 1 on LND leaves out what has index 1, even while it happens.
  if (after < FIRST_INDEX) streams.push(firstSettlement(lnd, words));
  const stop = (): void => void words.destroy();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  let last = after;
  try {
    for await (const said of words) {
      const received = settlementIn(said);
      // What was told before is told again after a restart, never out of turn.
      if (received === null || received.settleIndex <= last) continue;
      last = received.settleIndex;
      yield received;
    }
    if (!signal.aborted) throw new Failure('LND_UNREACHABLE', 'the settlement stream ended');
  } catch (cause) {
    if (!signal.aborted) throw failureOf('SubscribeInvoices', cause);
  } finally {
    signal.removeEventListener('abort', stop);
    for (const each of streams) each.cancel();
    words.destroy();
  }
}

function subscribed(lnd: Lnd, settleIndex: number, words: PassThrough): RawStream {
  const request = { add_index: NO_ADDS_INDEX, settle_index: settleIndex.toString() };
  const stream = rawStream(lnd.default, 'subscribeInvoices', request);
  stream.on('error', (cause: unknown) => {
    // A gRPC error is an Error; whatever comes is handed to who reads.
    if (!words.destroyed) words.destroy(cause as Error);
  });
  return stream;
}

/** The very first settlement of a node, while it happens; anything later comes by the other stream. */
function firstSettlement(lnd: Lnd, words: PassThrough): RawStream {
  const stream = subscribed(lnd, 0, words);
  stream.on('data', (said: unknown) => {
    const received = settlementIn(said);
    if (received?.settleIndex === FIRST_INDEX && !words.destroyed) words.write(said);
  });
  return stream;
}

/** Null for an invoice that is not settled. @throws Failure LND_UNREACHABLE */
function settlementIn(said: unknown): ReceivedPayment | null {
  if (update.safeParse(said).data?.state !== 'SETTLED') return null;
  const read = settledInvoice.safeParse(said);
  if (!read.success) {
    throw new Failure('LND_UNREACHABLE', 'the Lightning node has a settlement of another shape');
  }
  const { r_hash, amt_paid_msat, settle_date, settle_index } = read.data;
  return {
    paymentHash: Buffer.from(r_hash).toString('hex'),
    receivedMsat: msat(BigInt(amt_paid_msat)),
    settledAtMs: Number.parseInt(settle_date, 10) * MS_PER_S,
    settleIndex: Number.parseInt(settle_index, 10),
  };
}
