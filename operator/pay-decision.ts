/** Whether a quote is paid now. Pure. From `pay-reserved` on its money is held and the node may have it. */
import { agentLimits, payeeLimits } from './agent-limits.ts';
import { type Decision, nothing, type Refused } from './decision.ts';
import type { OperatorPolicy } from './operator-policy.ts';
import { insideOf, reservation } from './pay-reservation.ts';
import type { ApiRefusal, Caller } from './pool-api.ts';
import type { Quote } from './pool-event.ts';
import { type Payment, type PoolState, worstCaseMsat } from './pool-state.ts';
import { hashRefusal, modeRefusal } from './quote-decision.ts';
import { refuse } from './reasons.ts';
import { refusedNews } from './refusal-news.ts';

export interface PayAsk {
  quoteId: string;
  runId: string | null;
  trajectoryHash: string | null;
  policyId: string | null;
}

/** `reserved`: by this call. `paying`: by an earlier one. `ended`: its receipt is to be told again. */
export type PayAnswer = { is: 'reserved' | 'paying' | 'ended' } | Refused;

/** Reserves and so decides to pay, or finds what was decided before. Replay comes before expiry. */
export function decidePay(
  state: PoolState,
  nowMs: number,
  of: { caller: Caller; ask: PayAsk; policy: OperatorPolicy; height: number | null },
): Decision<PayAnswer> {
  const { caller, ask } = of;
  const known = state.payments.get(ask.quoteId);
  if (known !== undefined) return nothing(replayed(known, caller, ask));
  const quote = state.quotes.get(ask.quoteId);
  if (quote === undefined || quote.agentId !== caller.agentId) {
    return nothing({
      refusal: refuse('not_found', 'there is no such quote of this agent', { field: 'quote_id' }),
    });
  }
  const no = payRefusal(state, nowMs, quote, of);
  const reserved = no === null ? reservation(state, quote) : { refusal: no };
  if ('refusal' in reserved) {
    const { quoteId, idempotencyKey } = quote;
    // The quote is the caller's own, and so is its hash, whoever else may pay it.
    const refusal = { ...reserved.refusal, paymentHash: quote.paymentHash };
    const about = { caller, quoteId, idempotencyKey, refusal };
    return refusedNews(state, nowMs, { ...about, action: 'pay' });
  }
  const event = {
    kind: 'pay-reserved' as const,
    quoteId: quote.quoteId,
    paymentHash: quote.paymentHash,
    inside: insideOf(state, quote),
    runId: ask.runId,
    trajectoryHash: ask.trajectoryHash,
    policyId: ask.policyId,
    maxTimeoutHeight: (of.height ?? 0) + of.policy.pay.urgency[quote.urgency].maxTimeoutBlocks,
  };
  return {
    news: [{ event, entry: reserved.entry, receipt: null }],
    answer: { is: 'reserved' },
  };
}

function replayed(payment: Payment, caller: Caller, ask: PayAsk): PayAnswer {
  if (payment.quote.agentId !== caller.agentId) {
    return {
      refusal: refuse('not_found', 'there is no such quote of this agent', { field: 'quote_id' }),
    };
  }
  const same =
    payment.runId === ask.runId &&
    payment.trajectoryHash === ask.trajectoryHash &&
    payment.policyId === ask.policyId;
  if (!same) {
    return {
      refusal: refuse(
        'request_drift',
        'this quote was paid with another run_id, trajectory_hash or policy_id',
        { paymentHash: payment.quote.paymentHash },
      ),
    };
  }
  return { is: payment.state === 'reserved' ? 'paying' : 'ended' };
}

function payRefusal(
  state: PoolState,
  nowMs: number,
  quote: Quote,
  { caller, policy, height }: { caller: Caller; policy: OperatorPolicy; height: number | null },
): ApiRefusal | null {
  const field = quote.purpose === 'withdraw' ? 'invoice' : 'quote_id';
  if (quote.funding === 'treasury' && caller.role !== 'operator') {
    return refuse('funding_not_allowed', 'funding treasury is for operators');
  }
  const mode = modeRefusal(state, quote.purpose);
  if (mode !== null) return mode;
  const taken = hashRefusal(state, quote.agentId, quote.paymentHash);
  if (taken !== null) return taken;
  if (quote.validUntilMs <= nowMs) {
    return refuse('quote_expired', 'the quote ran out unpaid: ask for a new one');
  }
  if (quote.operatorPolicyHash !== policy.hash) {
    return refuse('quote_expired', 'the rules changed since the quote: ask for a new one');
  }
  if (quote.invoiceExpiresAtMs < nowMs + policy.pay.minInvoiceLifeMs) {
    return refuse('invoice_expired', 'the invoice runs out before a payment could arrive', {
      field,
    });
  }
  if (height === null) {
    return refuse('node_unavailable', 'the Lightning node does not answer');
  }
  if (quote.payee === state.opened?.nodeKey && !opensTopup(state, quote)) {
    return refuse('own_invoice_unknown', 'no open top-up has this invoice any more', { field });
  }
  const worst = worstCaseMsat(quote);
  const { purpose, amountMsat } = quote;
  return (
    agentLimits(state, nowMs, { caller, policy, purpose, amountMsat, worst }) ??
    payeeLimits(state, policy, quote.payee, worst)
  );
}

/** What is paid inside is a top-up that still waits, of the same amount; nothing of ours goes over Lightning. */
function opensTopup(state: PoolState, quote: Quote): boolean {
  const topup = state.topups.get(insideOf(state, quote) ?? '');
  return (
    topup?.state === 'invoiced' &&
    topup.amountMsat === quote.amountMsat &&
    quote.funding === 'prepaid'
  );
}
