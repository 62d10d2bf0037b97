/**
 * What a receipt says beside its published fields: where it stands in the log, what it cost, what it follows
 * from, and what it does not prove. No channel, no payment hash: everybody may read it. Pure.
 */
import { withoutNulls } from './receipt-schemas.ts';

export const EXTENSIONS_SCHEMA = 'weir.receipt_extensions.v1';

/** Where a receipt stands: entry `seq` of the log of this pool. */
export interface ReceiptPlace {
  poolId: string;
  seq: number;
}

export interface Claims {
  proves: string;
  /** What a reader may think it says, and it does not. */
  doesNotProve: readonly string[];
}

/** Absent members are left out; the hash of the rest is in the log record. */
export function receiptExtensions(
  place: ReceiptPlace,
  claims: Claims,
  more: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return withoutNulls({
    schema: EXTENSIONS_SCHEMA,
    pool_id: place.poolId,
    seq: place.seq,
    ...more,
    proves: claims.proves,
    does_not_prove: claims.doesNotProve,
  });
}
