/** What `weir policy explain` promises holds against an adversary, and a question in a file is read as it was asked. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { breachOf } from '../cli/policy-breach.ts';
import { parseQuestion } from '../cli/policy-question.ts';
import { toWire } from '../policies/canonical-json.ts';
import { evaluate, type SpendQuestion } from '../policies/evaluate.ts';
import type { Charge, SpendFacts } from '../policies/facts.ts';
import type { Policy } from '../policies/policy.ts';
import { feerateFloor, sat, vbytes } from '../policies/units.ts';
import { channel, withChannels } from './channel-cases.ts';
import {
  approvedBy,
  bumpOf,
  coin,
  listed,
  NOBODY,
  POLICY,
  POLICY_TEXT,
  payee,
  policyWith,
  question,
  small,
  spendOf,
  TIP,
} from './policy-cases.ts';

type Unasked = 'nobody-asked' | 'operators-given';
const THRESHOLD = 2;
const VSIZE = vbytes(5_000n);
const TREASURY = sat(1_000_000_000_000n);

/** A spend as an adversary writes it: everything as large as it may be, nobody's limit known. */
function attack(
  { kind, fee }: Pick<Move, 'kind' | 'fee'>,
  amount: bigint,
  { at, n }: { at: number; n: number },
) {
  const payees =
    kind === 'withdrawal_batch'
      ? [payee(amount, n + 1)]
      : kind === 'consolidate'
        ? []
        : kind === 'channel_open'
          ? [channel(amount)]
          : [listed(amount, kind === 'treasury_move' ? 'vaults' : 'hot')];
  return spendOf(payees, {
    kind,
    feeSat: sat(fee),
    inputs: [coin(400_000_000_000n)],
    vsize: VSIZE,
    estimate: null,
    treasurySat: TREASURY,
    tipHeight: at,
    lockTime: at,
    expiryHeight: at + 10,
  });
}

function asked(policy: Policy, facts: SpendFacts, charges: readonly Charge[], unasked: Unasked) {
  const approvals = unasked === 'nobody-asked' ? NOBODY : approvedBy('', 'olga');
  return question(facts, { policy, charges, approvals });
}

/** A fee is a share of the amount at most, so that what is too small fails as well. */
const FIRST_GUESSES = [1_000n, 120_000n, 600_000n, 999_000n, 10_000_000n];

/** The largest amount that is signed without a guardian, by halving; null when none is. */
function largest(passes: (amount: bigint) => boolean): bigint | null {
  const first = FIRST_GUESSES.find(passes);
  if (first === undefined) return null;
  let [low, high] = [first, 1_000_000_000n];
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (passes(middle)) low = middle;
    else high = middle;
  }
  return low;
}

interface Move {
  kind: 'withdrawal_batch' | 'treasury_move' | 'hot_topup' | 'consolidate' | 'channel_open';
  fee: bigint;
  wait: number;
  bumps: boolean;
}

/** Plays moves greedily; gives what left at which height, fees included. */
function played(policy: Policy, moves: readonly Move[], unasked: Unasked): Charge[] {
  const charges: Charge[] = [];
  let at = TIP;
  for (const [n, { kind, fee, wait, bumps }] of moves.entries()) {
    at += wait;
    const passes = (amount: bigint) =>
      evaluate(asked(policy, attack({ kind, fee }, amount, { at, n }), charges, unasked)).kind ===
      'ok';
    const amount = kind === 'consolidate' ? (passes(0n) ? 0n : null) : largest(passes);
    if (amount === null) continue;
    const charge: Charge = {
      proposalId: n.toString(16).padStart(64, '0'),
      kind,
      at,
      outflowSat: sat(amount),
      feeSat: sat(fee),
      payees: [],
    };
    charges.push(charge);
    if (bumps) bump(policy, charges, attack({ kind, fee }, amount, { at, n }), unasked);
  }
  return charges;
}

/** Raises the fee of the newest charge as far as a bump may. */
function bump(policy: Policy, charges: Charge[], facts: SpendFacts, unasked: Unasked): void {
  const newest = charges.pop();
  if (newest === undefined) return;
  const earlier = { of: newest.kind, feeSat: newest.feeSat, earlierBumps: 0 };
  const raised = largest((fee) => {
    const bumped = bumpOf({
      ...facts,
      kind: 'fee_bump',
      bump: { ...earlier, feerate: feerateFloor(newest.feeSat, VSIZE) },
      feeSat: sat(fee),
      changeSat: sat((facts.changeSat ?? 0n) + facts.feeSat - fee),
    });
    return evaluate(asked(policy, bumped, [...charges, newest], unasked)).kind === 'ok';
  });
  charges.push(raised === null ? newest : { ...newest, feeSat: sat(raised) });
}

/** The most that left in any so many blocks. */
function mostWithin(charges: readonly Charge[], blocks: number): bigint {
  const heights = charges.map(({ at }) => (at === 'live' ? 0 : at));
  const sums = heights.map((from) =>
    charges
      .filter((_, n) => (heights[n] ?? 0) >= from && (heights[n] ?? 0) < from + blocks)
      .reduce((sum, { outflowSat, feeSat }) => sum + outflowSat + feeSat, 0n),
  );
  return sums.reduce((most, each) => (each > most ? each : most), 0n);
}

function promised(
  { nobodyAskedSat, operatorsGivenSat }: { nobodyAskedSat: bigint; operatorsGivenSat: bigint },
  unasked: Unasked,
): bigint {
  return unasked === 'nobody-asked' ? nobodyAskedSat : operatorsGivenSat;
}

const move = fc.record({
  kind: fc.constantFrom(
    'withdrawal_batch',
    'treasury_move',
    'hot_topup',
    'consolidate',
    'channel_open',
  ),
  fee: fc.constantFrom(5_000n, 25_000n, 500_000n),
  wait: fc.constantFrom(0, 0, 1, 3, 6, 50, 144),
  bumps: fc.boolean(),
}) satisfies fc.Arbitrary<Move>;

const POLICIES: readonly [what: string, policy: Policy][] = [
  ['the demo', POLICY],
  ['nobody ever asked', policyWith(['  - { over: 1_000_000, approvals: 0, operator: 1 }\n', ''])],
  [
    'moves without people',
    policyWith(['    to: vaults\n    approvals: 2', '    to: vaults\n    approvals: 0']),
  ],
  [
    'few spends',
    policyWith(['count: { blocks: 144, max_tx: 40 }', 'count: { blocks: 10, max_tx: 2 }']),
  ],
  ['channels', withChannels()],
  [
    'channels that ask a guardian',
    withChannels(['min_change: 50_000\n    approvals: 0', 'min_change: 50_000\n    approvals: 1']),
  ],
  ['a tight hour', policyWith(['blocks: 6, max: 100_000_000', 'blocks: 7, max: 1_500_000'])],
];

describe('a breach costs no more than explained', () => {
  test.each(POLICIES)('under a policy with %s', (_what, policy) => {
    const breach = breachOf(policy, THRESHOLD);
    let spends = 0;
    for (const unasked of ['nobody-asked', 'operators-given'] as const) {
      fc.assert(
        fc.property(fc.array(move, { minLength: 1, maxLength: 12 }), (moves) => {
          const charges = played(policy, moves, unasked);
          spends += charges.length;
          for (const bound of breach.bounds) {
            const left = mostWithin(charges, bound.blocks);
            expect(left, `${unasked}, ${bound.blocks}`).toBeLessThanOrEqual(
              promised(bound, unasked),
            );
          }
          for (const { outflowSat, feeSat } of charges) {
            expect(outflowSat + feeSat).toBeLessThanOrEqual(promised(breach.perTx, unasked));
          }
        }),
        { numRuns: 15 },
      );
    }
    // An adversary that never gets anything would prove nothing.
    expect(spends).toBeGreaterThan(15);
  });
});

describe('what a breach of the automatic hosts can cost', () => {
  test.each([
    [3, 2, 'some'],
    [2, 2, 'some'],
    [1, 2, 'none'],
    [0, 2, 'none'],
    [2, 3, 'none'],
    [3, 3, 'some'],
  ] as const)('with %i automatic seats and %i keys to spend is %s', (seats, keys, unattended) => {
    const ids = ['ana', 'ben', 'cleo'];
    const edits = ids.slice(seats).map((id): [string, string] => {
      const from = new RegExp(`{ id: ${id}.*automatic: yes }`).exec(POLICY_TEXT)?.[0] ?? '';
      return [from, from.replace('automatic: yes', 'automatic: no')];
    });
    const breach = breachOf(policyWith(...edits), keys);
    expect(breach.automatic).toEqual(ids.slice(0, seats));
    expect(breach.unattended).toBe(unattended);
    const sums = breach.bounds.map(({ operatorsGivenSat }) => operatorsGivenSat > 0n);
    expect(new Set(sums)).toEqual(new Set([unattended === 'some']));
  });
});

describe('a question in a file', () => {
  const bumped = question(bumpOf(), {
    charges: [chargeOf(small), { ...chargeOf(small), at: 'live' }],
  });
  const topped = question(
    spendOf([listed(5_000n, 'hot')], { kind: 'hot_topup', estimate: null, changeSat: null }),
    { approvals: approvedBy('ana ben', 'olga'), breaker: 'tripped' },
  );

  test.each<[string, SpendQuestion]>([
    ['a withdrawal', question(small)],
    ['a bump with charges', bumped],
    ['a top-up with people', topped],
  ])('of %s is read as it was asked, alone and out of an answer of show', (_what, asks) => {
    const text = JSON.stringify(wire(asks));
    expect(parseQuestion(text, POLICY)).toEqual(asks);
    const answer = { id: 'ab', verdict: null, question: wire(asks) };
    expect(parseQuestion(JSON.stringify(answer), POLICY)).toEqual(asks);
  });

  test.each<[string, (text: string) => string]>([
    ['an amount that is a number', (text) => text.replace('"feeSat":"2000"', '"feeSat":2000')],
    ['a negative amount', (text) => text.replace('"feeSat":"2000"', '"feeSat":"-2000"')],
    ['an unknown field', (text) => text.replace('"facts":{', '"facts":{"trust":"me",')],
    ['a missing field', (text) => text.replace('"breaker":"armed"', '"braker":"armed"')],
    ['an unknown kind', (text) => text.replace('withdrawal_batch', 'gift')],
    ['no end', (text) => text.slice(0, -1)],
    ['nothing', () => ''],
    ['null', () => 'null'],
  ])('with %s is refused', (_what, change) => {
    const text = JSON.stringify(wire(question(small)));
    expect(change(text)).not.toBe(text);
    expect(() => parseQuestion(change(text), POLICY)).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID' }),
    );
  });
});

function chargeOf(facts: SpendFacts): Charge {
  return {
    proposalId: 'ef'.repeat(32),
    kind: facts.kind,
    at: TIP - 1,
    outflowSat: sat(600_000n),
    feeSat: facts.feeSat,
    payees: [{ script: '0014ff', amountSat: sat(600_000n), lpId: 'lp-1', entry: null }],
  };
}

function wire({ facts, charges, approvals, breaker }: SpendQuestion): unknown {
  return toWire({ facts, charges, approvals, breaker });
}
