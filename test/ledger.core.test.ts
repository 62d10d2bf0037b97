/** What the ledger takes and refuses, holds in two phases, and accounts that close without a sum changing. */
import { describe, expect, test } from 'vitest';
import {
  AMOUNT_MAX,
  cr,
  dr,
  type Entry,
  entryOf,
  entrySchema,
  linked,
} from '../operator/ledger/entry.ts';
import {
  accountRows,
  available,
  balanceOf,
  checkEntry,
  emptyLedger,
  type Ledger,
  postEntry,
  postedOf,
} from '../operator/ledger/ledger.ts';
import { stateHash } from '../operator/ledger/ledger-state.ts';
import { partitionValue, trialBalance } from '../operator/ledger/totals.ts';
import { BrokenInvariant } from '../policies/failure.ts';

const CASH = 'CEP:asset:ln.local';
const OWED = 'CEP:asset:recv.principal.e1';
const OWNERS = 'CEP:equity:capital';

/** CEP with 100 msat. */
function withCash(): Ledger {
  const ledger = emptyLedger();
  postEntry(ledger, entryOf(dr(CASH, 100n), cr(OWNERS, 100n)));
  return ledger;
}

const lends = (amount: bigint) => [dr(OWED, amount), cr(CASH, amount)];
const spends = (amount: bigint) => [dr('quota:rebalance', amount), cr('quota:granted', amount)];
const hold = (id: number) => `SYS:liab:prepaid_hold.q${id}`;
const open = (id: string, amount: bigint): Entry => ({
  postings: [],
  pending: [{ op: 'open', id, postings: lends(amount) }],
});
const post = (id: string, amount: bigint): Entry => ({
  postings: [],
  pending: [{ op: 'post', id, postings: lends(amount) }],
});
const voided = (id: string): Entry => ({ postings: [], pending: [{ op: 'void', id }] });

describe('an entry is refused', () => {
  test.each<[string, Entry, object]>([
    [
      'that does not balance',
      entryOf(dr(CASH, 5n), cr(OWNERS, 3n)),
      { code: 'unbalanced', unit: 'msat', partition: 'CEP', shortBy: 2n },
    ],
    [
      'that balances only over two partitions',
      entryOf(dr('LLP:asset:ln.local', 5n), cr(CASH, 5n)),
      { code: 'unbalanced', shortBy: 5n },
    ],
    [
      'that balances only over two units',
      entryOf(dr(CASH, 5n), cr('share[CEP]:lp.ana', 5n)),
      { code: 'unbalanced', shortBy: 5n },
    ],
    [
      'with a posting below zero',
      { postings: [dr(CASH, -5n), cr(OWNERS, -5n)] },
      { code: 'unbalanced', account: CASH },
    ],
    [
      'with a posting of nothing',
      { postings: [dr(CASH, 0n), cr(OWNERS, 0n)] },
      { code: 'unbalanced', account: CASH },
    ],
    [
      'with a posting beyond any amount',
      entryOf(dr(CASH, AMOUNT_MAX + 1n), cr(OWNERS, AMOUNT_MAX + 1n)),
      { code: 'unbalanced', account: CASH },
    ],
    [
      'that takes more than an asset has',
      entryOf(...lends(101n)),
      { code: 'overdraft', account: CASH, unit: 'msat', partition: 'CEP', shortBy: 1n },
    ],
    [
      'that pays back more than is owed',
      entryOf(dr('SYS:liab:prepaid.ana', 1n), cr('SYS:liab:prepaid.ben', 1n)),
      { code: 'overdraft', account: 'SYS:liab:prepaid.ana', shortBy: 1n },
    ],
    ['that voids a hold which is not open', voided('h'), { code: 'hold_unknown' }],
    ['that posts a hold which is not open', post('h', 1n), { code: 'hold_unknown' }],
    ['that opens a hold twice', linked(open('h', 1n), open('h', 1n)), { code: 'hold_known' }],
    [
      'that opens a hold which does not balance',
      { postings: [], pending: [{ op: 'open', id: 'h', postings: [dr(OWED, 1n)] }] },
      { code: 'unbalanced' },
    ],
    [
      'that holds more than there is',
      open('h', 101n),
      { code: 'overdraft', account: CASH, shortBy: 1n },
    ],
    [
      'that holds more than there is in two holds',
      linked(open('h', 60n), open('i', 60n)),
      { code: 'overdraft', account: CASH, shortBy: 20n },
    ],
    [
      'that posts more of a hold than was held',
      linked(open('h', 10n), post('h', 11n)),
      { code: 'hold_exceeded', account: OWED, shortBy: 1n },
    ],
  ])('%s, and nothing changes', (_, entry, refusal) => {
    const ledger = withCash();
    const before = stateHash(ledger);
    expect(checkEntry(ledger, entry)).toMatchObject(refusal);
    expect(() => postEntry(ledger, entry)).toThrow(BrokenInvariant);
    expect(stateHash(ledger)).toBe(before);
  });

  test('for an account outside the chart, as a mistake of ours', () => {
    const entry = entryOf(dr('CEP:asset:gold', 1n), cr(OWNERS, 1n));
    expect(() => checkEntry(withCash(), entry)).toThrow(BrokenInvariant);
    expect(() => balanceOf(withCash(), 'CEP:asset:gold')).toThrow(BrokenInvariant);
  });
});

describe('a hold', () => {
  test('takes from what is available at once, brings nothing before it is posted, and moves nothing', () => {
    const ledger = withCash();
    postEntry(ledger, open('h', 60n));
    expect([available(ledger, CASH), postedOf(ledger, CASH)]).toStrictEqual([40n, 100n]);
    expect([available(ledger, OWED), postedOf(ledger, OWED)]).toStrictEqual([0n, 0n]);
    expect(checkEntry(ledger, entryOf(cr(OWED, 1n), dr(CASH, 1n)))).toMatchObject({
      code: 'overdraft',
      account: OWED,
    });
    expect(checkEntry(ledger, entryOf(...lends(41n)))).toMatchObject({
      code: 'overdraft',
      account: CASH,
      shortBy: 1n,
    });
  });

  test('is posted in part, lets go of the rest, and is over (E2, E4)', () => {
    const ledger = withCash();
    postEntry(ledger, open('h', 60n));
    postEntry(ledger, post('h', 25n));
    expect(balanceOf(ledger, CASH)).toStrictEqual({
      drPosted: 100n,
      crPosted: 25n,
      drPending: 0n,
      crPending: 0n,
    });
    expect(available(ledger, OWED)).toBe(25n);
    expect(checkEntry(ledger, post('h', 1n))?.code).toBe('hold_unknown');
  });

  test('is voided and leaves no trace (E6)', () => {
    const ledger = withCash();
    const before = stateHash(ledger);
    postEntry(ledger, open('h', 60n));
    postEntry(ledger, voided('h'));
    expect(stateHash(ledger)).toBe(before);
    postEntry(ledger, open('h', 100n));
    expect(available(ledger, CASH)).toBe(0n);
  });

  test('of the last msat is taken, the next one is not', () => {
    const ledger = withCash();
    postEntry(ledger, open('h', 100n));
    expect(checkEntry(ledger, open('i', 1n))).toMatchObject({ code: 'overdraft', shortBy: 1n });
  });

  test('is posted in one entry with what else it brings', () => {
    const ledger = withCash();
    postEntry(ledger, entryOf(dr('LLP:asset:ln.inflight', 30n), cr('LLP:equity:capital', 30n)));
    postEntry(ledger, open('h', 60n));
    const settles = entryOf(
      dr('LLP:asset:ln.local', 33n),
      cr('LLP:asset:ln.inflight', 30n),
      cr('LLP:inc:service', 3n),
    );
    postEntry(ledger, linked(settles, post('h', 33n)));
    expect(postedOf(ledger, OWED)).toBe(33n);
    expect(partitionValue(ledger, 'CEP').assets).toBe(100n);
    expect(partitionValue(ledger, 'LLP')).toMatchObject({ assets: 33n, income: 3n });
  });

  test('of a budget is spent as far as it was used', () => {
    const ledger = emptyLedger();
    postEntry(ledger, entryOf(dr('quota:granted', 10n), cr('quota:rebalance', 10n)));
    postEntry(ledger, { postings: [], pending: [{ op: 'open', id: 'r', postings: spends(8n) }] });
    expect(available(ledger, 'quota:rebalance')).toBe(2n);
    postEntry(ledger, { postings: [], pending: [{ op: 'post', id: 'r', postings: spends(5n) }] });
    expect(available(ledger, 'quota:rebalance')).toBe(5n);
  });
});

describe('an account of one payment', () => {
  test('is gone when it holds nothing, and its turnover stays in the sums', () => {
    const ledger = emptyLedger();
    postEntry(ledger, entryOf(dr('SYS:asset:ln.local', 9n), cr('SYS:liab:prepaid.ana', 9n)));
    for (let id = 0; id < 1_000; id += 1) {
      postEntry(ledger, entryOf(dr('SYS:liab:prepaid.ana', 9n), cr(hold(id), 9n)));
      postEntry(ledger, entryOf(dr(hold(id), 9n), cr('SYS:liab:prepaid.ana', 9n)));
    }
    expect(accountRows(ledger)).toStrictEqual([
      { account: 'SYS:asset:ln.local', unit: 'msat', balance: 9n },
      { account: 'SYS:liab:prepaid.ana', unit: 'msat', balance: 9n },
    ]);
    // Received once, then there and back a thousand times.
    const turnover = 9n + 2n * 1_000n * 9n;
    expect(trialBalance(ledger)).toStrictEqual([
      { book: 'SYS msat', drPosted: turnover, crPosted: turnover, drPending: 0n, crPending: 0n },
    ]);
  });

  test('of shares is counted with shares', () => {
    const ledger = emptyLedger();
    postEntry(ledger, entryOf(dr('share[LLP]:issued', 4n), cr('share[LLP]:escrow.w1', 4n)));
    postEntry(ledger, entryOf(dr('share[LLP]:escrow.w1', 4n), cr('share[LLP]:issued', 4n)));
    expect(ledger.balances.has('share[LLP]:escrow.w1')).toBe(false);
    expect(trialBalance(ledger)).toStrictEqual([
      { book: 'LLP share[LLP]', drPosted: 8n, crPosted: 8n, drPending: 0n, crPending: 0n },
    ]);
  });

  test('stays while anything of it is held', () => {
    const ledger = withCash();
    postEntry(ledger, linked(entryOf(...lends(5n)), open('h', 2n)));
    postEntry(ledger, entryOf(dr(CASH, 5n), cr(OWED, 5n)));
    expect(ledger.balances.has(OWED)).toBe(true);
    postEntry(ledger, voided('h'));
    expect(ledger.balances.has(OWED)).toBe(false);
  });
});

describe('on the wire', () => {
  const good = { account: CASH, side: 'dr', amount: '1' };
  test.each<[string, unknown, boolean]>([
    ['an amount is decimal text', { postings: [good] }, true],
    ['an amount of nothing is none', { postings: [{ ...good, amount: '0' }] }, false],
    ['an amount below zero is none', { postings: [{ ...good, amount: '-1' }] }, false],
    ['an amount has no zero before it', { postings: [{ ...good, amount: '01' }] }, false],
    ['a number is no amount', { postings: [{ ...good, amount: 1 }] }, false],
    ['the largest amount is one', { postings: [{ ...good, amount: AMOUNT_MAX.toString() }] }, true],
    ['2^96 is none', { postings: [{ ...good, amount: (AMOUNT_MAX + 1n).toString() }] }, false],
    ['a side is dr or cr', { postings: [{ ...good, side: 'debit' }] }, false],
    ['nothing else is in a posting', { postings: [{ ...good, note: 'x' }] }, false],
    ['a hold is voided by its id', { postings: [], pending: [{ op: 'void', id: 'h' }] }, true],
    ['an id has no space', { postings: [], pending: [{ op: 'void', id: 'h h' }] }, false],
    [
      'a hold is of something',
      { postings: [], pending: [{ op: 'open', id: 'h', postings: [] }] },
      false,
    ],
    ['an entry has an end', { postings: Array.from({ length: 2_001 }, () => good) }, false],
  ])('%s', (_, value, valid) => {
    expect(entrySchema.safeParse(value).success).toBe(valid);
  });
});
