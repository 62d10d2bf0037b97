/** What paying a quote takes from the books before the node has it, or why they cannot give it. Pure. */
import type { Entry } from './ledger/entry.ts';
import { checkEntry, type LedgerRefusal } from './ledger/ledger.ts';
import { coveredOnLightning, insideParty, reserveEntry } from './pay-entries.ts';
import type { ApiRefusal } from './pool-api.ts';
import type { Quote } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';
import { refuse } from './reasons.ts';

/** Asked when a quote is given, so that it is not in vain, and again when it is paid. */
export function reservation(
  state: PoolState,
  quote: Quote,
): { entry: Entry } | { refusal: ApiRefusal } {
  const inside = insideParty(state, insideOf(state, quote));
  const entry = coveredOnLightning(state.ledger, reserveEntry(quote, inside));
  const short = checkEntry(state.ledger, entry);
  return short === null ? { entry } : { refusal: shortRefusal(short) };
}

/** The top-up that a payment to ourselves pays, by its hash. */
export function insideOf(state: PoolState, quote: Quote): string | null {
  if (quote.payee !== state.opened?.nodeKey) return null;
  return state.topupByHash.get(quote.paymentHash) ?? null;
}

function shortRefusal({ account, shortBy }: LedgerRefusal): ApiRefusal {
  // Agents' money that is on its way out of a channel is theirs, and cannot be sent yet.
  return /^(LLP|SYS:asset):/.test(account ?? '')
    ? refuse('outbound_too_low', 'the pool has too little in its channels')
    : refuse(
        'prepaid_too_low',
        `the prepaid balance lacks ${shortBy} msat of what amount and fees may take`,
      );
}
