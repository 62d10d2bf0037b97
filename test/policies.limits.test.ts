/** Spend × policy × charges → verdict: fees and limits, each row beside the twin that just passes. */
import { expect, test } from 'vitest';
import { feerate, sat } from '../policies/units.ts';
import {
  bumpOf,
  cancelling,
  charge,
  coin,
  consolidation,
  everybody,
  inAutomaticSeat,
  many,
  overlay,
  paidLp,
  payee,
  policyWith,
  question,
  type Row,
  six,
  small,
  spendOf,
  TIP,
  topup,
  varied,
  verdictOf,
} from './policy-cases.ts';

const q = question;
const ROWS: Row[] = [
  ['W-FEE-NEGATIVE', varied({ feeSat: sat(0n), changeSat: sat(399_400_000n) }), varied({})],
  ['W-FEE-NEGATIVE', varied({ changeSat: sat(399_500_000n) }), varied({})],
  ['W-FEE-MISMATCH', varied({ changeSat: sat(399_397_999n) }), varied({})],
  [
    'W-FEE-LOW',
    q(spendOf([payee(600_000n)], { feeSat: sat(199n) })),
    q(spendOf([payee(600_000n)], { feeSat: sat(200n) })),
  ],
  [
    'W-FEE-RATE',
    q(spendOf([payee(900_000n)], { feeSat: sat(20_001n), estimate: null })),
    q(spendOf([payee(900_000n)], { feeSat: sat(20_000n), estimate: null })),
  ],
  [
    'W-FEE-RATE',
    q(spendOf([payee(900_000n)], { feeSat: sat(10_001n) })),
    q(spendOf([payee(900_000n)], { feeSat: sat(10_000n) })),
  ],
  [
    'W-FEE-RATE',
    q(consolidation({ feeSat: sat(1_001n) })),
    q(consolidation({ feeSat: sat(1_000n) })),
  ],
  [
    'W-FEE-RATE',
    q(bumpOf({ feeSat: sat(40_001n), estimate: null })),
    q(bumpOf({ feeSat: sat(40_000n), estimate: feerate(1_000n) })),
  ],
  [
    'W-FEE-ABS',
    q(small, { policy: policyWith(['max_abs: 500_000', 'max_abs: 1_999']) }),
    q(small, { policy: policyWith(['max_abs: 500_000', 'max_abs: 2_000']) }),
  ],
  [
    'W-FEE-ABS',
    q(small, { overlay: overlay('fees: { max_abs: 1_999 }') }),
    q(small, { overlay: overlay('fees: { max_abs: 2_000 }') }),
  ],
  ['W-FEE-SHARE', q(spendOf([payee(39_999n)])), q(spendOf([payee(40_000n)]))],
  [
    'W-FEE-SHARE',
    q(cancelling({ inputs: [coin(39_999n)] })),
    q(cancelling({ inputs: [coin(40_000n)] })),
  ],
  [
    'W-FEE-WINDOW',
    q(small, { charges: [charge(TIP - 143, 0n, { feeSat: sat(1_998_001n) })] }),
    q(small, { charges: [charge(TIP - 144, 0n, { feeSat: sat(1_998_001n) })] }),
  ],
  [
    'W-FEE-WINDOW',
    q(bumpOf(), { charges: [charge('live', 600_000n, { feeSat: sat(1_998_001n) })] }),
    q(bumpOf(), { charges: [charge('live', 600_000n, { feeSat: sat(1_998_000n) })] }),
  ],
  ['W-FEE-BUMP-LOW', q(bumpOf({ feeSat: sat(2_199n) })), q(bumpOf({ feeSat: sat(2_200n) }))],
  [
    'W-FEE-BUMP-LOW',
    q(
      bumpOf({
        bump: {
          of: 'withdrawal_batch',
          feeSat: sat(2_000n),
          feerate: feerate(20_000n),
          earlierBumps: 0,
        },
      }),
    ),
    q(
      bumpOf({
        bump: {
          of: 'withdrawal_batch',
          feeSat: sat(2_000n),
          feerate: feerate(19_990n),
          earlierBumps: 0,
        },
      }),
    ),
  ],
  [
    'W-FEE-BUMP-COUNT',
    q(
      bumpOf({
        bump: {
          of: 'withdrawal_batch',
          feeSat: sat(2_000n),
          feerate: feerate(10_000n),
          earlierBumps: 5,
        },
      }),
    ),
    q(
      bumpOf({
        bump: {
          of: 'withdrawal_batch',
          feeSat: sat(2_000n),
          feerate: feerate(10_000n),
          earlierBumps: 4,
        },
      }),
    ),
  ],
  [
    'W-LIM-PER-TX',
    q(spendOf([payee(24_999_000n), payee(24_999_001n, 2)]), { approvals: everybody }),
    q(spendOf([payee(24_999_000n), payee(24_999_000n, 2)]), { approvals: everybody }),
  ],
  [
    'W-LIM-PER-TX',
    q(small, { overlay: overlay('limits: { per_tx: 601_999 }') }),
    q(small, { overlay: overlay('limits: { per_tx: 602_000 }') }),
  ],
  [
    'W-LIM-PER-TX',
    q(topup(10_000_001n), { approvals: everybody }),
    q(topup(10_000_000n), { approvals: everybody }),
  ],
  [
    'W-LIM-WINDOW',
    q(small, { charges: [charge(TIP - 5, 99_398_001n, { kind: 'treasury_move' })] }),
    q(small, { charges: [charge(TIP - 6, 99_398_001n, { kind: 'treasury_move' })] }),
  ],
  [
    'W-LIM-WINDOW',
    q(small, {
      overlay: overlay('limits: { windows: [{ name: mine, blocks: 10, max: 601_999 }] }'),
    }),
    q(small, {
      overlay: overlay('limits: { windows: [{ name: mine, blocks: 10, max: 602_000 }] }'),
    }),
  ],
  [
    'W-LIM-SHARE',
    q({ ...six, treasurySat: sat(24_007_999n) }, { approvals: everybody }),
    q({ ...six, treasurySat: sat(24_008_000n) }, { approvals: everybody }),
  ],
  ['W-LIM-COUNT', q(small, { charges: many(40) }), q(small, { charges: many(39) })],
  [
    'W-LIM-FLOOR',
    varied({ treasurySat: sat(10_601_999n) }),
    varied({ treasurySat: sat(10_602_000n) }),
  ],
  [
    'W-LIM-FLOOR',
    q(small, { charges: [charge('live', 989_398_001n)] }),
    q(small, { charges: [charge('live', 1_000_000n)] }),
  ],
  [
    'W-LIM-INTENT-WINDOW',
    q(small, { charges: [charge(TIP - 100, 149_398_001n)] }),
    q(small, { charges: [charge(TIP - 100, 149_398_001n, { kind: 'consolidate' })] }),
  ],
  [
    'W-LIM-INTENT-WINDOW',
    q(topup(600_000n), {
      policy: policyWith(['max: 20_000_000 }', 'max: 20_000_000, max_count: 1 }']),
      charges: [charge(TIP - 20, 1n, { kind: 'hot_topup' })],
    }),
    q(topup(600_000n), {
      policy: policyWith(['max: 20_000_000 }', 'max: 20_000_000, max_count: 2 }']),
      charges: [charge(TIP - 20, 1n, { kind: 'hot_topup' })],
    }),
  ],
  [
    'W-LIM-PAYEE',
    q(spendOf([payee(40_000_001n)]), { approvals: everybody }),
    q(spendOf([payee(40_000_000n)]), { approvals: everybody }),
  ],
  [
    'W-LIM-PAYEE',
    q(small, { charges: [paidLp(TIP - 143, 59_400_001n)] }),
    q(small, { charges: [paidLp(TIP - 144, 59_400_001n)] }),
  ],
  [
    'W-LIM-INTERVAL',
    q(topup(600_000n), { charges: [charge(TIP - 5, 1n, { kind: 'hot_topup' })] }),
    q(topup(600_000n), { charges: [charge(TIP - 6, 1n, { kind: 'hot_topup' })] }),
  ],
  [
    'W-LIM-INTERVAL',
    q(topup(600_000n), { charges: [charge('live', 1n, { kind: 'hot_topup' })] }),
    q(topup(600_000n), { charges: [charge('live', 1n)] }),
  ],
];

test.each(ROWS)('%s (row %#)', (code, failing, twin) => {
  const refused = { kind: 'refuse', codes: expect.arrayContaining([code]) };
  expect(verdictOf(failing)).toStrictEqual(refused);
  expect(verdictOf(twin)).toStrictEqual({ kind: 'ok', codes: [] });
});

test.each(ROWS)(
  'an empty overlay of an automatic seat leaves %s as it is (row %#)',
  (_, failing, twin) => {
    expect(verdictOf(inAutomaticSeat(failing))).toStrictEqual(verdictOf(failing));
    expect(verdictOf(inAutomaticSeat(twin))).toStrictEqual(verdictOf(twin));
  },
);
