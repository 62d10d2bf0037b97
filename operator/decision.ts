/** What a decision is: what happened, and what the caller is told. Pure; the engine makes it durable. */
import type { Entry } from './ledger/entry.ts';
import type { ApiRefusal } from './pool-api.ts';
import type { PoolEvent } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';
import type { UnsignedReceipt } from './receipts/unsigned-receipt.ts';

/** One event with the postings and the receipt that belong to it. */
export interface News {
  event: PoolEvent;
  entry: Entry | null;
  receipt: UnsignedReceipt | null;
}

export interface Decision<T> {
  news: readonly News[];
  answer: T;
}

/** Decides on the state as it is; must not change it, and has nothing but its arguments. */
export type Decide<T> = (state: PoolState, nowMs: number) => Decision<T>;

/** An answer that says no. */
export interface Refused {
  refusal: ApiRefusal;
}

export function nothing<T>(answer: T): Decision<T> {
  return { news: [], answer };
}

/** News without postings and receipt. */
export function plainNews(event: PoolEvent): News {
  return { event, entry: null, receipt: null };
}
