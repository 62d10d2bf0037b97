/**
 * The pool as the log makes it: credentials, quotes, payments, top-ups, limits, mode. Plain maps that `apply`
 * changes in place; nothing here is decided and nothing is asked of anybody.
 */
import type { Msat } from '../policies/units.ts';
import { type Channels, emptyChannels } from './channels/channel-state.ts';
import { type ForwardsCursor, NO_FORWARDS } from './forwards-decision.ts';
import { emptyLedger, type Ledger } from './ledger/ledger.ts';
import type { Credential } from './pool-api.ts';
import type { PoolEventOf, Quote } from './pool-event.ts';

/** A payment, by the quote it pays. `reserved`: its money is held and the node may have it already. */
export interface Payment {
  quote: Quote;
  /** Id of the top-up it pays, where payee and payer are both ours. */
  inside: string | null;
  runId: string | null;
  trajectoryHash: string | null;
  policyId: string | null;
  maxTimeoutHeight: number;
  reservedAtMs: number;
  reservedSeq: number;
  /** Settled before this was reserved: a node that does not know it cannot say that it never had this one. */
  witness: string | null;
  /** When the node began the payment of this hash that failed before, by its own clock; null where there is none. */
  earlierBegunAtMs: number | null;
  state: 'reserved' | 'settled' | 'failed' | 'settled-late';
  /** Entry that ended it; its receipt is there. */
  finalSeq: number | null;
  finalAtMs: number | null;
  routeFeeMsat: Msat | null;
  preimage: string | null;
  settledAtMs: number | null;
  attempts: number;
  failure: { why: string; detail: string; begunAtMs: number | null } | null;
}

export interface Topup {
  topupId: string;
  agentId: string;
  credentialId: string;
  idempotencyKey: string;
  amountMsat: Msat;
  paymentHash: string;
  request: string | null;
  createdAtMs: number;
  expiresAtMs: number;
  state: 'opened' | 'invoiced' | 'credited' | 'closed';
  closedWhy: PoolEventOf<'topup-closed'>['why'] | null;
  receivedMsat: Msat | null;
  finalSeq: number | null;
}

export interface KnownCredential extends Credential {
  tokenHash: string | null;
  nostrKey: string | null;
}

/** What one agent has in the sliding day, and in flight. */
export interface Usage {
  inFlight: number;
  inFlightMsat: bigint;
  /** Payments of the last day, and older ones until the next is made, oldest first: when, and amount. */
  recent: { atMs: number; quoteId: string; msat: bigint }[];
  /** Their sum. */
  recentMsat: bigint;
}

/** A sliding day. */
export const DAY_MS = 24 * 60 * 60 * 1_000;

/** Of what left, so much is remembered: more than leaves between two looks at the node. */
export const LATELY_MAX = 10_000;

/** A quote that nobody paid is forgotten this long after it ran out, and its key with it. */
export const UNPAID_KEPT_MS = 7 * DAY_MS;

export type Mode = 'open' | 'frozen' | 'winding-down';

export interface PoolState {
  seq: number;
  /** Time of the newest entry: the books never go back. */
  atMs: number;
  opened: PoolEventOf<'pool-opened'> | null;
  openedAtMs: number;
  mode: Mode;
  modeWhy: string;
  /** Why the pool winds down, kept while a freeze lies over it; null where it does not. */
  windDownWhy: string | null;
  credentials: Map<string, KnownCredential>;
  credentialByToken: Map<string, string>;
  credentialByNostrKey: Map<string, string>;
  /** Quotes nobody paid yet, oldest first, for `UNPAID_KEPT_MS`; a key that was paid under stays known for ever. */
  quotes: Map<string, Quote>;
  /** Unpaid quotes, oldest first, at least those that still hold; those that ran out are let go in passing. */
  liveQuotes: Set<string>;
  quoteByKey: Map<string, string>;
  payments: Map<string, Payment>;
  /** Payment hash to the quote that pays it now, paid it, or failed last. */
  paymentByHash: Map<string, string>;
  /** Quote ids of payments whose end is not known. */
  unresolved: Set<string>;
  /** Newest settled payment that went over Lightning: a node that does not know it is not our node of today. */
  newestSettled: string | null;
  /** What left of late, oldest first: a look at the node from before that entry still counts it as ours to send. */
  leftLately: { seq: number; paymentHash: string; msat: bigint }[];
  topups: Map<string, Topup>;
  topupByHash: Map<string, string>;
  topupByKey: Map<string, string>;
  openTopups: Set<string>;
  settleIndex: number;
  forwards: ForwardsCursor;
  usage: Map<string, Usage>;
  payeeUsage: Map<string, { inFlight: number; inFlightMsat: bigint }>;
  /** Receipt id to the entry that holds it. */
  receipts: Map<string, number>;
  updatesSeen: Map<string, bigint>;
  /** Payment hashes of the node that nobody ordered here, and whether a person has looked at them. */
  unordered: Map<string, 'seen' | 'accepted'>;
  /** What a person booked last, of each kind: the same once more is a repetition. */
  bookedLast: Map<'capital' | 'difference', string>;
  ledger: Ledger;
  channels: Channels;
}

export function emptyPool(): PoolState {
  return {
    seq: 0,
    atMs: 0,
    opened: null,
    openedAtMs: 0,
    mode: 'open',
    modeWhy: '',
    windDownWhy: null,
    credentials: new Map(),
    credentialByToken: new Map(),
    credentialByNostrKey: new Map(),
    quotes: new Map(),
    liveQuotes: new Set(),
    quoteByKey: new Map(),
    payments: new Map(),
    paymentByHash: new Map(),
    unresolved: new Set(),
    newestSettled: null,
    leftLately: [],
    topups: new Map(),
    topupByHash: new Map(),
    topupByKey: new Map(),
    openTopups: new Set(),
    settleIndex: 0,
    forwards: { ...NO_FORWARDS },
    usage: new Map(),
    payeeUsage: new Map(),
    receipts: new Map(),
    updatesSeen: new Map(),
    unordered: new Map(),
    bookedLast: new Map(),
    ledger: emptyLedger(),
    channels: emptyChannels(),
  };
}

/** Idempotency keys are the caller's own: the same key of another agent, purpose or funding is another key. */
export function quoteKey(
  quote: Pick<Quote, 'agentId' | 'purpose' | 'funding' | 'idempotencyKey'>,
): string {
  return `${quote.purpose} ${quote.funding} ${quote.agentId} ${quote.idempotencyKey}`;
}

export function topupKey(topup: { agentId: string; idempotencyKey: string }): string {
  return `${topup.agentId} ${topup.idempotencyKey}`;
}

export function usageOf(state: PoolState, agentId: string): Usage {
  return state.usage.get(agentId) ?? { inFlight: 0, inFlightMsat: 0n, recent: [], recentMsat: 0n };
}

/** What an agent has used in the sliding day that ends now. Only what has left the day is looked at one by one. */
export function usedInDay(
  { recent, recentMsat }: Usage,
  nowMs: number,
): { msat: bigint; oldestAtMs: number | null; left: number } {
  let left = 0;
  let msat = recentMsat;
  for (const each of recent) {
    if (each.atMs > nowMs - DAY_MS) return { msat, oldestAtMs: each.atMs, left };
    msat -= each.msat;
    left += 1;
  }
  return { msat, oldestAtMs: null, left };
}

export function payeeUsageOf(
  state: PoolState,
  payee: string,
): { inFlight: number; inFlightMsat: bigint } {
  return state.payeeUsage.get(payee) ?? { inFlight: 0, inFlightMsat: 0n };
}

/** Quotes that hold something at this moment. */
export function* quotesLive(state: PoolState, nowMs: number): Generator<Quote> {
  for (const id of state.liveQuotes) {
    const quote = state.quotes.get(id);
    if (quote !== undefined && quote.validUntilMs > nowMs) yield quote;
  }
}

/** Everything that a payment may cost its payer: amount, route fee cap, service fee. */
export function worstCaseMsat(quote: Quote): bigint {
  return quote.amountMsat + quote.routeFeeCapMsat + quote.serviceFeeMsat;
}
