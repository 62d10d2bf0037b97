/** The pool as its callers see it: every call of the API, on the books as they are durable. */
import { v7 as uuidv7 } from 'uuid';
import { Failure } from '../policies/failure.ts';
import { msat } from '../policies/units.ts';
import { eventsAfter, logRecordsAfter } from './event-feed.ts';
import { available } from './ledger/ledger.ts';
import {
  finalAnswer,
  type LiquidityOptions,
  pay,
  quotePay,
  withdraw,
} from './liquidity-service.ts';
import { STALE_MS } from './node-watch.ts';
import { rulesOf } from './operator-policy.ts';
import type { ApiRefusal, Caller, Page, PoolApi, Reply } from './pool-api.ts';
import type { Quote } from './pool-event.ts';
import { ownerOf } from './pool-owner.ts';
import { type Payment, usageOf, usedInDay } from './pool-state.ts';
import type * as wire from './protocol.ts';
import { refuse } from './reasons.ts';
import { receiptDocument } from './receipts/proof.ts';
import { publicReceipt } from './receipts/public-receipt.ts';
import { refusedNews } from './refusal-news.ts';
import { decideTopup } from './topup-decision.ts';
import { type TopupDriver, topupPreimage } from './topup-driver.ts';
import { heldMsat, paymentView, topupView } from './wire-views.ts';

/** Top-ups that `GET /v1/prepaid` lists. */
const TOPUPS_LISTED_MAX = 20;

export interface PoolServiceOptions extends LiquidityOptions {
  topups: TopupDriver;
  topupSecret: Uint8Array;
}

export function poolService(options: PoolServiceOptions): PoolApi {
  const { engine, desk } = options;
  return {
    quotePay: (caller, body) => quotePay(options, caller, body),
    pay: (caller, body) => pay(options, caller, body),
    withdraw: (caller, body) => withdraw(options, caller, body),
    status: async () => statusOf(options),
    quote: async (caller, quoteId) => lookedUp(options, caller, quoteId),
    async payment(caller, paymentHash) {
      const quoteId = engine.state().paymentByHash.get(paymentHash);
      return quoteId === undefined ? notFound() : lookedUp(options, caller, quoteId);
    },
    payments: (caller, page) => paymentsOf(options, caller, page),
    async prepaid(caller) {
      await engine.durable();
      return { is: 'ok', body: await prepaidOf(options, caller) };
    },
    topup: (caller, body) => openTopup(options, caller, body),
    topupOf: async (caller, topupId) => topupAnswer(options, caller, topupId),
    async receipt(caller, receiptId) {
      const found = await found404(() => desk.receipt(receiptId));
      if (found === null) return notFound();
      const owner = ownerOf(engine.state(), found.fact.event);
      const whole = caller !== null && (caller.role === 'operator' || caller.agentId === owner);
      const proof = await desk.proofAt(found.seq);
      return {
        is: 'ok',
        body: receiptDocument(whole ? found.signed.receipt : publicReceipt(found.signed), proof),
      };
    },
    async proof(receiptId) {
      const proof = await found404(() => desk.proof(receiptId));
      return proof === null ? notFound() : { is: 'ok', body: proof };
    },
    events: (caller, after, limit, waitMs) => eventsAfter(engine, caller, { after, limit, waitMs }),
    logRecords: (after, limit) => logRecordsAfter(engine, { after, limit }),
    checkpoint: async () => {
      await engine.durable();
      return { is: 'ok', body: desk.checkpoint() };
    },
    async recordRefusal(of) {
      const { refusal } = await engine.act((state, nowMs) => refusedNews(state, nowMs, of));
      return refusal;
    },
  };
}

function notFound(): { is: 'refused'; refusal: ApiRefusal } {
  return { is: 'refused', refusal: refuse('not_found', 'nothing of yours has this name') };
}

async function found404<T>(find: () => Promise<T>): Promise<T | null> {
  try {
    return await find();
  } catch (cause) {
    if (cause instanceof Failure && cause.code === 'NOT_FOUND') return null;
    throw cause;
  }
}

function statusOf({ engine, watch, policy, desk }: PoolServiceOptions): wire.StatusResponse {
  const look = watch.look();
  const { mode, opened } = engine.state();
  const why =
    look === null
      ? { error_code: 'node_unavailable', error_message: `no answer for ${STALE_MS} ms` }
      : look.standing.syncedToChain
        ? {}
        : { error_code: 'node_not_synced', error_message: 'the node is behind the chain' };
  return {
    schema: 'openagents.liquidity.status_response.v1',
    wallet_executor_configured: true,
    wallet_executor_reachable: look !== null,
    receipt_signing_enabled: true,
    quote_ttl_seconds: Math.floor(policy.quotes.ttlMs / 1_000),
    ...why,
    pool_id: opened?.poolId ?? policy.poolId,
    network: policy.network,
    mode,
    receipt_pubkey: desk.publicKey,
    policy_sha256: policy.hash,
  };
}

/** Of the caller's own agent; an operator's credential sees all. */
function visible(caller: Caller, quote: Quote): boolean {
  return caller.role === 'operator' || quote.agentId === caller.agentId;
}

async function lookedUp(
  options: PoolServiceOptions,
  caller: Caller,
  quoteId: string,
): Promise<Reply<wire.PaymentView>> {
  await options.engine.durable();
  const state = options.engine.state();
  const payment = state.payments.get(quoteId) ?? null;
  const quote = payment?.quote ?? state.quotes.get(quoteId);
  if (quote === undefined || !visible(caller, quote)) return notFound();
  return { is: 'ok', body: await viewOf(options, caller, quote, payment) };
}

async function viewOf(
  options: PoolServiceOptions,
  caller: Caller,
  quote: Quote,
  payment: Payment | null,
): Promise<wire.PaymentView> {
  const final = payment !== null && payment.finalSeq !== null;
  const result = final ? await finalAnswer(options, quote.quoteId) : null;
  // The preimage is the paying agent's alone.
  if (result !== null && quote.agentId !== caller.agentId) delete result.payment_proof;
  return paymentView({ quote, payment, nowMs: options.now() }, result);
}

/** Oldest first, by the entry that reserved them; the cursor is that entry's number. */
async function paymentsOf(
  options: PoolServiceOptions,
  caller: Caller,
  { after, limit }: Page,
): Promise<Reply<wire.PaymentList>> {
  const { engine } = options;
  await engine.durable();
  const from = after === null ? 0 : Number.parseInt(after, 10);
  if (!Number.isSafeInteger(from) || from < 0) {
    return {
      is: 'refused',
      refusal: refuse('field_invalid', 'after is no cursor of this list', { field: 'after' }),
    };
  }
  const found: Payment[] = [];
  let more = false;
  for (const payment of engine.state().payments.values()) {
    if (payment.reservedSeq <= from || !visible(caller, payment.quote)) continue;
    if (found.length === limit) {
      more = true;
      break;
    }
    found.push(payment);
  }
  const payments: wire.PaymentView[] = [];
  for (const payment of found) payments.push(await viewOf(options, caller, payment.quote, payment));
  const last = found.at(-1);
  return {
    is: 'ok',
    body: {
      schema: 'weir.payment_list.v1',
      payments,
      ...(more && last !== undefined ? { next_after: last.reservedSeq.toString() } : {}),
    },
  };
}

async function prepaidOf(
  { engine, policy, desk, now }: PoolServiceOptions,
  { agentId }: Caller,
): Promise<wire.PrepaidView> {
  const state = engine.state();
  const rules = rulesOf(policy, agentId);
  const usage = usageOf(state, agentId);
  const own = [...state.topups.values()].filter((topup) => topup.agentId === agentId);
  const listed = own.slice(-TOPUPS_LISTED_MAX).toReversed();
  const topups: wire.TopupView[] = [];
  for (const topup of listed) {
    const credited = topup.state === 'credited' && topup.finalSeq !== null;
    topups.push(topupView(topup, credited ? await receiptOrNull(desk, topup.finalSeq) : null));
  }
  return {
    schema: 'weir.prepaid.v1',
    agent_id: agentId,
    available_msats: available(state.ledger, `SYS:liab:prepaid.${agentId}`),
    held_msats: heldMsat(state, agentId),
    balance_limit_msats: rules.balanceMsat,
    per_payment_limit_msats: rules.perPaymentMsat,
    day_used_msats: usedInDay(usage, now()).msat,
    day_limit_msats: rules.perDayMsat,
    in_flight: usage.inFlight,
    in_flight_limit: rules.inFlightMax,
    topups,
  };
}

async function receiptOrNull(desk: PoolServiceOptions['desk'], seq: number | null) {
  return seq === null ? null : found404(() => desk.receiptAt(seq));
}

async function openTopup(
  options: PoolServiceOptions,
  caller: Caller,
  body: wire.TopupRequest,
): Promise<Reply<wire.TopupView>> {
  const { engine, policy, topups, topupSecret } = options;
  const topupId = `liq_topup_${uuidv7()}`;
  const { paymentHash } = topupPreimage(topupSecret, topupId);
  const ask = { idempotencyKey: body.idempotency_key, amountMsat: msat(body.amount_msats) };
  const answer = await engine.act((state, nowMs) =>
    decideTopup(state, nowMs, { caller, ask, policy, topupId, paymentHash }),
  );
  if ('refusal' in answer) return { is: 'refused', refusal: answer.refusal };
  try {
    await topups.invoice(answer.topupId);
  } catch (cause) {
    // It is opened and durable: the identical request later finds its invoice.
    if (!(cause instanceof Failure) || cause.retry !== 'later') throw cause;
  }
  return topupAnswer(options, caller, answer.topupId);
}

async function topupAnswer(
  { engine, desk }: PoolServiceOptions,
  caller: Caller,
  topupId: string,
): Promise<Reply<wire.TopupView>> {
  await engine.durable();
  const topup = engine.state().topups.get(topupId);
  if (topup === undefined) return notFound();
  if (caller.role !== 'operator' && topup.agentId !== caller.agentId) return notFound();
  const receipt = topup.state === 'credited' ? await receiptOrNull(desk, topup.finalSeq) : null;
  return { is: 'ok', body: topupView(topup, receipt) };
}
