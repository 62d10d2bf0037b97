/** Rows F: what the network is paid, and bumps, which may change nothing but that. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { beforeEach, expect, test } from 'vitest';
import type { SpendIntent, SpendPlan } from '../policies/intent.ts';
import { type FeeRate, sat } from '../policies/units.ts';
import type { JudgeInput, Judgement } from '../signer-agent/judgement.ts';
import {
  batchIntent,
  found,
  givenBatch,
  type Hostile,
  loggedWith,
  payeesOf,
  validBatch,
  wanted,
  withEditedTx,
  withTx,
} from './hostile-spend.ts';
import {
  chainView,
  codesOf,
  type JudgeScenario,
  judgeScenario,
  rewinder,
  withChain,
  withMemory,
} from './judge-scenario.ts';
import { type Built, strangerScript } from './spend-scenario.ts';
import { policyText, SEATS_OF_THREE } from './treasury-scenario.ts';

const s = judgeScenario({
  policy: policyText(SEATS_OF_THREE).replace(
    '{ blocks: 144, max: 2_000_000 }',
    '{ blocks: 144, max: 20_000 }',
  ),
});
const rewind = rewinder(s);
beforeEach(rewind);

const rate = (value: bigint) => value as FeeRate;
const batchAt =
  (feerate: bigint, amount = 300_000n) =>
  (of: JudgeScenario): Judgement =>
    of.judge(of.batch(of.orders(amount), { feerateSatPerKvb: rate(feerate) }));

/** What an agent knows that signed the first variant, which waits in the mempool. */
function inMempool(of: JudgeScenario, root: Built): (input: JudgeInput) => JudgeInput {
  const outpoints = root.proposal.prevouts.map(({ outpoint }) => outpoint);
  const coins = new Map([...chainView(of).coins].filter(([each]) => !outpoints.includes(each)));
  const spends = [{ txid: root.built.txid, height: null, outpoints }];
  return (input) => {
    const memory = {
      signed: new Set([root.id]),
      signedOutpoints: new Map(outpoints.map((each) => [each, root.id])),
    };
    return withMemory(memory)(withChain({ coins, spends, changeIndexUsed: 0 })(input));
  };
}

function bumpOf(root: Built, change: Partial<SpendPlan> = {}): SpendIntent {
  const { plan } = root.proposal.intent;
  const feerateSatPerKvb = rate(plan.feerateSatPerKvb + 4_000n);
  return { kind: 'fee_bump', of: root.id, plan: { ...plan, feerateSatPerKvb, ...change } };
}

const paid = (root: Built) =>
  root.proposal.intent.kind === 'withdrawal_batch' ? payeesOf(root.proposal.intent) : [];

/** A bump of a batch that this agent signed, with another plan. */
const bumped =
  (change: (of: JudgeScenario, root: Built) => Partial<SpendPlan>): Hostile[2] =>
  (of) => {
    const root = validBatch(of);
    const intent = bumpOf(root, change(of, root));
    return of.judge(of.propose(intent, paid(root)), inMempool(of, root));
  };

const refused: Hostile[] = [
  [
    'F1 refuses outputs worth more than the inputs',
    'W-FEE-NEGATIVE W-FEE-MISMATCH W-ENV-REBUILD W-FEE-LOW',
    withTx((tx) => {
      const [largest] = tx.outputs.toSorted((a, b) => (a.amount < b.amount ? 1 : -1));
      if (largest !== undefined) largest.amount += 2_000n;
    }),
  ],
  [
    'F1 refuses a claimed fee that is not the difference',
    'W-FEE-MISMATCH',
    loggedWith(({ feeSat }) => ({ feeSat: sat(feeSat + 1n) })),
  ],
  ['F2 refuses a feerate above the cap', 'W-FEE-RATE *', batchAt(100_001n)],
  [
    'F2 refuses a feerate far above what the own node estimates',
    'W-FEE-RATE',
    givenBatch(withChain({ estimate: rate(199n) })),
  ],
  ['F2 refuses a feerate below the floor', 'W-FEE-LOW', batchAt(900n)],
  [
    'F3 refuses an absurd fee: change swallowed by it',
    'W-FEE-ABS W-ENV-REBUILD W-FEE-MISMATCH W-OUT-CHANGE-UNDERIVED *',
    withTx((tx, of) => {
      const change = of.deriver.at(1, 0).script;
      tx.outputs = tx.outputs.filter(
        ({ script }) => Buffer.from(script).toString('hex') !== change,
      );
    }),
  ],
  [
    'F3 refuses a fee that is a large share of what is paid',
    'W-FEE-SHARE',
    batchAt(20_000n, 20_000n),
  ],
  [
    'F4 refuses when fees of the window are used up',
    'W-FEE-WINDOW',
    (of) => {
      for (const coin of of.coins.slice(1, 2)) {
        of.batch(of.orders(300_000n), { coins: [coin], feerateSatPerKvb: rate(90_000n) });
      }
      return batchAt(19_000n, 400_000n)(of);
    },
  ],
  [
    'F5 refuses a bump with a new payee',
    'W-FEE-BUMP-OUTPUTS W-OUT-UNLISTED W-ENV-REBUILD W-FEE-MISMATCH *',
    (of) => {
      const root = validBatch(of);
      const intent = bumpOf(root);
      const built = withEditedTx(
        of,
        (tx) => void tx.outputs.push({ amount: 600n, script: hexToBytes(strangerScript(7)) }),
        intent,
        paid(root),
      );
      return of.judge(built, inMempool(of, root));
    },
  ],
  [
    'F5 refuses a bump that leaves a payee out',
    'W-FEE-BUMP-OUTPUTS W-OUT-MISSING W-ENV-REBUILD',
    (of) => {
      const root = validBatch(of);
      const built = of.propose(bumpOf(root), paid(root).slice(1));
      return of.judge(built, inMempool(of, root));
    },
  ],
  [
    'F5 refuses a bump that names another anchor and does not spend its own',
    'W-FEE-BUMP-ANCHOR',
    bumped((of) => ({ coins: of.coins.slice(1, 2), anchor: of.coins[1]?.outpoint ?? '' })),
  ],
  [
    'F5 refuses the third of {A,B}, {A,C}, {C,D}, although it conflicts with the second',
    'W-FEE-BUMP-ANCHOR',
    (of) => {
      const [a, b, c, d] = of.coins;
      if (a === undefined || b === undefined || c === undefined || d === undefined) {
        throw new Error('the scenario has four coins');
      }
      const root = of.batch(of.orders(100_000n, 200_000n), { coins: [a, b] });
      of.propose(bumpOf(root, { coins: [a, c] }), paid(root));
      const more = { coins: [c, d], feerateSatPerKvb: rate(20_000n) };
      const third = of.propose(bumpOf(root, more), paid(root));
      return of.judge(third, inMempool(of, root));
    },
  ],
  [
    'F5 refuses a first proposal that does not spend the anchor it names',
    'W-FEE-BUMP-ANCHOR',
    (of) => of.judge(of.batch(of.orders(100_000n), { anchor: of.coins[1]?.outpoint ?? '' })),
  ],
  [
    'F5 refuses a bump that does not pay for its own relay',
    'W-FEE-BUMP-LOW',
    bumped((_, root) => ({
      feerateSatPerKvb: rate(root.proposal.intent.plan.feerateSatPerKvb + 900n),
    })),
  ],
  [
    'F5 refuses the sixth bump',
    'W-FEE-BUMP-COUNT',
    (of) => {
      const root = validBatch(of);
      let feerate = root.proposal.intent.plan.feerateSatPerKvb;
      const next = () => {
        feerate = rate(feerate + 2_000n);
        return of.propose(bumpOf(root, { feerateSatPerKvb: feerate }), paid(root));
      };
      for (let n = 0; n < 5; n += 1) next();
      return of.judge(next(), inMempool(of, root));
    },
  ],
];

test.each(refused)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'refuse'));
});

test.each([
  [2, 3],
  [3, 5],
])('F5 %i of %i: a bump and a cancel of what is in the mempool are in order', (threshold, of) => {
  const quorum = judgeScenario({ threshold, of });
  const root = validBatch(quorum);
  const bump = quorum.propose(bumpOf(root), paid(root));
  expect(codesOf(quorum.judge(bump, inMempool(quorum, root)))).toEqual([]);
  const plan = { ...root.proposal.intent.plan, feerateSatPerKvb: rate(20_000n) };
  const cancel = quorum.propose({ kind: 'cancel', of: root.id, plan }, []);
  expect(quorum.judge(cancel, inMempool(quorum, root)).decision).toBe('sign');
});

test('F5 a batch that everybody refuses does not come back as its own bump', () => {
  const large = batchIntent(s, {
    orders: [s.t.order('lp-one', { script: strangerScript(1), amountSat: sat(51_000_000n) })],
    plan: s.plan({ coins: s.coins.slice(0, 1) }),
  });
  const root = s.propose(large, payeesOf(large));
  expect(codesOf(s.judge(root))).toContain('W-LIM-PER-TX');
  const bump = s.judge(s.propose(bumpOf(root), paid(root)));
  expect(bump.decision).toBe('refuse');
  expect(codesOf(bump)).toEqual(expect.arrayContaining(['W-LIM-PER-TX', 'W-LIM-PAYEE']));
});

test('F5 the bump of a batch that an operator must see waits for the operator', () => {
  const root = s.batch(s.orders(2_000_000n));
  const unsigned = s.judge(s.propose(bumpOf(root), paid(root)));
  expect([unsigned.decision, codesOf(unsigned)]).toEqual(['wait', ['W-APP-OPERATOR']]);
});

test('F5 a bump of an order that no LP signed is refused like the batch', () => {
  const [order] = s.orders(100_000n);
  if (order === undefined) throw new Error('no order');
  const root = s.batch([{ ...order, signature: 'ab'.repeat(64) }]);
  expect(codesOf(s.judge(s.propose(bumpOf(root), paid(root))))).toEqual(['W-OUT-PAYEE-UNSIGNED']);
});

test('I1 asks its guardian before it bumps what it refused itself', () => {
  const root = validBatch(s);
  const bump = s.propose(bumpOf(root), paid(root));
  const judgement = s.judge(bump, withMemory({ refused: new Set([root.id]) }));
  expect([judgement.decision, codesOf(judgement)]).toEqual(['ask', ['W-APP-REJECTED']]);
});

test('F6 a variant with a fee above all money stops no judgement', () => {
  const root = validBatch(s);
  s.propose(bumpOf(root), paid(root), (proposal) => ({
    ...proposal,
    feeSat: sat(2_100_000_000_000_000n),
  }));
  const next = s.propose(bumpOf(root, { feerateSatPerKvb: rate(9_000n) }), paid(root));
  expect(s.judge(next, inMempool(s, root)).decision).toBe('refuse');
});
