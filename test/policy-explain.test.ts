/** `weir policy explain`, in this process: the words, the verdict on one spend, and what a breach can cost. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { breachOf } from '../cli/policy-breach.ts';
import { nearestFirst } from '../cli/policy-slack.ts';
import { toWire } from '../policies/canonical-json.ts';
import { evaluate, type SlackRow, type SpendQuestion } from '../policies/evaluate.ts';
import type { SpendFacts } from '../policies/facts.ts';
import { type Policy, policyHash } from '../policies/policy.ts';
import { feerate, sat, vbytes } from '../policies/units.ts';
import {
  approvedBy,
  bumpOf,
  cancelling,
  charge,
  coin,
  consolidation,
  edited,
  inAutomaticSeat,
  listed,
  move,
  POLICY,
  POLICY_TEXT,
  payee,
  policyWith,
  question,
  small,
  spendOf,
  topup,
} from './policy-cases.ts';
import { fileOf, run, runJson } from './policy-command-run.ts';

function fileFor({ facts, charges, approvals, breaker }: SpendQuestion): string {
  return fileOf(JSON.stringify(toWire({ facts, charges, approvals, breaker })));
}

function rowOf(rule: string, more: Partial<SlackRow>): SlackRow {
  const base = { bound: 'at-most', limit: 100n, used: 0n, slack: 100n, unit: 'sat' } as const;
  return { rule, ...base, ...more };
}

/** Large coins and no estimate, so that only the limits of amounts bind. */
function wide(fees: bigint): Partial<SpendFacts> {
  return {
    feeSat: sat(fees),
    inputs: [coin(400_000_000n)],
    vsize: vbytes(20_000n),
    estimate: null,
  };
}

/** A spend of every kind; the ones that pay nobody take the fee alone. */
function ofEveryKind(sum: bigint, fees: bigint): SpendFacts[] {
  return [
    spendOf([payee(sum)], wide(fees)),
    spendOf([payee(sum / 2n), payee(sum - sum / 2n, 2)], wide(fees)),
    spendOf([listed(sum, 'vaults')], { kind: 'treasury_move', ...wide(fees) }),
    topup(sum, wide(fees)),
    consolidation(wide(fees)),
    cancelling(wide(fees)),
  ];
}

describe('explain', () => {
  test('says the limits, who is asked and what a breach can cost', async () => {
    const { exit, out } = await run('explain', fileOf(POLICY_TEXT));
    expect(exit).toBe(0);
    for (const words of [
      /limits\.per_tx +│ at most 50_000_000 sat in one transaction, fee included/,
      /limits\.windows\.day-share +│ at most 25 % of the treasury in any 144 blocks/,
      /allowlists\.vaults\.vault +│ from height 900 on, at most 30_000_000 sat a day/,
      /^ {2}over 5_000_000 sat: one guardian and an operator$/m,
      /^Agents of ana, ben, cleo sign by themselves \(3 of 3 seats\); 2 keys spend\.$/m,
      /^Up to 1_000_000 sat in one transaction, fee included, no person is needed\./m,
      /one transaction +│ 2_000_000 sat +│ 6_000_000 sat/,
      /144 blocks \(day, limits\.windows\.day\) +│ 80_000_000 sat +│ 214_000_000 sat/,
      /^In 144 blocks cancels can burn 40_000_000 sat of it as fees: no window holds them\.$/m,
      /^Cancels apart, at least 10_000_000 sat stays \(limits\.floor_balance\)\.$/m,
      /^Whoever takes 2 keys off their hosts is held by none of these limits\.$/m,
    ]) {
      expect(out).toMatch(words);
    }
  });

  const asks = '  - { over: 0, approvals: 0 }';
  test.each([
    [
      'fewer automatic seats than keys',
      ['automatic: yes }', 'automatic: no }'],
      '3',
      'Nothing leaves unattended',
    ],
    [
      'a person at every spend',
      [asks, '  - { over: 0, approvals: 1 }'],
      '2',
      'A person is asked about every spend, however small.',
    ],
    [
      'another reason to ask',
      [asks, `${asks}\n  - { when: first_payment_to_destination, approvals: 1 }`],
      '2',
      'no person is needed, unless a line above asks for another reason.',
    ],
  ] as const)('says plainly what %s means', async (_what, edit, threshold, words) => {
    const { exit, out } = await run(
      'explain',
      fileOf(edited(POLICY_TEXT, edit)),
      '--threshold',
      threshold,
    );
    expect(exit).toBe(0);
    expect(out).toContain(words);
  });

  test('--json gives bounds as decimal text', async () => {
    const { exit, value } = await runJson('explain', fileOf(POLICY_TEXT), '--threshold', '3');
    expect(exit).toBe(0);
    expect(value).toMatchObject({
      hash: policyHash(POLICY),
      breach: {
        threshold: 3,
        unattended: 'some',
        askedAboveSat: '1000000',
        perTx: { nobodyAskedSat: '2000000', operatorsGivenSat: '6000000' },
        floorSat: '10000000',
      },
    });
  });
});

describe('explain of a spend', () => {
  test.each([
    ['a small one is signed', question(small), 'ok', 0],
    ['a larger one asks', question(spendOf([payee(2_000_000n)])), 'needs', 3],
    [
      'a larger one with its operator is signed',
      question(spendOf([payee(2_000_000n)]), { approvals: approvedBy('', 'olga') }),
      'ok',
      0,
    ],
    ['one above the limit is refused', question(spendOf([payee(60_000_000n)])), 'refuse', 4],
    ['a tripped breaker refuses', question(small, { breaker: 'tripped' }), 'refuse', 4],
  ] as const)('%s', async (_what, asked, verdict, exit) => {
    const args = ['explain', fileOf(POLICY_TEXT), '--proposal', fileFor(asked)] as const;
    const judged = evaluate(asked);
    expect(judged.kind).toBe(verdict);
    expect(await runJson(...args)).toEqual({
      exit,
      value: toWire({
        verdict,
        reasons: judged.reasons,
        requirement: judged.requirement,
        slack: nearestFirst(judged.slack),
      }),
    });
    const text = await run(...args);
    expect(text.exit).toBe(exit);
    for (const { rule } of judged.slack) expect(text.out).toContain(rule);
    for (const { code, detail } of judged.reasons) {
      expect(text.out).toMatch(new RegExp(`${code} \\([A-Z0-9]+\\): `));
      expect(text.out).toContain(detail);
    }
  });

  test('puts what fails first, and what is nearest its limit next', async () => {
    const facts = spendOf([payee(30_000_000n), payee(30_000_000n, 2)]);
    const args = ['explain', fileOf(POLICY_TEXT), '--proposal', fileFor(question(facts))];
    const { out } = await run(...args);
    const rules = [...out.matchAll(/^│ ([a-z]+[._a-z0-9-]*)/gm)].map(([, rule]) => rule);
    expect(rules.slice(1, 4)).toEqual([
      'limits.per_tx',
      'intents.withdrawal_batch.per_payee.max',
      'limits.windows.hour',
    ]);
    expect(rules.slice(-2)).toEqual(['tip', 'delays.expire_after']);
    expect(out).toContain('│ -10_002_000 sat');
  });

  test('compares what is left as a share of each limit, whatever its unit', () => {
    const rows = [
      rowOf('height', { unit: 'height', limit: 900_000n, slack: 1n }),
      rowOf('half', { limit: 1_000_000n, slack: 500_000n }),
      rowOf('tenth', { limit: 40n, slack: 4n, unit: 'count' }),
      rowOf('nothing allowed', { limit: 0n, slack: 0n }),
      rowOf('fails', { slack: -1n }),
      rowOf('expired', { unit: 'height', limit: 900_000n, slack: -1n }),
      rowOf('fails by far', { limit: 10n, slack: -90n }),
      rowOf('third', { limit: 3n, slack: 1n, unit: 'blocks' }),
    ];
    const order = [
      'fails by far',
      'fails',
      'expired',
      'nothing allowed',
      'tenth',
      'third',
      'half',
      'height',
    ];
    expect(nearestFirst(rows).map(({ rule }) => rule)).toEqual(order);
    expect(nearestFirst(rows.toReversed()).map(({ rule }) => rule)).toEqual(order);
  });
});

describe('what explain promises about one transaction', () => {
  const [few, many] = [
    fc.bigInt({ min: 400_000n, max: 3_000_000n }),
    fc.bigInt({ min: 0n, max: 70_000_000n }),
  ];
  const amount = fc.oneof(few, many);
  const fee = fc.oneof(
    fc.bigInt({ min: 20_000n, max: 100_000n }),
    fc.bigInt({ min: 1n, max: 1_500_000n }),
  );
  const approvals = fc.constantFrom('0', '1');
  const policies: fc.Arbitrary<Policy> = fc
    .record({
      step: fc.bigInt({ min: 1n, max: 4_999_999n }),
      perTx: amount,
      operator: fc.boolean(),
      move: approvals,
      topup: approvals,
      bump: fc.bigInt({ min: 0n, max: 1_500_000n }),
    })
    .map((chosen) =>
      policyWith(
        [
          'over: 1_000_000, approvals: 0, operator: 1',
          `over: ${chosen.step}, ${chosen.operator ? 'approvals: 0, operator: 1' : 'approvals: 1'}`,
        ],
        ['per_tx: 50_000_000', `per_tx: ${chosen.perTx}`],
        ['to: vaults\n    approvals: 2', `to: vaults\n    approvals: ${chosen.move}`],
        ['min_interval: 6\n    approvals: 0', `min_interval: 6\n    approvals: ${chosen.topup}`],
        ['max_abs: 1_000_000', `max_abs: ${chosen.bump}`],
      ),
    );

  test('is never below what is signed unattended, of any kind and amount', () => {
    let signed = 0;
    fc.assert(
      fc.property(policies, amount, fee, (policy, sum, fees) => {
        const { perTx } = breachOf(policy, 2);
        for (const facts of ofEveryKind(sum, fees)) {
          const asked = inAutomaticSeat(question(facts, { policy }));
          if (evaluate(asked).kind !== 'ok') continue;
          signed += 1;
          const left = facts.payees.reduce((all, each) => all + each.amountSat, 0n) + fees;
          expect(left, facts.kind).toBeLessThanOrEqual(perTx.nobodyAskedSat);
        }
      }),
      { numRuns: 150, endOnFailure: true },
    );
    expect(signed).toBeGreaterThan(50);
  });

  test('counts a bump with the spend it raises', () => {
    let signed = 0;
    fc.assert(
      fc.property(policies, fc.bigInt({ min: 0n, max: 3_000_000n }), fee, (policy, sum, fees) => {
        const first = spendOf([payee(sum)], wide(20_000n));
        const bump = {
          of: first.kind,
          feeSat: first.feeSat,
          feerate: feerate(1_000n),
          earlierBumps: 0,
        };
        const raised = bumpOf({ ...spendOf([payee(sum)], wide(fees)), kind: 'fee_bump', bump });
        const unattended = (facts: SpendFacts, charges: SpendQuestion['charges']): boolean =>
          evaluate(inAutomaticSeat(question(facts, { policy, charges }))).kind === 'ok';
        const counted = charge('live', sum, { feeSat: first.feeSat });
        if (!unattended(raised, [counted])) return;
        signed += 1;
        const alone = unattended(first, []) ? sum + fees : fees;
        expect(alone).toBeLessThanOrEqual(breachOf(policy, 2).perTx.nobodyAskedSat);
      }),
      { numRuns: 150, endOnFailure: true },
    );
    expect(signed).toBeGreaterThan(5);
  });

  test('is reached: a spend up to the asking amount is signed, a satoshi more is not', () => {
    const policy = policyWith(['max_bumps: 5', 'max_bumps: 0']);
    const { perTx, askedAboveSat } = breachOf(policy, 2);
    expect(perTx.nobodyAskedSat).toBe(askedAboveSat);
    const verdicts = [0n, 1n].map((more) => {
      const facts = spendOf([payee(perTx.nobodyAskedSat - 2_000n + more)]);
      return evaluate(inAutomaticSeat(question(facts, { policy }))).kind;
    });
    expect(verdicts).toEqual(['ok', 'needs']);
  });

  test.each([
    [
      'every kind and every bump asks',
      'a cancel goes',
      [
        ['max_payees: 500\n    approvals: 0', 'max_payees: 500\n    approvals: 1'],
        ['min_interval: 6\n    approvals: 0', 'min_interval: 6\n    approvals: 1'],
        ['max_inputs: 200, approvals: 0', 'max_inputs: 200, approvals: 1'],
        ['max_bumps: 5', 'max_bumps: 0'],
        [
          'cancel: { max_rate: 200_000, max_abs: 1_000_000',
          'cancel: { max_rate: 200_000, max_abs: 70_000',
        ],
      ],
      70_000n,
    ],
    [
      'every kind asks',
      'only bumps and cancels go',
      [
        ['max_payees: 500\n    approvals: 0', 'max_payees: 500\n    approvals: 1'],
        ['min_interval: 6\n    approvals: 0', 'min_interval: 6\n    approvals: 1'],
        ['max_inputs: 200, approvals: 0', 'max_inputs: 200, approvals: 1'],
      ],
      1_000_000n,
    ],
    [
      'a window is small',
      'the window holds',
      [
        ['blocks: 6, max: 100_000_000', 'blocks: 6, max: 300_000'],
        [
          'cancel: { max_rate: 200_000, max_abs: 1_000_000',
          'cancel: { max_rate: 200_000, max_abs: 0',
        ],
      ],
      300_000n,
    ],
    [
      'a used window asks',
      'its used part holds',
      [
        [
          '  - { over: 0, approvals: 0 }',
          '  - { over: 0, approvals: 0 }\n  - { when: window_used_over_ppm, window: hour, value: 1_000, add_approvals: 1 }',
        ],
        [
          'cancel: { max_rate: 200_000, max_abs: 1_000_000',
          'cancel: { max_rate: 200_000, max_abs: 0',
        ],
      ],
      100_000n,
    ],
    [
      'everything asks',
      'nothing goes',
      [['  - { over: 0, approvals: 0 }', '  - { over: 0, approvals: 1 }']],
      0n,
    ],
  ] as const)('where %s, %s', (_where, _then, edits, expected) => {
    expect(breachOf(policyWith(...edits), 2).perTx.nobodyAskedSat).toBe(expected);
  });

  test('moves to a list are held by the caps of its entries', () => {
    const free = [
      ['to: vaults\n    approvals: 2', 'to: vaults\n    approvals: 0'],
      ['over: 1_000_000, approvals: 0, operator: 1', 'over: 900_000, approvals: 0'],
    ] as const;
    const caps = ['per_day: 30_000_000', 'per_day: 3_000_000'] as const;
    const alone = [
      ['max_payees: 500', 'max_payees: 0'],
      ['max: 10_000_000\n', 'max: 0\n'],
    ] as const;
    const policy = policyWith(...free, caps, ...alone);
    // The cap, the highest fee of a spend and the highest of a bump.
    expect(breachOf(policy, 2).perTx.nobodyAskedSat).toBe(4_500_000n);
    const facts = move(3_000_000n);
    expect(evaluate(inAutomaticSeat(question(facts, { policy }))).kind).toBe('ok');
  });
});
