/** What is on each rail: moved at the cost of its fee, exchanged between partitions at par, counted whatever holds say. */
import { describe, expect, test } from 'vitest';
import { cr, dr, entryOf } from '../operator/ledger/entry.ts';
import { emptyLedger, postEntry } from '../operator/ledger/ledger.ts';
import {
  closeBroadcast,
  closeConfirmed,
  lightningExchanged,
  openBroadcast,
  openConfirmed,
  railTotals,
  swappedIn,
  swappedOut,
  sweptToCold,
  toppedUpHot,
} from '../operator/ledger/rail-rows.ts';
import { msat } from '../policies/units.ts';
import { moves, rich } from './ledger-row-table.ts';

test('moving money between our own places costs its fee and nothing else', () => {
  const ledger = rich();
  const all = (): bigint => {
    const { inflightMsat: _part, ...rails } = railTotals(ledger);
    return Object.values(rails).reduce((total, each) => total + each, 0n);
  };
  const before = all();
  const fee = msat(7n);
  const amount = msat(5_000n);
  for (const entry of [
    openBroadcast({ capacityMsat: amount, feeMsat: fee, reserveMsat: amount }),
    openConfirmed({ capacityMsat: amount, reservedMsat: fee }),
    closeBroadcast({ localMsat: amount, reservedMsat: amount, feeMsat: fee }),
    closeConfirmed({ closingMsat: amount, feeMsat: fee, to: 'cold' }),
    sweptToCold({ amountMsat: amount, feeMsat: fee }),
    toppedUpHot({ amountMsat: amount, feeMsat: fee }),
    swappedOut({ chainMsat: amount, costMsat: fee }),
    swappedIn({ chainMsat: amount, costMsat: fee }),
  ]) {
    postEntry(ledger, entry);
  }
  expect(before - all()).toBe(7n * 7n);
});

describe('agents’ money that lacks on Lightning is exchanged', () => {
  test.each<[string, bigint, [bigint, bigint], Record<string, bigint>]>([
    ['not at all where nothing lacks', 900n, [5_000n, 5_000n], {}],
    [
      'in whole satoshi of LND’s wallet first',
      1_500n,
      [5_000n, 5_000n],
      { ln: 1_000n, 'chain.conf': -1_000n },
    ],
    [
      'then of the treasury',
      4_900n,
      [1_000n, 9_000n],
      { ln: 4_000n, 'chain.conf': -1_000n, cold: -3_000n },
    ],
    [
      'as far as there is any',
      9_000n,
      [1_000n, 2_000n],
      { ln: 3_000n, 'chain.conf': -1_000n, cold: -2_000n },
    ],
  ])('%s', (_, amount, [chain, cold], expected) => {
    const ledger = rich();
    // SYS has 1,000 msat left on Lightning, the rest is elsewhere.
    const local = 2n ** 60n;
    postEntry(
      ledger,
      entryOf(
        cr('SYS:asset:ln.local', local - 1_000n),
        dr('SYS:asset:ln.pending_close', local - 1_000n - chain - cold),
        dr('SYS:asset:chain.conf', chain),
        dr('SYS:asset:cold', cold),
      ),
    );
    const moved = moves(lightningExchanged(ledger, amount));
    const sys = Object.entries(moved).filter(([account]) => account.startsWith('SYS:'));
    const named = sys.map(([account, value]) => [
      account.replace('SYS:asset:', '').replace('ln.local', 'ln'),
      value,
    ]);
    expect(Object.fromEntries(named)).toStrictEqual(expected);
    for (const [account, value] of sys) {
      expect(moved[account.replace('SYS:', 'LLP:')]).toBe(-value);
    }
  });
});

test('each rail is the sum of its accounts in every partition, and a hold takes nothing off it', () => {
  const ledger = emptyLedger();
  const rails = [
    ['ln.local', 1n],
    ['ln.reserved', 10n],
    ['ln.inflight', 100n],
    ['ln.ringfence', 1_000n],
    ['ln.pending_open', 2n],
    ['ln.pending_close', 3n],
    ['chain.conf', 4n],
    ['chain.inflight', 40n],
    ['chain.ringfence', 400n],
    ['cold', 5n],
    ['spark', 6n],
  ] as const;
  for (const partition of ['LLP', 'CEP', 'RRP']) {
    for (const [rail, amount] of rails) {
      const owner = `${partition}:equity:capital`;
      postEntry(ledger, entryOf(dr(`${partition}:asset:${rail}`, amount), cr(owner, amount)));
    }
  }
  postEntry(ledger, entryOf(dr('SYS:asset:ln.local', 7n), cr('SYS:liab:prepaid.ana', 7n)));
  const held = [dr('CEP:asset:recv.principal.e1', 1n), cr('CEP:asset:ln.local', 1n)];
  postEntry(ledger, { postings: [], pending: [{ op: 'open', id: 'e1', postings: held }] });
  expect(railTotals(ledger)).toStrictEqual({
    lightningMsat: 3_333n + 7n,
    inflightMsat: 300n,
    pendingOpenMsat: 6n,
    pendingCloseMsat: 9n,
    chainMsat: 1_332n,
    coldMsat: 15n,
    sparkMsat: 18n,
  });
});
