/**
 * Double entry, checked before anything is changed: balanced per unit and partition, and no account beyond its
 * flag, holds counted against it as if they had happened. Amounts are bigint; nothing is rounded here.
 */
import { type Hex32, taggedHashHex } from '../../policies/canonical-json.ts';
import { invariant } from '../../policies/failure.ts';
import { type Account, accountOf } from './account.ts';
import type { Entry, Posting } from './entry.ts';

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
  /** Turnover of accounts that hold nothing any more, so that all debits still equal all credits. */
  closed: Map<string, bigint>;
}

/** Why an entry is not posted. `shortBy` is in the account's unit. */
export interface LedgerRefusal {
  code: 'unbalanced' | 'overdraft' | 'hold_unknown' | 'hold_known' | 'hold_exceeded';
  account?: string;
  shortBy?: bigint;
  message: string;
}

export function emptyLedger(): Ledger {
  return { balances: new Map(), holds: new Map(), closed: new Map() };
}

const NOTHING: Balance = { drPosted: 0n, crPosted: 0n, drPending: 0n, crPending: 0n };

export function balanceOf(ledger: Ledger, account: string): Balance {
  accountOf(account);
  return ledger.balances.get(account) ?? NOTHING;
}

/** What an account may still give, its holds taken off: debits less credits of an asset, else the reverse. */
export function available(ledger: Ledger, account: string): bigint {
  return freeOf(accountOf(account), ledger.balances.get(account) ?? NOTHING);
}

function freeOf({ flag }: Account, balance: Balance): bigint {
  return flag === 'D'
    ? balance.drPosted - balance.crPosted - balance.crPending
    : balance.crPosted - balance.drPosted - balance.drPending;
}

/** Null where the entry may be posted. Changes nothing. */
export function checkEntry(ledger: Ledger, entry: Entry): LedgerRefusal | null {
  const changes = changesOf(ledger, entry);
  if ('code' in changes) return changes;
  for (const [name, change] of changes.balances) {
    const account = accountOf(name);
    if (account.flag === null) continue;
    const free = freeOf(account, change);
    // A balance may be mended step by step, but no step may take it further down.
    if (free < 0n && free < available(ledger, name)) {
      return {
        code: 'overdraft',
        account: name,
        shortBy: -free,
        message: `${name} is short by ${-free} ${account.unit}`,
      };
    }
  }
  return null;
}

/** All of it or nothing. @throws BrokenInvariant unless `checkEntry` finds nothing wrong */
export function postEntry(ledger: Ledger, entry: Entry): void {
  const refusal = checkEntry(ledger, entry);
  invariant(refusal === null, `an entry that cannot be: ${refusal?.message ?? ''}`);
  const changes = changesOf(ledger, entry);
  invariant(!('code' in changes), 'an entry changed while it was posted');
  for (const [id, postings] of changes.holds) {
    if (postings === null) ledger.holds.delete(id);
    else ledger.holds.set(id, postings);
  }
  for (const [name, balance] of changes.balances) keep(ledger, accountOf(name), balance);
}

function keep(ledger: Ledger, account: Account, balance: Balance): void {
  const { drPosted, crPosted, drPending, crPending } = balance;
  const idle = drPosted === crPosted && drPending === 0n && crPending === 0n;
  if (account.kept === 'always' || !idle) {
    ledger.balances.set(account.name, balance);
    return;
  }
  // Per-payment accounts would never end: what is over goes into one turnover per partition.
  ledger.balances.delete(account.name);
  const kind = `${account.partition}:${account.class}`;
  ledger.closed.set(kind, (ledger.closed.get(kind) ?? 0n) + drPosted);
}

interface Changes {
  balances: Map<string, Balance>;
  holds: Map<string, readonly Posting[] | null>;
}

function changesOf(ledger: Ledger, entry: Entry): Changes | LedgerRefusal {
  const changes: Changes = { balances: new Map(), holds: new Map() };
  const posted: Posting[] = [...entry.postings];
  for (const pending of entry.pending ?? []) {
    const held = changes.holds.has(pending.id)
      ? changes.holds.get(pending.id)
      : ledger.holds.get(pending.id);
    if (pending.op === 'open') {
      if (held !== undefined && held !== null)
        return refused('hold_known', `a hold ${pending.id} is open already`);
      const unbalanced = imbalance(pending.postings);
      if (unbalanced !== null) return unbalanced;
      changes.holds.set(pending.id, pending.postings);
      add(ledger, changes, pending.postings, 'pending');
      continue;
    }
    if (held === undefined || held === null)
      return refused('hold_unknown', `no hold ${pending.id} is open`);
    changes.holds.set(pending.id, null);
    release(ledger, changes, held);
    if (pending.op === 'void') continue;
    const beyond = exceeded(held, pending.postings);
    if (beyond !== null) return beyond;
    posted.push(...pending.postings);
  }
  const unbalanced = imbalance(posted);
  if (unbalanced !== null) return unbalanced;
  add(ledger, changes, posted, 'posted');
  return changes;
}

function refused(code: LedgerRefusal['code'], message: string): LedgerRefusal {
  return { code, message };
}

/** Every unit sums to zero in every partition. */
function imbalance(postings: readonly Posting[]): LedgerRefusal | null {
  const sums = new Map<string, bigint>();
  for (const { account, side, amount } of postings) {
    if (amount <= 0n) return refused('unbalanced', `${account} is posted ${amount}`);
    const { unit, partition } = accountOf(account);
    const key = `${partition} ${unit}`;
    sums.set(key, (sums.get(key) ?? 0n) + (side === 'dr' ? amount : -amount));
  }
  for (const [key, sum] of sums) {
    if (sum !== 0n) return refused('unbalanced', `debits and credits of ${key} differ by ${sum}`);
  }
  return null;
}

function exceeded(held: readonly Posting[], posted: readonly Posting[]): LedgerRefusal | null {
  const left = new Map<string, bigint>();
  for (const { account, side, amount } of held) {
    left.set(`${side} ${account}`, (left.get(`${side} ${account}`) ?? 0n) + amount);
  }
  for (const { account, side, amount } of posted) {
    const rest = (left.get(`${side} ${account}`) ?? 0n) - amount;
    if (rest < 0n) return refused('hold_exceeded', `${account} posts ${-rest} more than was held`);
    left.set(`${side} ${account}`, rest);
  }
  return null;
}

function add(
  ledger: Ledger,
  changes: Changes,
  postings: readonly Posting[],
  phase: 'posted' | 'pending',
): void {
  for (const { account, side, amount } of postings) {
    const balance = changed(ledger, changes, account);
    if (phase === 'posted') balance[side === 'dr' ? 'drPosted' : 'crPosted'] += amount;
    else balance[side === 'dr' ? 'drPending' : 'crPending'] += amount;
  }
}

function release(ledger: Ledger, changes: Changes, held: readonly Posting[]): void {
  for (const { account, side, amount } of held) {
    changed(ledger, changes, account)[side === 'dr' ? 'drPending' : 'crPending'] -= amount;
  }
}

function changed(ledger: Ledger, changes: Changes, account: string): Balance {
  const before = changes.balances.get(account);
  if (before !== undefined) return before;
  const balance = { ...balanceOf(ledger, account) };
  changes.balances.set(account, balance);
  return balance;
}

/** Accounts that were ever used and are kept, by name. `balance` is signed by the flag: above zero is usual. */
export function accountRows(ledger: Ledger): { account: string; unit: string; balance: bigint }[] {
  return [...ledger.balances]
    .map(([name, { drPosted, crPosted }]) => {
      const { flag, unit } = accountOf(name);
      return {
        account: name,
        unit,
        balance: flag === 'D' ? drPosted - crPosted : crPosted - drPosted,
      };
    })
    .toSorted((a, b) => (a.account < b.account ? -1 : 1));
}

/** Plain, for a checkpoint; amounts as decimal text. */
export interface LedgerState {
  balances: [string, string, string, string, string][];
  holds: [string, { account: string; side: 'dr' | 'cr'; amount: string }[]][];
  closed: [string, string][];
}

function sorted<T>(entries: Iterable<[string, T]>): [string, T][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

export function ledgerState(ledger: Ledger): LedgerState {
  return {
    balances: sorted(ledger.balances).map(([name, each]) => [
      name,
      each.drPosted.toString(),
      each.crPosted.toString(),
      each.drPending.toString(),
      each.crPending.toString(),
    ]),
    holds: sorted(ledger.holds).map(([id, postings]) => [
      id,
      postings.map((each) => ({ ...each, amount: each.amount.toString() })),
    ]),
    closed: sorted(ledger.closed).map(([kind, turnover]) => [kind, turnover.toString()]),
  };
}

export function ledgerFromState({ balances, holds, closed }: LedgerState): Ledger {
  return {
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
    closed: new Map(closed.map(([kind, turnover]) => [kind, BigInt(turnover)])),
  };
}

/** Hash of everything that the ledger holds: the same entries give the same hash, on every machine. */
export function stateHash(ledger: Ledger): Hex32 {
  return taggedHashHex('weir/ledger-state/v1', ledgerState(ledger));
}
