/** Attacks on the process and on fees: one log entry that stops every agent, cancels that burn money. */
import { expect, test } from 'vitest';
import { feerate, sat } from '../policies/units.ts';
import { payment, validBatch } from './hostile-spend.ts';
import { codesOf, judgeScenario, withMemory } from './judge-scenario.ts';
import { policyText, SEATS_OF_THREE } from './treasury-scenario.ts';

test('refuses, and does not fall over, when an intent names an output number that no transaction has', () => {
  const s = judgeScenario();
  const batch = validBatch(s);
  const { intent } = batch.proposal;
  const coins = intent.plan.coins.map((coin) => ({
    ...coin,
    outpoint: coin.outpoint.replace(/:.*/, ':9999999999'),
  }));
  const proposal = {
    ...batch.proposal,
    intent: { ...intent, plan: { ...intent.plan, coins } },
    seq: s.t.treasury.seq + 1,
  };
  s.t.append({ kind: 'proposed', proposal });
  const state = [...s.t.treasury.proposals.values()].at(-1);
  if (state === undefined) throw new Error('the fold lost it');
  const judgement = s.judge({ ...batch, proposal, id: state.id, state });
  expect(judgement.decision).toBe('refuse');
});

test('refuses, and does not fall over, when coins claim more than all money', () => {
  const s = judgeScenario();
  const batch = validBatch(s);
  const { script } = s.deriver.at(0, 0);
  const rich = payment('all the money', [{ script, amountSat: 2_100_000_000_000_000n }]);
  const coins = [
    {
      outpoint: `${rich.txid}:0`,
      amountSat: sat(2_100_000_000_000_000n),
      branch: 0 as const,
      index: 0,
    },
  ];
  const built = s.batch(s.orders(100_000n), { coins, change: null });
  const judgement = s.judge(built, (input) => ({
    ...input,
    parcel: { ...input.parcel, previousTxs: [rich.raw] },
  }));
  expect(batch.id).not.toBe(built.id);
  expect(judgement.decision).toBe('refuse');
});

test('asks its guardian before a cancel whose fee no fee window holds', () => {
  const policy = policyText(SEATS_OF_THREE).replace(
    'blocks: 144, max: 2_000_000',
    'blocks: 144, max: 70_000',
  );
  const s = judgeScenario({ policy });
  const cancels = s.coins.map((coin, at) => {
    const place = { coins: [coin], change: { index: at } };
    const batch = s.batch(s.orders(100_000n), place);
    const plan = s.plan({ ...place, feerateSatPerKvb: feerate(190_000n) });
    return s.propose({ kind: 'cancel', of: batch.id, plan }, []);
  });
  const [, , third] = cancels;
  if (third === undefined) throw new Error('four coins');
  expect([s.judge(third).decision, codesOf(s.judge(third))]).toEqual(['ask', ['W-FEE-WINDOW']]);
  // K4: with its guardian at the keyboard it passes every window.
  expect(s.judge(third, withMemory({ approvedHere: new Set([third.id]) })).decision).toBe('sign');
});

test('signs a cancel by itself while the fee windows hold it', () => {
  const s = judgeScenario();
  const batch = validBatch(s);
  const plan = s.plan({ feerateSatPerKvb: feerate(190_000n) });
  expect(s.judge(s.propose({ kind: 'cancel', of: batch.id, plan }, [])).decision).toBe('sign');
});
