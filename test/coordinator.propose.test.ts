/** What the coordinator proposes: whole, paid for, within the policy, and nobody twice. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChainView, TreasuryCoin } from '../coordinator/chain.ts';
import { chosenDraft } from '../coordinator/draft.ts';
import { type Situation, situationOf } from '../coordinator/facts.ts';
import { checkOwnWork } from '../coordinator/own-check.ts';
import { draftsOf, proposalFrom, type SpendRequest } from '../coordinator/propose.ts';
import { nextChangeIndex, spendableCoins, spendBounds } from '../coordinator/spendable.ts';
import { vaultOf } from '../coordinator/vault.ts';
import { buildUnsignedTx } from '../descriptors/build.ts';
import { parsePreviousTx } from '../descriptors/previous-tx.ts';
import { reservedCoins, takenOrders } from '../policies/commitments.ts';
import { Failure } from '../policies/failure.ts';
import type { LpOrder } from '../policies/intent.ts';
import { type Proposal, proposalId, proposalTxid } from '../policies/proposal.ts';
import type { Treasury } from '../policies/treasury.ts';
import { applyEvent } from '../policies/treasury-fold.ts';
import { feeCeil, feerate, sat } from '../policies/units.ts';
import { coordinatorDesk } from './coordinator-desk.ts';
import { spendScenario, strangerScript, TIP } from './spend-scenario.ts';
import { registrationOf } from './treasury-scenario.ts';

const AMOUNTS = [60_000_000n, 50_000_000n, 40_000_000n, 90_000_000n, 300_000n, 120_000n];
const s = spendScenario({ threshold: 2, of: 3, amounts: AMOUNTS });
const vault = vaultOf(s.t.wallet);
const previousTxs = new Map(
  [...s.funding.values()].map(({ raw, txid }) => [txid, parsePreviousTx(raw)]),
);
const COINS = s.coins.map(
  ({ outpoint, amountSat, branch, index }): TreasuryCoin => ({
    outpoint,
    amountSat,
    branch,
    index,
    script: s.deriver.at(branch, index).script,
    confirmations: 10,
    coinbase: 'ordinary',
  }),
);

function viewOf(change: Partial<ChainView> = {}): ChainView {
  return {
    tipHeight: TIP,
    tipHash: '00'.repeat(32),
    sync: 'synced',
    coins: COINS,
    spends: [],
    estimate: feerate(2_000n),
    changeIndexUsed: -1,
    ...change,
  };
}

function situation(treasury: Treasury = s.t.treasury, view: ChainView = viewOf()): Situation {
  return situationOf(treasury, view, vault);
}

function withQueue(orders: readonly LpOrder[], treasury: Treasury = s.t.treasury): Treasury {
  return orders.reduce(
    (state, order) => ({ ...state, queue: new Map(state.queue).set(order.body.orderId, order) }),
    treasury,
  );
}

function withProposal(treasury: Treasury, proposal: Proposal): Treasury {
  return {
    ...applyEvent(treasury, { kind: 'proposed', proposal }, proposal.seq),
    seq: proposal.seq,
  };
}

const TERMS = { longTermFeerate: feerate(1_000n), seed: '5e'.repeat(32) };

function termsAt(rate: bigint, seed = TERMS.seed) {
  return { ...TERMS, feerate: feerate(rate), seed };
}

function made(request: SpendRequest, at: Situation, rate = 2_000n, seed = TERMS.seed) {
  const { drafts, leftOut } = draftsOf(request, at, termsAt(rate, seed));
  const { draft, verdict } = chosenDraft(drafts, at, new Map(), 'coordinator');
  return { draft, verdict, leftOut, proposal: proposalFrom(draft, at, 'coordinator') };
}

/** Null where no order can be paid now. */
function madeIfReady(at: Situation, rate = 2_000n, seed = TERMS.seed) {
  try {
    return made({ kind: 'withdrawal_batch' }, at, rate, seed);
  } catch (cause) {
    if (cause instanceof Failure && cause.code === 'NOT_READY') return null;
    throw cause;
  }
}

function ordersOf({ intent }: Proposal): string[] {
  return 'orders' in intent ? intent.orders.map(({ body }) => body.orderId) : [];
}

/** Orders are dear to sign: made once, and drawn from. */
const ORDERS = Array.from({ length: 12 }, (_, n) =>
  s.t.order(['lp-one', 'lp-two', 'lp-three'][n % 3] ?? '', {
    script: strangerScript(n % 9),
    amountSat: sat([700n, 40_000n, 250_000n, 3_000_000n, 9_000_000n, 30_000_000n][n % 6] ?? 0n),
    maxFeeSat: sat([50_000n, 300n, 5_000n][n % 3] ?? 0n),
  }),
);

/** Most of them have to come to a proposal: the properties count. */
const RUNS = 60;
const hexSeed = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));

describe('every proposal', () => {
  const batches = fc.record({
    orders: fc.shuffledSubarray(ORDERS, { minLength: 1 }),
    coins: fc.shuffledSubarray(COINS, { minLength: 1 }),
    rate: fc.bigInt({ min: 1_000n, max: 60_000n }),
    seed: hexSeed,
  });

  test('of a batch rebuilds, pays its fee, keeps the policy, and takes each order once', () => {
    let count = 0;
    fc.assert(
      fc.property(batches, ({ orders, coins, rate, seed }) => {
        const at = situation(withQueue(orders), viewOf({ coins, estimate: feerate(rate) }));
        const result = madeIfReady(at, rate, seed);
        if (result === null) return;
        count += 1;
        const { draft, verdict, proposal } = result;
        const { intent, built } = draft;
        if (intent.kind !== 'withdrawal_batch') throw new Error('another kind');
        // A fee that is too large a share is the one thing that no smaller batch mends.
        const blamed = verdict.reasons
          .map(({ code }) => code)
          .filter((code) => !code.startsWith('W-APP'));
        expect(blamed.filter((code) => code !== 'W-FEE-SHARE')).toEqual([]);
        const payees = intent.orders.map(({ body: { script, amountSat } }) => ({
          script,
          amountSat,
        }));
        const again = buildUnsignedTx(intent.plan, payees, vault.deriver);
        expect(Buffer.from(again.unsignedTx).toString('hex')).toBe(proposal.unsignedTx);
        expect(proposalTxid(proposal)).toBe(built.txid);
        expect(built.feeSat).toBeGreaterThanOrEqual(feeCeil(feerate(rate), built.vsize));
        const share = (built.feeSat + BigInt(payees.length) - 1n) / BigInt(payees.length);
        for (const { body } of intent.orders) expect(body.maxFeeSat).toBeGreaterThanOrEqual(share);
        const ids = intent.orders.map(({ body }) => body.orderId);
        expect(new Set(ids).size).toBe(ids.length);
        const queue = orders.map(({ body }) => body.orderId);
        expect(ids).toEqual(queue.filter((id) => ids.includes(id)));
        expect(intent.plan.coins.map(({ outpoint }) => outpoint)).toContain(intent.plan.anchor);
        checkOwnWork(draft, vault, previousTxs);
        // In the log, it keeps its coins and orders from the next one.
        const treasury = withProposal(at.treasury, proposal);
        const next = situationOf(treasury, at.view, vault);
        const held = reservedCoins(next.all, treasury);
        expect(spendableCoins(next).filter(({ outpoint }) => held.has(outpoint))).toEqual([]);
        for (const id of ids) expect(takenOrders(next.all).has(id)).toBe(true);
      }),
      { numRuns: RUNS },
    );
    expect(count).toBeGreaterThan(RUNS / 2);
  });

  test('after another takes no coin, no order and no change index of it', () => {
    let count = 0;
    fc.assert(
      fc.property(
        fc.shuffledSubarray(ORDERS.slice(0, 6), { minLength: 3 }),
        hexSeed,
        (orders, seed) => {
          const start = situation(withQueue(orders.slice(0, 1)));
          const one = madeIfReady(start, 2_000n, seed)?.proposal;
          if (one === undefined) return;
          const treasury = withProposal(withQueue(orders, start.treasury), one);
          const two = madeIfReady(situation(treasury), 2_000n, seed)?.proposal;
          if (two === undefined) return;
          count += 1;
          const coins = new Set(one.prevouts.map(({ outpoint }) => outpoint));
          expect(two.prevouts.filter(({ outpoint }) => coins.has(outpoint))).toEqual([]);
          const ids = new Set(ordersOf(one));
          expect(ordersOf(two).filter((id) => ids.has(id))).toEqual([]);
          const indexes = [one, two].flatMap(({ intent }) => intent.plan.change?.index ?? []);
          expect(new Set(indexes).size).toBe(indexes.length);
        },
      ),
      { numRuns: RUNS },
    );
    expect(count).toBeGreaterThan(RUNS / 2);
  });

  test('of a bump or a cancel spends the anchor, outbids, and passes its own policy', () => {
    let count = 0;
    fc.assert(
      fc.property(
        fc.shuffledSubarray(ORDERS.slice(0, 5), { minLength: 1 }),
        fc.constantFrom('fee_bump' as const, 'cancel' as const),
        fc.bigInt({ min: 1_000n, max: 20_000n }),
        (orders, kind, rate) => {
          const start = situation(withQueue(orders));
          const root = madeIfReady(start)?.proposal;
          if (root === undefined) return;
          count += 1;
          const treasury = withProposal(start.treasury, root);
          const at = situation(treasury, viewOf({ estimate: feerate(rate) }));
          const of = proposalId(root);
          const { draft, verdict } = made({ kind, of, feerate: null }, at, rate);
          expect(verdict.reasons.filter(({ code }) => !code.startsWith('W-APP'))).toEqual([]);
          expect(draft.intent.plan.anchor).toBe(root.intent.plan.anchor);
          const spent = draft.built.coins.map(({ outpoint }) => outpoint);
          for (const { outpoint } of root.prevouts) expect(spent).toContain(outpoint);
          expect(draft.built.feeSat).toBeGreaterThan(root.feeSat + draft.built.vsize);
          expect(draft.built.outputs.length - (draft.built.changeSat === null ? 0 : 1)).toBe(
            kind === 'cancel' ? 0 : ordersOf(root).length,
          );
          checkOwnWork(draft, vault, previousTxs);
        },
      ),
      { numRuns: RUNS },
    );
    expect(count).toBeGreaterThan(RUNS / 2);
  });
});

describe('a batch leaves out', () => {
  const script = strangerScript(77);
  const good = s.t.order('lp-two', { script: strangerScript(78) });
  const own = s.deriver.at(0, 3).script;
  test.each<[string, Partial<LpOrder['body']>, RegExp]>([
    ['an order that expires now', { expiryHeight: TIP }, /expired at 500/],
    ['an order above the limit of one payee', { amountSat: sat(41_000_000n) }, /one payee/],
    ['an order that would pay too much of the fee', { maxFeeSat: sat(10n) }, /share of the fee/],
    ['an order that pays ourselves', { script: own }, /our own/],
  ])('%s', (_, change, why) => {
    const bad = s.t.order('lp-one', { script, ...change });
    const { draft, leftOut } = made(
      { kind: 'withdrawal_batch' },
      situation(withQueue([bad, good])),
    );
    if (draft.intent.kind !== 'withdrawal_batch') throw new Error('another kind');
    expect(draft.intent.orders).toEqual([good]);
    expect(leftOut).toEqual([{ orderId: bad.body.orderId, why: expect.stringMatching(why) }]);
  });

  test('an order of an LP whose key was replaced', () => {
    const registration = registrationOf(s.t.params, 'lp-one').body;
    const registry = new Map(s.t.treasury.registry).set('lp-one', [
      { ...registration, key: 'ab'.repeat(32) },
    ]);
    const queue = withQueue([s.t.order('lp-one', { script })]);
    expect(() => made({ kind: 'withdrawal_batch' }, situation({ ...queue, registry }))).toThrow(
      /registered key/,
    );
  });

  test('what would take an LP over its lifetime cap', () => {
    const registration = registrationOf(s.t.params, 'lp-one').body;
    const registry = new Map(s.t.treasury.registry).set('lp-one', [
      { ...registration, lifetimeCapSat: sat(150_000n) },
    ]);
    const orders = [1, 2].map((n) => s.t.order('lp-one', { script: strangerScript(n) }));
    const { draft, leftOut } = made(
      { kind: 'withdrawal_batch' },
      situation({ ...withQueue(orders), registry }),
    );
    expect(draft.built.outputs.filter(({ amountSat }) => amountSat === 100_000n)).toHaveLength(1);
    expect(leftOut).toMatchObject([{ why: 'above the lifetime cap of lp-one' }]);
  });

  test('what a window of the policy has no room for, and pays the rest', () => {
    const orders = [1, 2, 3].map((n) =>
      s.t.order(`lp-${['one', 'two', 'three'][n - 1]}`, {
        script: strangerScript(n),
        amountSat: sat(24_000_000n),
      }),
    );
    const { draft, verdict, leftOut } = made(
      { kind: 'withdrawal_batch' },
      situation(withQueue(orders)),
    );
    expect(draft.intent).toMatchObject({ kind: 'withdrawal_batch', orders: orders.slice(0, 2) });
    expect(verdict.kind).toBe('needs');
    expect(leftOut).toHaveLength(1);
  });

  test('what the weakest device of a seat cannot show', () => {
    const at = situation(withQueue(ORDERS.slice(0, 3)));
    const [first, ...others] = at.vault.record.keyRecords;
    if (first === undefined) throw new Error('no seat');
    const device = { name: 'small', maxInputs: 2, maxOutputs: 2 };
    const weak = { ...first, body: { ...first.body, device } };
    const record = { ...at.vault.record, keyRecords: [weak, ...others] };
    const narrow = { ...at, vault: { ...at.vault, record } };
    expect(spendBounds(narrow)).toEqual({ inputsMax: 2, outputsMax: 2 });
    const { draft } = made({ kind: 'withdrawal_batch' }, narrow);
    expect(draft.built.outputs.length).toBeLessThanOrEqual(2);
    expect(draft.built.coins.length).toBeLessThanOrEqual(2);
  });
});

describe('coins', () => {
  test.each<[string, Partial<TreasuryCoin>, 'spent' | 'left alone']>([
    ['that are old enough', {}, 'spent'],
    ['without a confirmation', { confirmations: 0 }, 'left alone'],
    ['of a coinbase that is not mature', { coinbase: 'coinbase', confirmations: 99 }, 'left alone'],
    ['of a mature coinbase', { coinbase: 'coinbase', confirmations: 100 }, 'spent'],
  ])('%s', (_, change, verdict) => {
    const coins = COINS.slice(0, 1).map((coin) => ({ ...coin, ...change }));
    const found = spendableCoins(situation(s.t.treasury, viewOf({ coins })));
    expect(found.length === 1 ? 'spent' : 'left alone').toBe(verdict);
  });

  test('change goes beyond what the chain shows used, and not further than a recovery looks', () => {
    expect(nextChangeIndex(situation())).toBe(0);
    expect(nextChangeIndex(situation(s.t.treasury, viewOf({ changeIndexUsed: 7 })))).toBe(8);
  });
});

describe('proposing', () => {
  test('logs nothing where the own policy refuses, and says why', async () => {
    const desk = await coordinatorDesk();
    await desk.queue(desk.s.t.order('lp-one', { script: strangerScript(1), amountSat: sat(700n) }));
    const { seq } = desk.work.log.treasury();
    const { id, verdict } = await desk.propose({ kind: 'withdrawal_batch' });
    expect([id, verdict.kind]).toEqual([null, 'refuse']);
    expect(verdict.reasons.map(({ code }) => code)).toContain('W-FEE-SHARE');
    expect(desk.work.log.treasury().seq).toBe(seq);
    await desk.close();
  });

  test.each<[string, SpendRequest, string]>([
    ['an empty queue', { kind: 'withdrawal_batch' }, 'NOT_READY'],
    [
      'an entry that is not on the list',
      { kind: 'treasury_move', entry: 'nowhere', index: null, amountSat: sat(1_000n) },
      'NOT_FOUND',
    ],
    ['a bump of nothing', { kind: 'fee_bump', of: '00'.repeat(32), feerate: null }, 'NOT_FOUND'],
    ['a cancel of nothing', { kind: 'cancel', of: '00'.repeat(32), feerate: null }, 'NOT_FOUND'],
  ])('fails for %s', async (_, request, code) => {
    const desk = await coordinatorDesk();
    await expect(desk.propose(request)).rejects.toMatchObject({ code });
    await desk.close();
  });

  test('two at once are two proposals of different coins and orders', async () => {
    const desk = await coordinatorDesk();
    for (const n of [1, 2]) {
      await desk.queue(desk.s.t.order('lp-one', { script: strangerScript(n) }));
    }
    const both = await Promise.allSettled([
      desk.propose({ kind: 'withdrawal_batch' }),
      desk.propose({ kind: 'withdrawal_batch' }),
    ]);
    // The second finds the queue taken by the first.
    expect(both.map(({ status }) => status).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'fulfilled',
      'rejected',
    ]);
    expect(desk.work.log.treasury().proposals.size).toBe(1);
    await desk.close();
  });

  test('a consolidation puts small coins together within its own cap', () => {
    const { draft, verdict } = made({ kind: 'consolidate' }, situation(), 2_000n);
    expect(verdict.kind).not.toBe('refuse');
    expect(draft.built.coins).toHaveLength(AMOUNTS.length);
    expect(draft.built.outputs).toHaveLength(1);
  });
});
