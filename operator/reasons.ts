/** Every reason why the pool says no, with what it means for the caller. Closed: docs and tests read it. */
import type { ApiRefusal } from './pool-api.ts';

type Meaning = {
  status: ApiRefusal['status'];
  code: ApiRefusal['code'];
  says: string;
} & Retry;

/** Whether the same request can ever be answered otherwise; then when, where nothing says it better. */
type Retry = { retry: 'never' } | { retry: 'later'; retryAfterMs: number };

export const REFUSALS = {
  // The request itself
  field_invalid: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'a field breaks its rule',
  },
  body_invalid: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'the body is no JSON object of this schema',
  },
  body_too_large: {
    status: 413,
    code: 'invalid_request',
    retry: 'never',
    says: 'the body is larger than any request',
  },
  invoice_unreadable: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'the text is no BOLT 11 invoice, or its signature does not hold',
  },
  invoice_amountless: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'the invoice names no amount: nobody but its payee may choose it',
  },
  invoice_expired: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'the invoice has run out, or runs out before a payment could arrive',
  },
  invoice_network: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'the invoice is of another network',
  },
  invoice_hint_fee: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'its private routes alone cost more than the fee cap',
  },
  amount_over_cap: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'the amount is above a cap',
  },
  amount_below_dust: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'the amount is too small for an HTLC',
  },
  fee_cap_too_low: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'the fee cap is below the service fee',
  },
  own_invoice_unknown: {
    status: 400,
    code: 'invalid_request',
    retry: 'never',
    says: 'the invoice is of our own node and belongs to no top-up',
  },
  // Who asks
  unauthenticated: {
    status: 401,
    code: 'unauthorized',
    retry: 'never',
    says: 'no valid credential',
  },
  action_not_allowed: {
    status: 403,
    code: 'forbidden',
    retry: 'never',
    says: 'the credential does not carry this action',
  },
  agent_not_allowed: {
    status: 403,
    code: 'forbidden',
    retry: 'never',
    says: 'the credential does not act for this agent',
  },
  funding_not_allowed: {
    status: 403,
    code: 'forbidden',
    retry: 'never',
    says: 'only an operator may name this funding',
  },
  host_not_allowed: {
    status: 403,
    code: 'forbidden',
    retry: 'never',
    says: 'the host is not on the list of this agent',
  },
  payee_not_allowed: {
    status: 403,
    code: 'forbidden',
    retry: 'never',
    says: 'the payee is not on the list of this agent',
  },
  agent_cap_exceeded: {
    status: 403,
    code: 'forbidden',
    retry: 'never',
    says: 'the payment is above what this agent may pay at once',
  },
  // Lookups
  not_found: {
    status: 404,
    code: 'not_found',
    retry: 'never',
    says: 'nothing of yours has this name',
  },
  route_unknown: { status: 404, code: 'not_found', retry: 'never', says: 'there is no such route' },
  method_unknown: {
    status: 405,
    code: 'invalid_request',
    retry: 'never',
    says: 'the route has no such method',
  },
  // State
  idempotency_drift: {
    status: 409,
    code: 'conflict',
    retry: 'never',
    says: 'the same key came with another request',
  },
  request_drift: {
    status: 409,
    code: 'conflict',
    retry: 'never',
    says: 'this quote was paid with another run or trajectory',
  },
  payment_in_flight: {
    status: 409,
    code: 'conflict',
    retry: 'later',
    retryAfterMs: 1_000,
    says: 'the payment is on its way: send the identical request again',
  },
  hash_in_flight: {
    status: 409,
    code: 'conflict',
    retry: 'later',
    retryAfterMs: 2_000,
    says: 'another quote pays this invoice right now',
  },
  hash_paid: { status: 409, code: 'conflict', retry: 'never', says: 'this invoice is paid' },
  quote_expired: {
    status: 409,
    code: 'conflict',
    retry: 'never',
    says: 'the quote ran out unpaid: ask for a new one',
  },
  prepaid_too_low: {
    status: 409,
    code: 'conflict',
    retry: 'later',
    retryAfterMs: 30_000,
    says: 'the prepaid balance does not cover amount and fees',
  },
  balance_over_cap: {
    status: 409,
    code: 'conflict',
    retry: 'later',
    retryAfterMs: 30_000,
    says: 'the balance would go above what the pool holds for one agent',
  },
  day_cap_exceeded: {
    status: 409,
    code: 'conflict',
    retry: 'later',
    retryAfterMs: 3_600_000,
    says: 'the sliding day of this agent or credential is used up',
  },
  no_route: {
    status: 409,
    code: 'conflict',
    retry: 'later',
    retryAfterMs: 30_000,
    says: 'no route within the fee cap',
  },
  outbound_too_low: {
    status: 409,
    code: 'conflict',
    retry: 'later',
    retryAfterMs: 60_000,
    says: 'our channels cannot send this much',
  },
  // Too much at once
  rate_exceeded: {
    status: 429,
    code: 'rate_limited',
    retry: 'later',
    retryAfterMs: 1_000,
    says: 'too many requests a minute',
  },
  quotes_exceeded: {
    status: 429,
    code: 'rate_limited',
    retry: 'later',
    retryAfterMs: 10_000,
    says: 'too many live quotes',
  },
  in_flight_exceeded: {
    status: 429,
    code: 'rate_limited',
    retry: 'later',
    retryAfterMs: 2_000,
    says: 'too much in flight for this agent',
  },
  payee_in_flight_exceeded: {
    status: 429,
    code: 'rate_limited',
    retry: 'later',
    retryAfterMs: 2_000,
    says: 'too much in flight to this payee',
  },
  outbound_reserved: {
    status: 429,
    code: 'rate_limited',
    retry: 'later',
    retryAfterMs: 10_000,
    says: 'other quotes hold our outbound liquidity',
  },
  overloaded: {
    status: 429,
    code: 'rate_limited',
    retry: 'later',
    retryAfterMs: 500,
    says: 'more requests wait than can be served',
  },
  // Us
  node_unavailable: {
    status: 502,
    code: 'dependency_unavailable',
    retry: 'later',
    retryAfterMs: 5_000,
    says: 'the Lightning node does not answer',
  },
  node_not_synced: {
    status: 502,
    code: 'dependency_unavailable',
    retry: 'later',
    retryAfterMs: 10_000,
    says: 'the Lightning node is behind the chain',
  },
  frozen: {
    status: 503,
    code: 'write_path_frozen',
    retry: 'later',
    retryAfterMs: 60_000,
    says: 'dispatch is frozen until a person has looked',
  },
  winding_down: {
    status: 503,
    code: 'write_path_frozen',
    retry: 'never',
    says: 'the pool winds down: withdraw what is yours',
  },
  internal: {
    status: 500,
    code: 'internal',
    retry: 'later',
    retryAfterMs: 1_000,
    says: 'a fault of ours',
  },
} as const satisfies Record<string, Meaning>;

export type RefusalReason = keyof typeof REFUSALS;

interface More {
  field?: string;
  retryAfterMs?: number;
  paymentHash?: string;
}

/** A refusal for a reason, in words that name what is there and what is allowed. */
export function refuse(reason: RefusalReason, message: string, more: More = {}): ApiRefusal {
  const meaning: Meaning = REFUSALS[reason];
  const { status, code, retry } = meaning;
  return {
    status,
    code,
    reasonCode: reason,
    message,
    field: more.field ?? null,
    retryable: retry === 'later',
    retryAfterMs: more.retryAfterMs ?? (meaning.retry === 'later' ? meaning.retryAfterMs : null),
    paymentHash: more.paymentHash ?? null,
    receiptId: null,
  };
}
