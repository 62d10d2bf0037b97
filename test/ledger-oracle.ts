/**
 * The ledger once more, naively: a list of entries as they stand in a journal, and every answer computed from the
 * whole list. No account is stored, no sum is kept, and no code is shared with the ledger itself.
 */

export interface WirePosting {
  account: string;
  side: 'dr' | 'cr';
  amount: string;
}
export interface WireEntry {
  postings: WirePosting[];
  pending?: { op: 'open' | 'post' | 'void'; id: string; postings?: WirePosting[] }[];
}

/** One line of the books: above zero is debit. `held` lines are of holds that nobody ended. */
interface Line {
  account: string;
  value: bigint;
  held: boolean;
}

const valueOf = ({ side, amount }: WirePosting): bigint =>
  BigInt(side === 'dr' ? amount : `-${amount}`);
const bookOf = (account: string): string =>
  account.startsWith('share') || account.startsWith('quota')
    ? account.slice(0, account.indexOf(':'))
    : account.slice(0, 3);
const isDebitSided = (account: string): boolean =>
  /:(asset|exp):/.test(account) || /:(issued|granted)$/.test(account);
const isFree = (account: string): boolean => account.endsWith(':equity:capital');

/** Every operation on holds in order, with the entry it is in. */
function holdOps(journal: readonly WireEntry[]) {
  return journal.flatMap((entry, at) => (entry.pending ?? []).map((op) => ({ ...op, at })));
}

/** The last word on each hold decides whether it is open. */
export function openHolds(journal: readonly WireEntry[]): Map<string, WirePosting[]> {
  const open = new Map<string, WirePosting[]>();
  for (const { op, id, postings = [] } of holdOps(journal)) {
    if (op === 'open') open.set(id, postings);
    else open.delete(id);
  }
  return open;
}

function linesOf(journal: readonly WireEntry[]): Line[] {
  const posted = journal.flatMap((entry) => [
    ...entry.postings,
    ...(entry.pending ?? []).flatMap(({ op, postings = [] }) => (op === 'post' ? postings : [])),
  ]);
  const held = [...openHolds(journal).values()].flat();
  return [
    ...posted.map((each) => ({ account: each.account, value: valueOf(each), held: false })),
    ...held.map((each) => ({ account: each.account, value: valueOf(each), held: true })),
  ];
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}

/** Debits less credits of what happened. */
export function naiveBalance(journal: readonly WireEntry[], account: string): bigint {
  const lines = linesOf(journal).filter((line) => line.account === account && !line.held);
  return sum(lines.map(({ value }) => value));
}

/** What an account could still give if every hold that takes from it happened, and none that brings. */
export function naiveAvailable(journal: readonly WireEntry[], account: string): bigint {
  const sign = isDebitSided(account) ? 1n : -1n;
  const lines = linesOf(journal)
    .filter((line) => line.account === account)
    .map(({ value, held }) => ({ value: value * sign, held }));
  return sum(lines.filter(({ value, held }) => !held || value < 0n).map(({ value }) => value));
}

export function naiveAccounts(journal: readonly WireEntry[]): string[] {
  return [...new Set(linesOf(journal).map(({ account }) => account))].toSorted();
}

export type NaiveVerdict = 'taken' | 'unbalanced' | 'overdraft' | 'hold';

/** What must become of `entry` after `journal`. Where several things are wrong, holds come first, then balance. */
export function naiveVerdict(journal: readonly WireEntry[], entry: WireEntry): NaiveVerdict {
  const open = openHolds(journal);
  const groups = [[...entry.postings]];
  for (const { op, id, postings = [] } of entry.pending ?? []) {
    if (open.has(id) === (op === 'open')) return 'hold';
    if (op === 'open') {
      if (!isBalanced(postings)) return 'unbalanced';
      open.set(id, postings);
      continue;
    }
    if (op === 'post' && isBeyond(open.get(id) ?? [], postings)) return 'hold';
    if (op === 'post') groups.push(postings);
    open.delete(id);
  }
  if (!isBalanced(groups.flat())) return 'unbalanced';
  const after = [...journal, entry];
  const short = naiveAccounts(after).some(
    (account) => !isFree(account) && naiveAvailable(after, account) < 0n,
  );
  return short ? 'overdraft' : 'taken';
}

function isBalanced(postings: readonly WirePosting[]): boolean {
  const books = new Set(postings.map(({ account }) => bookOf(account)));
  return [...books].every(
    (book) => sum(postings.filter((each) => bookOf(each.account) === book).map(valueOf)) === 0n,
  );
}

function isBeyond(held: readonly WirePosting[], posted: readonly WirePosting[]): boolean {
  return posted.some(({ account, side }) => {
    const of = (all: readonly WirePosting[]): bigint =>
      sum(
        all
          .filter((each) => each.account === account && each.side === side)
          .map(({ amount }) => BigInt(amount)),
      );
    return of(posted) > of(held);
  });
}
