/** Wire objects made of what is stored, and of nothing else: the same state gives the same bytes, for ever. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { msat } from '../policies/units.ts';
import { balanceOf } from './ledger/ledger.ts';
import type { Quote } from './pool-event.ts';
import type { Payment, PoolState, Topup } from './pool-state.ts';
import type * as wire from './protocol.ts';
import { QUOTE_INSTRUCTIONS } from './protocol.ts';
import type { SignedReceipt } from './receipts/unsigned-receipt.ts';

/** RFC 3339 in UTC with milliseconds, always printed the same. */
export function rfc3339(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

export function quoteResponse(quote: Quote): wire.QuotePayResponse {
  return {
    schema: 'openagents.liquidity.quote_pay_response.v1',
    quote_id: quote.quoteId,
    idempotency_key: quote.idempotencyKey,
    invoice_hash: quote.invoiceHash,
    host: quote.host,
    quoted_amount_msats: quote.amountMsat,
    max_amount_msats: quote.maxAmountMsat,
    max_fee_msats: quote.maxFeeMsat,
    policy_context_sha256: quote.policyContextSha256,
    valid_until: rfc3339(quote.validUntilMs),
    created_at: rfc3339(quote.createdAtMs),
    payment_hash: quote.paymentHash,
    expected_fee_msats: quote.expectedFeeMsat,
    service_fee_msats: quote.serviceFeeMsat,
    success_ppm: quote.successPpm,
    funding: quote.funding,
    instructions: QUOTE_INSTRUCTIONS,
  };
}

/** The final answer of `pay`; the preimage goes to the agent that paid and to nobody else. */
export function payResponse(payment: Payment, receipt: SignedReceipt): wire.PayResponse {
  const { quote, preimage, failure, state } = payment;
  const paid = state === 'settled' || state === 'settled-late';
  const body = receipt.receipt;
  return {
    schema: 'openagents.liquidity.pay_response.v1',
    quote_id: quote.quoteId,
    status: paid ? 'succeeded' : 'failed',
    ...(paid && typeof body['wallet_receipt_sha256'] === 'string'
      ? { wallet_receipt_sha256: body['wallet_receipt_sha256'] }
      : {}),
    ...(paid && preimage !== null ? { preimage_sha256: sha256OfHex(preimage) } : {}),
    ...(paid && payment.settledAtMs !== null ? { paid_at_ms: payment.settledAtMs } : {}),
    ...(failure === null ? {} : { error_code: failure.why, error_message: failure.detail }),
    receipt: body,
    ...(paid && preimage !== null
      ? {
          payment_proof: {
            type: 'lightning_preimage' as const,
            preimage,
            payment_hash: quote.paymentHash,
          },
        }
      : {}),
    route_fee_msats: payment.routeFeeMsat ?? msat(0n),
    service_fee_msats: paid ? quote.serviceFeeMsat : msat(0n),
  };
}

/** What became of a quote. `result` is there once it is final. */
export function paymentView(
  of: { quote: Quote; payment: Payment | null; nowMs: number },
  result: wire.PayResponse | null,
): wire.PaymentView {
  const { quote, payment, nowMs } = of;
  const state = paymentStateOf(quote, payment, nowMs);
  return {
    schema: 'weir.payment.v1',
    state,
    final: state !== 'quoted' && state !== 'in_flight',
    agent_id: quote.agentId,
    purpose: quote.purpose,
    payment_hash: quote.paymentHash,
    quote: quoteResponse(quote),
    ...(payment === null ? {} : { reserved_at_ms: payment.reservedAtMs }),
    ...(payment?.finalAtMs === null || payment === null ? {} : { final_at_ms: payment.finalAtMs }),
    ...(result === null ? {} : { result }),
  };
}

function paymentStateOf(
  quote: Quote,
  payment: Payment | null,
  nowMs: number,
): wire.PaymentView['state'] {
  if (payment === null) return quote.validUntilMs <= nowMs ? 'expired' : 'quoted';
  if (payment.state === 'reserved') return 'in_flight';
  return payment.state === 'failed' ? 'failed' : 'succeeded';
}

export function topupView(topup: Topup, receipt: SignedReceipt | null): wire.TopupView {
  const closed = topup.closedWhy === 'expired' ? ('expired' as const) : ('cancelled' as const);
  return {
    schema: 'weir.prepaid.topup.v1',
    topup_id: topup.topupId,
    idempotency_key: topup.idempotencyKey,
    state: topup.state === 'closed' ? closed : topup.state,
    amount_msats: topup.amountMsat,
    payment_hash: topup.paymentHash,
    ...(topup.request === null ? {} : { invoice: topup.request }),
    created_at_ms: topup.createdAtMs,
    expires_at_ms: topup.expiresAtMs,
    ...(topup.receivedMsat === null ? {} : { received_msats: topup.receivedMsat }),
    ...(receipt === null ? {} : { receipt: receipt.receipt }),
  };
}

/** Sum of what is held for an agent's payments in flight. */
export function heldMsat(state: PoolState, agentId: string): bigint {
  let held = 0n;
  for (const id of state.unresolved) {
    if (state.payments.get(id)?.quote.agentId !== agentId) continue;
    const { crPosted, drPosted } = balanceOf(state.ledger, `SYS:liab:prepaid_hold.${id}`);
    held += crPosted - drPosted;
  }
  return held;
}

function sha256OfHex(hex: string): string {
  return bytesToHex(sha256(hexToBytes(hex)));
}
