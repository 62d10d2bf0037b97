/** The published schemas by themselves: what a request may hold, whichever way it comes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { payRequest, prepaidView, quotePayRequest, wired } from '../operator/protocol.ts';
import { QUOTE_BODY } from './pool-api-double.ts';

function deep(levels: number): unknown {
  return levels === 0 ? 1 : { a: deep(levels - 1) };
}

test.each<[string, object, string, RegExp]>([
  ['a fraction', { policy_context: { a: { b: 0.5 } } }, 'policy_context.a.b', /an integer/],
  ['what a double rounds', { policy_context: { a: 2 ** 53 } }, 'policy_context.a', /an integer/],
  ['no number', { policy_context: { a: Number.NaN } }, 'policy_context.a', /an integer/],
  [
    'levels without end',
    { policy_context: deep(18) },
    `policy_context${'.a'.repeat(17)}`,
    /deeper/,
  ],
  ['too much', { policy_context: { a: 'x'.repeat(16_384) } }, 'policy_context', /at most 16384/],
  ['a fraction of an amount', { max_amount_msats: 0.5 }, 'max_amount_msats', /int/],
])('a request that holds %s names the field', (_, change, field, rule) => {
  const { error } = quotePayRequest.safeParse({ ...QUOTE_BODY, ...change });
  expect(error?.issues[0]?.path.join('.')).toBe(field);
  expect(error?.issues[0]?.message).toMatch(rule);
});

test('sixteen levels of context are fine', () => {
  const asked = { ...QUOTE_BODY, policy_context: deep(16) };
  expect(quotePayRequest.safeParse(asked).error).toBeUndefined();
});

test('what is read and written again is the same request', () => {
  const amount = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(amount, amount, (most, fee) => {
      const asked = { ...QUOTE_BODY, max_amount_msats: most, max_fee_msats: fee };
      const read = quotePayRequest.parse(asked);
      expect(read.max_amount_msats).toBe(BigInt(most));
      expect(z.encode(quotePayRequest, read)).toMatchObject(asked);
    }),
  );
});

test('absent, null and written out are one and the same to the pool', () => {
  const short = { schema: 'openagents.liquidity.pay_request.v1', quote_id: 'q' };
  const whole = { ...short, run_id: null, trajectory_hash: null, policy_id: null };
  expect(payRequest.parse(short)).toEqual(whole);
  expect(payRequest.parse(whole)).toEqual(whole);
});

test('an answer with an amount that JSON cannot keep is a broken assumption, never a wrong number', () => {
  expect(wired({ a: [9_007_199_254_740_991n] })).toEqual({ a: [9_007_199_254_740_991] });
  expect(() => wired({ a: 9_007_199_254_740_992n })).toThrow(/on no wire/);
  expect(() => wired({ a: -1n })).toThrow(/on no wire/);
  expect(prepaidView.shape.available_msats.safeParse(1n).success).toBe(false);
});
