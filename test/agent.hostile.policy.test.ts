/** Rows H and K3: the shared policy, the guardian's own overlay, people, breakers, and the own node. */
import { beforeEach, expect, test } from 'vitest';
import type { SpendIntent } from '../policies/intent.ts';
import { parseOverlay } from '../policies/overlay.ts';
import { parsePolicy, policyHash } from '../policies/policy.ts';
import { sat } from '../policies/units.ts';
import type { JudgeInput, Judgement } from '../signer-agent/judgement.ts';
import {
  found,
  givenBatch,
  type Hostile,
  loggedWith,
  validBatch,
  wanted,
} from './hostile-spend.ts';
import {
  codesOf,
  hashOf,
  type JudgeScenario,
  judgeScenario,
  NOW,
  rewinder,
  withChain,
  withMemory,
} from './judge-scenario.ts';
import { type Built, strangerScript, TIP } from './spend-scenario.ts';
import { policyText, SEATS_OF_THREE } from './treasury-scenario.ts';

const VAULT = `0020${'a1'.repeat(32)}`;
const s = judgeScenario({
  policy: policyText(SEATS_OF_THREE)
    .replace('vaults: []', `vaults: [{ name: cold, script: ${VAULT}, active_from: 0 }]`)
    .replace('hot: []', `hot: [{ name: ln, script: 0014${'b1'.repeat(20)}, active_from: 0 }]`),
});
beforeEach(rewinder(s));

/** A batch to one LP for each amount, approved as given: `guardians, operators`. */
function approved(of: JudgeScenario, built: Built, guardians: string, operators = 'olga'): Built {
  const { id, proposal } = built;
  const subject = { id, proposal, txid: built.built.txid };
  const said = [
    ...guardians.split(' ').map((who) => [who, 'guardian'] as const),
    ...operators.split(' ').map((who) => [who, 'operator'] as const),
  ];
  for (const [who, role] of said.filter(([name]) => name !== '')) {
    of.t.append({ kind: 'approval', approval: of.t.approval(who, role, subject) });
  }
  return built;
}

/** Everybody agreed; only limits are left to object. */
const agreed = (of: JudgeScenario, built: Built, change?: (input: JudgeInput) => JudgeInput) =>
  of.judge(approved(of, built, 'ana ben cleo'), change);

const ordersOf = (of: JudgeScenario, ...amounts: bigint[]) =>
  amounts.map((amount, n) =>
    of.t.order(n % 2 === 0 ? 'lp-one' : 'lp-two', {
      script: strangerScript(n + 1),
      amountSat: sat(amount),
    }),
  );

const withOverlay = (text: string) =>
  givenBatch((input) => ({
    ...input,
    overlay: parseOverlay(`schema: weir.overlay/v1\nguardian: ana\n${text}`),
  }));

/** The rich: shares and floors of the treasury do not bind. */
const rich = withChain({ treasurySat: sat(100_000_000_000n) });

function topup(of: JudgeScenario, coin: number, amount: bigint): Built {
  const payees = [{ entry: 'ln', index: null, amountSat: sat(amount) }];
  const intent: SpendIntent = {
    kind: 'hot_topup',
    payees,
    plan: of.plan({ coins: of.coins.slice(coin, coin + 1) }),
  };
  return of.propose(intent, [{ script: `0014${'b1'.repeat(20)}`, amountSat: sat(amount) }]);
}

const refused: Hostile[] = [
  [
    'H1 refuses a proposal under another policy',
    'W-POL-HASH',
    loggedWith(() => ({ policyHash: hashOf('another policy') })),
  ],
  [
    'H1 refuses what the policy no longer is once a successor rules',
    'W-POL-HASH',
    (of) => {
      const text = successor(of, TIP);
      of.t.authorize({ kind: 'policy_change', policyText: text, activatesAtHeight: TIP });
      return of.judge(validBatch(of));
    },
  ],
  [
    'H1 refuses a policy used before its height',
    'W-POL-HASH W-POL-LOOSENED-EARLY *',
    (of) => {
      const text = successor(of, TIP + 1);
      of.t.authorize({ kind: 'policy_change', policyText: text, activatesAtHeight: TIP });
      return of.judge(validBatch(of));
    },
  ],
  [
    'H1 refuses a kind of spend that the overlay forbids',
    'W-POL-OVERLAY',
    withOverlay('refuse_intents: [withdrawal_batch]'),
  ],
  [
    'H1 refuses to bump what the policy does not let be bumped',
    'W-POL-INTENT',
    () => {
      const of = judgeScenario({
        policy: policyText(SEATS_OF_THREE).replace('of: [withdrawal_batch, ', 'of: ['),
      });
      const root = validBatch(of);
      const { intent } = root.proposal;
      if (!('orders' in intent)) throw new Error('not a batch');
      const plan = { ...intent.plan, feerateSatPerKvb: sat(9_000n) as never };
      const payees = intent.orders.map(({ body }) => body);
      return of.judge(
        of.propose({ kind: 'fee_bump', of: root.id, plan }, payees),
        withMemory({ signed: new Set([root.id]) }),
      );
    },
  ],
  [
    'H2 refuses more than one transaction may move',
    'W-LIM-PER-TX',
    (of) =>
      agreed(
        of,
        of.batch(ordersOf(of, 26_000_000n, 26_000_000n), { coins: of.coins.slice(0, 2) }),
        rich,
      ),
  ],
  [
    'H2 refuses more than a window may move, live proposals counted',
    'W-LIM-WINDOW',
    (of) => {
      for (const n of [0, 1]) {
        of.batch(ordersOf(of, 18_000_000n, 18_000_000n), { coins: of.coins.slice(n, n + 1) });
      }
      const coins = of.coins.slice(3, 4);
      return agreed(of, of.batch([lpThree(of, 30_000_000n)], { coins }), rich);
    },
  ],
  [
    'H2 refuses more than a share of the treasury',
    'W-LIM-SHARE',
    (of) =>
      agreed(of, of.batch(ordersOf(of, 10_000_000n)), withChain({ treasurySat: sat(40_000_000n) })),
  ],
  [
    'H2 refuses to take the treasury below its floor',
    'W-LIM-FLOOR *',
    givenBatch(withChain({ treasurySat: sat(10_000_000n) })),
  ],
  [
    'H2 refuses more transactions than a window may hold',
    'W-LIM-COUNT',
    () => {
      const of = judgeScenario({
        policy: policyText(SEATS_OF_THREE).replace('max_tx: 40', 'max_tx: 1'),
      });
      of.batch(of.orders(100_000n), { coins: of.coins.slice(1, 2) });
      return of.judge(validBatch(of));
    },
  ],
  [
    'H2 refuses more than its kind may move in a window',
    'W-LIM-INTENT-WINDOW W-LIM-INTERVAL',
    (of) => {
      topup(of, 0, 9_000_000n);
      topup(of, 1, 9_000_000n);
      return agreed(of, topup(of, 2, 9_000_000n), rich);
    },
  ],
  [
    'H2 refuses more than one payee may get',
    'W-LIM-PAYEE',
    (of) => agreed(of, of.batch(ordersOf(of, 40_000_001n)), rich),
  ],
  [
    'H2 refuses a top-up too soon after the last one',
    'W-LIM-INTERVAL',
    (of) => {
      topup(of, 0, 600_000n);
      return of.judge(topup(of, 1, 600_000n));
    },
  ],
  [
    'H2 refuses more than the overlay of its guardian lets one transaction move',
    'W-LIM-PER-TX',
    withOverlay('limits: { per_tx: 200_000 }'),
  ],
  [
    'D6 refuses a coin that the overlay of its guardian froze',
    'W-IN-FROZEN',
    givenBatch((input, of) => ({
      ...input,
      overlay: parseOverlay(
        `schema: weir.overlay/v1\nguardian: ana\nfrozen_outpoints: ["${of.coins[0]?.outpoint ?? ''}"]`,
      ),
    })),
  ],
  [
    'A7 refuses more inputs than the policy allows',
    'W-IN-COUNT',
    () => {
      const of = judgeScenario({
        policy: policyText(SEATS_OF_THREE)
          .replace(', max: 200, types', ', max: 1, types')
          .replace('max_inputs: 200', 'max_inputs: 1'),
      });
      return of.judge(of.batch(of.orders(100_000n), { coins: of.coins.slice(0, 2) }));
    },
  ],
  [
    "H9 refuses while the treasury's breaker is tripped",
    'W-BRK-TRIPPED',
    (of) => {
      of.t.authorize({ kind: 'breaker', action: 'trip' });
      return of.judge(validBatch(of));
    },
  ],
  [
    'G3 refuses a channel where the policy opens none',
    'W-LN-NOT-YET *',
    (of) =>
      of.judge(
        of.propose({ kind: 'channel_open', channels: [], reserve: null, plan: of.plan() }, []),
      ),
  ],
];

function lpThree(of: JudgeScenario, amount: bigint) {
  return of.t.order('lp-three', { script: strangerScript(9), amountSat: sat(amount) });
}

/** Version 2 of the scenario's policy, from a height on. */
function successor(of: JudgeScenario, activates: number): string {
  const [first] = of.t.treasury.policies;
  const hash = first?.hash ?? '';
  const text = policyText(SEATS_OF_THREE)
    .replace('version: 1', 'version: 2')
    .replace('previous: null', `previous: sha256:${hash}`)
    .replace('activates_at_height: 0', `activates_at_height: ${activates}`);
  expect(policyHash(parsePolicy(text))).not.toBe(hash);
  return text;
}

test.each(refused)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'refuse'));
});

const large = (of: JudgeScenario) => of.batch(ordersOf(of, 6_000_000n), {});

const waited: Hostile[] = [
  [
    'H7 waits while the own node is syncing',
    'W-BRK-TIP-STALE',
    givenBatch(withChain({ sync: 'syncing' })),
  ],
  [
    'H7 waits while the tip is stale',
    'W-BRK-TIP-STALE',
    givenBatch(withChain({ medianTime: NOW - 163 * 600 })),
  ],
  [
    'H7 waits while the blocks are from the future',
    'W-BRK-TIP-STALE',
    givenBatch(withChain({ medianTime: NOW + 19 * 600 })),
  ],
  ['H7 waits after a deep reorganisation', 'W-BRK-REORG', givenBatch(withChain({ reorgDepth: 6 }))],
  [
    'H8 waits for the operator before anybody else is asked',
    'W-APP-OPERATOR W-APP-TOO-FEW',
    (of) => of.judge(large(of)),
  ],
  [
    'H8 waits for other guardians once its own approved',
    'W-APP-TOO-FEW',
    (of) => of.judge(approved(of, of.batch(ordersOf(of, 21_000_000n)), 'ana')),
  ],
  [
    'I1 does not count an approval of another transaction',
    'W-APP-WRONG-SUBJECT W-APP-OPERATOR W-APP-TOO-FEW',
    (of) => {
      const built = large(of);
      const subject = { id: built.id, proposal: built.proposal, txid: hashOf('another') };
      of.t.append({ kind: 'approval', approval: of.t.approval('ben', 'guardian', subject) });
      return of.judge(built);
    },
  ],
];

test.each(waited)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'wait'));
});

const owned = policyText(SEATS_OF_THREE)
  .replace('{ id: ben, automatic: yes }', '{ id: ben, automatic: yes, owner: firm }')
  .replace('{ id: cleo, automatic: yes }', '{ id: cleo, automatic: no, owner: firm }');

const asked: Hostile[] = [
  [
    'H8 asks its guardian when its approval is what is missing',
    'W-APP-TOO-FEW',
    (of) => of.judge(approved(of, large(of), '')),
  ],
  [
    'H8 counts two guardians of one owner once',
    'W-APP-NOT-DISTINCT W-APP-TOO-FEW',
    () => {
      const of = judgeScenario({ policy: owned });
      return of.judge(approved(of, of.batch(ordersOf(of, 21_000_000n)), 'ben cleo'));
    },
  ],
  [
    'H8 does not count who proposed it',
    'W-APP-SELF W-APP-TOO-FEW',
    (of) => {
      const orders = ordersOf(of, 6_000_000n);
      const intent: SpendIntent = { kind: 'withdrawal_batch', orders, plan: of.plan() };
      const payees = orders.map(({ body }) => body);
      const built = of.propose(intent, payees, (each) => ({ ...each, initiator: 'ben' }));
      return of.judge(approved(of, built, 'ben'));
    },
  ],
  [
    'K3 asks its guardian after a spend that the log does not hold',
    'W-BRK-UNKNOWN-SPEND',
    givenBatch(
      withChain({
        spends: [{ txid: hashOf('theft'), height: 1, outpoints: [`${hashOf('elsewhere')}:0`] }],
      }),
    ),
  ],
];

test.each(asked)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'ask'));
});

test.each([
  ['paused', 'sign'],
  ['tripped', 'sign'],
  ['locked', 'wait'],
] as const)('A9 its guardian may still approve while it is %s: %s', (automation, decision) => {
  const built = validBatch(s);
  const memory = { automation, approvedHere: new Set([built.id]) };
  expect(s.judge(built, withMemory(memory)).decision).toBe(decision);
});

test('H8 the agent of a seat that is not automatic asks, and signs once its guardian approved', () => {
  const of = judgeScenario({ policy: owned });
  const built = validBatch(of);
  const cleo = of.input(built, 'cleo');
  expect(of.judge(built, () => cleo).decision).toBe('ask');
  const said = withMemory({ approvedHere: new Set([built.id]) })(cleo);
  expect(of.judge(built, () => said).decision).toBe('sign');
});

test('H8 an overlay is of this seat, whatever name it was written under', () => {
  const judgement: Judgement = givenBatch((input) => ({
    ...input,
    overlay: parseOverlay('schema: weir.overlay/v1\nguardian: ben\nalways_ask: yes'),
  }))(s);
  expect([judgement.decision, codesOf(judgement)]).toEqual(['ask', ['W-APP-TOO-FEW']]);
});

test('H9 a cancel passes a tripped breaker', () => {
  const root = validBatch(s);
  s.t.authorize({ kind: 'breaker', action: 'trip' });
  const cancel = s.propose({ kind: 'cancel', of: root.id, plan: root.proposal.intent.plan }, []);
  expect(s.judge(cancel).decision).toBe('sign');
});
