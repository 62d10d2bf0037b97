/** The verdict as a whole: all reasons, sliding windows, cancels, slack. */
import { expect, test } from 'vitest';
import { evaluate } from '../policies/evaluate.ts';
import { sat } from '../policies/units.ts';
import {
  cancelling,
  charge,
  everybody,
  payee,
  question,
  small,
  spendOf,
  TIP,
  varied,
  verdictOf,
} from './policy-cases.ts';

const q = question;
test('a refusal names every rule that fails, not the first', () => {
  const { kind, codes } = verdictOf(
    varied({ network: 'signet', lockTime: TIP + 1, expiryHeight: 0 }),
  );
  expect(kind).toBe('refuse');
  expect(codes).toStrictEqual(['W-ENV-EXPIRED', 'W-ENV-NETWORK', 'W-TX-LOCKTIME']);
});

test('a spend that breaks a rule is refused whoever agreed', () => {
  expect(evaluate(q(spendOf([payee(40_000_001n)]), { approvals: everybody })).kind).toBe('refuse');
});

test('a cancel passes when windows, count and floor are used up and the breaker is tripped', () => {
  const used = Array.from({ length: 60 }, () =>
    charge('live', 100_000_000n, { feeSat: sat(1_000_000n) }),
  );
  const asked = q(cancelling({ treasurySat: sat(400_000_000n) }), {
    charges: used,
    breaker: 'tripped',
  });
  expect(verdictOf(asked)).toStrictEqual({ kind: 'ok', codes: [] });
});

test.each([
  [TIP - 6, 'ok'],
  [TIP - 5, 'refuse'],
  [TIP, 'refuse'],
  [TIP + 1, 'refuse'],
  ['live', 'refuse'],
] as const)('H4 a window of six blocks holds a charge at %s: %s', (at, verdict) => {
  const charges = [charge(at, 100_000_000n, { kind: 'consolidate' })];
  expect(evaluate(q(small, { charges })).kind).toBe(verdict);
});

test('H4 two spends on both sides of an edge still share a window', () => {
  const late = charge(TIP - 5, 50_000_000n, { kind: 'consolidate' });
  const early = charge(TIP - 1, 49_398_001n, { kind: 'consolidate' });
  expect(evaluate(q(small, { charges: [late, early] })).kind).toBe('refuse');
  const next = { ...small, tipHeight: TIP + 1, lockTime: TIP + 1 };
  const orders = spendOf([
    {
      ...payee(600_000n),
      authority: { kind: 'lp-order', lpId: 'a', orderId: 'b', expiryHeight: TIP + 9 },
    },
  ]).payees;
  expect(evaluate(q({ ...next, payees: orders }, { charges: [late, early] })).kind).toBe('ok');
});

test('a share is of the treasury as the window began', () => {
  const facts = { ...small, treasurySat: sat(80_000_000n) };
  const left = charge(TIP - 100, 19_000_000n, { kind: 'treasury_move' });
  expect(evaluate(q(facts, { charges: [left] })).slack).toContainEqual({
    rule: 'limits.windows.day-share',
    bound: 'at-most',
    limit: 24_750_000n,
    used: 19_602_000n,
    slack: 5_148_000n,
    unit: 'sat',
  });
});

test('every limit of the policy shows its slack', () => {
  const rules = new Set(evaluate(q(small)).slack.map(({ rule }) => rule));
  expect([...rules]).toStrictEqual([
    'delays.expire_after',
    'fees.max_abs',
    'fees.max_over_estimate_ppm',
    'fees.max_ppm_of_amount',
    'fees.max_rate',
    'fees.min_rate',
    'fees.windows.144',
    'inputs.max',
    'inputs.min_conf',
    'intents.withdrawal_batch.max_payees',
    'intents.withdrawal_batch.per_payee.max',
    'intents.withdrawal_batch.per_payee.per_day',
    'intents.withdrawal_batch.windows.144',
    'limits.count',
    'limits.floor_balance',
    'limits.per_tx',
    'limits.windows.day',
    'limits.windows.day-share',
    'limits.windows.hour',
    'outputs.max',
    'outputs.min_change',
    'tip',
  ]);
});
