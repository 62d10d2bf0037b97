/** Entries of the ledger: postings that happened, and holds that are opened, posted or voided. Pure. */
import { z } from 'zod';

const POSTINGS_MAX = 2_000;
const amount = z
  .union([
    z.bigint(),
    z
      .string()
      .regex(/^[1-9][0-9]{0,29}$/)
      .transform(BigInt),
  ])
  .refine((value) => value > 0n, 'must be above zero');

/** Debits and credits are both above zero; the side says which. Amounts are in the account's unit. */
const postingSchema = z.strictObject({
  account: z.string().max(160),
  side: z.enum(['dr', 'cr']),
  amount,
});
export type Posting = z.infer<typeof postingSchema>;

const postings = z.array(postingSchema).max(POSTINGS_MAX);
const holdId = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/);

/** Two-phase: `post` makes part of a hold happen, and lets go of the rest. */
const pendingOp = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('open'), id: holdId, postings }),
  z.strictObject({ op: z.literal('post'), id: holdId, postings }),
  z.strictObject({ op: z.literal('void'), id: holdId }),
]);
export type PendingOp = z.infer<typeof pendingOp>;

export const entrySchema = z.strictObject({
  postings,
  pending: z.array(pendingOp).max(POSTINGS_MAX).optional(),
});
export interface Entry {
  postings: readonly Posting[];
  pending?: readonly PendingOp[] | undefined;
}

export function dr(account: string, value: bigint): Posting {
  return { account, side: 'dr', amount: value };
}

export function cr(account: string, value: bigint): Posting {
  return { account, side: 'cr', amount: value };
}

/** An entry of what is above zero: a fee of nothing has no posting. */
export function entryOf(...all: readonly Posting[]): Entry {
  return { postings: all.filter((posting) => posting.amount !== 0n) };
}
