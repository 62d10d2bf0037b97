/** The judge on proposals that are in order: when it signs, whom it asks, and what it waits for. */
import { expect, test } from 'vitest';
import { codesOf, judgeScenario, withChain, withMemory } from './judge-scenario.ts';
import { TIP } from './spend-scenario.ts';

const small = judgeScenario();
const batch = small.batch(small.orders(100_000n, 200_000n));

test.each([
  [2, 3],
  [3, 5],
])('%i of %i: the agent of every seat signs a batch that is in order', (threshold, of) => {
  const s = judgeScenario({ threshold, of });
  const built = s.batch(s.orders(100_000n, 150_000n, 200_000n), { coins: s.coins.slice(0, 3) });
  for (const seatId of s.t.seats) {
    const judgement = s.judge(built, () => s.input(built, seatId));
    expect(codesOf(judgement)).toEqual([]);
    expect(judgement.decision).toBe('sign');
    expect(judgement.txid).toBe(built.built.txid);
    expect(judgement.feeSat).toBe(built.built.feeSat);
    expect(judgement.inputs.map(({ outpoint }) => outpoint)).toEqual(
      built.built.coins.map(({ outpoint }) => outpoint),
    );
    expect(judgement.outputs.map(({ is }) => is).toSorted()).toEqual([
      'change',
      'payee',
      'payee',
      'payee',
    ]);
    expect(new Set(judgement.rows.map(({ outcome }) => outcome))).toEqual(new Set(['passed']));
  }
});

test('signs nothing before enough peers acknowledged the log', () => {
  const judgement = small.judge(batch, (input) => ({ ...input, acknowledgements: [] }));
  expect([judgement.decision, codesOf(judgement)]).toEqual(['wait', ['W-ENV-ACKS']]);
});

test('waits while the own node is behind the height a proposal was made at', () => {
  const judgement = small.judge(batch, withChain({ tipHeight: TIP - 1, coins: new Map() }));
  expect(judgement.decision).toBe('wait');
});

test('asks the guardian of an agent without a node, and signs once it approved', () => {
  const blind = small.judge(batch, (input) => ({ ...input, chain: null }));
  expect([blind.decision, codesOf(blind)]).toEqual(['ask', ['W-BRK-NO-CHAIN-VIEW']]);
  const said = small.judge(batch, (input) => ({
    ...withMemory({ approvedHere: new Set([batch.id]) })(input),
    chain: null,
  }));
  expect(said.decision).toBe('sign');
  expect(said.rows.find(({ row }) => row === 'D5')?.outcome).toBe('not-checked');
});
