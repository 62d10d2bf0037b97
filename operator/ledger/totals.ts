/** What the ledger adds up to, per unit and per partition. What is on each rail: `rail-rows.ts`. Pure. */
import { invariant } from '../../policies/failure.ts';
import { accountOf, PARTITIONS, type Partition, unitOf } from './account.ts';
import { type Balance, type Ledger, postedOf } from './ledger.ts';

/** Sums of one unit in one partition. */
export interface BookTotals extends Balance {
  /** Partition and unit. */
  book: string;
}

/** Per partition and unit, sorted; closed accounts included. Debits equal credits in every line, or it is wrong. */
export function trialBalance(ledger: Ledger): BookTotals[] {
  const books = new Map<string, BookTotals>();
  for (const [name, balance] of ledger.balances) {
    const totals = totalsOf(books, accountOf(name).book);
    totals.drPosted += balance.drPosted;
    totals.crPosted += balance.crPosted;
    totals.drPending += balance.drPending;
    totals.crPending += balance.crPending;
  }
  for (const [key, turnover] of ledger.closed) {
    const [partitionText, kind] = key.split(':');
    const partition = PARTITIONS.find((each) => each === partitionText);
    invariant(partition !== undefined, `closed accounts of ${key}`);
    const unit = kind === 'share' || kind === 'quota' ? unitOf(partition, kind) : 'msat';
    const totals = totalsOf(books, `${partition} ${unit}`);
    totals.drPosted += turnover;
    totals.crPosted += turnover;
  }
  return [...books.values()].toSorted((a, b) => (a.book < b.book ? -1 : 1));
}

function totalsOf(books: Map<string, BookTotals>, book: string): BookTotals {
  const known = books.get(book);
  if (known !== undefined) return known;
  const totals = { book, drPosted: 0n, crPosted: 0n, drPending: 0n, crPending: 0n };
  books.set(book, totals);
  return totals;
}

/** A partition in msat. What is its owners' is `assets` less `contra` and `liabilities`. */
export interface PartitionValue {
  assets: bigint;
  /** Allowance for what may not be repaid. */
  contra: bigint;
  liabilities: bigint;
  capital: bigint;
  income: bigint;
  expense: bigint;
}

const VALUE_OF = {
  asset: 'assets',
  contra: 'contra',
  liab: 'liabilities',
  equity: 'capital',
  inc: 'income',
  exp: 'expense',
} as const;

/** Of each partition, in one pass. @throws BrokenInvariant where what is owned is not what was brought and earned */
export function partitionValues(ledger: Ledger): Record<Partition, PartitionValue> {
  const values = {
    SYS: nothing(),
    LLP: nothing(),
    CEP: nothing(),
    RRP: nothing(),
  };
  for (const name of ledger.balances.keys()) {
    const account = accountOf(name);
    if (account.class === 'share' || account.class === 'quota') continue;
    values[account.partition][VALUE_OF[account.class]] += postedOf(ledger, name);
  }
  for (const partition of PARTITIONS) {
    const { assets, contra, liabilities, capital, income, expense } = values[partition];
    invariant(
      assets - contra - liabilities === capital + income - expense,
      `${partition} owns other than what was brought and earned`,
    );
  }
  return values;
}

export function partitionValue(ledger: Ledger, partition: Partition): PartitionValue {
  return partitionValues(ledger)[partition];
}

function nothing(): PartitionValue {
  return { assets: 0n, contra: 0n, liabilities: 0n, capital: 0n, income: 0n, expense: 0n };
}
