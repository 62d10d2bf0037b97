/** Every row of the accounting table, with what it makes of one set of amounts; and a ledger that any row can take from. */
import { cr, dr, type Entry, entryOf } from '../operator/ledger/entry.ts';
import { emptyLedger, type Ledger, postEntry } from '../operator/ledger/ledger.ts';
import {
  closeBroadcast,
  closeConfirmed,
  forwardSettled,
  openBroadcast,
  openConfirmed,
  rebalanced,
  reconOver,
  reconShort,
  swappedIn,
  swappedOut,
  sweptToCold,
  toppedUpHot,
} from '../operator/ledger/rail-rows.ts';
import {
  capitalBrought,
  payFailed,
  payReserved,
  paySettled,
  poolPayFailed,
  poolPayReserved,
  poolPaySettled,
  prepaidCredited,
  selfFailed,
  selfPaid,
  selfReserved,
  settledLate,
  unattributedReceived,
} from '../operator/ledger/rows.ts';
import { type Msat, msat } from '../policies/units.ts';

export interface Letters {
  /** Amount. */
  a: Msat;
  /** Cap of the route fee. */
  m: Msat;
  /** Route fee, at most `m`. */
  f: Msat;
  /** Service fee. */
  v: Msat;
}

export const pay = ({ a, m, v }: Letters) => ({
  agentId: 'ana',
  quoteId: 'q1',
  amountMsat: a,
  maxFeeMsat: m,
  serviceFeeMsat: v,
});
const self = ({ a, v }: Letters) => ({
  payerAgentId: 'ana',
  quoteId: 'q1',
  amountMsat: a,
  serviceFeeMsat: v,
});
const sum = (...values: bigint[]): Msat => msat(values.reduce((total, each) => total + each, 0n));

/** Row, what it makes of `EXAMPLE`, as accounts and signed debits. */
export const ROWS: readonly [string, (of: Letters) => Entry, Record<string, bigint>][] = [
  [
    'I2 reserves the worst case of the payer, and of agents’ money alone',
    (of) => payReserved(pay(of)),
    {
      'SYS:liab:prepaid.ana': 1_033n,
      'SYS:liab:prepaid_hold.q1': -1_033n,
      'SYS:asset:ln.inflight': 1_030n,
      'SYS:asset:ln.ringfence': 3n,
      'SYS:asset:ln.local': -1_033n,
    },
  ],
  [
    'I3 settles at cost, with the service fee as LLP’s income',
    (of) => paySettled({ ...pay(of), routeFeeMsat: of.f }),
    {
      'SYS:liab:prepaid_hold.q1': 1_033n,
      'SYS:liab:prepaid.ana': -20n,
      'SYS:asset:ln.inflight': -1_030n,
      'SYS:asset:ln.ringfence': -3n,
      'SYS:asset:ln.local': 20n,
      'LLP:asset:ln.local': 3n,
      'LLP:inc:service': -3n,
    },
  ],
  [
    'I4 gives everything back',
    (of) => payFailed(pay(of)),
    {
      'SYS:liab:prepaid.ana': -1_033n,
      'SYS:liab:prepaid_hold.q1': 1_033n,
      'SYS:asset:ln.inflight': -1_030n,
      'SYS:asset:ln.ringfence': -3n,
      'SYS:asset:ln.local': 1_033n,
    },
  ],
  [
    'I6 reserves of LLP alone',
    ({ a, m }) => poolPayReserved({ amountMsat: a, maxFeeMsat: m }),
    { 'LLP:asset:ln.inflight': 1_030n, 'LLP:asset:ln.local': -1_030n },
  ],
  [
    'I6 settles as an invoice of the pool',
    ({ a, m, f }) => poolPaySettled({ amountMsat: a, maxFeeMsat: m, routeFeeMsat: f }),
    {
      'LLP:exp:invoice': 1_000n,
      'LLP:exp:route': 10n,
      'LLP:asset:ln.local': 20n,
      'LLP:asset:ln.inflight': -1_030n,
    },
  ],
  [
    'I6 settles as an expense by name',
    ({ a, m, f }) =>
      poolPaySettled({ amountMsat: a, maxFeeMsat: m, routeFeeMsat: f, expense: 'inbound_lease' }),
    {
      'LLP:exp:inbound_lease': 1_000n,
      'LLP:exp:route': 10n,
      'LLP:asset:ln.local': 20n,
      'LLP:asset:ln.inflight': -1_030n,
    },
  ],
  [
    'I6 gives everything back',
    ({ a, m }) => poolPayFailed({ amountMsat: a, maxFeeMsat: m }),
    { 'LLP:asset:ln.inflight': -1_030n, 'LLP:asset:ln.local': 1_030n },
  ],
  [
    'I7 holds the payer’s money before the invoice is cancelled',
    (of) => selfReserved(self(of)),
    {
      'SYS:liab:prepaid.ana': 1_003n,
      'SYS:liab:prepaid_hold.q1': -1_003n,
      'SYS:asset:ln.ringfence': 3n,
      'SYS:asset:ln.local': -3n,
    },
  ],
  [
    'I7 moves the amount to the payee and the fee to LLP',
    (of) => selfPaid({ ...self(of), payeeAgentId: 'ben' }),
    {
      'SYS:liab:prepaid_hold.q1': 1_003n,
      'SYS:liab:prepaid.ben': -1_000n,
      'SYS:asset:ln.ringfence': -3n,
      'LLP:asset:ln.local': 3n,
      'LLP:inc:service': -3n,
    },
  ],
  [
    'I7 gives everything back',
    (of) => selfFailed(self(of)),
    {
      'SYS:liab:prepaid_hold.q1': 1_003n,
      'SYS:liab:prepaid.ana': -1_003n,
      'SYS:asset:ln.ringfence': -3n,
      'SYS:asset:ln.local': 3n,
    },
  ],
  [
    'I8 is I2 with nothing for the pool',
    (of) => payReserved({ ...pay(of), serviceFeeMsat: msat(0n) }),
    {
      'SYS:liab:prepaid.ana': 1_030n,
      'SYS:liab:prepaid_hold.q1': -1_030n,
      'SYS:asset:ln.inflight': 1_030n,
      'SYS:asset:ln.local': -1_030n,
    },
  ],
  [
    'E7 credits an agent',
    ({ a }) => prepaidCredited({ agentId: 'ana', receivedMsat: a }),
    { 'SYS:asset:ln.local': 1_000n, 'SYS:liab:prepaid.ana': -1_000n },
  ],
  [
    'money that is nobody’s is not the pool’s',
    ({ a }) => unattributedReceived({ receivedMsat: a }),
    { 'SYS:asset:ln.local': 1_000n, 'SYS:liab:unattributed': -1_000n },
  ],
  [
    'a late settlement takes what is there and is no income',
    ({ a, m, f }) =>
      settledLate({ agentId: 'ana', availableMsat: m, amountMsat: a, routeFeeMsat: f }),
    {
      'SYS:liab:prepaid.ana': 30n,
      'SYS:asset:ln.local': -30n,
      'LLP:exp:recon': 980n,
      'LLP:asset:ln.local': -980n,
    },
  ],
  [
    'R1 earns a forward’s fee',
    ({ f }) => forwardSettled({ feeMsat: f }),
    { 'LLP:asset:ln.local': 10n, 'LLP:inc:routing': -10n },
  ],
  [
    'R2 costs a rebalance',
    ({ f }) => rebalanced({ costMsat: f }),
    { 'LLP:exp:rebalance': 10n, 'LLP:asset:ln.local': -10n },
  ],
  [
    'R3 opens out of the treasury, with a reserve for LND’s wallet',
    ({ a, m, f }) => openBroadcast({ capacityMsat: a, feeMsat: f, reserveMsat: m }),
    {
      'LLP:asset:ln.pending_open': 1_000n,
      'LLP:exp:chain_open': 10n,
      'LLP:asset:chain.conf': 30n,
      'LLP:asset:cold': -1_040n,
    },
  ],
  [
    'R3 opens out of LND’s wallet',
    ({ a, f }) =>
      openBroadcast({ capacityMsat: a, feeMsat: f, reserveMsat: msat(0n), from: 'chain.conf' }),
    {
      'LLP:asset:ln.pending_open': 1_000n,
      'LLP:exp:chain_open': 10n,
      'LLP:asset:chain.conf': -1_010n,
    },
  ],
  [
    'R4 keeps apart what a channel cannot spend',
    ({ a, m }) => openConfirmed({ capacityMsat: sum(a, m), reservedMsat: m }),
    {
      'LLP:asset:ln.local': 1_000n,
      'LLP:asset:ln.reserved': 30n,
      'LLP:asset:ln.pending_open': -1_030n,
    },
  ],
  [
    'R5 closes, and the fee is gone at once',
    ({ a, m, f }) => closeBroadcast({ localMsat: a, reservedMsat: m, feeMsat: f }),
    {
      'LLP:asset:ln.pending_close': 1_020n,
      'LLP:exp:chain_close': 10n,
      'LLP:asset:ln.local': -1_000n,
      'LLP:asset:ln.reserved': -30n,
    },
  ],
  [
    'R6 pays a cooperative close to the treasury',
    ({ a, f }) => closeConfirmed({ closingMsat: sum(a, f), feeMsat: f, to: 'cold' }),
    {
      'LLP:asset:cold': 1_000n,
      'LLP:exp:chain_sweep': 10n,
      'LLP:asset:ln.pending_close': -1_010n,
    },
  ],
  [
    'R6 pays a force close to LND’s wallet',
    ({ a, f }) => closeConfirmed({ closingMsat: sum(a, f), feeMsat: f, to: 'chain.conf' }),
    {
      'LLP:asset:chain.conf': 1_000n,
      'LLP:exp:chain_sweep': 10n,
      'LLP:asset:ln.pending_close': -1_010n,
    },
  ],
  [
    'R7 swaps out at a cost',
    ({ a, f }) => swappedOut({ chainMsat: a, costMsat: f }),
    { 'LLP:asset:chain.conf': 1_000n, 'LLP:exp:swap': 10n, 'LLP:asset:ln.local': -1_010n },
  ],
  [
    'R7 swaps in at a cost',
    ({ a, f }) => swappedIn({ chainMsat: sum(a, f), costMsat: f }),
    { 'LLP:asset:ln.local': 1_000n, 'LLP:exp:swap': 10n, 'LLP:asset:chain.conf': -1_010n },
  ],
  [
    'R8 sweeps to the treasury',
    ({ a, f }) => sweptToCold({ amountMsat: a, feeMsat: f }),
    { 'LLP:asset:cold': 1_000n, 'LLP:exp:chain_sweep': 10n, 'LLP:asset:chain.conf': -1_010n },
  ],
  [
    'R9 tops LND’s wallet up',
    ({ a, f }) => toppedUpHot({ amountMsat: a, feeMsat: f }),
    { 'LLP:asset:chain.conf': 1_000n, 'LLP:exp:chain_sweep': 10n, 'LLP:asset:cold': -1_010n },
  ],
  [
    'R10 brings capital',
    ({ a }) => capitalBrought({ rail: 'cold', amountMsat: a }),
    { 'LLP:asset:cold': 1_000n, 'LLP:equity:capital': -1_000n },
  ],
  [
    'S3 a rail that is short is LLP’s loss',
    ({ a }) => reconShort({ rail: 'ln.local', amountMsat: a }),
    { 'LLP:exp:recon': 1_000n, 'LLP:asset:ln.local': -1_000n },
  ],
  [
    'S3 a rail that holds more is nobody’s gain',
    ({ a }) => reconOver({ rail: 'chain.conf', amountMsat: a }),
    { 'SYS:asset:chain.conf': 1_000n, 'SYS:liab:unattributed': -1_000n },
  ],
];

/** Signed debits by account. */
export function moves({ postings }: Entry): Record<string, bigint> {
  const moved: Record<string, bigint> = {};
  for (const { account, side, amount } of postings) {
    moved[account] = (moved[account] ?? 0n) + (side === 'dr' ? amount : -amount);
  }
  return moved;
}

export const EXAMPLE: Letters = { a: msat(1_000n), m: msat(30n), f: msat(10n), v: msat(3n) };
/** Everything that any row takes from, filled. */
export function rich(): Ledger {
  const ledger = emptyLedger();
  const plenty = 2n ** 60n;
  const rails = ['ln.local', 'ln.reserved', 'ln.inflight', 'ln.pending_open', 'ln.pending_close'];
  for (const rail of [...rails, 'chain.conf', 'cold']) {
    postEntry(ledger, entryOf(dr(`LLP:asset:${rail}`, plenty), cr('LLP:equity:capital', plenty)));
  }
  for (const [rail, owed] of [
    ['ln.local', 'prepaid.ana'],
    ['ln.ringfence', 'prepaid_hold.q1'],
    ['ln.inflight', 'prepaid_hold.q1'],
  ]) {
    postEntry(ledger, entryOf(dr(`SYS:asset:${rail}`, plenty), cr(`SYS:liab:${owed}`, plenty)));
  }
  return ledger;
}
