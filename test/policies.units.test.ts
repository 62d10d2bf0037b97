/** Money wears its unit, stays in its range, and is rounded for whom the name says. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Failure } from '../policies/failure.ts';
import {
  MAX_MONEY_MSAT,
  MAX_MONEY_SAT,
  msat,
  msatOfSat,
  ppm,
  ppmOfCeil,
  sat,
  satCeil,
  satFloor,
  sumMsat,
} from '../policies/units.ts';

const anyMsat = fc.bigInt({ min: 0n, max: MAX_MONEY_MSAT }).map(msat);

describe('what is no amount is refused', () => {
  test.each<[string, () => bigint]>([
    ['millisatoshi below zero', () => msat(-1n)],
    ['more millisatoshi than there can be', () => msat(MAX_MONEY_MSAT + 1n)],
    ['a sum of millisatoshi beyond that', () => sumMsat([msat(MAX_MONEY_MSAT), msat(1n)])],
    ['a rate below zero', () => ppm(-1n)],
    [
      'a share that is more than there can be',
      () => ppmOfCeil(msat(MAX_MONEY_MSAT), ppm(1_000_001n)),
    ],
  ])('%s', (_, make) => {
    expect(make).toThrow(Failure);
    expect(make).toThrow(expect.objectContaining({ code: 'AMOUNT_OUT_OF_RANGE' }));
  });
});

test('the bounds themselves are amounts, and nothing sums to nothing', () => {
  expect([msat(0n), msat(MAX_MONEY_MSAT), sumMsat([])]).toStrictEqual([0n, MAX_MONEY_MSAT, 0n]);
  expect(msatOfSat(sat(MAX_MONEY_SAT))).toBe(MAX_MONEY_MSAT);
});

test.each<[string, bigint, bigint, bigint]>([
  ['nothing', 0n, 0n, 0n],
  ['a millisatoshi', 1n, 0n, 1n],
  ['one short of a satoshi', 999n, 0n, 1n],
  ['a satoshi', 1_000n, 1n, 1n],
  ['one above a satoshi', 1_001n, 1n, 2n],
])('%s is whole satoshi, rounded down and up', (_, amount, floor, ceil) => {
  expect([satFloor(msat(amount)), satCeil(msat(amount))]).toStrictEqual([floor, ceil]);
});

test.each<[string, bigint, bigint, bigint]>([
  ['of nothing is nothing', 0n, 1_000n, 0n],
  ['at no rate is nothing', 1_000_000n, 0n, 0n],
  ['that divides is exact', 1_000_000n, 1_500n, 1_500n],
  ['that does not divide is one more', 1_000_001n, 1_500n, 1_501n],
  ['of the smallest amount is the smallest amount', 1n, 1n, 1n],
])('a fee %s', (_, amount, rate, fee) => {
  expect(ppmOfCeil(msat(amount), ppm(rate))).toBe(fee);
});

test('rounding takes less than a unit, and always to the same side', () => {
  fc.assert(
    fc.property(anyMsat, fc.bigInt({ min: 0n, max: 1_000_000n }), (amount, rate) => {
      expect(amount - msatOfSat(satFloor(amount))).toBeLessThan(1_000n);
      expect(satCeil(amount) - satFloor(amount)).toBe(amount % 1_000n === 0n ? 0n : 1n);
      const over = ppmOfCeil(amount, ppm(rate)) * 1_000_000n - amount * rate;
      expect(over).toBeGreaterThanOrEqual(0n);
      expect(over).toBeLessThan(1_000_000n);
    }),
  );
});
