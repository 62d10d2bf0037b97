/** Rows E: who is paid, what comes back, and on whose word. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { beforeEach, expect, test } from 'vitest';
import { descriptorChecksum } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { payeeScript } from '../descriptors/payee-script.ts';
import type { LpOrder, LpOrderBody, SpendIntent } from '../policies/intent.ts';
import { sat } from '../policies/units.ts';
import type { Judgement } from '../signer-agent/judgement.ts';
import {
  batchIntent,
  found,
  type Hostile,
  payeesOf,
  validBatch,
  wanted,
  withEditedTx,
  withTx,
} from './hostile-spend.ts';
import {
  codesOf,
  hashOf,
  type JudgeScenario,
  judgeScenario,
  rewinder,
  withChain,
  withMemory,
} from './judge-scenario.ts';
import { strangerScript, TIP } from './spend-scenario.ts';
import { accountOf, policyText, registrationOf, SEATS_OF_THREE } from './treasury-scenario.ts';

const VAULT = `0020${'a1'.repeat(32)}`;
const hotBody = `wpkh(${accountOf('lnd').publicExtendedKey}/0/*)`;
const HOT = `${hotBody}#${descriptorChecksum(hotBody)}`;
const hotScript = (index: number) => payeeScript(HOT, index, NETWORKS.regtest);
/** Receive address 3 of the treasury itself: what an allowlist must not make a payee of. */
const ownScript = judgeScenario().deriver.at(0, 3).script;
const policy = policyText(SEATS_OF_THREE)
  .replace(
    'vaults: []',
    `vaults: [{ name: cold, script: ${VAULT}, active_from: 0, per_day: 30_000_000 }, ` +
      `{ name: later, script: 0020${'a2'.repeat(32)}, active_from: ${TIP + 1} }, ` +
      `{ name: mirror, script: ${ownScript}, active_from: 0 }]`,
  )
  .replace(
    'hot: []',
    `hot: [{ name: ln, descriptor: "${HOT}", max_index_gap: 5, active_from: 0 }]`,
  );

const s = judgeScenario({ policy });
const rewind = rewinder(s);
beforeEach(rewind);

/** A batch of one order with this body. */
const ordering =
  (change: Partial<LpOrderBody>, edit: (order: LpOrder) => LpOrder = (same) => same) =>
  (of: JudgeScenario): Judgement => {
    const order = of.t.order('lp-one', { script: strangerScript(1), ...change });
    return of.judge(of.batch([edit(order)]));
  };

/** Change of the batch to another script, with the amounts as they were. */
const changeTo = (script: (of: JudgeScenario) => string) =>
  withTx((tx, of) => {
    const change = of.deriver.at(1, 0).script;
    for (const output of tx.outputs) {
      if (Buffer.from(output.script).toString('hex') === change) {
        output.script = hexToBytes(script(of));
      }
    }
  });

/** A move to a list entry, paying a script; approved by two guardians and the operator. */
function move(of: JudgeScenario, entry: string, script: string, index: number | null = null) {
  const payees = [{ entry, index, amountSat: sat(600_000n) }];
  const intent: SpendIntent = { kind: 'treasury_move', payees, plan: of.plan() };
  const built = of.propose(intent, [{ script, amountSat: sat(600_000n) }]);
  const subject = { id: built.id, proposal: built.proposal, txid: built.built.txid };
  for (const signerId of ['ana', 'ben']) {
    of.t.append({ kind: 'approval', approval: of.t.approval(signerId, 'guardian', subject) });
  }
  return of.judge(built);
}

function topup(of: JudgeScenario, index: number | null, script: string) {
  const payees = [{ entry: 'ln', index, amountSat: sat(600_000n) }];
  const intent: SpendIntent = { kind: 'hot_topup', payees, plan: of.plan() };
  return of.judge(of.propose(intent, [{ script, amountSat: sat(600_000n) }]));
}

function registered(of: JudgeScenario, change: Parameters<typeof registrationOf>[2]) {
  of.t.authorize({
    kind: 'registry_change',
    entries: [registrationOf(of.t.params, 'lp-one', change)],
  });
}

const refused: Hostile[] = [
  [
    'E1 refuses an output nobody asked for',
    'W-OUT-UNLISTED W-OUT-PAYEE-UNSIGNED W-ENV-REBUILD W-FEE-MISMATCH W-FEE-NEGATIVE W-FEE-LOW',
    withTx((tx) => {
      tx.outputs.push({ amount: 5_000n, script: hexToBytes(strangerScript(9)) });
    }),
  ],
  [
    'E1 refuses change at a far index',
    'W-OUT-CHANGE-INDEX',
    (of) => of.judge(of.batch(of.orders(100_000n), { change: { index: 21 } })),
  ],
  [
    'E1 refuses change so far out that nobody looks for it there',
    'W-OUT-CHANGE-INDEX *',
    (of) => of.judge(of.batch(of.orders(100_000n), { change: { index: 2_000_000 } })),
  ],
  [
    'E1 refuses change at an index used before',
    'W-OUT-CHANGE-INDEX',
    (of) => {
      of.batch(of.orders(100_000n), { coins: of.coins.slice(1, 2) });
      return of.judge(validBatch(of), withChain({ changeIndexUsed: 0 }));
    },
  ],
  [
    'E1 refuses change elsewhere than the intent says',
    'W-OUT-CHANGE-INDEX W-OUT-CHANGE-UNDERIVED *',
    changeTo((of) => of.deriver.at(1, 1).script),
  ],
  [
    'E2 refuses change to a stranger, whatever the PSBT says of its derivation',
    'W-OUT-CHANGE-UNDERIVED W-OUT-UNLISTED *',
    changeTo(() => `0020${'cc'.repeat(32)}`),
  ],
  [
    'E6 refuses change to our own receive branch',
    'W-OUT-OWN-RECEIVE W-OUT-CHANGE-UNDERIVED *',
    changeTo((of) => of.deriver.at(0, 5).script),
  ],
  [
    'E3 refuses a swapped payee',
    'W-OUT-MISSING W-OUT-UNLISTED W-OUT-PAYEE-UNSIGNED W-ENV-REBUILD',
    withTx((tx) => {
      const paid = tx.outputs.find(({ amount }) => amount === 100_000n);
      if (paid !== undefined) paid.script = hexToBytes(strangerScript(66));
    }),
  ],
  [
    'E3 refuses a payee who gets another amount',
    'W-OUT-CHANGED-AMOUNT W-OUT-MISSING W-OUT-PAYEE-UNSIGNED W-ENV-REBUILD *',
    withTx((tx) => {
      const paid = tx.outputs.find(({ amount }) => amount === 100_000n);
      if (paid !== undefined) paid.amount -= 1n;
    }),
  ],
  [
    'E3 refuses an omitted payee, whose money goes to the fee',
    'W-OUT-MISSING W-ENV-REBUILD W-FEE-MISMATCH *',
    withTx((tx) => {
      tx.outputs = tx.outputs.filter(({ amount }) => amount !== 100_000n);
    }),
  ],
  [
    'E3 refuses an omitted payee whose money goes to another payee',
    'W-OUT-MISSING W-OUT-CHANGED-AMOUNT W-OUT-PAYEE-UNSIGNED W-ENV-REBUILD *',
    withTx((tx) => {
      tx.outputs = tx.outputs.filter(({ amount }) => amount !== 100_000n);
      const other = tx.outputs.find(({ amount }) => amount === 200_000n);
      if (other !== undefined) other.amount += 100_000n;
    }),
  ],
  [
    'E1 refuses a payee paid twice',
    'W-OUT-UNLISTED W-OUT-PAYEE-UNSIGNED W-ENV-REBUILD *',
    withTx((tx) => {
      const paid = tx.outputs.find(({ amount }) => amount === 100_000n);
      if (paid !== undefined) tx.outputs.push(paid);
    }),
  ],
  [
    'E4 refuses an order that another LP signed',
    'W-OUT-PAYEE-UNSIGNED',
    (of) => {
      const theirs = of.t.order('lp-two', { script: strangerScript(1) });
      return of.judge(of.batch([{ ...theirs, body: { ...theirs.body, lpId: 'lp-one' } }]));
    },
  ],
  [
    'E4 refuses an order changed after it was signed',
    'W-OUT-PAYEE-UNSIGNED',
    ordering({}, (order) => ({ ...order, body: { ...order.body, amountSat: sat(200_000n) } })),
  ],
  [
    'E4 refuses an order of somebody who is not registered',
    'W-OUT-PAYEE-UNSIGNED',
    ordering({ lpId: 'lp-nobody' }),
  ],
  [
    'E4 refuses an order signed with the key of before a replacement',
    'W-OUT-PAYEE-UNSIGNED',
    (of) => {
      const order = of.t.order('lp-one', { script: strangerScript(1) });
      of.t.authorize({
        kind: 'registry_change',
        entries: [registrationNewKey(of)],
      });
      return of.judge(of.batch([order]));
    },
  ],
  [
    'E4 refuses an LP that is not active yet',
    'W-OUT-PAYEE-INACTIVE',
    (of) => {
      of.t.authorize({
        kind: 'registry_change',
        entries: [registrationOf(of.t.params, 'lp-four', { activeFromHeight: TIP + 1 })],
      });
      return of.judge(of.batch([of.t.order('lp-four', { script: strangerScript(1) })]));
    },
  ],
  [
    'E4 refuses to go over the lifetime cap of an LP',
    'W-OUT-PAYEE-CAP',
    (of) => {
      registered(of, { lifetimeCapSat: sat(299_999n) });
      return of.judge(validBatch(of));
    },
  ],
  [
    'E4 counts what earlier live batches pay towards the lifetime cap',
    'W-OUT-PAYEE-CAP',
    (of) => {
      registered(of, { lifetimeCapSat: sat(599_999n) });
      validBatch(of);
      const coins = of.coins.slice(1, 2);
      return of.judge(of.batch(of.orders(100_000n, 200_000n), { coins }));
    },
  ],
  ['E4 refuses an expired order', 'W-OUT-ORDER-EXPIRED', ordering({ expiryHeight: TIP - 1 })],
  [
    'E4 refuses a move to a name that is not on the list',
    'W-OUT-PAYEE-UNSIGNED W-OUT-UNLISTED W-ENV-REBUILD',
    (of) => move(of, 'elsewhere', strangerScript(3)),
  ],
  [
    'E3 refuses a listed name with the script of a stranger',
    'W-OUT-MISSING W-OUT-UNLISTED W-OUT-PAYEE-UNSIGNED W-ENV-REBUILD',
    (of) => move(of, 'cold', strangerScript(3)),
  ],
  [
    'E4 refuses a move to an entry before its height',
    'W-OUT-PAYEE-INACTIVE',
    (of) => move(of, 'later', `0020${'a2'.repeat(32)}`),
  ],
  [
    'E4 refuses a top-up at an index too far out',
    'W-OUT-PAYEE-UNSIGNED',
    (of) => topup(of, 5, hotScript(5)),
  ],
  [
    'E4 refuses a top-up without an index',
    'W-OUT-PAYEE-UNSIGNED W-OUT-UNLISTED W-ENV-REBUILD',
    (of) => topup(of, null, hotScript(0)),
  ],
  [
    'E5 refuses an order twice in one batch',
    'W-OUT-PAID-BEFORE',
    (of) => {
      const [order] = of.orders(100_000n);
      return of.judge(of.batch(order === undefined ? [] : [order, order]));
    },
  ],
  [
    'E5 refuses an order replayed in a second batch',
    'W-OUT-PAID-BEFORE',
    (of) => {
      const orders = of.orders(100_000n);
      of.batch(orders);
      return of.judge(of.batch(orders, { coins: of.coins.slice(1, 2) }));
    },
  ],
  ['E6 refuses an order for another network', 'W-OUT-NETWORK', ordering({ network: 'signet' })],
  [
    'E6 refuses an order for another treasury',
    'W-OUT-NETWORK',
    ordering({ treasuryId: hashOf('another treasury') }),
  ],
  [
    'E6 refuses an order that pays our own receive branch',
    'W-OUT-OWN-RECEIVE',
    (of) => ordering({ script: of.deriver.at(0, 5).script })(of),
  ],
  ['E7 refuses dust', 'W-OUT-DUST *', ordering({ amountSat: sat(293n) })],
  [
    'E7 refuses change below the minimum of the policy',
    'W-OUT-MIN-CHANGE *',
    (of) => {
      const coin = of.coins[2];
      if (coin === undefined) throw new Error('no coin');
      const amount = coin.amountSat - 10_000n;
      return of.judge(of.batch(of.orders(amount), { coins: [coin] }));
    },
  ],
  [
    'E7 refuses more payees than the policy allows',
    'W-OUT-COUNT *',
    (of) => {
      const [order] = of.orders(1_000n);
      if (order === undefined) throw new Error('no order');
      return of.judge(of.batch(Array.from({ length: 601 }, () => order)));
    },
  ],
  [
    'E7 refuses a consolidation from which money leaves',
    'W-OUT-SELF-TRANSFER W-OUT-UNLISTED W-OUT-PAYEE-UNSIGNED W-ENV-REBUILD *',
    (of) => {
      const intent: SpendIntent = {
        kind: 'consolidate',
        plan: of.plan({ coins: of.coins.slice(0, 2) }),
      };
      const built = withEditedTx(
        of,
        (tx) => {
          for (const output of tx.outputs) output.amount -= 50_000n;
          tx.outputs.push({ amount: 50_000n, script: hexToBytes(strangerScript(5)) });
        },
        intent,
      );
      return of.judge(built);
    },
  ],
  [
    'E8 refuses an allowlisted script that is our own',
    'W-OUT-SHARED',
    (of) => move(of, 'mirror', ownScript),
  ],
];

function registrationNewKey(of: JudgeScenario) {
  // The new key is one that only the replacement knows.
  return registrationOf(of.t.params, 'lp-one', {}, 'lp-one new');
}

test.each(refused)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'refuse'));
});

test('E1 change up to 20 indexes further is in order', () => {
  expect(s.judge(s.batch(s.orders(100_000n), { change: { index: 20 } })).decision).toBe('sign');
});

test('E1 a proposal that waited may be overtaken by one with a later index', () => {
  expect(s.judge(validBatch(s), withChain({ changeIndexUsed: 7 })).decision).toBe('sign');
});

test('E1 the change index of a dead intent is free again, also for one that waited', () => {
  const dead = s.batch(s.orders(100_000n));
  for (const seatId of ['ben', 'cleo']) s.t.append(s.t.verdict(seatId, dead.id, 'refused'));
  const next = s.batch(s.orders(100_000n), { coins: s.coins.slice(1, 2) });
  expect(s.judge(next, withChain({ changeIndexUsed: 7 })).decision).toBe('sign');
});

test('E4 moves and top-ups to what is listed are in order', () => {
  expect(codesOf(move(s, 'cold', VAULT))).toEqual([]);
  rewind();
  expect(codesOf(topup(s, 4, hotScript(4)))).toEqual([]);
});

test('E5 an order of a batch that others refused may be paid again, unless this agent signed it', () => {
  const orders = s.orders(100_000n);
  const dead = s.batch(orders);
  for (const seatId of ['ben', 'cleo']) s.t.append(s.t.verdict(seatId, dead.id, 'refused'));
  const again = s.batch(orders, { coins: s.coins.slice(1, 2) });
  expect(s.judge(again).decision).toBe('sign');
  const judgement = s.judge(again, withMemory({ signed: new Set([dead.id]) }));
  expect([judgement.decision, codesOf(judgement)]).toEqual(['refuse', ['W-OUT-PAID-BEFORE']]);
});

test('E3 the order of outputs is the builder’s, and equal outputs are told apart by count', () => {
  const [order] = s.orders(100_000n);
  const twin = s.t.order('lp-one', { script: strangerScript(1), amountSat: sat(100_000n) });
  const intent = batchIntent(s, { orders: order === undefined ? [] : [order, twin] });
  expect(s.judge(s.propose(intent, payeesOf(intent))).decision).toBe('sign');
});
