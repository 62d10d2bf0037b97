/** The table of rows, checked by machine: what each moves, that it balances for any amounts, and what it leaves alone. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { accountOf } from '../operator/ledger/account.ts';
import { entrySchema } from '../operator/ledger/entry.ts';
import { checkEntry, postEntry } from '../operator/ledger/ledger.ts';
import { railTotals } from '../operator/ledger/rail-rows.ts';
import { payReserved, paySettled } from '../operator/ledger/rows.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { msat } from '../policies/units.ts';
import { EXAMPLE, type Letters, moves, pay, ROWS, rich } from './ledger-row-table.ts';

const letters = fc
  .record({
    a: fc.bigInt({ min: 1n, max: 2n ** 50n }),
    m: fc.bigInt({ min: 0n, max: 2n ** 40n }),
    f: fc.bigInt({ min: 0n, max: 2n ** 40n }),
    v: fc.bigInt({ min: 0n, max: 2n ** 40n }),
  })
  .map(
    ({ a, m, f, v }): Letters => ({
      a: msat(a),
      m: msat(m),
      f: msat(f < m ? f : m),
      v: msat(v),
    }),
  );

describe('the row', () => {
  test.each(ROWS)('%s', (_, make, expected) => {
    expect(moves(make(EXAMPLE))).toStrictEqual(expected);
  });

  test.each(ROWS)('%s, and balances per unit and partition with any amounts', (_, make) => {
    fc.assert(
      fc.property(letters, (of) => {
        const entry = make(of);
        const sums: Record<string, bigint> = {};
        for (const [account, value] of Object.entries(moves(entry))) {
          const { partition, unit } = accountOf(account);
          sums[`${partition} ${unit}`] = (sums[`${partition} ${unit}`] ?? 0n) + value;
        }
        expect(Object.values(sums).every((value) => value === 0n)).toBe(true);
        expect(entry.postings.every(({ amount }) => amount > 0n)).toBe(true);
        expect(checkEntry(rich(), entry)).toBeNull();
      }),
      { numRuns: 50 },
    );
  });

  test.each(ROWS)('%s, and reads the same from a journal', (_, make) => {
    const entry = make(EXAMPLE);
    expect(entrySchema.parse(JSON.parse(canonicalJson(entry)))).toStrictEqual(entry);
  });
});

test('a reserve and its end leave of LLP’s and the agents’ money only what was sent and earned', () => {
  fc.assert(
    fc.property(letters, (of) => {
      const ledger = rich();
      const before = railTotals(ledger).lightningMsat;
      postEntry(ledger, payReserved(pay(of)));
      expect(railTotals(ledger).lightningMsat).toBe(before);
      postEntry(ledger, paySettled({ ...pay(of), routeFeeMsat: of.f }));
      expect(railTotals(ledger).lightningMsat).toBe(before - of.a - of.f);
    }),
  );
});
