/** BOLT 11 invoices read without a node: signature, payee, amount, expiry, private routes. Pure. */
import { parsePaymentRequest } from 'ln-service';
import { z } from 'zod';
import { hex32, type NetworkName, nodeKey } from '../../../policies/intent.ts';
import { MAX_MONEY_MSAT, type Msat, msat } from '../../../policies/units.ts';
import type { Invoice, InvoiceRefused } from '../../lightning.ts';
import { INVOICE_CHARS_MAX } from '../../pool-event.ts';
import { readFields } from './invoice-fields.ts';

/** Private routes, and hops in one, that are looked at: more is no invoice of a wallet. */
const ROUTES_MAX = 20;
const HOPS_MAX = 20;
/** Required features that the node fulfils when it pays (BOLT 9): onion, secret, MPP, metadata. */
const FEATURES_KNOWN: ReadonlySet<number> = new Set([8, 14, 16, 48]);
/** BOLT 11: without the field an invoice wants 18 blocks. */
const FINAL_CLTV_DEFAULT = 18;
const FINAL_CLTV_MAX = 2_016;
const MILLION = 1_000_000n;

const text64 = z.string().regex(/^[0-9]{1,20}$/);
const hop = z.object({
  base_fee_mtokens: text64.exactOptional(),
  channel: z.string().max(40).exactOptional(),
  cltv_delta: z.int().min(0).max(0xffff).exactOptional(),
  fee_rate: z.int().min(0).max(0xffffffff).exactOptional(),
  public_key: nodeKey,
});
const parsed = z.object({
  cltv_delta: z.int().min(0).max(FINAL_CLTV_MAX).optional(),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
  destination: nodeKey,
  features: z.array(z.object({ bit: z.int().min(0) })),
  id: hex32,
  mtokens: text64.optional(),
  network: z.enum(['bitcoin', 'regtest', 'signet']),
  payment: hex32,
  routes: z.array(z.array(hop).max(HOPS_MAX)).max(ROUTES_MAX).optional(),
});

/** What the router is asked with, beside what the port names. */
export type InvoiceDetails = z.infer<typeof parsed>;

/** Every field bounded, and nothing in it that LND could read otherwise. */
export function readInvoice(text: string): Invoice | InvoiceRefused {
  const details = readDetails(text);
  if ('rule' in details) return details;
  const network: NetworkName = details.network;
  const amount = details.mtokens === undefined ? 0n : BigInt(details.mtokens);
  if (amount > MAX_MONEY_MSAT) return refused('asks for more than there is');
  const amountMsat = amount === 0n ? null : msat(amount);
  const hints = (details.routes ?? []).filter((hops) => hops.length > 1);
  return {
    request: normal(text),
    paymentHash: details.id,
    payee: details.destination,
    amountMsat,
    createdAtMs: Date.parse(details.created_at),
    expiresAtMs: Date.parse(details.expires_at),
    network,
    minFinalCltv: details.cltv_delta ?? FINAL_CLTV_DEFAULT,
    hintFeeMsat: cheapest(hints, amountMsat ?? msat(0n)),
    hintNodes: hints.flatMap(([first]) => (first === undefined ? [] : [first.public_key])),
  };
}

/** Invoices read before: one is read for its quote, its route and its order, and its signature costs each time. */
const KEPT_MAX = 1_000;
const kept = new Map<string, InvoiceDetails | InvoiceRefused>();

/** The same, as ln-service names it. What is given is kept: it must not be changed. */
export function readDetails(text: string): Readonly<InvoiceDetails> | InvoiceRefused {
  const before = kept.get(text);
  if (before !== undefined) return before;
  const details = detailsOf(text);
  if (text.length > INVOICE_CHARS_MAX) return details;
  if (kept.size >= KEPT_MAX) kept.clear();
  kept.set(text, details);
  return details;
}

function detailsOf(text: string): InvoiceDetails | InvoiceRefused {
  const request = normal(text);
  if (request.length > INVOICE_CHARS_MAX) {
    return refused(`has more than ${INVOICE_CHARS_MAX} characters`);
  }
  if (text.trim() !== request && text.trim() !== request.toUpperCase()) {
    return refused('mixes upper and lower case');
  }
  let said: unknown;
  try {
    said = parsePaymentRequest({ request });
  } catch {
    return refused('must be a BOLT 11 invoice whose checksum and signature hold');
  }
  const read = parsed.safeParse(said);
  if (!read.success) return refused('must be a BOLT 11 invoice with fields in their bounds');
  const fields = readFields(request);
  if (fields.is === 'bad') return refused(fields.why);
  // ln-service recovers the payee from the signature and does not look at the one that is named.
  if (fields.payee !== null && fields.payee !== read.data.destination) {
    return refused('names another payee than signed it');
  }
  const wants = read.data.features.find(({ bit }) => bit % 2 === 0 && !FEATURES_KNOWN.has(bit));
  if (wants !== undefined) return refused(`wants feature ${wants.bit}, which is not known here`);
  return read.data;
}

function normal(text: string): string {
  return text.trim().toLowerCase();
}

function refused(rule: string): InvoiceRefused {
  return { field: 'invoice', rule };
}

/** What the cheapest private route takes, its hops one after another (BOLT 7, fees are rounded down). */
function cheapest(routes: readonly (readonly z.infer<typeof hop>[])[], amountMsat: Msat): Msat {
  let least: bigint | null = null;
  for (const hops of routes) {
    let carried: bigint = amountMsat;
    for (const { base_fee_mtokens: base = '0', fee_rate: rate = 0 } of hops.toReversed()) {
      carried += BigInt(base) + (carried * BigInt(rate)) / MILLION;
    }
    const fee = carried - amountMsat;
    if (least === null || fee < least) least = fee;
  }
  const fee = least ?? 0n;
  return msat(fee > MAX_MONEY_MSAT ? MAX_MONEY_MSAT : fee);
}
