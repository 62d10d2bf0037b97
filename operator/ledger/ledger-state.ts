/** The ledger as plain values for a checkpoint, read back with all its laws checked, and its hash. Pure. */
import { z } from 'zod';
import { corrupt } from '../../journal/entry.ts';
import { type Hex32, taggedHashHex } from '../../policies/canonical-json.ts';
import { findAccount } from './account.ts';
import { available, balanceOf, emptyLedger, type Ledger } from './ledger.ts';
import { trialBalance } from './totals.ts';

const count = z.string().regex(/^(0|[1-9][0-9]{0,28})$/);
const account = z.string().refine((name) => findAccount(name) !== null, 'is not in the chart');
const posting = z.strictObject({ account, side: z.enum(['dr', 'cr']), amount: count });

/** Sorted by name; amounts as decimal text. */
const ledgerStateSchema = z.strictObject({
  /** Account, posted debits and credits, pending debits and credits. */
  balances: z.array(z.tuple([account, count, count, count, count])),
  holds: z.array(z.tuple([z.string(), z.array(posting)])),
  /** Turnover of accounts that are closed. */
  closed: z.array(
    z.tuple([z.string().regex(/^(SYS|LLP|CEP|RRP):(asset|liab|share|quota)$/), count]),
  ),
});
export type LedgerState = z.infer<typeof ledgerStateSchema>;

export function ledgerState(ledger: Ledger): LedgerState {
  return {
    balances: byName(ledger.balances).map(([name, each]) => [
      name,
      each.drPosted.toString(),
      each.crPosted.toString(),
      each.drPending.toString(),
      each.crPending.toString(),
    ]),
    holds: byName(ledger.holds).map(([id, postings]) => [
      id,
      postings.map((each) => ({ ...each, amount: each.amount.toString() })),
    ]),
    closed: byName(ledger.closed).map(([key, turnover]) => [key, turnover.toString()]),
  };
}

/** Names are ASCII: code units order them alike everywhere. */
function byName<T>(entries: Iterable<[string, T]>): [string, T][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** @throws Failure JOURNAL_CORRUPT for anything that no sequence of entries can have made */
export function ledgerFromState(value: unknown): Ledger {
  const parsed = ledgerStateSchema.safeParse(value);
  if (!parsed.success) throw corrupt('a checkpoint of the ledger does not parse', parsed.error);
  const { balances, holds, closed } = parsed.data;
  const ledger: Ledger = {
    balances: new Map(
      balances.map(([name, drPosted, crPosted, drPending, crPending]) => [
        name,
        {
          drPosted: BigInt(drPosted),
          crPosted: BigInt(crPosted),
          drPending: BigInt(drPending),
          crPending: BigInt(crPending),
        },
      ]),
    ),
    holds: new Map(
      holds.map(([id, postings]) => [
        id,
        postings.map((each) => ({ ...each, amount: BigInt(each.amount) })),
      ]),
    ),
    closed: new Map(closed.map(([key, turnover]) => [key, BigInt(turnover)])),
  };
  const wrong = brokenLaw(ledger);
  if (wrong !== null) throw corrupt(`a checkpoint of the ledger has ${wrong}`);
  return ledger;
}

function brokenLaw(ledger: Ledger): string | null {
  for (const { book, drPosted, crPosted, drPending, crPending } of trialBalance(ledger)) {
    if (drPosted !== crPosted || drPending !== crPending) return `${book} out of balance`;
  }
  for (const name of ledger.balances.keys()) {
    const { flag } = findAccount(name) ?? { flag: null };
    if (flag !== null && available(ledger, name) < 0n) return `${name} beyond its flag`;
  }
  return holdsDiffer(ledger) ? 'holds other than its accounts' : null;
}

/** What accounts have pending is what open holds say, to the unit. */
function holdsDiffer(ledger: Ledger): boolean {
  const left = emptyLedger();
  for (const postings of ledger.holds.values()) {
    for (const { account: name, side, amount } of postings) {
      const sum = left.balances.get(name) ?? { ...balanceOf(left, name) };
      sum[side === 'dr' ? 'drPending' : 'crPending'] += amount;
      left.balances.set(name, sum);
    }
  }
  const names = new Set([...ledger.balances.keys(), ...left.balances.keys()]);
  return [...names].some((name) => {
    const [is, held] = [balanceOf(ledger, name), balanceOf(left, name)];
    return is.drPending !== held.drPending || is.crPending !== held.crPending;
  });
}

/** Hash of everything that the ledger holds: the same entries give the same hash, on every machine. */
export function stateHash(ledger: Ledger): Hex32 {
  return taggedHashHex('weir/ledger-state/v1', ledgerState(ledger));
}
