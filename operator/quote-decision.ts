/** Whether and how a payment is quoted. Pure: the shell decodes the invoice and asks the node before. */
import { type Msat, msat, ppmOfCeil } from '../policies/units.ts';
import { agentLimits, payeeLimits } from './agent-limits.ts';
import { type Decision, nothing, plainNews, type Refused } from './decision.ts';
import { available } from './ledger/ledger.ts';
import { type Invoice, ROUTE_FEE_MSAT_MAX, type RouteEstimate } from './lightning.ts';
import { type OperatorPolicy, rulesOf, type Urgency } from './operator-policy.ts';
import { reservation } from './pay-reservation.ts';
import type { ApiRefusal, Caller } from './pool-api.ts';
import type { Quote } from './pool-event.ts';
import { type PoolState, quoteKey, quotesLive } from './pool-state.ts';
import { refuse } from './reasons.ts';
import { refusedNews } from './refusal-news.ts';

/** Told to wait where no live quote says how long. */
const RESERVED_RETRY_MS = 30_000;

/** What the caller asks, parsed. */
export interface QuoteAsk {
  purpose: Quote['purpose'];
  idempotencyKey: string;
  invoice: Invoice;
  invoiceHash: string;
  host: string;
  maxAmountMsat: Msat;
  maxFeeMsat: Msat;
  urgency: Urgency | null;
  policyContextSha256: string;
  funding: Quote['funding'];
  /** Canonical hash of what was asked: the same key with another one is refused. */
  fingerprint: string;
}

/** What the shell knows of the node at this moment. */
export interface NodeFacts {
  nodeKey: string;
  /** Sum of what usable channels can send, their reserves left alone. */
  outboundMsat: bigint;
  /** Hashes whose HTLCs are already missing from `outboundMsat`. */
  outgoingHashes: ReadonlySet<string>;
  /** The newest entry when the node was asked for both. */
  lookedAtSeq: number;
  height: number;
  /** Null where the node did not answer: nothing is quoted then. */
  estimate: RouteEstimate | 'no_route' | 'inside' | null;
}

export type QuoteAnswer = { quote: Quote } | Refused;

/** The stored quote of this key, a refusal, or null where there is none yet. */
export function replayedQuote(state: PoolState, caller: Caller, ask: QuoteAsk): QuoteAnswer | null {
  const id = state.quoteByKey.get(quoteKey({ ...ask, agentId: caller.agentId }));
  if (id === undefined) return null;
  const quote = state.quotes.get(id) ?? state.payments.get(id)?.quote;
  if (quote === undefined) return null;
  if (quote.fingerprint === ask.fingerprint) return { quote };
  return {
    refusal: refuse('idempotency_drift', 'this idempotency key came before with another request', {
      field: 'idempotency_key',
      paymentHash: quote.paymentHash,
    }),
  };
}

/** Quotes, replays, or refuses with a receipt. */
export function decideQuote(
  state: PoolState,
  nowMs: number,
  of: { caller: Caller; ask: QuoteAsk; policy: OperatorPolicy; facts: NodeFacts; quoteId: string },
): Decision<QuoteAnswer> {
  const replayed = replayedQuote(state, of.caller, of.ask);
  if (replayed !== null) return nothing(replayed);
  const refusal = quoteRefusal(state, nowMs, of);
  if (refusal !== null) return refused(state, nowMs, of, refusal);
  const quote = quoteOf(nowMs, of);
  const reserved = reservation(state, quote);
  const short = 'refusal' in reserved ? reserved.refusal : outboundRefusal(state, nowMs, of);
  if (short !== null) return refused(state, nowMs, of, short);
  return { news: [plainNews({ kind: 'quoted', quote })], answer: { quote } };
}

function refused(
  state: PoolState,
  nowMs: number,
  { caller, ask }: { caller: Caller; ask: QuoteAsk },
  refusal: ApiRefusal,
): Decision<Refused> {
  const { idempotencyKey, purpose } = ask;
  const action = purpose === 'withdraw' ? 'withdraw' : 'quote_pay';
  return refusedNews(state, nowMs, { caller, action, refusal, quoteId: null, idempotencyKey });
}

/** Refusals that need no node, so that nothing is asked of it in vain. */
export function earlyQuoteRefusal(
  state: PoolState,
  nowMs: number,
  {
    caller,
    ask,
    policy,
    nodeKey,
  }: { caller: Caller; ask: QuoteAsk; policy: OperatorPolicy; nodeKey: string },
): ApiRefusal | null {
  return (
    modeRefusal(state, ask.purpose) ??
    invoiceRefusal(nowMs, ask, policy) ??
    capRefusal(caller, ask, policy) ??
    hashRefusal(state, caller.agentId, ask.invoice.paymentHash) ??
    insideRefusal(state, ask, nodeKey)
  );
}

function quoteRefusal(
  state: PoolState,
  nowMs: number,
  of: { caller: Caller; ask: QuoteAsk; policy: OperatorPolicy; facts: NodeFacts },
): ApiRefusal | null {
  const { caller, ask, policy, facts } = of;
  const asked = { caller, ask, policy, nodeKey: facts.nodeKey };
  return (
    earlyQuoteRefusal(state, nowMs, asked) ?? limitRefusal(state, nowMs, of) ?? routeRefusal(facts)
  );
}

/** Withdrawals stay open while the pool winds down; a frozen pool sends nothing at all. */
export function modeRefusal(state: PoolState, purpose: Quote['purpose']): ApiRefusal | null {
  if (state.mode === 'frozen') {
    return refuse('frozen', 'dispatch is frozen until a person has looked');
  }
  if (state.mode === 'winding-down' && purpose === 'pay') {
    return refuse('winding_down', `the pool winds down: ${state.modeWhy}`);
  }
  return null;
}

function invoiceRefusal(nowMs: number, ask: QuoteAsk, policy: OperatorPolicy): ApiRefusal | null {
  const { invoice } = ask;
  const field = 'invoice';
  if (invoice.network !== policy.network) {
    return refuse(
      'invoice_network',
      `the invoice is of ${invoice.network}, this pool of ${policy.network}`,
      { field },
    );
  }
  if (invoice.amountMsat === null) {
    return refuse('invoice_amountless', 'the invoice names no amount', { field });
  }
  // The quote ends when no more than this is left, so it needs a moment before.
  if (invoice.expiresAtMs <= nowMs + policy.pay.minInvoiceLifeMs) {
    return refuse(
      'invoice_expired',
      `the invoice needs more than ${policy.pay.minInvoiceLifeMs} ms before it runs out`,
      { field },
    );
  }
  if (invoice.amountMsat > ask.maxAmountMsat) {
    return refuse(
      'amount_over_cap',
      `the invoice asks ${invoice.amountMsat} msat, max_amount_msats is ${ask.maxAmountMsat}`,
      { field: 'max_amount_msats' },
    );
  }
  if (invoice.amountMsat > policy.pay.maxAmountMsat) {
    return refuse(
      'amount_over_cap',
      `the pool pays at most ${policy.pay.maxAmountMsat} msat at once`,
      { field },
    );
  }
  if (invoice.amountMsat < policy.pay.minAmountMsat) {
    return refuse('amount_below_dust', `the pool pays at least ${policy.pay.minAmountMsat} msat`, {
      field,
    });
  }
  const { routeFeeCapMsat, serviceFeeMsat } = feesOf(ask, policy);
  if (ask.maxFeeMsat < serviceFeeMsat) {
    return refuse(
      'fee_cap_too_low',
      `the service fee is ${serviceFeeMsat} msat, max_fee_msats is ${ask.maxFeeMsat}`,
      { field: 'max_fee_msats' },
    );
  }
  if (invoice.hintFeeMsat > routeFeeCapMsat) {
    return refuse(
      'invoice_hint_fee',
      `its private routes cost ${invoice.hintFeeMsat} msat, the cap leaves ${routeFeeCapMsat}`,
      { field },
    );
  }
  return null;
}

function capRefusal(caller: Caller, ask: QuoteAsk, policy: OperatorPolicy): ApiRefusal | null {
  const rules = rulesOf(policy, caller.agentId);
  const { invoice, host, funding } = ask;
  if (funding === 'treasury' && caller.role !== 'operator') {
    return refuse('funding_not_allowed', 'funding treasury is for operators', { field: 'funding' });
  }
  if (ask.purpose === 'pay' && rules.hosts !== null && !rules.hosts.includes(host)) {
    return refuse('host_not_allowed', `${host} is not on this agent's list`, { field: 'host' });
  }
  if (ask.purpose === 'pay' && rules.payees !== null && !rules.payees.includes(invoice.payee)) {
    return refuse('payee_not_allowed', "the invoice's payee is not on this agent's list", {
      field: 'invoice',
    });
  }
  return null;
}

/** Other agents learn nothing but that the hash is taken. */
export function hashRefusal(
  state: PoolState,
  agentId: string,
  paymentHash: string,
): ApiRefusal | null {
  const by = state.paymentByHash.get(paymentHash);
  const payment = by === undefined ? undefined : state.payments.get(by);
  if (payment === undefined || payment.state === 'failed') return null;
  const own = payment.quote.agentId === agentId ? { paymentHash } : {};
  return payment.state === 'reserved'
    ? refuse('hash_in_flight', 'another quote pays this invoice right now', own)
    : refuse('hash_paid', 'this invoice was paid before: look it up by its payment hash', own);
}

function insideRefusal(state: PoolState, ask: QuoteAsk, nodeKey: string): ApiRefusal | null {
  if (ask.invoice.payee !== nodeKey) return null;
  const id = state.topupByHash.get(ask.invoice.paymentHash);
  const topup = id === undefined ? undefined : state.topups.get(id);
  if (topup?.state === 'invoiced' && topup.amountMsat === ask.invoice.amountMsat) return null;
  return refuse('own_invoice_unknown', 'the invoice is of our own node and no open top-up has it', {
    field: 'invoice',
  });
}

function limitRefusal(
  state: PoolState,
  nowMs: number,
  { caller, ask, policy }: { caller: Caller; ask: QuoteAsk; policy: OperatorPolicy },
): ApiRefusal | null {
  const fees = feesOf(ask, policy);
  const amountMsat = ask.invoice.amountMsat ?? msat(0n);
  const worst = amountMsat + fees.routeFeeCapMsat + fees.serviceFeeMsat;
  return (
    agentLimits(state, nowMs, { caller, policy, purpose: ask.purpose, amountMsat, worst }) ??
    payeeLimits(state, policy, ask.invoice.payee, worst) ??
    quotesLimit(state, nowMs, caller, policy)
  );
}

function quotesLimit(
  state: PoolState,
  nowMs: number,
  caller: Caller,
  policy: OperatorPolicy,
): ApiRefusal | null {
  let live = 0;
  let soonest = Number.MAX_SAFE_INTEGER;
  for (const quote of quotesLive(state, nowMs)) {
    if (quote.agentId !== caller.agentId) continue;
    live += 1;
    soonest = Math.min(soonest, quote.validUntilMs);
  }
  const { quotesMax } = rulesOf(policy, caller.agentId);
  if (live < quotesMax) return null;
  return refuse('quotes_exceeded', `${live} live quotes, at most ${quotesMax}`, {
    retryAfterMs: Math.max(1, soonest - nowMs),
  });
}

function routeRefusal({ estimate }: NodeFacts): ApiRefusal | null {
  if (estimate === null) {
    return refuse('node_unavailable', 'the Lightning node did not answer');
  }
  if (estimate !== 'no_route') return null;
  return refuse('no_route', 'the node finds no route within the fee cap');
}

/** A soft reservation: live quotes and payments that the look does not show yet hold what they need. */
function outboundRefusal(
  state: PoolState,
  nowMs: number,
  { ask, policy, facts }: { ask: QuoteAsk; policy: OperatorPolicy; facts: NodeFacts },
): ApiRefusal | null {
  if (facts.estimate === 'inside') return null;
  const need = (ask.invoice.amountMsat ?? 0n) + feesOf(ask, policy).routeFeeCapMsat;
  const outboundMsat = facts.outboundMsat - (ask.funding === 'treasury' ? owedMsat(state) : 0n);
  if (need > outboundMsat) {
    return refuse('outbound_too_low', `our channels can send ${outboundMsat} msat for this`, {
      retryAfterMs: 60_000,
    });
  }
  const { heldMsat, soonest } = outboundHeld(state, nowMs, facts);
  if (need + heldMsat <= outboundMsat) return null;
  return refuse('outbound_reserved', 'other quotes hold our outbound liquidity', {
    retryAfterMs: Math.max(250, soonest - nowMs),
  });
}

/** What is agents': whatever the pool spends on itself leaves the channels able to pay all of it out. */
function owedMsat({ ledger }: PoolState): bigint {
  return (['ln.local', 'chain.conf', 'cold'] as const)
    .map((rail) => available(ledger, `SYS:asset:${rail}`))
    .reduce((sum, each) => sum + each, 0n);
}

function outboundHeld(
  state: PoolState,
  nowMs: number,
  facts: NodeFacts,
): { heldMsat: bigint; soonest: number } {
  let heldMsat = 0n;
  let soonest = nowMs + RESERVED_RETRY_MS;
  for (const quote of quotesLive(state, nowMs)) {
    if (quote.payee === facts.nodeKey) continue;
    heldMsat += quote.amountMsat + quote.routeFeeCapMsat;
    soonest = Math.min(soonest, quote.validUntilMs);
  }
  for (const id of state.unresolved) {
    const payment = state.payments.get(id);
    if (payment === undefined || payment.inside !== null) continue;
    if (facts.outgoingHashes.has(payment.quote.paymentHash)) continue;
    heldMsat += payment.quote.amountMsat + payment.quote.routeFeeCapMsat;
  }
  for (let at = state.leftLately.length - 1; at >= 0; at -= 1) {
    const left = state.leftLately[at];
    if (left === undefined || left.seq <= facts.lookedAtSeq) break;
    if (!facts.outgoingHashes.has(left.paymentHash)) heldMsat += left.msat;
  }
  return { heldMsat, soonest };
}

/** The caller's cap bounds both fees; the pool's own bounds and the service fee come off first. */
export function feesOf(
  ask: QuoteAsk,
  policy: OperatorPolicy,
): { routeFeeCapMsat: Msat; serviceFeeMsat: Msat } {
  const amount = ask.invoice.amountMsat ?? msat(0n);
  const { baseMsat, ratePpm } = policy.serviceFee;
  const serviceFeeMsat =
    ask.purpose === 'withdraw' ? msat(0n) : msat(baseMsat + ppmOfCeil(amount, ratePpm));
  const { maxFeeBaseMsat, maxFeePpm } = policy.pay;
  const allowed = maxFeeBaseMsat + ppmOfCeil(amount, maxFeePpm);
  const ours = allowed < ROUTE_FEE_MSAT_MAX ? allowed : ROUTE_FEE_MSAT_MAX;
  const left = ask.maxFeeMsat > serviceFeeMsat ? ask.maxFeeMsat - serviceFeeMsat : 0n;
  return { routeFeeCapMsat: msat(left < ours ? left : ours), serviceFeeMsat };
}

function quoteOf(
  nowMs: number,
  { caller, ask, policy, facts, quoteId }: Parameters<typeof decideQuote>[2],
): Quote {
  const { invoice } = ask;
  const { routeFeeCapMsat, serviceFeeMsat } = feesOf(ask, policy);
  const estimate = typeof facts.estimate === 'object' ? facts.estimate : null;
  return {
    quoteId,
    agentId: caller.agentId,
    credentialId: caller.credentialId,
    idempotencyKey: ask.idempotencyKey,
    fingerprint: ask.fingerprint,
    purpose: ask.purpose,
    funding: ask.funding,
    request: invoice.request,
    invoiceHash: ask.invoiceHash,
    paymentHash: invoice.paymentHash,
    payee: invoice.payee,
    host: ask.host,
    amountMsat: invoice.amountMsat ?? msat(0n),
    maxAmountMsat: ask.maxAmountMsat,
    maxFeeMsat: ask.maxFeeMsat,
    routeFeeCapMsat: estimate === null ? msat(0n) : routeFeeCapMsat,
    serviceFeeMsat,
    expectedFeeMsat: msat(serviceFeeMsat + (estimate?.feeMsat ?? 0n)),
    successPpm: estimate?.successPpm ?? 1_000_000,
    urgency: ask.urgency ?? 'normal',
    urgencyGiven: ask.urgency,
    policyContextSha256: ask.policyContextSha256,
    operatorPolicyHash: policy.hash,
    invoiceExpiresAtMs: invoice.expiresAtMs,
    createdAtMs: nowMs,
    // Up to its end `pay` finds the invoice alive for long enough.
    validUntilMs: Math.min(
      nowMs + policy.quotes.ttlMs,
      invoice.expiresAtMs - policy.pay.minInvoiceLifeMs,
    ),
  };
}
