/** Capital that the operator brings at the start: what the treasury holds for the pool (row R10). Pure. */
import type { Msat } from '../policies/units.ts';
import { actionReceiptOf } from './action-news.ts';
import { isSaidBefore, SAID_BEFORE } from './booked-last.ts';
import { type Decision, nothing } from './decision.ts';
import { capitalBrought } from './ledger/rows.ts';
import type { PoolEventOf } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';

export function decideCapital(
  state: PoolState,
  nowMs: number,
  of: { rail: PoolEventOf<'capital-brought'>['rail']; amountMsat: Msat; why: string },
): Decision<{ receiptId: string } | { rule: string }> {
  if (isSaidBefore(state, 'capital', of)) return nothing({ rule: SAID_BEFORE });
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
