/** What a person found a rail to hold beside the books, once its reason is known (row S3). Pure. */
import type { Msat } from '../policies/units.ts';
import { actionReceiptOf } from './action-news.ts';
import { isSaidBefore, SAID_BEFORE } from './booked-last.ts';
import { committedMsat } from './channels/open-decision.ts';
import { type Decision, nothing } from './decision.ts';
import { available, checkEntry } from './ledger/ledger.ts';
import { reconOver, reconShort } from './ledger/rail-rows.ts';
import type { PoolEventOf } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';

export type DifferenceAnswer = { receiptId: string } | { rule: string };

/** Less than the books say is the pool's loss; more is nobody's, and never income. */
export function decideDifference(
  state: PoolState,
  nowMs: number,
  of: Omit<PoolEventOf<'difference-booked'>, 'kind'> & { amountMsat: Msat },
): Decision<DifferenceAnswer> {
  const { rail, found, amountMsat } = of;
  if (isSaidBefore(state, 'difference', of)) return nothing({ rule: SAID_BEFORE });
  if (amountMsat === 0n) return nothing({ rule: 'a difference is above zero' });
  const entry = (found === 'less' ? reconShort : reconOver)({ rail, amountMsat });
  const short = checkEntry(state.ledger, entry);
  if (short !== null) {
    return nothing({ rule: `the pool cannot have lost that on ${rail}: ${short.message}` });
  }
  const promised = rail === 'cold' ? committedMsat(state.channels) : 0n;
  if (found === 'less' && available(state.ledger, `LLP:asset:${rail}`) - amountMsat < promised) {
    return nothing({
      rule: `channels that are being opened will take ${promised} msat of ${rail}`,
    });
  }
  const receipt = actionReceiptOf(state, nowMs, {
    action: 'difference-booked',
    subject: rail,
    amounts: { [`${found}_msat`]: amountMsat.toString() },
    agentId: null,
  });
  const event = { kind: 'difference-booked' as const, ...of };
  return { news: [{ event, entry, receipt }], answer: { receiptId: receipt.receiptId } };
}
