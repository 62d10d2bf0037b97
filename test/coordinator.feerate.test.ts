/** Which feerate a spend pays: what is estimated, within the policy, and enough to replace. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { feerateFor, replacingFeerate } from '../coordinator/feerate.ts';
import { parsePolicy } from '../policies/policy.ts';
import { type FeeRate, feeCeil, sat, vbytes } from '../policies/units.ts';
import { policyText } from './treasury-scenario.ts';

describe('a feerate', () => {
  const policy = parsePolicy(policyText(['ana', 'ben', 'cleo']));
  test.each<[string, 'withdrawal_batch' | 'consolidate' | 'fee_bump', bigint | null, bigint]>([
    ['is the estimate', 'withdrawal_batch', 3_000n, 3_000n],
    ['is the floor where nothing is estimated', 'withdrawal_batch', null, 1_000n],
    ['is never below the floor', 'withdrawal_batch', 10n, 1_000n],
    ['is never above the cap', 'withdrawal_batch', 500_000n, 100_000n],
    ['of a consolidation has a cap of its own', 'consolidate', 50_000n, 5_000n],
    ['of a bump may be higher', 'fee_bump', 150_000n, 150_000n],
  ])('%s', (_, kind, estimate, rate) => {
    expect(feerateFor(kind, policy, estimate as FeeRate | null)).toBe(rate);
  });

  test('that replaces pays more in all and more for each byte', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 200n, max: 100_000n }),
        fc.bigInt({ min: 100n, max: 50_000n }),
        fc.bigInt({ min: 100n, max: 50_000n }),
        (fee, before, after) => {
          const replaced = { feeSat: sat(fee), vsize: vbytes(before) };
          const rate = replacingFeerate(replaced, vbytes(after));
          expect(feeCeil(rate, vbytes(after))).toBeGreaterThanOrEqual(fee + after);
          expect(rate * before).toBeGreaterThan(fee * 1_000n);
        },
      ),
    );
  });
});
