/** Capital that the operator brings at the start: what the treasury holds for the pool (row R10). Pure. */
import type { Msat } from '../policies/units.ts';
import { actionReceiptOf } from './action-news.ts';
import { type Decision, nothing } from './decision.ts';
import { SAID } from './difference-decision.ts';
import { capitalBrought } from './ledger/rows.ts';
import { bookedText, type PoolEventOf } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';

export function decideCapital(
  state: PoolState,
  nowMs: number,
  of: { rail: PoolEventOf<'capital-brought'>['rail']; amountMsat: Msat; why: string },
): Decision<{ receiptId: string } | { rule: string }> {
  if (state.bookedLast.get('capital') === bookedText(of)) return nothing({ rule: SAID });
  const event = { kind: 'capital-brought' as const, ...of };
  const receipt = actionReceiptOf(state, nowMs, {
    action: 'capital-brought',
    subject: of.rail,
    amounts: { amount_msat: of.amountMsat.toString() },
    agentId: null,
  });
  const entry = capitalBrought({ rail: of.rail, amountMsat: of.amountMsat });
  return { news: [{ event, entry, receipt }], answer: { receiptId: receipt.receiptId } };
}
