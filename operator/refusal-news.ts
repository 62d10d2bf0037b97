/** A refusal that is kept: an event with a receipt, so that a caller can prove that it was told no. Pure. */
import { textUpTo } from '../policies/text.ts';
import type { Decision, Refused } from './decision.ts';
import type { ApiRefusal, Caller } from './pool-api.ts';
import type { PoolState } from './pool-state.ts';
import { canonicalSha256 } from './receipts/canonical.ts';
import { refusalReceipt } from './receipts/refusal-receipt.ts';

export interface RefusalOf {
  caller: Caller;
  action: string;
  refusal: ApiRefusal;
  quoteId: string | null;
  idempotencyKey: string | null;
}

/** The decision to say no, on record. */
export function refusedNews(
  state: PoolState,
  nowMs: number,
  { caller, action, refusal, quoteId, idempotencyKey }: RefusalOf,
): Decision<Refused> {
  const event = {
    kind: 'refused' as const,
    action,
    agentId: caller.agentId,
    credentialId: caller.credentialId,
    reasonCode: refusal.reasonCode,
    message: textUpTo(refusal.message, 500),
    field: refusal.field,
    quoteId,
    idempotencyKeySha256: idempotencyKey === null ? null : canonicalSha256(idempotencyKey),
  };
  const receipt = refusalReceipt({
    action,
    reasonCode: event.reasonCode,
    message: event.message,
    agentId: caller.agentId,
    quoteId,
    idempotencyKeySha256: event.idempotencyKeySha256,
    createdAtMs: nowMs,
    seq: state.seq + 1,
    poolId: state.opened?.poolId ?? '',
  });
  return {
    news: [{ event, entry: null, receipt }],
    answer: { refusal: { ...refusal, receiptId: receipt.receiptId } },
  };
}
