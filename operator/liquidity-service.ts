/** Quote and pay: parse, ask the node, decide, dispatch, wait a bounded time, answer from what is stored. */
import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { Failure } from '../policies/failure.ts';
import type { Msat } from '../policies/units.ts';
import { msat } from '../policies/units.ts';
import type { Engine } from './engine.ts';
import type { InvoiceReader, Payer } from './lightning.ts';
import { isNodeFailure } from './node-failure.ts';
import { type NodeWatch, outboundMsat, outgoingHashes } from './node-watch.ts';
import type { OperatorPolicy, Urgency } from './operator-policy.ts';
import { decidePay, type PayAsk } from './pay-decision.ts';
import type { PaymentDriver } from './payment-driver.ts';
import type { ApiRefusal, Caller, Reply } from './pool-api.ts';
import type { Quote } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';
import type * as wire from './protocol.ts';
import { wireInteger } from './protocol.ts';
import {
  decideQuote,
  earlyQuoteRefusal,
  feesOf,
  type NodeFacts,
  type QuoteAsk,
  replayedQuote,
} from './quote-decision.ts';
import { refuse } from './reasons.ts';
import type { ReceiptDesk } from './receipt-desk.ts';
import { canonicalSha256 } from './receipts/canonical.ts';
import { refusedNews } from './refusal-news.ts';
import { payResponse, quoteResponse } from './wire-views.ts';

/** Calls of `pay` that are held open at once: more are answered in flight at once. */
const HELD_OPEN_MAX = 2_000;

export interface LiquidityOptions {
  engine: Engine;
  reader: InvoiceReader;
  payer: Pick<Payer, 'estimate'>;
  watch: NodeWatch;
  driver: PaymentDriver;
  desk: ReceiptDesk;
  policy: OperatorPolicy;
  ends: Ends;
  /** Whether the node's payments were matched to ours: before that nothing new is sent. */
  isMatched: () => boolean;
  now: () => number;
}

/** Who waits for the end of which payment. */
export interface Ends {
  /** True when it ended within the time. */
  wait(quoteId: string, ms: number): Promise<boolean>;
}

/** Told by the engine after each durable batch. */
export function paymentEnds(engine: Engine): Ends {
  const waiting = new Map<string, Set<() => void>>();
  let count = 0;
  engine.onDurable((news) => {
    for (const { event } of news) {
      if (event.kind !== 'pay-settled' && event.kind !== 'pay-failed') continue;
      for (const wake of waiting.get(event.quoteId) ?? []) wake();
    }
  });
  return {
    async wait(quoteId, ms) {
      if (engine.state().payments.get(quoteId)?.state !== 'reserved') return true;
      if (count >= HELD_OPEN_MAX) return false;
      count += 1;
      const waiters = waiting.get(quoteId) ?? new Set();
      waiting.set(quoteId, waiters);
      return new Promise((resolve) => {
        const end = (ended: boolean): void => {
          clearTimeout(timer);
          waiters.delete(wake);
          if (waiters.size === 0) waiting.delete(quoteId);
          count -= 1;
          resolve(ended);
        };
        const wake = (): void => end(true);
        const timer = setTimeout(() => end(false), ms);
        waiters.add(wake);
      });
    },
  };
}

/** What a caller asks for, whether it pays or withdraws. */
export interface QuoteRequest {
  purpose: Quote['purpose'];
  idempotencyKey: string;
  invoice: string;
  host: string;
  maxAmountMsat: Msat | null;
  maxFeeMsat: Msat;
  urgency: Urgency | null;
  policyContext: unknown;
  funding: Quote['funding'];
}

export async function quotePay(
  options: LiquidityOptions,
  caller: Caller,
  body: wire.QuotePayRequest,
): Promise<Reply<wire.QuotePayResponse>> {
  const quoted = await quoteFor(options, caller, {
    purpose: 'pay',
    idempotencyKey: body.idempotency_key,
    invoice: body.invoice,
    host: body.host,
    maxAmountMsat: msat(body.max_amount_msats),
    maxFeeMsat: msat(body.max_fee_msats),
    urgency: body.urgency,
    policyContext: body.policy_context,
    funding: body.funding ?? 'prepaid',
  });
  return 'refusal' in quoted
    ? refusedReply(quoted.refusal)
    : { is: 'ok', body: quoteResponse(quoted.quote) };
}

/** Pays the agent's own invoice out of its balance, in one call. */
export async function withdraw(
  options: LiquidityOptions,
  caller: Caller,
  body: wire.WithdrawRequest,
): Promise<Reply<wire.PayResponse>> {
  const quoted = await quoteFor(options, caller, {
    purpose: 'withdraw',
    idempotencyKey: body.idempotency_key,
    invoice: body.invoice,
    host: caller.agentId.toLowerCase(),
    maxAmountMsat: null,
    maxFeeMsat: msat(body.max_fee_msats),
    urgency: null,
    policyContext: null,
    funding: 'prepaid',
  });
  if ('refusal' in quoted) return refusedReply(quoted.refusal);
  return payQuote(options, caller, { quoteId: quoted.quote.quoteId, ...runOf(body) });
}

export function pay(
  options: LiquidityOptions,
  caller: Caller,
  body: wire.PayRequest,
): Promise<Reply<wire.PayResponse>> {
  return payQuote(options, caller, { quoteId: body.quote_id, ...runOf(body) });
}

function runOf(body: {
  run_id: string | null;
  trajectory_hash: string | null;
  policy_id: string | null;
}) {
  return { runId: body.run_id, trajectoryHash: body.trajectory_hash, policyId: body.policy_id };
}

async function payQuote(
  options: LiquidityOptions,
  caller: Caller,
  ask: PayAsk,
): Promise<Reply<wire.PayResponse>> {
  const { engine, policy, watch, driver, ends } = options;
  const look = options.isMatched() ? watch.look() : null;
  const height = look?.standing.height ?? null;
  const answer = await engine.act((state, nowMs) =>
    decidePay(state, nowMs, { caller, ask, policy, height }),
  );
  if ('refusal' in answer) return refusedReply(answer.refusal);
  if (answer.is === 'reserved') driver.dispatch(ask.quoteId);
  const ended = await ends.wait(ask.quoteId, policy.pay.holdOpenMs);
  if (!ended) return refusedReply(inFlight(engine.state(), ask.quoteId));
  return { is: 'ok', body: await finalAnswer(options, ask.quoteId) };
}

/** The stored end of a payment: the same bytes each time. @throws Failure WRONG_STATE while there is none */
export async function finalAnswer(
  { engine, desk }: Pick<LiquidityOptions, 'engine' | 'desk'>,
  quoteId: string,
): Promise<wire.PayResponse> {
  await engine.durable();
  const payment = engine.state().payments.get(quoteId);
  if (payment?.finalSeq == null) throw new Failure('WRONG_STATE', `${quoteId} has no end yet`);
  return payResponse(payment, await desk.receiptAt(payment.finalSeq));
}

function inFlight(state: PoolState, quoteId: string): ApiRefusal {
  const payment = state.payments.get(quoteId);
  return refuse(
    'payment_in_flight',
    'payment in flight: send the identical request again for its receipt',
    payment === undefined ? {} : { paymentHash: payment.quote.paymentHash },
  );
}

async function quoteFor(
  options: LiquidityOptions,
  caller: Caller,
  request: QuoteRequest,
): Promise<{ quote: Quote } | { refusal: ApiRefusal }> {
  const { engine, policy, reader } = options;
  const invoice = reader.readInvoice(request.invoice);
  if ('rule' in invoice) {
    return recorded(
      options,
      caller,
      request,
      refuse('invoice_unreadable', invoice.rule, { field: 'invoice' }),
    );
  }
  const ask: QuoteAsk = {
    purpose: request.purpose,
    idempotencyKey: request.idempotencyKey,
    invoice,
    invoiceHash: createHash('sha256').update(request.invoice.trim()).digest('hex'),
    host: request.host,
    maxAmountMsat: request.maxAmountMsat ?? invoice.amountMsat ?? msat(0n),
    maxFeeMsat: request.maxFeeMsat,
    urgency: request.urgency,
    policyContextSha256: canonicalSha256(request.policyContext),
    funding: request.funding,
    fingerprint: '',
  };
  ask.fingerprint = fingerprintOf(ask);
  const replayed = replayedQuote(engine.state(), caller, ask);
  if (replayed !== null) {
    await engine.durable();
    return replayed;
  }
  const facts = await factsFor(options, caller, ask);
  if ('refusal' in facts) return recorded(options, caller, request, facts.refusal);
  const quoteId = `liq_quote_${uuidv7()}`;
  return engine.act((state, nowMs) =>
    decideQuote(state, nowMs, { caller, ask, policy, facts, quoteId }),
  );
}

/** Canonical hash of what was asked; the published list of fields, and the funding where one was named. */
function fingerprintOf(ask: QuoteAsk): string {
  return canonicalSha256({
    schema: 'openagents.liquidity.quote_pay_request.v1',
    invoice_hash: ask.invoiceHash,
    host: ask.host,
    quoted_amount_msats: wireInteger(ask.invoice.amountMsat ?? 0n),
    max_amount_msats: wireInteger(ask.maxAmountMsat),
    max_fee_msats: wireInteger(ask.maxFeeMsat),
    urgency: ask.urgency,
    policy_context_sha256: ask.policyContextSha256,
    ...(ask.funding === 'prepaid' ? {} : { funding: ask.funding }),
  });
}

async function recorded(
  { engine }: LiquidityOptions,
  caller: Caller,
  { purpose, idempotencyKey }: QuoteRequest,
  refusal: ApiRefusal,
): Promise<{ refusal: ApiRefusal }> {
  const action = purpose === 'withdraw' ? 'withdraw' : 'quote_pay';
  return engine.act((state, nowMs) =>
    refusedNews(state, nowMs, { caller, action, refusal, quoteId: null, idempotencyKey }),
  );
}

async function factsFor(
  { engine, policy, payer, watch, now }: LiquidityOptions,
  caller: Caller,
  ask: QuoteAsk,
): Promise<NodeFacts | { refusal: ApiRefusal }> {
  const look = watch.look();
  if (look === null) {
    return { refusal: refuse('node_unavailable', 'the Lightning node does not answer') };
  }
  const { publicKey: nodeKey, height, syncedToChain } = look.standing;
  const nowMs = Math.max(now(), engine.state().atMs);
  const early = earlyQuoteRefusal(engine.state(), nowMs, { caller, ask, policy, nodeKey });
  if (early !== null) return { refusal: early };
  if (!syncedToChain) {
    return { refusal: refuse('node_not_synced', 'the Lightning node is behind the chain') };
  }
  const { invoice } = ask;
  // What the caller allows may be beyond any fee; asked for is what could be paid.
  const maxFeeMsat = feesOf(ask, policy).routeFeeCapMsat;
  const inside = invoice.payee === nodeKey;
  const amountMsat = invoice.amountMsat ?? msat(0n);
  return {
    nodeKey,
    height,
    outboundMsat: outboundMsat(look.channels),
    outgoingHashes: outgoingHashes(look.channels),
    lookedAtSeq: look.seq,
    estimate: inside ? 'inside' : await estimated(payer, { invoice, amountMsat, maxFeeMsat }),
  };
}

async function estimated(
  payer: Pick<Payer, 'estimate'>,
  question: Parameters<Payer['estimate']>[0],
): Promise<NodeFacts['estimate']> {
  try {
    return (await payer.estimate(question)) ?? 'no_route';
  } catch (cause) {
    if (isNodeFailure(cause)) return null;
    throw cause;
  }
}

function refusedReply(refusal: ApiRefusal): { is: 'refused'; refusal: ApiRefusal } {
  return { is: 'refused', refusal };
}
