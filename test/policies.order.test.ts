/** Properties of the language: order means nothing, and a tighter policy never allows more. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { diffPolicies } from '../policies/diff.ts';
import { evaluate, type SpendQuestion } from '../policies/evaluate.ts';
import type { Charge, SpendFacts } from '../policies/facts.ts';
import { emptyOverlay, parseOverlay } from '../policies/overlay.ts';
import type { Policy } from '../policies/policy.ts';
import { type FeeRate, feerate, type Ppm, type Sat, sat } from '../policies/units.ts';
import {
  approvedBy,
  bumpOf,
  coin,
  listed,
  payee,
  policyWith,
  question,
  spendOf,
  TIP,
} from './policy-cases.ts';

const RUNS = 3_000;
/** A verdict that allows more stands higher. */
const RANK = { refuse: 0, needs: 1, ok: 2 };

const escalating = policyWith([
  '  - { over: 0, approvals: 0 }',
  [
    '  - { over: 0, approvals: 0 }',
    '  - { when: first_payment_to_destination, approvals: 1 }',
    '  - { when: window_used_over_ppm, window: day, value: 500_000, add_approvals: 1 }',
  ].join('\n'),
]);

const amount = fc.bigInt(1n, 45_000_000n);
const at = fc.oneof(fc.constant('live' as const), fc.integer({ min: TIP - 200, max: TIP }));
const kind = fc.constantFrom('withdrawal_batch', 'treasury_move', 'hot_topup', 'consolidate');
const charge = fc
  .record({
    at,
    outflow: fc.bigInt(0n, 40_000_000n),
    fee: fc.bigInt(0n, 300_000n),
    kind,
    lp: fc.nat(3),
  })
  .map(({ at: when, outflow, fee, kind: of, lp }): Charge => {
    const listedOne = { script: 'x', amountSat: sat(outflow), lpId: null, entry: 'vault' };
    const ordered = { ...payee(outflow, lp), lpId: `lp-${lp}`, entry: null };
    const payees =
      of === 'withdrawal_batch' ? [ordered] : of === 'treasury_move' ? [listedOne] : [];
    return {
      proposalId: 'ab',
      kind: of,
      at: when,
      outflowSat: sat(outflow),
      feeSat: sat(fee),
      payees,
    };
  });

const facts = fc
  .record({
    kind: fc.constantFrom(
      'withdrawal_batch',
      'treasury_move',
      'hot_topup',
      'consolidate',
      'fee_bump',
      'cancel',
    ),
    amounts: fc.array(amount, { minLength: 1, maxLength: 3 }),
    fee: fc.bigInt(200n, 30_000n),
    confirmations: fc.nat(4),
    first: fc.constantFrom('first', 'known'),
    estimate: fc.option(fc.bigInt(1_000n, 60_000n)),
    treasury: fc.bigInt(20_000_000n, 2_000_000_000n),
    expiry: fc.integer({ min: TIP - 2, max: TIP + 150 }),
    bumps: fc.nat(6),
  })
  .map((made): SpendFacts => {
    const shared: Partial<SpendFacts> = {
      feeSat: sat(made.fee),
      estimate: made.estimate === null ? null : feerate(made.estimate),
      treasurySat: sat(made.treasury),
      expiryHeight: made.expiry,
      inputs: [coin(200_000_000n), { ...coin(2_000_000n, 1), confirmations: made.confirmations }],
    };
    const paid = made.amounts.map((each, n) => ({
      ...payee(each, n),
      firstPayment: made.first,
    }));
    const [one] = made.amounts;
    switch (made.kind) {
      case 'treasury_move':
        return spendOf([listed(one ?? 1n, 'vaults')], { ...shared, kind: 'treasury_move' });
      case 'hot_topup':
        return spendOf([listed(one ?? 1n, 'hot')], { ...shared, kind: 'hot_topup' });
      case 'consolidate':
        return spendOf([], { ...shared, kind: 'consolidate' });
      case 'cancel':
        return spendOf([], { ...shared, kind: 'cancel' });
      case 'fee_bump': {
        const bump = {
          of: 'withdrawal_batch',
          feeSat: sat(500n),
          feerate: feerate(2_500n),
          earlierBumps: made.bumps,
        } as const;
        return { ...bumpOf(shared), ...spendOf(paid, { ...shared, kind: 'fee_bump', bump }) };
      }
      case 'withdrawal_batch':
        return spendOf(paid, shared);
    }
  });

const people = fc
  .tuple(fc.subarray(['ana', 'ben', 'cleo']), fc.subarray(['olga']))
  .map(([guardians, operators]) => approvedBy(guardians.join(' '), operators.join(' ')));

const asked = fc
  .record({ facts, charges: fc.array(charge, { maxLength: 6 }), approvals: people })
  .map((made): SpendQuestion => question(made.facts, { ...made, policy: escalating }));

function shuffledBy(seed: number): <T>(list: readonly T[]) => T[] {
  return (list) =>
    list
      .map((item, index) => ({ item, rank: ((index + 1) * (2 * seed + 1) * 7_919) % 10_007 }))
      .toSorted((a, b) => a.rank - b.rank)
      .map(({ item }) => item);
}

test('the order of windows, steps, lists, people, coins, payees and charges changes no verdict', () => {
  fc.assert(
    fc.property(asked, fc.nat(5_000), (q, seed) => {
      const mixed = shuffledBy(seed);
      const { policy } = q;
      const other: SpendQuestion = {
        ...q,
        policy: {
          ...policy,
          guardians: mixed(policy.guardians),
          escalation: mixed(policy.escalation),
          limits: { ...policy.limits, windows: mixed(policy.limits.windows) },
          fees: { ...policy.fees, windows: mixed(policy.fees.windows) },
          allowlists: Object.fromEntries(mixed(Object.entries(policy.allowlists))),
        },
        facts: { ...q.facts, inputs: mixed(q.facts.inputs), payees: mixed(q.facts.payees) },
        charges: mixed(q.charges),
        approvals: { ...q.approvals, guardians: mixed(q.approvals.guardians) },
      };
      expect(evaluate(other)).toStrictEqual(evaluate(q));
    }),
    { numRuns: 500 },
  );
});

/** How much each knob is turned towards tight; 0 leaves it. */
const knobs = fc.record({
  share: fc.integer({ min: 1, max: 100 }),
  which: fc.array(fc.nat(TIGHTER().length - 1), { minLength: 1, maxLength: 4 }),
});

function less<T extends bigint>(value: T, percent: bigint): T {
  return ((value * percent) / 100n) as T;
}

type Turn = (policy: Policy, percent: bigint) => Policy;
/** Ways to tighten a policy; each leaves it no looser (`diffPolicies` agrees below). */
function TIGHTER(): readonly Turn[] {
  return [
    (p, n) => ({ ...p, limits: { ...p.limits, per_tx: less(p.limits.per_tx, n) } }),
    (p, n) => ({
      ...p,
      limits: { ...p.limits, floor_balance: (p.limits.floor_balance * (200n - n)) as Sat },
    }),
    (p, n) => ({
      ...p,
      limits: {
        ...p.limits,
        count: { blocks: 400, max_tx: p.limits.count.max_tx - (n < 90n ? 37 : 0) },
      },
    }),
    (p, n) => ({
      ...p,
      limits: {
        ...p.limits,
        windows: p.limits.windows.map((window) =>
          'max' in window
            ? { ...window, max: less(window.max, n), blocks: window.blocks + 10 }
            : { ...window, max_ppm_of_treasury: less(window.max_ppm_of_treasury, n) },
        ),
      },
    }),
    (p, n) => ({ ...p, fees: { ...p.fees, max_rate: less(p.fees.max_rate, n) } }),
    (p, n) => ({
      ...p,
      fees: {
        ...p.fees,
        max_over_estimate_ppm: (1_000_000n + less(p.fees.max_over_estimate_ppm, n) / 2n) as Ppm,
      },
    }),
    (p, n) => ({
      ...p,
      fees: {
        ...p.fees,
        max_abs: less(p.fees.max_abs, n),
        max_ppm_of_amount: less(p.fees.max_ppm_of_amount, n),
      },
    }),
    (p, n) => ({ ...p, fees: { ...p.fees, min_rate: (p.fees.min_rate * (101n - n)) as FeeRate } }),
    (p, n) => ({
      ...p,
      fees: {
        ...p.fees,
        windows: p.fees.windows.map((each) => ({ ...each, max: less(each.max, n) })),
      },
    }),
    (p, n) => ({ ...p, inputs: { ...p.inputs, min_conf: n < 50n ? 3 : 1, max: n < 20n ? 1 : 2 } }),
    (p, n) => ({
      ...p,
      outputs: {
        ...p.outputs,
        max: n < 50n ? 2 : 3,
        min_change: (p.outputs.min_change * (200n - n)) as Sat,
      },
    }),
    (p, n) => ({ ...p, delays: { ...p.delays, expire_after: n < 50n ? 20 : 100 } }),
    (p) => ({
      ...p,
      escalation: p.escalation.map((step) =>
        'approvals' in step ? { ...step, approvals: Math.min(3, step.approvals + 1) } : step,
      ),
    }),
    (p, n) => ({
      ...p,
      escalation: p.escalation.map((step) =>
        'window' in step ? { ...step, value: less(step.value, n) } : step,
      ),
    }),
    (p) => ({
      ...p,
      escalation: p.escalation.map((step) => ('over' in step ? { ...step, operator: 1 } : step)),
    }),
    (p) => ({
      ...p,
      escalation: p.escalation.map((step) =>
        'over' in step ? { ...step, distinct: ['region' as const] } : step,
      ),
    }),
    (p, n) => ({
      ...p,
      intents: {
        ...p.intents,
        withdrawal_batch: {
          ...p.intents.withdrawal_batch,
          max_payees: n < 50n ? 1 : 2,
          per_payee: {
            max: less(p.intents.withdrawal_batch.per_payee.max, n),
            per_day: less(p.intents.withdrawal_batch.per_payee.per_day, n),
          },
          windows: p.intents.withdrawal_batch.windows.map((each) => ({
            ...each,
            max: less(each.max, n),
            max_count: 2,
          })),
        },
      },
    }),
    (p, n) => ({
      ...p,
      intents: {
        ...p.intents,
        hot_topup: {
          ...p.intents.hot_topup,
          max: less(p.intents.hot_topup.max, n),
          min_interval: 60,
        },
        fee_bump: {
          ...p.intents.fee_bump,
          max_rate: less(p.intents.fee_bump.max_rate, n),
          max_bumps: 2,
        },
        cancel: { ...p.intents.cancel, max_abs: less(p.intents.cancel.max_abs, n), approvals: 1 },
        consolidate: {
          ...p.intents.consolidate,
          max_rate: less(p.intents.consolidate.max_rate, n),
          max_inputs: 2,
        },
      },
    }),
    (p) => ({ ...p, allowlists: { ...p.allowlists, vaults: [] } }),
    (p) => ({ ...p, operators: [] }),
  ];
}

function tightened(policy: Policy, turns: { share: number; which: readonly number[] }): Policy {
  const all = TIGHTER();
  return turns.which.reduce((p, n) => all[n]?.(p, BigInt(turns.share)) ?? p, policy);
}

test('what a tighter policy allows, the policy allows', () => {
  const seen = { ok: 0, stricter: 0 };
  fc.assert(
    fc.property(asked, knobs, (q, turns) => {
      const tight = evaluate({ ...q, policy: tightened(q.policy, turns) });
      const loose = evaluate(q);
      if (tight.kind === 'ok') seen.ok += 1;
      if (tight.kind !== 'ok' && loose.kind === 'ok') seen.stricter += 1;
      return RANK[loose.kind] >= RANK[tight.kind];
    }),
    { numRuns: RUNS },
  );
  // The property says nothing unless both sides of it happen.
  expect(seen.ok).toBeGreaterThan(RUNS / 50);
  expect(seen.stricter).toBeGreaterThan(RUNS / 50);
});

test('the diff calls none of these looser', () => {
  fc.assert(
    fc.property(knobs, (turns) => {
      expect(diffPolicies(escalating, tightened(escalating, turns)).overall).not.toBe('loosen');
    }),
    { numRuns: 300 },
  );
});

test('what an overlay lets through, the policy alone lets through', () => {
  const overlays = [
    'limits: { per_tx: 2_000_000, floor_balance: 90_000_000 }',
    'limits: { windows: [{ name: mine, blocks: 300, max: 9_000_000 }], count: { blocks: 300, max_tx: 2 } }',
    'fees: { max_rate: 9_000, max_over_estimate_ppm: 1_000_000, windows: [{ blocks: 300, max: 90_000 }] }',
    'fees: { min_rate: 20_000, max_abs: 9_000, max_ppm_of_amount: 9_000 }',
    'inputs: { min_conf: 3, max: 1 }\noutputs: { max: 2, min_change: 90_000_000 }',
    'per_payee: { max: 9_000, per_day: 9_000_000 }\nmax_payees: 1',
    'always_ask: yes',
    'refuse_intents: [hot_topup, fee_bump]',
    '',
  ].map((text) => parseOverlay(`schema: weir.overlay/v1\nguardian: ana\n${text}`));
  const seen = { ok: 0, stricter: 0 };
  fc.assert(
    fc.property(asked, fc.constantFrom(...overlays, emptyOverlay('ben')), (q, overlay) => {
      const own = evaluate({ ...q, overlay });
      const shared = evaluate(q);
      if (own.kind === 'ok') seen.ok += 1;
      if (own.kind !== 'ok' && shared.kind === 'ok') seen.stricter += 1;
      return RANK[shared.kind] >= RANK[own.kind];
    }),
    { numRuns: RUNS },
  );
  expect(seen.ok).toBeGreaterThan(RUNS / 50);
  expect(seen.stricter).toBeGreaterThan(RUNS / 50);
});
