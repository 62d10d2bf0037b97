/** The judge on proposals that are in order: when it signs, whom it asks, and what it waits for. */
import { expect, test } from 'vitest';
import type { CoinRef } from '../policies/intent.ts';
import { sat } from '../policies/units.ts';
import { batchIntent, payeesOf, payment, withPrevious } from './hostile-spend.ts';
import { codesOf, judgeScenario, withChain, withMemory } from './judge-scenario.ts';
import { strangerScript, TIP } from './spend-scenario.ts';
import { policyText, SEATS_OF_THREE } from './treasury-scenario.ts';

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

test('signs a large batch once operator and guardians approved exactly this transaction', () => {
  const s = judgeScenario();
  const built = s.batch(s.orders(6_000_000n));
  const subject = { id: built.id, proposal: built.proposal, txid: built.built.txid };
  const say = (who: string, role: 'operator' | 'guardian') =>
    s.t.append({ kind: 'approval', approval: s.t.approval(who, role, subject) });
  expect(s.judge(built).decision).toBe('wait');
  say('olga', 'operator');
  expect(s.judge(built).decision).toBe('ask');
  // Another guardian's approval is as good: the policy asks for one.
  say('ben', 'guardian');
  expect(s.judge(built).decision).toBe('sign');
});

test('signs a consolidation, where everything but the fee comes back', () => {
  const s = judgeScenario();
  const plan = s.plan({ coins: s.coins });
  const judgement = s.judge(s.propose({ kind: 'consolidate', plan }, []));
  expect([judgement.decision, codesOf(judgement)]).toEqual(['sign', []]);
  expect(judgement.outputs).toMatchObject([{ is: 'change', because: 'derived at 1/0' }]);
});

test('a payment of a stranger is not own change because a proposal claims to have made it', () => {
  const policy = policyText(SEATS_OF_THREE).replace(
    'min_conf: 1, own_change_min_conf: 1',
    'min_conf: 1, own_change_min_conf: 0',
  );
  const s = judgeScenario({ policy });
  const script = s.deriver.at(1, 0).script;
  const stray = payment('a stranger', [{ script, amountSat: 30_000_000n }]);
  // The lie: a proposal of the log whose transaction is the stranger's.
  const lie = batchIntent(s, { plan: s.plan({ coins: s.coins.slice(3, 4) }) });
  const unsignedTx = Buffer.from(stray.raw).toString('hex');
  s.propose(lie, payeesOf(lie), (proposal) => ({ ...proposal, unsignedTx }));
  const outpoint = `${stray.txid}:0`;
  const coin: CoinRef = { outpoint, amountSat: sat(30_000_000n), branch: 1, index: 0 };
  const built = s.batch(s.orders(100_000n), { coins: [coin], change: { index: 1 } });
  const young = {
    amountSat: sat(30_000_000n),
    script,
    confirmations: 0,
    coinbase: 'ordinary',
  } as const;
  const seen = withChain({ coins: new Map([[outpoint, young]]) });
  const judgement = s.judge(built, (input) => withPrevious(seen(input), [stray.raw]));
  expect([judgement.decision, codesOf(judgement)]).toEqual(['wait', ['W-IN-UNCONFIRMED']]);
});

test('one lie in the log that adds up to more than all money stops no other judgement', () => {
  const s = judgeScenario();
  const all = sat(2_000_000_000_000_000n);
  const orders = [1, 2].map((n) =>
    s.t.order('lp-two', { script: strangerScript(n), amountSat: all }),
  );
  const lie = batchIntent(s, { plan: s.plan({ coins: s.coins.slice(1, 2) }) });
  s.propose(lie, payeesOf(lie), (proposal) => ({
    ...proposal,
    intent: { ...lie, orders },
  }));
  const built = s.batch(s.orders(100_000n));
  // It counts against every window until enough agents refused it, and then no more.
  expect(s.judge(built).decision).toBe('refuse');
  const [, first] = [...s.t.treasury.proposals.keys()].toReversed();
  for (const seatId of ['ben', 'cleo']) s.t.append(s.t.verdict(seatId, first ?? '', 'refused'));
  expect(s.judge(built).decision).toBe('sign');
});
