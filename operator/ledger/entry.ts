/** Entries of the ledger: postings that happened, and holds that are opened, posted or voided. Pure. */
import { z } from 'zod';

const POSTINGS_MAX = 2_000;
/** No amount of any unit comes near: all money there is in msat has 62 bits, shares ten more. */
export const AMOUNT_MAX = 2n ** 96n - 1n;

/** Above zero; in the unit of its account; decimal text on the wire. */
const amount = z
  .union([
    z.bigint(),
    z
      .string()
      .regex(/^[1-9][0-9]{0,28}$/)
      .transform(BigInt),
  ])
  .refine((value) => value > 0n && value <= AMOUNT_MAX, 'must be above zero and below 2^96');

/** Debits and credits are both above zero; the side says which. */
const postingSchema = z.strictObject({
  account: z.string().max(160),
  side: z.enum(['dr', 'cr']),
  amount,
});
export type Posting = Readonly<z.infer<typeof postingSchema>>;

const postings = z.array(postingSchema).max(POSTINGS_MAX);
const holdId = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/);

/**
 * Two phases. `open` holds what `postings` say, `post` makes at most that much happen and lets go of the rest,
 * `void` lets go of all of it.
 */
const pendingOp = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('open'), id: holdId, postings: postings.min(2) }),
  z.strictObject({ op: z.literal('post'), id: holdId, postings: postings.min(2) }),
  z.strictObject({ op: z.literal('void'), id: holdId }),
]);
export type PendingOp =
  | { op: 'open' | 'post'; id: string; postings: readonly Posting[] }
  | { op: 'void'; id: string };

/** An entry as a journal holds it. Whether the ledger takes it, `checkEntry` says. */
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

/** An entry of what is not nothing: a fee of zero has no posting. */
export function entryOf(...all: readonly Posting[]): Entry {
  return { postings: all.filter((posting) => posting.amount !== 0n) };
}

/** Several rows as one linked entry: all of them or none. */
export function linked(...entries: readonly Entry[]): Entry {
  const pending = entries.flatMap((entry) => entry.pending ?? []);
  const all = entries.flatMap((entry) => entry.postings);
  return pending.length === 0 ? { postings: all } : { postings: all, pending };
}
