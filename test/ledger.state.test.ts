/** A checkpoint of the ledger: the same bytes there and back, and refused when no entries can have made it. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { cr, dr, entryOf } from '../operator/ledger/entry.ts';
import { emptyLedger, type Ledger, postEntry } from '../operator/ledger/ledger.ts';
import {
  type LedgerState,
  ledgerFromState,
  ledgerState,
  stateHash,
} from '../operator/ledger/ledger-state.ts';
import { partitionValues } from '../operator/ledger/totals.ts';
import { BrokenInvariant } from '../policies/failure.ts';

/** With an account that closed, and a hold that is open. */
function sample(): Ledger {
  const ledger = emptyLedger();
  const held = [dr('CEP:asset:recv.principal.e1', 2n), cr('CEP:asset:cold', 2n)];
  for (const entry of [
    entryOf(dr('CEP:asset:cold', 5n), cr('CEP:equity:capital', 5n)),
    entryOf(dr('SYS:asset:ln.local', 7n), cr('SYS:liab:suspense.d1', 7n)),
    entryOf(dr('SYS:liab:suspense.d1', 7n), cr('SYS:liab:prepaid.ana', 7n)),
    { postings: [], pending: [{ op: 'open' as const, id: 'e1', postings: held }] },
  ]) {
    postEntry(ledger, entry);
  }
  return ledger;
}

test('a checkpoint is plain, sorted, and has every account, hold and closed turnover', () => {
  expect(ledgerState(sample())).toStrictEqual({
    balances: [
      ['CEP:asset:cold', '5', '0', '0', '2'],
      ['CEP:asset:recv.principal.e1', '0', '0', '2', '0'],
      ['CEP:equity:capital', '0', '5', '0', '0'],
      ['SYS:asset:ln.local', '7', '0', '0', '0'],
      ['SYS:liab:prepaid.ana', '0', '7', '0', '0'],
    ],
    holds: [
      [
        'e1',
        [
          { account: 'CEP:asset:recv.principal.e1', side: 'dr', amount: '2' },
          { account: 'CEP:asset:cold', side: 'cr', amount: '2' },
        ],
      ],
    ],
    closed: [['SYS:liab', '7']],
  });
});

test('a checkpoint read back is the same ledger, to the bytes', () => {
  const back = ledgerFromState(JSON.parse(JSON.stringify(ledgerState(sample()))));
  expect(ledgerState(back)).toStrictEqual(ledgerState(sample()));
  expect(stateHash(back)).toBe(stateHash(sample()));
  postEntry(back, { postings: [], pending: [{ op: 'void', id: 'e1' }] });
});

function sha256(...parts: Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

test('the hash is BIP-340’s, tagged, over the canonical text, computed here by hand', () => {
  const text =
    '{"balances":[["CEP:asset:cold","5","0","0","2"],["CEP:asset:recv.principal.e1","0","0","2","0"],' +
    '["CEP:equity:capital","0","5","0","0"],["SYS:asset:ln.local","7","0","0","0"],' +
    '["SYS:liab:prepaid.ana","0","7","0","0"]],"closed":[["SYS:liab","7"]],"holds":[["e1",' +
    '[{"account":"CEP:asset:recv.principal.e1","amount":"2","side":"dr"},' +
    '{"account":"CEP:asset:cold","amount":"2","side":"cr"}]]]}';
  const tag = sha256(Buffer.from('weir/ledger-state/v1'));
  expect(stateHash(sample())).toBe(sha256(tag, tag, Buffer.from(text)).toString('hex'));
});

test.each<[string, (ledger: Ledger) => void]>([
  [
    'an amount',
    (ledger) => postEntry(ledger, entryOf(dr('CEP:asset:cold', 1n), cr('CEP:equity:capital', 1n))),
  ],
  [
    'a turnover that came and went',
    (ledger) => {
      postEntry(ledger, entryOf(dr('SYS:liab:prepaid.ana', 1n), cr('SYS:liab:bond.ana', 1n)));
      postEntry(ledger, entryOf(cr('SYS:liab:prepaid.ana', 1n), dr('SYS:liab:bond.ana', 1n)));
    },
  ],
  ['a hold', (ledger) => postEntry(ledger, { postings: [], pending: [{ op: 'void', id: 'e1' }] })],
])('the hash is another with %s more or less', (_, change) => {
  const ledger = sample();
  change(ledger);
  expect(stateHash(ledger)).not.toBe(stateHash(sample()));
});

describe('a checkpoint is refused', () => {
  const state = ledgerState(sample());
  const balances = (at: number, row: LedgerState['balances'][number]): LedgerState => ({
    ...state,
    balances: state.balances.with(at, row),
  });
  test.each<[string, unknown]>([
    ['that is none', null],
    ['with something else in it', { ...state, note: '' }],
    ['with an account outside the chart', balances(0, ['CEP:asset:gold', '5', '0', '0', '2'])],
    ['with a number', { ...state, closed: [['SYS:liab', 7]] }],
    ['with an amount below zero', balances(0, ['CEP:asset:cold', '-5', '0', '0', '2'])],
    ['that lost an account', { ...state, balances: state.balances.slice(1) }],
    ['with one msat more', balances(0, ['CEP:asset:cold', '6', '0', '0', '2'])],
    [
      'that balances only over two partitions',
      {
        ...state,
        balances: state.balances
          .with(0, ['CEP:asset:cold', '6', '0', '0', '2'])
          .with(4, ['SYS:liab:prepaid.ana', '0', '8', '0', '0']),
      },
    ],
    [
      'with an account beyond its flag',
      {
        balances: [
          ['CEP:asset:cold', '0', '1', '0', '0'],
          ['CEP:equity:capital', '1', '0', '0', '0'],
        ],
        holds: [],
        closed: [],
      },
    ],
    ['that lost a hold', { ...state, holds: [] }],
    [
      'that holds from another account than its hold says',
      {
        ...state,
        balances: state.balances
          .with(0, ['CEP:asset:cold', '5', '0', '0', '0'])
          .with(2, ['CEP:equity:capital', '0', '5', '0', '2']),
      },
    ],
    [
      'with a hold that does not balance',
      {
        ...balances(0, ['CEP:asset:cold', '5', '0', '0', '0']),
        holds: [['e1', state.holds[0]?.[1].slice(0, 1)]],
      },
    ],
    [
      'with a hold that no account knows',
      { ...state, holds: [...state.holds, ['e2', state.holds[0]?.[1]]] },
    ],
    ['with closed accounts of a kind that never closes', { ...state, closed: [['LLP:exp', '7']] }],
  ])('%s', (_, value) => {
    expect(() => ledgerFromState(value)).toThrow(
      expect.objectContaining({ code: 'JOURNAL_CORRUPT' }),
    );
  });
});

test('I-4 what a partition owns is what was brought and earned, else the process stops', () => {
  const ledger = sample();
  expect(partitionValues(ledger)).toMatchObject({
    CEP: { assets: 5n, liabilities: 0n, capital: 5n },
    SYS: { assets: 7n, liabilities: 7n, capital: 0n },
    LLP: { assets: 0n, capital: 0n },
  });
  ledger.balances.delete('CEP:equity:capital');
  expect(() => partitionValues(ledger)).toThrow(BrokenInvariant);
});

test('a partition is worth its assets less what may be lost and what is owed', () => {
  const ledger = emptyLedger();
  for (const entry of [
    entryOf(dr('CEP:asset:cold', 100n), cr('CEP:equity:capital', 100n)),
    entryOf(dr('CEP:exp:provision', 8n), cr('CEP:contra:allowance', 8n)),
    entryOf(dr('CEP:asset:cold', 3n), cr('CEP:inc:envelope_fee', 3n)),
    entryOf(dr('CEP:equity:capital', 20n), cr('CEP:liab:wd.payable.w1', 20n)),
  ]) {
    postEntry(ledger, entry);
  }
  expect(partitionValues(ledger).CEP).toStrictEqual({
    assets: 103n,
    contra: 8n,
    liabilities: 20n,
    capital: 80n,
    income: 3n,
    expense: 8n,
  });
});
