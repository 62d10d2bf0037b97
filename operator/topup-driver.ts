/**
 * Top-ups at the node: invoices made from derived preimages, settlements read from a stream and, because streams
 * lose events, looked up one by one as well.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../policies/failure.ts';
import type { CrashPoint } from './crash-at.ts';
import type { Engine } from './engine.ts';
import type { InvoiceStanding, Receiver } from './lightning.ts';
import { isNodeFailure } from './node-failure.ts';
import type { Topup } from './pool-state.ts';
import { decideInvoiced, decideReceived, decideTopupClosed } from './topup-decision.ts';

/** Every open top-up is looked up this often. */
const SWEEP_MS = 15_000;
/** A stream that ended is begun again after this. */
const STREAM_RETRY_MS = 1_000;
/** An invoice with less left is made for nobody, and in whole seconds perhaps with none. */
const INVOICE_LIFE_MS_MIN = 10_000;
/** The node's clock may differ from ours by this before an invoice that ran out is cancelled. */
const EXPIRY_GRACE_MS = 60_000;

export interface TopupOptions {
  engine: Engine;
  receiver: Receiver;
  /** Secret of this pool: with it a crash between invoice and answer loses nothing. */
  topupSecret: Uint8Array;
  now: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  crashPoint: CrashPoint;
  onFatal: (cause: unknown) => void;
}

/** The preimage of a top-up's invoice: the same id gives the same one, for ever. */
export function topupPreimage(
  secret: Uint8Array,
  topupId: string,
): { preimage: string; paymentHash: string } {
  const preimage = hmac(sha256, secret, utf8ToBytes(`weir/topup/v1/${topupId}`));
  return { preimage: bytesToHex(preimage), paymentHash: bytesToHex(sha256(preimage)) };
}

export interface TopupDriver {
  /** Makes the invoice of an opened top-up. Twice is once. @throws Failure LND_UNREACHABLE */
  invoice(topupId: string): Promise<void>;
  /** Looks every open top-up up once. */
  sweep(): Promise<void>;
  stop(): Promise<void>;
}

export function topupDriver(options: TopupOptions): TopupDriver {
  const { engine, onFatal } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const loops = [listen(options, signal), sweeps(options, signal)].map((loop) =>
    loop.catch((cause: unknown) => {
      if (!signal.aborted) onFatal(cause);
    }),
  );
  return {
    async invoice(topupId) {
      const topup = engine.state().topups.get(topupId);
      if (topup?.state === 'opened') await makeInvoice(options, topup);
    },
    sweep: () => sweepOnce(options),
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

async function makeInvoice(options: TopupOptions, topup: Topup): Promise<void> {
  const { engine, receiver, topupSecret, now, crashPoint } = options;
  const { preimage } = topupPreimage(topupSecret, topup.topupId);
  // The books' clock may be ahead of ours after a jump, but no invoice lives longer than it was to.
  const lifeMs = topup.expiresAtMs - topup.createdAtMs;
  const expiresInMs = Math.min(topup.expiresAtMs - now(), lifeMs);
  if (expiresInMs < INVOICE_LIFE_MS_MIN) return;
  crashPoint('before-create-invoice');
  const made = await receiver.createInvoice({
    preimage,
    amountMsat: topup.amountMsat,
    description: `prepaid ${topup.topupId}`,
    expiresInMs,
    announced: 'private',
  });
  crashPoint('after-create-invoice');
  const { request, expiresAtMs } = made;
  await engine.act((state) =>
    decideInvoiced(state, { topupId: topup.topupId, request, expiresAtMs }),
  );
}

/** From the newest settlement that is durable; the stream ends on any fault and is begun anew. */
async function listen(options: TopupOptions, signal: AbortSignal): Promise<void> {
  const { engine, receiver } = options;
  while (!signal.aborted) {
    try {
      for await (const received of receiver.receive(engine.state().settleIndex, signal)) {
        await engine.act((state, nowMs) => decideReceived(state, nowMs, received));
      }
    } catch (cause) {
      if (!isNodeFailure(cause)) throw cause;
    }
    await options.sleep(STREAM_RETRY_MS, signal);
  }
}

async function sweeps(options: TopupOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sweepOnce(options);
    await options.sleep(SWEEP_MS, signal);
  }
}

async function sweepOnce(options: TopupOptions): Promise<void> {
  const { engine, receiver } = options;
  for (const id of engine.state().openTopups) {
    const topup = engine.state().topups.get(id);
    if (topup === undefined) continue;
    try {
      if (topup.state === 'opened') await makeInvoice(options, topup);
      await follow(options, topup, await receiver.invoice(topup.paymentHash));
    } catch (cause) {
      // Away, or it refuses this one: the others go on, and this one runs out.
      if (!(cause instanceof Failure) || cause.code === 'JOURNAL_LOCKED') throw cause;
    }
  }
}

async function follow(
  options: TopupOptions,
  topup: Topup,
  standing: InvoiceStanding,
): Promise<void> {
  const { engine, now } = options;
  const { topupId, paymentHash } = topup;
  if (standing.is === 'settled') {
    const { receivedMsat, settledAtMs } = standing;
    // A look-up must not move the stream's cursor: what lies before it would never be told.
    const received = { paymentHash, receivedMsat, settledAtMs, settleIndex: 0 };
    await engine.act((state, nowMs) => decideReceived(state, nowMs, received));
    return;
  }
  if (standing.is === 'cancelled') return closed(options, topupId, 'cancelled');
  const ranOut = now() > topup.expiresAtMs + EXPIRY_GRACE_MS;
  const ends = engine.state().windDownWhy !== null ? 'winding_down' : ranOut ? 'expired' : null;
  if (ends === null) return;
  // The node's word decides: an HTLC may have come at the last moment.
  const answer = await cancelAtNode(options, topup, standing);
  if (answer === 'cancelled') await closed(options, topupId, ends);
}

async function cancelAtNode(
  { receiver, crashPoint }: TopupOptions,
  topup: Topup,
  standing: InvoiceStanding,
): Promise<'cancelled' | 'settled' | 'unknown'> {
  // Never made at the node, and it runs out before anybody could have been told of it.
  if (topup.state === 'opened' && standing.is === 'unknown' && standing.why === 'not_found') {
    return 'cancelled';
  }
  crashPoint('before-cancel-invoice');
  const answer = await receiver.cancelInvoice(topup.paymentHash);
  crashPoint('after-cancel-invoice');
  return answer;
}

async function closed(
  { engine }: TopupOptions,
  topupId: string,
  why: 'expired' | 'cancelled' | 'winding_down',
): Promise<void> {
  await engine.act((state) => decideTopupClosed(state, { topupId, why }));
}
