/** Receipts of actions that have no schema of their own: top-ups, credentials, modes, capital. Pure. */
import type { PoolState } from './pool-state.ts';
import { actionReceipt } from './receipts/action-receipt.ts';
import type { UnsignedReceipt } from './receipts/unsigned-receipt.ts';

export interface ActionOf {
  action: string;
  /** What it was done to, by its id. */
  subject: string;
  /** Decimal text, unit in the name. */
  amounts: Readonly<Record<string, string>>;
  agentId: string | null;
}

/** The receipt of the next entry. */
export function actionReceiptOf(state: PoolState, nowMs: number, of: ActionOf): UnsignedReceipt {
  return actionReceipt({
    ...of,
    poolId: state.opened?.poolId ?? '',
    createdAtMs: nowMs,
    seq: state.seq + 1,
  });
}
