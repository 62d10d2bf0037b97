/**
 * The fold: what each event makes of the pool. Total and without judgement: whatever is in the log happened.
 * A broken assumption stops the process.
 */
import { invariant } from '../policies/failure.ts';
import { bookedText } from './booked-last.ts';
import { applyChannelEvent, isChannelEvent } from './channels/channel-apply.ts';
import type { ChannelEvent } from './channels/channel-event.ts';
import type { Entry } from './ledger/entry.ts';
import { postEntry } from './ledger/ledger.ts';
import type { PoolEvent, PoolEventOf, Quote } from './pool-event.ts';
import {
  LATELY_MAX,
  type Payment,
  type PoolState,
  payeeUsageOf,
  quoteKey,
  type Topup,
  topupKey,
  UNPAID_KEPT_MS,
  usageOf,
  usedInDay,
  worstCaseMsat,
} from './pool-state.ts';

export interface Fact {
  seq: number;
  atMs: number;
  event: PoolEvent;
  entry: Entry | null;
  receiptId: string | null;
}

/** Applies one entry. @throws BrokenInvariant when the log contradicts itself */
export function apply(state: PoolState, fact: Fact): void {
  invariant(fact.seq === state.seq + 1, `entry ${fact.seq} after ${state.seq}`);
  invariant(fact.atMs >= state.atMs, `entry ${fact.seq} is older than the one before`);
  state.seq = fact.seq;
  state.atMs = fact.atMs;
  if (fact.entry !== null) postEntry(state.ledger, fact.entry);
  if (fact.receiptId !== null) state.receipts.set(fact.receiptId, fact.seq);
  const { event } = fact;
  if (isChannelEvent(event)) applyChannelEvent(state.channels, event, fact.atMs);
  else applyEvent(state, event, fact);
}

function applyEvent(state: PoolState, event: Exclude<PoolEvent, ChannelEvent>, fact: Fact): void {
  switch (event.kind) {
    case 'pool-opened':
      state.opened = event;
      state.openedAtMs = fact.atMs;
      return;
    case 'quoted':
      forgetUnpaid(state, fact.atMs);
      state.quotes.set(event.quote.quoteId, event.quote);
      state.quoteByKey.set(quoteKey(event.quote), event.quote.quoteId);
      state.liveQuotes.add(event.quote.quoteId);
      return forgetRunOut(state, fact.atMs);
    case 'pay-reserved':
      return reserve(state, event, fact);
    case 'pay-settled':
    case 'pay-failed':
    case 'pay-settled-late':
      return finish(state, event, fact);
    case 'node-seen':
      for (const { outpoint, count } of event.updates) {
        state.updatesSeen.set(outpoint, BigInt(count));
      }
      return;
    case 'forwards-settled':
      state.forwards = { ...event.cursor };
      return;
    case 'mode-changed':
      return applyMode(state, event);
    case 'payments-unordered':
      for (const hash of event.hashes) state.unordered.set(hash, 'seen');
      return;
    case 'credential-issued':
    case 'credential-revoked':
      return applyCredential(state, event);
    case 'topup-opened':
    case 'topup-invoiced':
    case 'topup-credited':
    case 'topup-closed':
    case 'received-unattributed':
      return applyTopup(state, event, fact);
    // They are their postings and their receipts, and nothing else.
    case 'refused':
    case 'alarm':
      return;
    case 'capital-brought':
      state.bookedLast.set('capital', bookedText(event));
      return;
    case 'difference-booked':
      state.bookedLast.set('difference', bookedText(event));
      return;
  }
}

/** A freeze lies over a wind-down and never ends it: what was frozen goes back to winding down. */
function applyMode(state: PoolState, { mode, why }: PoolEventOf<'mode-changed'>): void {
  const frozen = state.mode === 'frozen';
  if (mode === 'winding-down') state.windDownWhy = why;
  if (mode === 'winding-down' && frozen) return;
  if (mode === 'open') acceptUnordered(state);
  if (mode === 'open' && !frozen) state.windDownWhy = null;
  const goesOn = mode === 'open' && state.windDownWhy !== null;
  state.mode = goesOn ? 'winding-down' : mode;
  state.modeWhy = goesOn ? (state.windDownWhy ?? '') : why;
}

/** Whoever unfreezes has looked: the same payments do not freeze again. */
function acceptUnordered(state: PoolState): void {
  for (const hash of state.unordered.keys()) state.unordered.set(hash, 'accepted');
}

/** From the oldest on, as far as they ran out: each is let go once. */
function forgetRunOut(state: PoolState, atMs: number): void {
  for (const id of state.liveQuotes) {
    const quote = state.quotes.get(id);
    if (quote !== undefined && quote.validUntilMs > atMs) return;
    state.liveQuotes.delete(id);
  }
}

/** From the oldest on, as far as they ran out long ago: a few are looked at for each that comes. */
function forgetUnpaid(state: PoolState, atMs: number): void {
  for (const [id, quote] of state.quotes) {
    if (quote.validUntilMs > atMs - UNPAID_KEPT_MS) return;
    state.quotes.delete(id);
    const key = quoteKey(quote);
    if (state.quoteByKey.get(key) === id) state.quoteByKey.delete(key);
  }
}

function applyCredential(
  state: PoolState,
  event: PoolEventOf<'credential-issued' | 'credential-revoked'>,
): void {
  if (event.kind === 'credential-revoked') {
    const known = state.credentials.get(event.id);
    if (known !== undefined) state.credentials.set(event.id, { ...known, state: 'revoked' });
    return;
  }
  const { credential } = event;
  state.credentials.set(credential.id, { ...credential, state: 'live' });
  if (credential.tokenHash !== null) {
    state.credentialByToken.set(credential.tokenHash, credential.id);
  }
  if (credential.nostrKey !== null) {
    state.credentialByNostrKey.set(credential.nostrKey, credential.id);
  }
}

function reserve(state: PoolState, event: PoolEventOf<'pay-reserved'>, fact: Fact): void {
  const quote = state.quotes.get(event.quoteId);
  invariant(quote !== undefined, `${event.quoteId} is paid and was never quoted`);
  const before = state.paymentByHash.get(event.paymentHash);
  const earlier = before === undefined ? undefined : state.payments.get(before);
  invariant(
    earlier === undefined || earlier.state === 'failed',
    `${event.quoteId} pays a hash that ${before} pays or paid`,
  );
  invariant(!state.payments.has(event.quoteId), `${event.quoteId} is reserved twice`);
  const { inside, runId, trajectoryHash, policyId, maxTimeoutHeight } = event;
  state.payments.set(event.quoteId, {
    quote,
    inside,
    runId,
    trajectoryHash,
    policyId,
    maxTimeoutHeight,
    reservedAtMs: fact.atMs,
    reservedSeq: fact.seq,
    witness: state.newestSettled,
    earlierBegunAtMs: earlier?.failure?.begunAtMs ?? null,
    state: 'reserved',
    finalSeq: null,
    finalAtMs: null,
    routeFeeMsat: null,
    preimage: null,
    settledAtMs: null,
    attempts: 0,
    failure: null,
  });
  state.quotes.delete(event.quoteId);
  state.liveQuotes.delete(event.quoteId);
  state.paymentByHash.set(event.paymentHash, event.quoteId);
  state.unresolved.add(event.quoteId);
  countInFlight(state, quote, 1, fact.atMs);
}

/** One more or one less in flight; the sliding day keeps what settled and what is in flight. */
function countInFlight(state: PoolState, quote: Quote, by: 1 | -1, atMs: number): void {
  const usage = usageOf(state, quote.agentId);
  const worst = worstCaseMsat(quote);
  usage.inFlight += by;
  usage.inFlightMsat += BigInt(by) * worst;
  if (by === 1) {
    const { msat, left } = usedInDay(usage, atMs);
    usage.recent.splice(0, left);
    usage.recent.push({ atMs, quoteId: quote.quoteId, msat: quote.amountMsat });
    usage.recentMsat = msat + quote.amountMsat;
  }
  state.usage.set(quote.agentId, usage);
  const payee = payeeUsageOf(state, quote.payee);
  payee.inFlight += by;
  payee.inFlightMsat += BigInt(by) * worst;
  if (payee.inFlight === 0) state.payeeUsage.delete(quote.payee);
  else state.payeeUsage.set(quote.payee, payee);
}

function finish(
  state: PoolState,
  event: PoolEventOf<'pay-settled' | 'pay-failed' | 'pay-settled-late'>,
  fact: Fact,
): void {
  const payment = state.payments.get(event.quoteId);
  invariant(payment !== undefined, `${event.quoteId} ends and was never reserved`);
  const from = event.kind === 'pay-settled-late' ? 'failed' : 'reserved';
  invariant(payment.state === from, `${event.quoteId} is ${payment.state} and ends again`);
  if (event.kind !== 'pay-settled-late') {
    state.unresolved.delete(event.quoteId);
    countInFlight(state, payment.quote, -1, fact.atMs);
  }
  payment.finalSeq = fact.seq;
  payment.finalAtMs = fact.atMs;
  if (event.kind === 'pay-failed') {
    payment.state = 'failed';
    payment.failure = { why: event.why, detail: event.detail, begunAtMs: event.begunAtMs };
    forgetRecent(state, payment);
    return;
  }
  payment.state = event.kind === 'pay-settled' ? 'settled' : 'settled-late';
  payment.routeFeeMsat = event.routeFeeMsat;
  payment.preimage = event.preimage;
  payment.settledAtMs = event.settledAtMs;
  payment.attempts = event.kind === 'pay-settled' ? event.attempts : payment.attempts;
  state.paymentByHash.set(event.paymentHash, event.quoteId);
  if (payment.inside !== null) return;
  state.newestSettled = event.paymentHash;
  const msat = payment.quote.amountMsat + event.routeFeeMsat;
  state.leftLately.push({ seq: fact.seq, paymentHash: event.paymentHash, msat });
  // In halves: to take one from the front each time costs as much as all that are behind it.
  if (state.leftLately.length >= 2 * LATELY_MAX) state.leftLately.splice(0, LATELY_MAX);
}

/** What failed moved nothing: it does not count in the day. */
function forgetRecent(state: PoolState, { quote }: Payment): void {
  const usage = usageOf(state, quote.agentId);
  const at = usage.recent.findLastIndex((each) => each.quoteId === quote.quoteId);
  if (at < 0) return;
  usage.recent.splice(at, 1);
  usage.recentMsat -= quote.amountMsat;
}

function applyTopup(
  state: PoolState,
  event: PoolEventOf<
    'topup-opened' | 'topup-invoiced' | 'topup-credited' | 'topup-closed' | 'received-unattributed'
  >,
  fact: Fact,
): void {
  if (event.kind === 'received-unattributed') {
    state.settleIndex = Math.max(state.settleIndex, event.settleIndex);
    return;
  }
  if (event.kind === 'topup-opened') return openTopup(state, event, fact);
  const topup = state.topups.get(event.topupId);
  invariant(topup !== undefined, `${event.topupId} goes on and was never opened`);
  invariant(topup.state !== 'credited', `${event.topupId} is credited and goes on`);
  if (event.kind === 'topup-invoiced') {
    topup.state = 'invoiced';
    topup.request = event.request;
    topup.expiresAtMs = event.expiresAtMs;
    return;
  }
  topup.finalSeq = fact.seq;
  state.openTopups.delete(event.topupId);
  if (event.kind === 'topup-closed') {
    topup.state = 'closed';
    topup.closedWhy = event.why;
    return;
  }
  topup.state = 'credited';
  topup.receivedMsat = event.receivedMsat;
  state.settleIndex = Math.max(state.settleIndex, event.settleIndex);
}

function openTopup(state: PoolState, event: PoolEventOf<'topup-opened'>, fact: Fact): void {
  const { topupId, agentId, credentialId, idempotencyKey, amountMsat, paymentHash } = event;
  const topup: Topup = {
    topupId,
    agentId,
    credentialId,
    idempotencyKey,
    amountMsat,
    paymentHash,
    request: null,
    createdAtMs: fact.atMs,
    expiresAtMs: event.expiresAtMs,
    state: 'opened',
    closedWhy: null,
    receivedMsat: null,
    finalSeq: null,
  };
  state.topups.set(topupId, topup);
  state.topupByHash.set(paymentHash, topupId);
  state.topupByKey.set(topupKey(topup), topupId);
  state.openTopups.add(topupId);
}
