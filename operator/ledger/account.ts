/**
 * The chart of accounts, closed: `{partition}:{class}:{name}`, with `.{id}` where there is one per agent, payment or
 * order. An account says its unit, its partition, and what it must never do. Pure.
 */
import { BrokenInvariant } from '../../policies/failure.ts';

/** LLP, CEP and RRP are the pool's partitions; SYS holds money that is not (yet) the pool's. */
export const PARTITIONS = ['SYS', 'LLP', 'CEP', 'RRP'] as const;
export type Partition = (typeof PARTITIONS)[number];
export type AccountClass =
  | 'asset'
  | 'contra'
  | 'liab'
  | 'equity'
  | 'inc'
  | 'exp'
  | 'share'
  | 'quota';

/** `D`: credits never exceed debits, as of an asset. `C`: debits never exceed credits. Holds count. */
export type Flag = 'D' | 'C' | null;

export interface Account {
  name: string;
  /** What it counts: units never mix. */
  unit: string;
  partition: Partition;
  class: AccountClass;
  flag: Flag;
  /** Partition and unit: what an entry must balance in. */
  book: string;
  /** One of many of its kind: kept only while it holds something. */
  kept: 'always' | 'while-used';
}

interface Kind {
  class: Exclude<AccountClass, 'share' | 'quota'>;
  flag: Flag;
  plain: readonly string[];
  /** Names that carry an id. */
  perId: readonly string[];
  only?: readonly Partition[];
}

/** Where money physically is. Partitions are allocations of it. */
export const RAILS = [
  'ln.local',
  'ln.reserved',
  'ln.inflight',
  'ln.ringfence',
  'ln.pending_open',
  'ln.pending_close',
  'chain.conf',
  'chain.inflight',
  'chain.ringfence',
  'cold',
  'spark',
] as const;
export type Rail = (typeof RAILS)[number];

/** What costs are for. */
const EXPENSES = [
  'route',
  'rebalance',
  'swap',
  'chain_open',
  'chain_close',
  'chain_sweep',
  'chain_fee',
  'inbound_lease',
  'provision',
  'credit_loss',
  'reorg_loss',
  'breach',
  'skim',
  'grant',
  'recon',
  'invoice',
] as const;
export type Expense = (typeof EXPENSES)[number];

/** Partitions with owners: only they earn, and only they have capital. */
const OWNED = ['LLP', 'CEP', 'RRP'] as const;

const KINDS: readonly Kind[] = [
  { class: 'asset', flag: 'D', plain: RAILS, perId: ['due'] },
  { class: 'asset', flag: 'D', plain: [], perId: ['recv.principal'], only: ['CEP'] },
  { class: 'contra', flag: 'C', plain: ['allowance'], perId: [], only: ['CEP'] },
  { class: 'liab', flag: 'C', plain: [], perId: ['wd.payable', 'wd.inflight', 'due'] },
  {
    class: 'liab',
    flag: 'C',
    plain: ['unattributed'],
    perId: ['suspense', 'prepaid', 'prepaid_hold', 'bond', 'refund'],
    only: ['SYS'],
  },
  { class: 'equity', flag: null, plain: ['capital'], perId: [], only: OWNED },
  {
    class: 'inc',
    flag: 'C',
    plain: [
      'routing',
      'service',
      'guarantee',
      'envelope_fee',
      'commitment_fee',
      'recovery',
      'wd_fee',
      'rounding',
      'skim',
      'rrp_support',
    ],
    perId: [],
    only: OWNED,
  },
  { class: 'exp', flag: 'D', plain: EXPENSES, perId: [] },
];

const ID = /^[a-zA-Z0-9_-]{1,64}$/;
const SHARE = /^share\[(LLP|CEP|RRP)\]:(issued|(lp|escrow)\.[a-zA-Z0-9_-]{1,64})$/;
/** Budgets are given out of `granted` and spent by holds and postings back to it. */
const QUOTA = /^quota:(granted|subsidy|rebalance|issuance|velocity\.[a-zA-Z0-9_-]{1,64})$/;
const PARTS = /^(SYS|LLP|CEP|RRP):(asset|contra|liab|equity|inc|exp):([a-zA-Z0-9_.-]{1,128})$/;

/** Accounts looked up before, so that a name is parsed once; bounded by the accounts that are in use. */
const KNOWN_MAX = 50_000;
const known = new Map<string, Account>();

/** @throws BrokenInvariant for a name that the chart does not have */
export function accountOf(name: string): Account {
  const account = findAccount(name);
  if (account === null) throw new BrokenInvariant(`the chart of accounts has no ${name}`);
  return account;
}

/** The account of a name that comes from outside, or null where the chart has none. */
export function findAccount(name: string): Account | null {
  const before = known.get(name);
  if (before !== undefined) return before;
  const account = money(name) ?? share(name) ?? quota(name);
  if (account === null) return null;
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(name, account);
  return account;
}

/** What accounts of a class count in a partition. */
export function unitOf(partition: Partition, kind: AccountClass): string {
  if (kind === 'share') return `share[${partition}]`;
  return kind === 'quota' ? 'quota' : 'msat';
}

function accountWith(of: Omit<Account, 'unit' | 'book'>): Account {
  const unit = unitOf(of.partition, of.class);
  return { ...of, unit, book: `${of.partition} ${unit}` };
}

function share(name: string): Account | null {
  const [, partitionText, rest = '', perId] = SHARE.exec(name) ?? [];
  const partition = PARTITIONS.find((each) => each === partitionText);
  if (partition === undefined) return null;
  const flag = rest === 'issued' ? 'D' : 'C';
  const kept = perId === 'escrow' ? 'while-used' : 'always';
  return accountWith({ name, partition, class: 'share', flag, kept });
}

function quota(name: string): Account | null {
  const [, rest] = QUOTA.exec(name) ?? [];
  if (rest === undefined) return null;
  const kept = rest.startsWith('velocity.') ? 'while-used' : 'always';
  const flag = rest === 'granted' ? 'D' : 'C';
  return accountWith({ name, partition: 'SYS', class: 'quota', flag, kept });
}

function money(name: string): Account | null {
  const [, partitionText, classText, rest = ''] = PARTS.exec(name) ?? [];
  const partition = PARTITIONS.find((each) => each === partitionText);
  if (partition === undefined) return null;
  for (const kind of KINDS) {
    if (kind.class !== classText || kind.only?.includes(partition) === false) continue;
    const found = { name, partition, class: kind.class, flag: kind.flag };
    if (kind.plain.includes(rest)) return accountWith({ ...found, kept: 'always' });
    const id = kind.perId.find((each) => rest.startsWith(`${each}.`));
    if (id === undefined || !ID.test(rest.slice(id.length + 1))) continue;
    return accountWith({ ...found, kept: 'while-used' });
  }
  return null;
}
