/** A pool that answers from a script: enough to prove what the surface does with a PoolApi, and nothing of money. */

import { readFileSync } from 'node:fs';
import type { OperatorPolicy } from '../operator/operator-policy.ts';
import { parseOperatorPolicy } from '../operator/policy-file.ts';
import type {
  ApiRefusal,
  Caller,
  Credential,
  Credentials,
  PoolApi,
  Reply,
  SurfaceRefusal,
} from '../operator/pool-api.ts';
import type * as wire from '../operator/protocol.ts';
import { QUOTE_INSTRUCTIONS } from '../operator/protocol.ts';
import { refuse } from '../operator/reasons.ts';

const HASH = 'ab'.repeat(32);
const SIGNATURE = 'cd'.repeat(64);

export interface PoolDouble {
  api: PoolApi;
  /** Every call in order: name and what it was given. */
  calls: { name: string; caller: Caller | null; input: unknown }[];
  recorded: SurfaceRefusal[];
  /** What `pay` answers next, first one first; then success. */
  payAnswers: (ApiRefusal | 'throw')[];
}

export const PUBLIC_URL = 'https://pool.example';
export const QUOTE_BODY = {
  schema: 'openagents.liquidity.quote_pay_request.v1',
  idempotency_key: 'neobank:liq:k1',
  invoice: 'lnbcrt1',
  host: 'api.example.com',
  max_amount_msats: 35_000,
  max_fee_msats: 1_000,
};
export const PAY_BODY = { schema: 'openagents.liquidity.pay_request.v1', quote_id: 'liq_quote_1' };

export function poolDouble(): PoolDouble {
  const calls: PoolDouble['calls'] = [];
  const recorded: SurfaceRefusal[] = [];
  const payAnswers: PoolDouble['payAnswers'] = [];
  const did = (name: string, caller: Caller | null, input: unknown): void => {
    calls.push({ name, caller, input });
  };
  const found = async <T>(name: string, caller: Caller | null, input: unknown, body: T) => {
    did(name, caller, input);
    return { is: 'ok' as const, body };
  };
  const view = { ...paymentOf(), state: 'succeeded' as const };
  const api: PoolApi = {
    quotePay: (caller, body) => found('quotePay', caller, body, quoteOf(body)),
    async pay(caller, body): Promise<Reply<wire.PayResponse>> {
      did('pay', caller, body);
      const next = payAnswers.shift();
      if (next === 'throw') throw new Error('the secret preimage is 00ff');
      return next === undefined
        ? { is: 'ok', body: paidOf(body.quote_id) }
        : { is: 'refused', refusal: next };
    },
    async status() {
      did('status', null, null);
      return statusBody();
    },
    quote: (caller, id) => found('quote', caller, id, view),
    payment: (caller, hash) => found('payment', caller, hash, view),
    payments: (caller, page) =>
      found('payments', caller, page, { schema: 'weir.payment_list.v1', payments: [view] }),
    prepaid: (caller) => found('prepaid', caller, null, prepaidBody()),
    topup: (caller, body) => found('topup', caller, body, topupBody()),
    topupOf: (caller, id) => found('topupOf', caller, id, topupBody()),
    withdraw: (caller, body) => found('withdraw', caller, body, paidOf('liq_quote_w')),
    async receipt(caller, id) {
      did('receipt', caller, id);
      return id === 'lipr_none'
        ? { is: 'refused', refusal: refuse('not_found', 'nothing of yours has this name') }
        : { is: 'ok', body: { ...documentBody(id), seen_by: caller?.agentId ?? 'everybody' } };
    },
    proof: (id) => found('proof', null, id, documentBody(id).proof),
    async events(caller, after, limit, waitMs) {
      did('events', caller, { after, limit, waitMs });
      const event = { seq: after + 1, at_ms: 1, kind: 'pay-settled', quote_id: 'liq_quote_1' };
      return {
        is: 'ok',
        body: { schema: 'weir.event_page.v1', events: [event], next_after: after + 1 },
      };
    },
    logRecords: (after, limit) =>
      found(
        'log',
        null,
        { after, limit },
        { schema: 'weir.log_page.v1', records: [], next_after: after },
      ),
    checkpoint: () => found('checkpoint', null, null, CHECKPOINT),
    async recordRefusal(of) {
      recorded.push(of);
      return { ...of.refusal, receiptId: `lprr_${recorded.length}` };
    },
  };
  return { api, calls, recorded, payAnswers };
}

/** Credentials by token hash and Nostr key. */
export function credentialsOf(
  byToken: ReadonlyMap<string, Credential>,
  byKey: ReadonlyMap<string, Credential> = new Map(),
): Credentials {
  return { byTokenHash: (hash) => byToken.get(hash), byNostrKey: (key) => byKey.get(key) };
}

export function credential(change: Partial<Credential> = {}): Credential {
  return {
    id: 'router',
    role: 'agent',
    agents: ['anna', 'bert'],
    actions: ['pay', 'read', 'topup', 'withdraw'],
    perPaymentMsat: null,
    perDayMsat: null,
    expiresAtMs: 2_000_000_000_000,
    state: 'live',
    ...change,
  };
}

export function examplePolicy(): OperatorPolicy {
  return parseOperatorPolicy(readFileSync('operator/policy.example.yaml', 'utf8'));
}

function quoteOf(body: wire.QuotePayRequest): wire.QuotePayResponse {
  return {
    schema: 'openagents.liquidity.quote_pay_response.v1',
    quote_id: 'liq_quote_1',
    idempotency_key: body.idempotency_key,
    invoice_hash: HASH,
    host: body.host,
    quoted_amount_msats: 34_000n,
    max_amount_msats: body.max_amount_msats,
    max_fee_msats: body.max_fee_msats,
    policy_context_sha256: HASH,
    valid_until: '2026-01-01T00:01:00Z',
    created_at: '2026-01-01T00:00:00Z',
    payment_hash: HASH,
    expected_fee_msats: 12n,
    service_fee_msats: 34n,
    success_ppm: 900_000,
    funding: body.funding ?? 'prepaid',
    instructions: QUOTE_INSTRUCTIONS,
  };
}

function paidOf(quoteId: string): wire.PayResponse {
  return {
    schema: 'openagents.liquidity.pay_response.v1',
    quote_id: quoteId,
    status: 'succeeded',
    preimage_sha256: HASH,
    paid_at_ms: 1,
    receipt: { receipt_id: 'lipr_1', quoted_amount_msats: 34_000 },
    payment_proof: { type: 'lightning_preimage', preimage: HASH, payment_hash: HASH },
    route_fee_msats: 11n,
    service_fee_msats: 34n,
  };
}

function paymentOf(): wire.PaymentView {
  return {
    schema: 'weir.payment.v1',
    state: 'quoted',
    final: false,
    agent_id: 'anna',
    purpose: 'pay',
    payment_hash: HASH,
    quote: quoteOf({
      ...QUOTE_BODY,
      schema: 'openagents.liquidity.quote_pay_request.v1',
      max_amount_msats: 35_000n,
      max_fee_msats: 1_000n,
      urgency: null,
      policy_context: null,
      funding: null,
    }),
  };
}

function statusBody(): wire.StatusResponse {
  return {
    schema: 'openagents.liquidity.status_response.v1',
    wallet_executor_configured: true,
    wallet_executor_reachable: true,
    receipt_signing_enabled: true,
    quote_ttl_seconds: 60,
    pool_id: 'harbour',
    network: 'regtest',
    mode: 'open',
    receipt_pubkey: HASH,
    policy_sha256: HASH,
  };
}

function prepaidBody(): wire.PrepaidView {
  return {
    schema: 'weir.prepaid.v1',
    agent_id: 'anna',
    available_msats: 9_007_199_254_740_991n,
    held_msats: 0n,
    balance_limit_msats: 1n,
    per_payment_limit_msats: 1n,
    day_used_msats: 0n,
    day_limit_msats: 1n,
    in_flight: 0,
    in_flight_limit: 1,
    topups: [],
  };
}

/** In the shape of a receipt with its proof; nothing in it verifies. */
function documentBody(receiptId: string) {
  const log = { pool_id: 'harbour', seq: 3 };
  return {
    schema: 'weir.receipt_document.v1',
    receipt: {
      schema: 'weir.refusal_receipt.v1',
      receipt_id: receiptId,
      canonical_json_sha256: HASH,
      signature: {
        schema: 'openagents.receipt_signature.v1',
        scheme: 'secp256k1_schnorr_no_aux_rand',
        signer_pubkey: HASH,
        signed_sha256: HASH,
        signature_hex: SIGNATURE,
      },
      extensions: { schema: 'weir.receipt_extensions.v1', ...log, proves: '', does_not_prove: [] },
    },
    proof: {
      schema: 'weir.receipt_proof.v1',
      record: {
        schema: 'weir.log_record.v1',
        ...log,
        at_ms: 1,
        kind: 'refused',
        event_sha256: HASH,
      },
      batch: {
        first_seq: 3,
        n: 1,
        root: HASH,
        prev_root: HASH,
        signer: HASH,
        signature: SIGNATURE,
        index: 0,
        path: [],
      },
    },
  };
}

const CHECKPOINT = {
  schema: 'weir.checkpoint.v1',
  origin: 'weir/harbour',
  size: 3,
  root: HASH,
  at_ms: 1,
  signer: HASH,
  signature: SIGNATURE,
};

function topupBody(): wire.TopupView {
  return {
    schema: 'weir.prepaid.topup.v1',
    topup_id: 'top_1',
    idempotency_key: 'k',
    state: 'invoiced',
    amount_msats: 1_000n,
    payment_hash: HASH,
    invoice: 'lnbcrt1',
    created_at_ms: 1,
    expires_at_ms: 2,
  };
}
