/**
 * PUBLISHED: what the pool's callers speak. Schemas and types, no behaviour; `api/router.ts` has the procedures.
 *
 * Millisatoshi are JSON integers up to 2^53−1 on the wire and bigint inside: `schema.parse` reads, `z.encode`
 * writes. In requests null means absent and an unknown field is refused; in answers what is absent is left out,
 * and a client ignores what it does not know. Times named `_at_ms` are Unix milliseconds, others RFC 3339 in UTC.
 */
import { z } from 'zod';
import { invariant } from '../policies/failure.ts';
import { hex32 } from '../policies/intent.ts';
import { isWholeText } from '../policies/text.ts';
import { PAY_FAILURES } from './lightning.ts';
import { URGENCIES } from './operator-policy.ts';

/** Largest request body, and largest `policy_context` in it. */
export const BODY_BYTES_MAX = 64 * 1024;
const POLICY_CONTEXT_CHARS_MAX = 16 * 1024;
/** Objects and lists within each other, in a whole body. */
export const NESTING_MAX = 16;
/** Longest wait of `GET /v1/events` for something to tell. */
export const EVENT_WAIT_MS_MAX = 25_000;
export const PAGE_MAX = 200;
const PAGE_DEFAULT = 50;
/** Header that names the agent where one credential acts for many. */
export const AGENT_HEADER = 'weir-agent';

/** The largest integer that every JSON reader keeps exactly: 90,071 BTC in msat, above any payment. */
const WIRE_INTEGER_MAX = Number.MAX_SAFE_INTEGER;
const INVOICE_CHARS_MAX = 4_096;
const HOST_CHARS_MAX = 253;

/** Amount in millisatoshi: an integer in JSON, bigint inside. */
const msats = z.codec(z.int().min(0).max(WIRE_INTEGER_MAX), z.bigint(), {
  decode: (value) => BigInt(value),
  encode: wireInteger,
});

/** As it stands in JSON. Exact, or a broken invariant: no amount is near what a double cannot hold. */
export function wireInteger(value: bigint): number {
  invariant(value >= 0n && value <= BigInt(WIRE_INTEGER_MAX), `${value} msat is on no wire`);
  return Number.parseInt(value.toString(), 10);
}

/** A body as it travels: amounts are JSON integers. */
export type Wire<T> = T extends bigint
  ? number
  : T extends readonly (infer Item)[]
    ? Wire<Item>[]
    : T extends object
      ? { [Key in keyof T]: Wire<T[Key]> }
      : T;

/** The same body with JSON integers for its amounts, members in their order. */
export function wired<T>(value: T): Wire<T> {
  return wiredValue(value) as Wire<T>;
}

function wiredValue(value: unknown): unknown {
  if (typeof value === 'bigint') return wireInteger(value);
  if (Array.isArray(value)) return value.map(wiredValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, wiredValue(member)]),
  );
}

/** Null or absent: null inside. */
function absentable<T extends z.ZodType>(schema: T) {
  return schema.nullable().default(null as never);
}

const unixMs = z.int().min(0);
const rfc3339 = z.iso.datetime();
export const jsonObject = z.record(z.string(), z.unknown());
/** What a caller hashes into quote and receipt: numbers that every JSON reader reads alike, and not too much. */
const policyContext = jsonObject.superRefine((value, context) => {
  const problem = contextProblem(value, []);
  if (problem !== null) context.addIssue({ code: 'custom', ...problem });
  else if (JSON.stringify(value).length > POLICY_CONTEXT_CHARS_MAX) {
    const message = `must be at most ${POLICY_CONTEXT_CHARS_MAX} characters of JSON`;
    context.addIssue({ code: 'custom', message, path: [] });
  }
});

/** UTF-16 and UTF-8 sort such keys differently, and so would hashes over them. */
const BEYOND_BASIC_PLANE = /[\ud800-\udfff]/;
const KEY_RULE = 'must hold no character beyond U+FFFF in a key';

function contextProblem(
  value: unknown,
  path: (string | number)[],
): { message: string; path: (string | number)[] } | null {
  if (path.length > NESTING_MAX) return { message: `nests deeper than ${NESTING_MAX}`, path };
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    return { message: 'must be an integer up to 2^53-1; put other numbers into text', path };
  }
  if (typeof value === 'string' && !isWholeText(value)) {
    return { message: 'must not hold half of a character', path };
  }
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, member] of Object.entries(value)) {
    if (BEYOND_BASIC_PLANE.test(key)) return { message: KEY_RULE, path: [...path, key] };
    const problem = contextProblem(member, [...path, key]);
    if (problem !== null) return problem;
  }
  return null;
}
/** Ids of ours and of callers: they go into logs and receipts. */
const id = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be a-z, A-Z, 0-9, _ and -, at most 64');
const printable = z
  .string()
  .min(1)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must hold no control character and no half of a character');
const callerText = printable.max(200);
const idempotencyKey = printable
  .max(256)
  .describe(
    'The caller’s own key of this purchase. Reuse it for every retry; never make a new one.',
  );
const bolt11 = z.string().trim().min(1).max(INVOICE_CHARS_MAX).describe('BOLT 11 invoice');
const run = {
  run_id: absentable(callerText),
  trajectory_hash: absentable(callerText),
  policy_id: absentable(callerText),
};

export const FUNDINGS = ['prepaid', 'treasury'] as const;

export const quotePayRequest = z.strictObject({
  schema: z.literal('openagents.liquidity.quote_pay_request.v1'),
  idempotency_key: idempotencyKey,
  invoice: bolt11,
  host: z
    .string()
    .trim()
    .toLowerCase()
    .min(1)
    .max(HOST_CHARS_MAX)
    .regex(/^[!-~]+$/, 'must be printable ASCII without spaces')
    .describe('Who is paid, as the caller knows it: compared with the allowed hosts of the agent'),
  max_amount_msats: msats.describe('Refused when the invoice asks for more'),
  max_fee_msats: msats.describe('Bounds route fee and service fee together'),
  urgency: absentable(z.enum(URGENCIES)).describe('How hard it is tried; normal when absent'),
  policy_context: absentable(policyContext).describe(
    'Any JSON object of the caller; integers only. Its hash goes into quote and receipt',
  ),
  funding: absentable(z.enum(FUNDINGS)).describe(
    'Whose money: the agent’s prepaid balance when absent; treasury for operator credentials only',
  ),
});
export type QuotePayRequest = z.infer<typeof quotePayRequest>;

export const quotePayResponse = z.object({
  schema: z.literal('openagents.liquidity.quote_pay_response.v1'),
  quote_id: z.string(),
  idempotency_key: z.string(),
  invoice_hash: hex32.describe('SHA-256 of the trimmed invoice text, not the payment hash'),
  host: z.string(),
  quoted_amount_msats: msats,
  max_amount_msats: msats,
  max_fee_msats: msats,
  policy_context_sha256: hex32,
  valid_until: rfc3339,
  created_at: rfc3339,
  payment_hash: hex32,
  expected_fee_msats: msats.describe('Route fee and service fee, estimated'),
  service_fee_msats: msats,
  success_ppm: z.int().min(0).max(1_000_000).describe('Estimate, parts per million'),
  funding: z.enum(FUNDINGS),
  instructions: z.string(),
});
export type QuotePayResponse = z.infer<typeof quotePayResponse>;

/** What `instructions` says: a caller may be a language model that just restarted. */
export const QUOTE_INSTRUCTIONS =
  'To pay, call pay with this quote_id. Reuse this quote_id for every retry of this purchase, also after a time-out, an error or a restart: it is paid at most once. Do not ask for a new quote of the same invoice while the state of this one is in_flight.';

export const payRequest = z.strictObject({
  schema: z.literal('openagents.liquidity.pay_request.v1'),
  quote_id: id.describe('The quote is the idempotency key. Reuse it for every retry'),
  ...run,
});
export type PayRequest = z.infer<typeof payRequest>;

export const paymentProof = z.object({
  type: z.literal('lightning_preimage'),
  preimage: hex32,
  payment_hash: hex32,
});
export type PaymentProof = z.infer<typeof paymentProof>;

/** Final, always: what is not settled is answered with 409 `in_flight`. */
export const payResponse = z.object({
  schema: z.literal('openagents.liquidity.pay_response.v1'),
  quote_id: z.string(),
  status: z.enum(['succeeded', 'failed']),
  wallet_receipt_sha256: hex32.optional(),
  preimage_sha256: hex32.optional(),
  paid_at_ms: unixMs.optional(),
  error_code: z
    .string()
    .optional()
    .describe(`Why it failed: ${PAY_FAILURES.join(', ')}; others may come`),
  error_message: z.string().optional(),
  receipt: jsonObject.describe(
    'The schema Receipt: an openagents.liquidity.invoice_pay_receipt.v1, whole',
  ),
  payment_proof: paymentProof.optional().describe('For the caller that paid, nobody else'),
  route_fee_msats: msats,
  service_fee_msats: msats,
});
export type PayResponse = z.infer<typeof payResponse>;

export const statusResponse = z.object({
  schema: z.literal('openagents.liquidity.status_response.v1'),
  wallet_executor_configured: z.boolean(),
  wallet_executor_reachable: z.boolean(),
  receipt_signing_enabled: z.boolean(),
  quote_ttl_seconds: z.int().min(1),
  wallet_status: jsonObject.optional(),
  error_code: z
    .string()
    .optional()
    .describe('Why it cannot pay now: node_unavailable or node_not_synced'),
  error_message: z.string().optional(),
  pool_id: z.string(),
  network: z.string(),
  mode: z.enum(['open', 'frozen', 'winding-down']),
  receipt_pubkey: hex32.describe('x-only key (BIP-340) that signs receipts'),
  policy_sha256: hex32,
});
export type StatusResponse = z.infer<typeof statusResponse>;

export const PAYMENT_STATES = ['quoted', 'in_flight', 'succeeded', 'failed', 'expired'] as const;

/** One quote and what became of it. `succeeded`, `failed` and `expired` are final. */
export const paymentView = z.object({
  schema: z.literal('weir.payment.v1'),
  state: z.enum(PAYMENT_STATES),
  final: z.boolean(),
  agent_id: z.string(),
  purpose: z.enum(['pay', 'withdraw']),
  payment_hash: hex32,
  quote: quotePayResponse,
  reserved_at_ms: unixMs.optional(),
  final_at_ms: unixMs.optional(),
  result: payResponse.optional().describe('What `pay` answers, the same bytes; once it is final'),
});
export type PaymentView = z.infer<typeof paymentView>;

export const paymentList = z.object({
  schema: z.literal('weir.payment_list.v1'),
  payments: z.array(paymentView),
  next_after: z.string().optional().describe('Absent on the last page'),
});
export type PaymentList = z.infer<typeof paymentList>;

export const topupRequest = z.strictObject({
  schema: z.literal('weir.prepaid.topup_request.v1'),
  idempotency_key: idempotencyKey,
  amount_msats: msats,
});
export type TopupRequest = z.infer<typeof topupRequest>;

export const topupView = z.object({
  schema: z.literal('weir.prepaid.topup.v1'),
  topup_id: z.string(),
  idempotency_key: z.string(),
  state: z.enum(['opened', 'invoiced', 'credited', 'expired', 'cancelled']),
  amount_msats: msats,
  payment_hash: hex32,
  invoice: z.string().optional().describe('BOLT 11; absent until the node has made it: ask again'),
  created_at_ms: unixMs,
  expires_at_ms: unixMs,
  received_msats: msats.optional(),
  receipt: jsonObject.optional().describe('The schema Receipt: a weir.action_receipt.v1, whole'),
});
export type TopupView = z.infer<typeof topupView>;

export const prepaidView = z.object({
  schema: z.literal('weir.prepaid.v1'),
  agent_id: z.string(),
  available_msats: msats.describe('What can be spent or withdrawn now'),
  held_msats: msats.describe('Held for payments in flight'),
  balance_limit_msats: msats,
  per_payment_limit_msats: msats.describe('Fee included'),
  day_used_msats: msats.describe('Amounts of the sliding day, settled and in flight'),
  day_limit_msats: msats,
  in_flight: z.int().min(0),
  in_flight_limit: z.int().min(0),
  topups: z.array(topupView).describe('Newest first, at most twenty'),
});
export type PrepaidView = z.infer<typeof prepaidView>;

/** Pays the agent its own balance out; there is no service fee. */
export const withdrawRequest = z.strictObject({
  schema: z.literal('weir.prepaid.withdraw_request.v1'),
  idempotency_key: idempotencyKey,
  invoice: bolt11,
  max_fee_msats: msats,
  ...run,
});
export type WithdrawRequest = z.infer<typeof withdrawRequest>;

export {
  EVENT_KINDS,
  type Event,
  type EventPage,
  event,
  eventPage,
  WEBHOOK_KINDS,
  webhookBody,
} from './event-protocol.ts';

export const logPage = z.object({
  schema: z.literal('weir.log_page.v1'),
  records: z.array(jsonObject).describe('Each of the schema LogRecord'),
  next_after: z.int().min(0),
});
export type LogPage = z.infer<typeof logPage>;

export const errorEnvelope = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    reason_code: z.string(),
    field: z.string().optional(),
    retryable: z.boolean().describe('Whether the identical request can succeed later'),
    retry_after_ms: z.int().min(0).optional(),
    payment_hash: hex32.optional(),
    receipt_id: z.string().optional().describe('Receipt of this refusal'),
  }),
});
export type ErrorEnvelope = z.infer<typeof errorEnvelope>;

/** An integer of a query: digits over HTTP, a number over tRPC. */
function queryInteger(schema: z.ZodType<number, number>) {
  return z
    .union([z.int(), z.string()])
    .transform((value) =>
      typeof value === 'number' || !/^[0-9]{1,15}$/.test(value)
        ? value
        : Number.parseInt(value, 10),
    )
    .pipe(schema);
}

/** Parameters of paths and queries: the same schemas for HTTP and tRPC. */
const cursorSeq = queryInteger(z.int().min(0)).default(0);
const limit = queryInteger(z.int().min(1).max(PAGE_MAX)).default(PAGE_DEFAULT);
export const byQuoteId = z.strictObject({ quote_id: id });
export const byPaymentHash = z.strictObject({ payment_hash: hex32 });
export const byTopupId = z.strictObject({ id });
export const byReceiptId = z.strictObject({ receipt_id: id });
export const paymentPage = z.strictObject({
  after: absentable(z.string().max(128)),
  limit,
});
export const eventQuery = z.strictObject({
  after: cursorSeq,
  limit,
  wait_ms: queryInteger(z.int().min(0).max(EVENT_WAIT_MS_MAX)).default(0),
});
export const logQuery = z.strictObject({ after: cursorSeq, limit });

/** Every procedure, for a tRPC client with an `httpLink` to `/trpc`. */
export type { PoolRouter } from './api/router.ts';
