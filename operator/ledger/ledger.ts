/**
 * Double entry, checked before anything is changed: balanced per unit and partition, and no account beyond its
 * flag, holds counted against it as if they had happened. Amounts are bigint; nothing is rounded here.
 */
import { BrokenInvariant, invariant } from '../../policies/failure.ts';
import { type Account, accountOf, type Partition } from './account.ts';
import { AMOUNT_MAX, type Entry, type PendingOp, type Posting } from './entry.ts';

export interface Balance {
  drPosted: bigint;
  crPosted: bigint;
  drPending: bigint;
  crPending: bigint;
}

export interface Ledger {
  balances: Map<string, Balance>;
  /** Open holds by id. */
  holds: Map<string, readonly Posting[]>;
  /** Turnover of accounts that hold nothing any more, as much debit as credit, by partition and class. */
  closed: Map<string, bigint>;
}

/** Why an entry is not posted. `shortBy` is above zero, in `unit`. */
export interface LedgerRefusal {
  code: 'unbalanced' | 'overdraft' | 'hold_unknown' | 'hold_known' | 'hold_exceeded';
  account?: string;
  unit?: string;
  partition?: Partition;
  shortBy?: bigint;
  message: string;
}

export function emptyLedger(): Ledger {
  return { balances: new Map(), holds: new Map(), closed: new Map() };
}

const NOTHING: Readonly<Balance> = { drPosted: 0n, crPosted: 0n, drPending: 0n, crPending: 0n };

/** @throws BrokenInvariant for a name that the chart does not have */
export function balanceOf(ledger: Ledger, account: string): Readonly<Balance> {
  accountOf(account);
  return ledger.balances.get(account) ?? NOTHING;
}

/**
 * What an account may still give, its holds taken off: debits less credits of an asset, else the reverse. What a
 * hold would bring does not count before it is posted.
 */
export function available(ledger: Ledger, account: string): bigint {
  return freeOf(accountOf(account), ledger.balances.get(account) ?? NOTHING);
}

/** What an account holds now, holds left alone, above zero on its usual side. */
export function postedOf(ledger: Ledger, account: string): bigint {
  return signed(accountOf(account), ledger.balances.get(account) ?? NOTHING);
}

function freeOf(account: Account, balance: Readonly<Balance>): bigint {
  const held = account.flag === 'D' ? balance.crPending : balance.drPending;
  return signed(account, balance) - held;
}

function signed({ flag }: Account, { drPosted, crPosted }: Readonly<Balance>): bigint {
  return flag === 'D' ? drPosted - crPosted : crPosted - drPosted;
}

/** Null where the entry may be posted. Changes nothing. @throws BrokenInvariant for an account outside the chart */
export function checkEntry(ledger: Ledger, entry: Entry): LedgerRefusal | null {
  const plan = planOf(ledger, entry);
  return 'code' in plan ? plan : null;
}

/** All of it or nothing. @throws BrokenInvariant unless `checkEntry` finds nothing wrong */
export function postEntry(ledger: Ledger, entry: Entry): void {
  const plan = planOf(ledger, entry);
  if ('code' in plan) throw new BrokenInvariant(`an entry that cannot be: ${plan.message}`);
  for (const [id, postings] of plan.holds) {
    if (postings === null) ledger.holds.delete(id);
    else ledger.holds.set(id, postings);
  }
  for (const { account, balance } of plan.touched.values()) keep(ledger, account, balance);
}

/** Accounts of single payments would never end: what is over goes into one turnover per partition and class. */
function keep(ledger: Ledger, account: Account, balance: Balance): void {
  const { drPosted, crPosted, drPending, crPending } = balance;
  const over = drPosted === crPosted && drPending === 0n && crPending === 0n;
  if (account.kept === 'always' || !over) {
    ledger.balances.set(account.name, balance);
    return;
  }
  ledger.balances.delete(account.name);
  if (drPosted === 0n) return;
  const key = `${account.partition}:${account.class}`;
  ledger.closed.set(key, (ledger.closed.get(key) ?? 0n) + drPosted);
}

interface Touched {
  account: Account;
  balance: Balance;
}

/** What an entry would make of the accounts and holds it touches. */
interface Plan {
  touched: Map<string, Touched>;
  holds: Map<string, readonly Posting[] | null>;
}

function planOf(ledger: Ledger, entry: Entry): Plan | LedgerRefusal {
  const plan: Plan = { touched: new Map(), holds: new Map() };
  let posted = entry.postings;
  for (const op of entry.pending ?? []) {
    const refused = planHold(ledger, plan, op);
    if (refused !== null) return refused;
    if (op.op === 'post') posted = [...posted, ...op.postings];
  }
  const refused = imbalance(ledger, plan, posted);
  if (refused !== null) return refused;
  for (const { account, side, amount } of posted) {
    touch(ledger, plan, account).balance[side === 'dr' ? 'drPosted' : 'crPosted'] += amount;
  }
  return overdraft(plan) ?? plan;
}

function planHold(ledger: Ledger, plan: Plan, op: PendingOp): LedgerRefusal | null {
  const { id } = op;
  const changed = plan.holds.get(id);
  const held = changed === undefined ? (ledger.holds.get(id) ?? null) : changed;
  if (op.op === 'open') {
    if (held !== null) return { code: 'hold_known', message: `a hold ${id} is open already` };
    const refused = imbalance(ledger, plan, op.postings);
    if (refused !== null) return refused;
    plan.holds.set(id, op.postings);
    addPending(ledger, plan, op.postings, 1n);
    return null;
  }
  if (held === null) return { code: 'hold_unknown', message: `no hold ${id} is open` };
  plan.holds.set(id, null);
  addPending(ledger, plan, held, -1n);
  return op.op === 'post' ? beyondHold(held, op.postings) : null;
}

function addPending(ledger: Ledger, plan: Plan, held: readonly Posting[], sign: bigint): void {
  for (const { account, side, amount } of held) {
    const { balance } = touch(ledger, plan, account);
    balance[side === 'dr' ? 'drPending' : 'crPending'] += sign * amount;
  }
}

function touch(ledger: Ledger, plan: Plan, name: string): Touched {
  const before = plan.touched.get(name);
  if (before !== undefined) return before;
  const touched = {
    account: accountOf(name),
    balance: { ...(ledger.balances.get(name) ?? NOTHING) },
  };
  plan.touched.set(name, touched);
  return touched;
}

/** Every unit sums to zero in every partition. */
function imbalance(ledger: Ledger, plan: Plan, postings: readonly Posting[]): LedgerRefusal | null {
  const sums = new Map<string, { sum: bigint; account: Account }>();
  for (const { account: name, side, amount } of postings) {
    const { account } = touch(ledger, plan, name);
    if (amount <= 0n || amount > AMOUNT_MAX) {
      const { unit, partition } = account;
      const message = `${name} is posted ${amount}`;
      return { code: 'unbalanced', account: name, unit, partition, message };
    }
    const value = side === 'dr' ? amount : -amount;
    const book = sums.get(account.book);
    if (book === undefined) sums.set(account.book, { sum: value, account });
    else book.sum += value;
  }
  for (const { sum, account } of sums.values()) {
    if (sum === 0n) continue;
    const { unit, partition, book } = account;
    const message = `debits and credits of ${book} differ by ${sum}`;
    return { code: 'unbalanced', unit, partition, shortBy: sum < 0n ? -sum : sum, message };
  }
  return null;
}

function beyondHold(held: readonly Posting[], posted: readonly Posting[]): LedgerRefusal | null {
  const left = new Map<string, bigint>();
  for (const { account, side, amount } of held) {
    left.set(`${side} ${account}`, (left.get(`${side} ${account}`) ?? 0n) + amount);
  }
  for (const { account, side, amount } of posted) {
    const rest = (left.get(`${side} ${account}`) ?? 0n) - amount;
    if (rest < 0n) {
      const message = `${account} is posted ${-rest} more than was held`;
      return { code: 'hold_exceeded', account, shortBy: -rest, message };
    }
    left.set(`${side} ${account}`, rest);
  }
  return null;
}

/** No account is ever beyond its flag: one that would be is taken there by this entry. */
function overdraft({ touched }: Plan): LedgerRefusal | null {
  for (const { account, balance } of touched.values()) {
    const { name, flag, unit, partition } = account;
    invariant(
      balance.drPosted <= AMOUNT_MAX && balance.crPosted <= AMOUNT_MAX,
      `the turnover of ${name} is beyond 2^96`,
    );
    const free = flag === null ? 0n : freeOf(account, balance);
    if (free >= 0n) continue;
    const message = `${name} is short by ${-free} ${unit}`;
    return { code: 'overdraft', account: name, unit, partition, shortBy: -free, message };
  }
  return null;
}

/** Accounts that are kept, by name, with what they hold: above zero on their usual side. */
export function accountRows(ledger: Ledger): { account: string; unit: string; balance: bigint }[] {
  return [...ledger.balances]
    .map(([name, balance]) => {
      const account = accountOf(name);
      return { account: name, unit: account.unit, balance: signed(account, balance) };
    })
    .toSorted((a, b) => (a.account < b.account ? -1 : 1));
}
