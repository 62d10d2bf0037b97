/**
 * What happened to the pool, one event per journal entry: the only thing its state is made of. Amounts are
 * bigint msat inside and decimal text in the journal; both parse with these schemas.
 */
import { z } from 'zod';
import { hex32, label, networkName, nodeKey, outpoint } from '../policies/intent.ts';
import { channelEvents } from './channels/channel-event.ts';
import { URGENCIES } from './operator-policy.ts';
import { ACTIONS } from './pool-api.ts';
import { digits, msatAmount, unixMs } from './scalar-schemas.ts';

export { msatAmount, unixMs };

/** Ids of agents and credentials: they appear in account names, files and logs. */
export const agentId = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$/, 'must be a-z, A-Z, 0-9, _ and -, at most 64');
const shortText = z.string().max(300);
const nullableText = z.string().max(200).nullable();
/** BOLT 11 invoices are seldom above 1,000 characters; one with many routes stays under this. */
export const INVOICE_CHARS_MAX = 4_096;

export const quote = z.strictObject({
  quoteId: z.string().max(64),
  agentId,
  credentialId: label,
  idempotencyKey: z.string().min(1).max(256),
  fingerprint: hex32,
  /** `withdraw` pays its own agent out: no service fee, open in wind-down too. */
  purpose: z.enum(['pay', 'withdraw']),
  funding: z.enum(['prepaid', 'treasury']),
  request: z.string().max(INVOICE_CHARS_MAX),
  invoiceHash: hex32,
  paymentHash: hex32,
  payee: nodeKey,
  host: z.string().max(253),
  amountMsat: msatAmount,
  maxAmountMsat: msatAmount,
  /** The caller's bound on route fee and service fee together. */
  maxFeeMsat: msatAmount,
  routeFeeCapMsat: msatAmount,
  serviceFeeMsat: msatAmount,
  expectedFeeMsat: msatAmount,
  successPpm: z.int().min(0).max(1_000_000),
  urgency: z.enum(URGENCIES),
  /** As the caller gave it, for the fingerprint; null where it said nothing. */
  urgencyGiven: z.enum(URGENCIES).nullable(),
  policyContextSha256: hex32,
  operatorPolicyHash: hex32,
  invoiceExpiresAtMs: unixMs,
  createdAtMs: unixMs,
  validUntilMs: unixMs,
});
export type Quote = z.infer<typeof quote>;

export const credentialEvent = z.strictObject({
  id: label,
  role: z.enum(['agent', 'operator']),
  agents: z.array(agentId).min(1).max(1_000),
  actions: z.array(z.enum(ACTIONS)).min(1).max(ACTIONS.length),
  perPaymentMsat: msatAmount.nullable(),
  perDayMsat: msatAmount.nullable(),
  expiresAtMs: unixMs,
  /** One of both: SHA-256 of a bearer token, or a Nostr key (NIP-98). */
  tokenHash: hex32.nullable(),
  nostrKey: hex32.nullable(),
});

export const poolEvent = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('pool-opened'),
    poolId: label,
    network: networkName,
    receiptKey: hex32,
    nodeKey,
  }),
  z.strictObject({ kind: z.literal('credential-issued'), credential: credentialEvent }),
  z.strictObject({ kind: z.literal('credential-revoked'), id: label }),
  z.strictObject({ kind: z.literal('quoted'), quote }),
  /** Money is held from here on. `inside`: the invoice is one of our own top-ups, no HTLC leaves. */
  z.strictObject({
    kind: z.literal('pay-reserved'),
    quoteId: z.string().max(64),
    paymentHash: hex32,
    inside: z.string().max(64).nullable(),
    runId: nullableText,
    trajectoryHash: nullableText,
    policyId: nullableText,
    maxTimeoutHeight: z.int().min(0),
  }),
  z.strictObject({
    kind: z.literal('pay-settled'),
    quoteId: z.string().max(64),
    paymentHash: hex32,
    routeFeeMsat: msatAmount,
    /** Null for a payment inside, and where the node has none: nobody learned it. */
    preimage: hex32.nullable(),
    settledAtMs: unixMs,
    attempts: z.int().min(0),
  }),
  z.strictObject({
    kind: z.literal('pay-failed'),
    quoteId: z.string().max(64),
    paymentHash: hex32,
    why: z.string().max(64),
    detail: shortText,
    /** When the node began it, by its own clock; null where nobody knows. */
    begunAtMs: unixMs.nullable().default(null),
  }),
  /** The node says settled after it had said failed: the money is gone, and so is what was released. */
  z.strictObject({
    kind: z.literal('pay-settled-late'),
    quoteId: z.string().max(64),
    paymentHash: hex32,
    routeFeeMsat: msatAmount,
    preimage: hex32,
    settledAtMs: unixMs,
  }),
  z.strictObject({
    kind: z.literal('topup-opened'),
    topupId: z.string().max(64),
    agentId,
    credentialId: label,
    idempotencyKey: z.string().min(1).max(256),
    amountMsat: msatAmount,
    paymentHash: hex32,
    expiresAtMs: unixMs,
  }),
  z.strictObject({
    kind: z.literal('topup-invoiced'),
    topupId: z.string().max(64),
    request: z.string().max(INVOICE_CHARS_MAX),
    expiresAtMs: unixMs,
  }),
  z.strictObject({
    kind: z.literal('topup-credited'),
    topupId: z.string().max(64),
    paymentHash: hex32,
    receivedMsat: msatAmount,
    settleIndex: z.int().min(0),
  }),
  z.strictObject({
    kind: z.literal('topup-closed'),
    topupId: z.string().max(64),
    why: z.enum(['expired', 'cancelled', 'winding_down']),
  }),
  /** Money that came to the node and is no top-up of ours: nobody's until a person says whose. */
  z.strictObject({
    kind: z.literal('received-unattributed'),
    paymentHash: hex32,
    receivedMsat: msatAmount,
    settleIndex: z.int().min(0),
  }),
  z.strictObject({
    kind: z.literal('refused'),
    action: z.string().max(64),
    agentId,
    credentialId: label,
    reasonCode: z.string().max(64),
    message: z.string().max(500),
    field: z.string().max(64).nullable(),
    quoteId: z.string().max(64).nullable(),
    idempotencyKeySha256: hex32.nullable(),
  }),
  z.strictObject({
    kind: z.literal('mode-changed'),
    mode: z.enum(['open', 'frozen', 'winding-down']),
    why: shortText,
    by: label,
  }),
  /** Highest commitment update seen per channel: a node that later shows less runs on an old database. */
  z.strictObject({
    kind: z.literal('node-seen'),
    height: z.int().min(0),
    updates: z.array(z.strictObject({ outpoint, count: digits })).max(2_000),
  }),
  /** Payments of the node that nobody ordered here; a person who unfreezes has looked at them. */
  z.strictObject({
    kind: z.literal('payments-unordered'),
    hashes: z.array(hex32).min(1).max(1_000),
  }),
  z.strictObject({ kind: z.literal('alarm'), code: z.string().max(64), detail: shortText }),
  z.strictObject({
    kind: z.literal('capital-brought'),
    rail: z.enum(['cold', 'ln.local', 'chain.conf']),
    amountMsat: msatAmount,
    why: shortText,
  }),
  /** A rail holds less or more than the books said, and a person knows why. */
  z.strictObject({
    kind: z.literal('difference-booked'),
    rail: z.enum(['cold', 'ln.local', 'chain.conf']),
    found: z.enum(['less', 'more']),
    amountMsat: msatAmount,
    why: shortText,
    by: label,
  }),
  /** What forwards earned since the last such entry, and how far the node's list of them is read by it. */
  z.strictObject({
    kind: z.literal('forwards-settled'),
    forwards: z.int().min(0),
    feeMsat: msatAmount,
    cursor: z.strictObject({
      count: z.int().min(0),
      newest: z.string().max(200).nullable(),
      feeMsat: msatAmount,
    }),
  }),
  ...channelEvents,
]);

export type PoolEvent = z.infer<typeof poolEvent>;
export type PoolEventOf<K extends PoolEvent['kind']> = Extract<PoolEvent, { kind: K }>;
