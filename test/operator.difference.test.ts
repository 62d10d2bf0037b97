/** What a person finds a rail to hold beside the books is booked once its reason is known, with a receipt. */
import { expect, test } from 'vitest';
import { decideCapital } from '../operator/capital-decision.ts';
import { decideDifference } from '../operator/difference-decision.ts';
import { railTotals } from '../operator/ledger/rail-rows.ts';
import { partitionValues } from '../operator/ledger/totals.ts';
import { msat } from '../policies/units.ts';
import { poolDesk } from './pool-desk.ts';
import { agent } from './pool-scenario.ts';

const desk = poolDesk();
const CAPITAL = 10_000_000_000n;
const CREDIT = 50_000_000n;

const WISH = { rail: 'ln.local', why: 'seen', by: 'olga' } as const;

/** What one agent had, the pool's part and the rest, before and after, with the answer. */
async function booked(found: 'less' | 'more', amount: bigint) {
  await desk.credit(agent('ana'), CREDIT);
  const { engine } = desk.pool;
  const before = partitionValues(engine.state().ledger);
  const wish = { ...WISH, found, amountMsat: msat(amount) };
  const answer = await engine.act((state, nowMs) => decideDifference(state, nowMs, wish));
  await desk.reopen();
  const { ledger } = desk.pool.engine.state();
  const after = partitionValues(ledger);
  return {
    answer,
    llp: after.LLP.assets - before.LLP.assets,
    sys: after.SYS.assets - before.SYS.assets,
    lightningMsat: railTotals(ledger).lightningMsat,
  };
}

test.each<
  [title: string, found: 'less' | 'more', amount: bigint, moved: { llp: bigint; sys: bigint }]
>([
  ['less is the pool’s loss', 'less', 1_050_000n, { llp: -1_050_000n, sys: 0n }],
  ['more is nobody’s and no income', 'more', 7n, { llp: 0n, sys: 7n }],
  ['all that the pool has may be gone', 'less', CAPITAL, { llp: -CAPITAL, sys: 0n }],
])('%s', async (_title, found, amount, { llp, sys }) => {
  const { answer, ...moved } = await booked(found, amount);
  expect(moved).toEqual({ llp, sys, lightningMsat: CAPITAL + CREDIT + llp + sys });
  expect(await desk.balance(agent('ana'))).toBe(CREDIT);
  const { receipts } = desk.pool.engine.state();
  expect(receipts.has('receiptId' in answer ? answer.receiptId : '')).toBe(true);
});

test.each<[title: string, amount: bigint, rule: RegExp]>([
  ['agents’ money is never taken for a loss', CAPITAL + 1n, /short by 1 msat/],
  ['a difference of nothing is none', 0n, /above zero/],
])('%s', async (_title, amount, rule) => {
  const { answer, ...moved } = await booked('less', amount);
  expect('rule' in answer ? answer.rule : '').toMatch(rule);
  expect(moved).toEqual({ llp: 0n, sys: 0n, lightningMsat: CAPITAL + CREDIT });
});

test.each<[what: string, change: object, verdict: 'booked' | 'refused']>([
  ['the same once more, whose answer was lost', {}, 'refused'],
  ['another amount', { amountMsat: msat(8n) }, 'booked'],
  ['the other direction', { found: 'more' }, 'booked'],
  ['another reason', { why: 'seen again' }, 'booked'],
])('%s is %s', async (_what, change, verdict) => {
  const { engine } = desk.pool;
  const wish = { ...WISH, found: 'less' as const, amountMsat: msat(7n) };
  await engine.act((state, nowMs) => decideDifference(state, nowMs, wish));
  await desk.reopen();
  const again = await desk.pool.engine.act((state, nowMs) =>
    decideDifference(state, nowMs, { ...wish, ...change }),
  );
  expect('rule' in again ? 'refused' : 'booked').toBe(verdict);
});

test('capital is booked once, however often the same words are said', async () => {
  const { engine } = desk.pool;
  const wish = { rail: 'cold', amountMsat: msat(5n), why: 'the treasury' } as const;
  const said = () => engine.act((state, nowMs) => decideCapital(state, nowMs, wish));
  expect(await said()).toHaveProperty('receiptId');
  expect(await said()).toHaveProperty('rule');
  expect(desk.account('LLP:asset:cold')).toBe(5n);
});
