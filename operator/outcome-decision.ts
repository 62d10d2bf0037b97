/** What a payment's outcome does to the books. Only an explicit terminal answer of the node comes here. Pure. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { invariant } from '../policies/failure.ts';
import { textUpTo } from '../policies/text.ts';
import { type Msat, msat } from '../policies/units.ts';
import { type Decision, type News, nothing, plainNews } from './decision.ts';
import { checkEntry } from './ledger/ledger.ts';
import type { PayOutcome } from './lightning.ts';
import { failEntry, insideParty, lateEntry, settleEntry } from './pay-entries.ts';
import { earlierReceipts, payReceipt } from './pay-receipt.ts';
import type { Payment, PoolState } from './pool-state.ts';

export type Terminal = Extract<PayOutcome, { is: 'settled' | 'failed' }>;

/**
 * Books an outcome once; what is booked already changes nothing. `waits`: money is gone that the books cannot show
 * before other payments end; nothing more is sent, and the next match of all payments tries again.
 */
export function decideOutcome(
  state: PoolState,
  nowMs: number,
  of: { quoteId: string; outcome: Terminal },
): Decision<'booked' | 'known' | 'waits'> {
  const payment = state.payments.get(of.quoteId);
  invariant(payment !== undefined, `${of.quoteId} ends and was never reserved`);
  const { outcome } = of;
  if (payment.state === 'reserved') {
    const news =
      outcome.is === 'settled'
        ? settled(state, nowMs, payment, outcome)
        : failed(state, nowMs, payment, outcome);
    return { news, answer: 'booked' };
  }
  if (payment.state === 'failed' && outcome.is === 'settled') {
    return settledLate(state, nowMs, payment, outcome);
  }
  return nothing('known');
}

type Settled = Extract<Terminal, { is: 'settled' }>;

function settled(state: PoolState, nowMs: number, payment: Payment, outcome: Settled): News[] {
  const { quote } = payment;
  const { preimage, settledAtMs, attempts } = outcome;
  const event = {
    kind: 'pay-settled' as const,
    quoteId: quote.quoteId,
    paymentHash: quote.paymentHash,
    routeFeeMsat: bookedFee(payment, outcome),
    preimage: isProof(preimage, quote.paymentHash) ? preimage : null,
    settledAtMs,
    attempts,
  };
  const ended = { ...payment, ...event, state: 'settled' as const, finalAtMs: nowMs };
  const news: News[] = [
    {
      event,
      entry: settleEntry(quote, insideParty(state, payment.inside), event.routeFeeMsat),
      receipt: payReceipt(ended, { nowMs, seq: state.seq + 1, poolId: state.opened?.poolId ?? '' }),
    },
  ];
  if (payment.inside !== null) news.push(creditedInside(payment.inside, payment));
  const wrong = violation(payment, outcome);
  return wrong === null ? news : [...news, ...alarmed(wrong)];
}

/** What does not hash to the payment hash is no proof of payment (BOLT 2), and no receipt says that it is. */
function isProof(preimage: string, paymentHash: string): boolean {
  return preimage !== '' && bytesToHex(sha256(hexToBytes(preimage))) === paymentHash;
}

/** The payee's balance is in the postings of the payment itself. */
function creditedInside(topupId: string, { quote }: Payment): News {
  return plainNews({
    kind: 'topup-credited',
    topupId,
    paymentHash: quote.paymentHash,
    receivedMsat: quote.amountMsat,
    settleIndex: 0,
  });
}

/** The books hold at most what was reserved; what the node took beyond it is an alarm, and a person's to book. */
function bookedFee({ quote }: Payment, { feeMsat }: Settled): Msat {
  return feeMsat > quote.routeFeeCapMsat ? quote.routeFeeCapMsat : feeMsat;
}

/** The money is gone either way: the receipt says settled, and nothing more is sent until a person has looked. */
function violation({ quote, inside }: Payment, outcome: Settled): string | null {
  if (inside !== null) return null;
  if (outcome.feeMsat > quote.routeFeeCapMsat) {
    return `${quote.quoteId} cost ${outcome.feeMsat} msat of fee, the cap was ${quote.routeFeeCapMsat}`;
  }
  if (outcome.amountMsat !== quote.amountMsat) {
    return `${quote.quoteId} sent ${outcome.amountMsat} msat instead of ${quote.amountMsat}`;
  }
  const [broken] = outcome.violations ?? [];
  return broken === undefined ? null : `${quote.quoteId}: ${broken}`;
}

function failed(
  state: PoolState,
  nowMs: number,
  payment: Payment,
  outcome: Extract<Terminal, { is: 'failed' }>,
): News[] {
  const { quote } = payment;
  const event = {
    kind: 'pay-failed' as const,
    quoteId: quote.quoteId,
    paymentHash: quote.paymentHash,
    why: outcome.why,
    detail: textUpTo(outcome.detail, 300),
    begunAtMs: outcome.begunAtMs ?? null,
  };
  const ended = {
    ...payment,
    state: 'failed' as const,
    failure: { why: event.why, detail: event.detail, begunAtMs: event.begunAtMs },
    finalAtMs: nowMs,
  };
  return [
    {
      event,
      entry: failEntry(quote, insideParty(state, payment.inside)),
      receipt: payReceipt(ended, { nowMs, seq: state.seq + 1, poolId: state.opened?.poolId ?? '' }),
    },
  ];
}

function settledLate(
  state: PoolState,
  nowMs: number,
  payment: Payment,
  outcome: Settled,
): Decision<'booked' | 'waits'> {
  const { quote } = payment;
  const entry = lateEntry(state.ledger, quote, bookedFee(payment, outcome));
  const short = checkEntry(state.ledger, entry);
  if (short !== null) {
    const why = `${quote.quoteId} settled after the node had said that it failed; not booked yet: ${short.message}`;
    return { news: state.mode === 'frozen' ? [] : alarmed(why), answer: 'waits' };
  }
  const event = {
    kind: 'pay-settled-late' as const,
    quoteId: quote.quoteId,
    paymentHash: quote.paymentHash,
    routeFeeMsat: bookedFee(payment, outcome),
    preimage: outcome.preimage,
    settledAtMs: outcome.settledAtMs,
  };
  const ended = {
    ...payment,
    ...event,
    state: 'settled-late' as const,
    failure: null,
    finalAtMs: nowMs,
  };
  const receipt = payReceipt(ended, {
    nowMs,
    seq: state.seq + 1,
    poolId: state.opened?.poolId ?? '',
    parentReceipts: earlierReceipts(state, payment),
  });
  const alarm = alarmed(`${quote.quoteId} settled after the node had said that it failed`);
  return { news: [{ event, entry, receipt }, ...alarm], answer: 'booked' };
}

/** Says it aloud and stops sending. */
export function alarmed(detail: string): News[] {
  const text = textUpTo(detail, 300);
  return [
    plainNews({ kind: 'alarm', code: 'books_and_node_differ', detail: text }),
    plainNews({ kind: 'mode-changed', mode: 'frozen', why: text, by: 'operator' }),
  ];
}

/** A payment inside is booked when its invoice is cancelled at the node, and only then. */
export function insideOutcome(cancelled: 'cancelled' | 'settled', nowMs: number): Terminal {
  return cancelled === 'cancelled'
    ? {
        is: 'settled',
        preimage: '',
        amountMsat: msat(0n),
        feeMsat: msat(0n),
        settledAtMs: nowMs,
        attempts: 0,
        firstChannels: [],
      }
    : {
        is: 'failed',
        why: 'refused_by_payee',
        detail: 'the invoice was paid over Lightning meanwhile',
      };
}
