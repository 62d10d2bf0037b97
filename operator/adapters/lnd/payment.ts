/**
 * A payment as LND itself writes it (lightning.proto, Payment), and what it means. ln-service's own reading says
 * nothing of a payment in flight without a part and believes a failure beside a part that settled. Pure.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { hex32 } from '../../../policies/intent.ts';
import { MAX_MONEY_MSAT, msat } from '../../../policies/units.ts';
import type { ListedPayment, PayFailure, PayOutcome } from '../../lightning.ts';
import { digits } from './connect.ts';

/** Attempts of one payment that are read: more than LND makes before any time-out of ours. */
const ATTEMPTS_MAX = 10_000;
const HOPS_MAX = 30;
const NS_PER_MS = 1_000_000n;
const NO_PREIMAGE = '00'.repeat(32);

/** A name that these protos do not know arrives as a number. */
const name = z.union([z.string(), z.number()]).transform(String);
const amount = digits.refine((text) => BigInt(text) <= MAX_MONEY_MSAT, 'more than there is');
const attempt = z.object({
  status: name,
  resolve_time_ns: digits,
  route: z
    .object({
      total_time_lock: z.int().min(0),
      hops: z.array(z.object({ chan_id: digits })).max(HOPS_MAX),
    })
    .nullish(),
});
export const rawPayment = z.object({
  payment_hash: hex32,
  payment_preimage: z.string(),
  value_msat: amount,
  fee_msat: amount,
  creation_time_ns: digits,
  status: name,
  failure_reason: name,
  htlcs: z.array(attempt).max(ATTEMPTS_MAX),
});
export type RawPayment = z.infer<typeof rawPayment>;

const FAILURES: Readonly<Record<string, PayFailure>> = {
  FAILURE_REASON_TIMEOUT: 'pathfinding_timeout',
  FAILURE_REASON_NO_ROUTE: 'no_route',
  FAILURE_REASON_INCORRECT_PAYMENT_DETAILS: 'refused_by_payee',
  FAILURE_REASON_INSUFFICIENT_BALANCE: 'insufficient_balance',
  FAILURE_REASON_CANCELED: 'cancelled',
};

const WORDS: Readonly<Record<PayFailure, string>> = {
  refused_by_payee: 'the payee refused it: wrong details, expired, or paid already',
  insufficient_balance: 'our channels cannot send this much now',
  no_route: 'there is no route within the fee cap',
  pathfinding_timeout: 'no route was found in time',
  cancelled: 'the node stopped before it was paid',
  error: 'the node gave up on an error of its own',
};

/**
 * The outcome, by what the parts say first: one that is out keeps everything open, one that settled settles it
 * whatever else is written, and a failure counts only where no part contradicts it.
 */
export function outcomeOf(payment: RawPayment): PayOutcome {
  const { status, htlcs } = payment;
  const out = htlcs.filter((part) => part.status === 'IN_FLIGHT');
  if (out.length > 0) return inFlight(payment, `${out.length} parts are out`);
  const strange = htlcs.find((part) => part.status !== 'SUCCEEDED' && part.status !== 'FAILED');
  if (strange !== undefined && status !== 'SUCCEEDED') {
    return unknown('unrecognised', `a part is ${strange.status}`);
  }
  const settled = htlcs.some((part) => part.status === 'SUCCEEDED');
  if (settled || status === 'SUCCEEDED') return settledOf(payment);
  if (status === 'FAILED') {
    const why = FAILURES[payment.failure_reason] ?? 'error';
    const begunAtMs = msOf(payment.creation_time_ns);
    return { is: 'failed', why, detail: WORDS[why], begunAtMs };
  }
  if (status === 'IN_FLIGHT' || status === 'INITIATED') {
    return inFlight(payment, 'no part of it is out, and the node has not ended it');
  }
  return unknown('unrecognised', `the payment is ${status}`);
}

type Unknown = Extract<PayOutcome, { is: 'unknown' }>;

export function unknown(why: Unknown['why'], detail: string): Unknown {
  return { is: 'unknown', why, timeoutHeight: null, detail };
}

function inFlight({ htlcs }: RawPayment, detail: string): Unknown {
  const heights = htlcs
    .filter((part) => part.status === 'IN_FLIGHT')
    .map((part) => part.route?.total_time_lock ?? 0);
  const last = Math.max(0, ...heights);
  return { ...unknown('in_flight', detail), timeoutHeight: last === 0 ? null : last };
}

function settledOf(payment: RawPayment): PayOutcome {
  const parts = payment.htlcs.filter((part) => part.status === 'SUCCEEDED');
  const proof = preimageOf(payment);
  return {
    is: 'settled',
    preimage: proof ?? NO_PREIMAGE,
    amountMsat: msat(BigInt(payment.value_msat)),
    feeMsat: msat(BigInt(payment.fee_msat)),
    settledAtMs: parts.reduce(
      (latest, part) => Math.max(latest, msOf(part.resolve_time_ns)),
      msOf(payment.creation_time_ns),
    ),
    attempts: payment.htlcs.length,
    firstChannels: parts.flatMap(({ route }) => {
      const [first] = route?.hops ?? [];
      return first === undefined ? [] : [channelId(first.chan_id)];
    }),
    ...(proof === null ? { violations: ['the node has no preimage of this payment hash'] } : {}),
  };
}

/** BOLT 2: the preimage hashes to the payment hash, or it proves nothing. */
function preimageOf({ payment_hash, payment_preimage }: RawPayment): string | null {
  if (!hex32.safeParse(payment_preimage).success) return null;
  const hash = bytesToHex(sha256(hexToBytes(payment_preimage)));
  return hash === payment_hash ? payment_preimage : null;
}

/** `800000x1x0` for LND's number of it: height, transaction, output (BOLT 7, short_channel_id). */
function channelId(number: string): string {
  const id = BigInt(number);
  return [id >> 40n, (id >> 16n) & 0xffffffn, id & 0xffffn].join('x');
}

/** LND's number for `800000x1x0`. */
export function channelNumber(id: string): string {
  const [block = '0', tx = '0', output = '0'] = id.split('x');
  return ((BigInt(block) << 40n) | (BigInt(tx) << 16n) | BigInt(output)).toString();
}

function msOf(nanoseconds: string): number {
  return Number.parseInt((BigInt(nanoseconds) / NS_PER_MS).toString(), 10);
}

export function listedOf(payment: RawPayment): ListedPayment {
  return {
    paymentHash: payment.payment_hash,
    outcome: outcomeOf(payment),
    createdAtMs: msOf(payment.creation_time_ns),
    amountMsat: msat(BigInt(payment.value_msat)),
  };
}
