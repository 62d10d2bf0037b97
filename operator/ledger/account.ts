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

const RAILS = [
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
];

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
  { class: 'equity', flag: null, plain: ['capital'], perId: [] },
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
  },
  {
    class: 'exp',
    flag: 'D',
    plain: [
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
    ],
    perId: [],
  },
];

const ID = /^[a-zA-Z0-9_-]{1,64}$/;
const SHARE =
  /^share\[(LLP|CEP|RRP)\]:(issued|lp\.[a-zA-Z0-9_-]{1,64}|escrow\.[a-zA-Z0-9_-]{1,64})$/;
const QUOTA = /^quota:[a-z_]{1,64}$/;
const PARTS = /^(SYS|LLP|CEP|RRP):(asset|contra|liab|equity|inc|exp):([a-zA-Z0-9_.-]{1,128})$/;

/** Accounts looked up before, so that a name is parsed once; bounded by the accounts that are in use. */
const KNOWN_MAX = 50_000;
const known = new Map<string, Account>();

/** @throws BrokenInvariant for a name that the chart does not have */
export function accountOf(name: string): Account {
  const before = known.get(name);
  if (before !== undefined) return before;
  const account = shareOrQuota(name) ?? money(name);
  if (account === null) throw new BrokenInvariant(`the chart of accounts has no ${name}`);
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(name, account);
  return account;
}

function shareOrQuota(name: string): Account | null {
  const share = SHARE.exec(name);
  if (share !== null) {
    const partition = PARTITIONS.find((each) => each === share[1]) ?? 'LLP';
    const flag = share[2] === 'issued' ? 'D' : 'C';
    return { name, unit: `share[${partition}]`, partition, class: 'share', flag, kept: 'always' };
  }
  if (!QUOTA.test(name)) return null;
  return { name, unit: 'quota', partition: 'SYS', class: 'quota', flag: 'C', kept: 'always' };
}

function money(name: string): Account | null {
  const [, partitionText, classText, rest = ''] = PARTS.exec(name) ?? [];
  const partition = PARTITIONS.find((each) => each === partitionText);
  if (partition === undefined) return null;
  for (const kind of KINDS) {
    if (kind.class !== classText || kind.only?.includes(partition) === false) continue;
    const { flag } = kind;
    const found = { name, unit: 'msat', partition, class: kind.class, flag };
    if (kind.plain.includes(rest)) return { ...found, kept: 'always' };
    const dot = rest.lastIndexOf('.');
    if (dot < 0 || !kind.perId.includes(rest.slice(0, dot)) || !ID.test(rest.slice(dot + 1)))
      continue;
    return { ...found, kept: 'while-used' };
  }
  return null;
}
