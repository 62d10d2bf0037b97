/** Which rows of the ledger a payment is: of a prepaid balance, of the pool itself, or between two of our agents. Pure. */
import { invariant } from '../policies/failure.ts';
import type { Msat } from '../policies/units.ts';
import { msat } from '../policies/units.ts';
import { type Entry, linked } from './ledger/entry.ts';
import { available, type Ledger } from './ledger/ledger.ts';
import { lightningExchanged } from './ledger/rail-rows.ts';
import {
  payFailed,
  payReserved,
  paySettled,
  poolPayFailed,
  poolPayReserved,
  poolPaySettled,
  selfFailed,
  selfPaid,
  selfReserved,
  settledLate,
} from './ledger/rows.ts';
import type { Quote } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';

/** `inside`: the agent whose top-up is paid, or null over Lightning. */
export type Inside = { payeeAgentId: string } | null;

/** Of a payment's `inside`: whose top-up that is. */
export function insideParty(state: PoolState, topupId: string | null): Inside {
  if (topupId === null) return null;
  const topup = state.topups.get(topupId);
  invariant(topup !== undefined, `${topupId} is paid inside and was never opened`);
  return { payeeAgentId: topup.agentId };
}

function amountsOf({ agentId, quoteId, amountMsat, routeFeeCapMsat, serviceFeeMsat }: Quote) {
  return { agentId, quoteId, amountMsat, maxFeeMsat: routeFeeCapMsat, serviceFeeMsat };
}

function selfAmounts({ agentId, quoteId, amountMsat, serviceFeeMsat }: Quote) {
  return { payerAgentId: agentId, quoteId, amountMsat, serviceFeeMsat };
}

export function reserveEntry(quote: Quote, inside: Inside): Entry {
  if (inside !== null) return selfReserved(selfAmounts(quote));
  const amounts = amountsOf(quote);
  return quote.funding === 'treasury' ? poolPayReserved(amounts) : payReserved(amounts);
}

export function settleEntry(quote: Quote, inside: Inside, routeFeeMsat: Msat): Entry {
  if (inside !== null) return selfPaid({ ...selfAmounts(quote), ...inside });
  const amounts = { ...amountsOf(quote), routeFeeMsat };
  return quote.funding === 'treasury' ? poolPaySettled(amounts) : paySettled(amounts);
}

export function failEntry(quote: Quote, inside: Inside): Entry {
  if (inside !== null) return selfFailed(selfAmounts(quote));
  const amounts = amountsOf(quote);
  return quote.funding === 'treasury' ? poolPayFailed(amounts) : payFailed(amounts);
}

const SYS_LOCAL = 'SYS:asset:ln.local';

/**
 * The same entry, with agents' money brought to Lightning as far as it needs more there: closes take it on chain,
 * and what an agent has is spent from anywhere.
 */
export function coveredOnLightning(ledger: Ledger, entry: Entry): Entry {
  let needed = 0n;
  for (const { account, side, amount } of entry.postings) {
    if (account === SYS_LOCAL) needed += side === 'cr' ? amount : -amount;
  }
  return linked(entry, lightningExchanged(ledger, needed));
}

/** Settled after it was booked as failed. */
export function lateEntry(ledger: Ledger, quote: Quote, routeFeeMsat: Msat): Entry {
  const { agentId, amountMsat, funding } = quote;
  const there = available(ledger, `SYS:liab:prepaid.${agentId}`);
  const availableMsat = msat(funding === 'treasury' || there < 0n ? 0n : there);
  const late = settledLate({ agentId, availableMsat, amountMsat, routeFeeMsat });
  return coveredOnLightning(ledger, late);
}
