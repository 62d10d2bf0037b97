/** Who must agree, and who counts: spend × people → verdict. */
import { expect, test } from 'vitest';
import { evaluate, type SpendQuestion } from '../policies/evaluate.ts';
import type { ApprovalFacts } from '../policies/facts.ts';
import { emptyOverlay } from '../policies/overlay.ts';
import type { ReasonCode } from '../policies/reason.ts';
import { sat } from '../policies/units.ts';
import {
  approvedBy,
  bumpOf,
  charge,
  move,
  NOBODY,
  overlay,
  payee,
  policyWith,
  question,
  six,
  small,
  spendOf,
  TIP,
  verdictOf,
} from './policy-cases.ts';

const q = question;
const thirty = spendOf([payee(30_000_000n)]);
const sharedOwner = policyWith(['{ id: ben,', '{ id: ben, owner: ana,']);
const byRegion = policyWith([
  'approvals: 2, operator: 1 }',
  'approvals: 2, operator: 1, distinct: [region] }',
]);
const operatorIsGuardian = policyWith(['{ id: olga }', '{ id: olga, owner: ana }']);
const newcomers = policyWith([
  '  - { over: 0, approvals: 0 }',
  '  - { over: 0, approvals: 0 }\n  - { when: first_payment_to_destination, approvals: 1 }',
]);
const fullDay = policyWith([
  '  - { over: 0, approvals: 0 }',
  '  - { over: 0, approvals: 0 }\n  - { when: window_used_over_ppm, window: day, value: 500_000, add_approvals: 1 }',
]);
const newPayee = spendOf([{ ...payee(600_000n), firstPayment: 'first' }]);
const from = (initiator: string, approvals: ApprovalFacts): ApprovalFacts => ({
  ...approvals,
  initiator,
});
const half = (more: bigint) => [
  charge(TIP - 20, 99_398_000n + more, { kind: 'treasury_move' as const }),
];

type NeedRow = [what: string, asked: SpendQuestion, codes: ReasonCode[]];
const NEEDS: NeedRow[] = [
  ['a spend up to a million asks nobody', q(spendOf([payee(998_000n)])), []],
  ['a spend over a million asks the operator', q(spendOf([payee(998_001n)])), ['W-APP-OPERATOR']],
  [
    'the operator agrees to it',
    q(spendOf([payee(998_001n)]), { approvals: approvedBy('', 'olga') }),
    [],
  ],
  [
    'a stranger is no operator',
    q(spendOf([payee(998_001n)]), { approvals: approvedBy('', 'oleg') }),
    ['W-APP-OPERATOR'],
  ],
  [
    'a guardian is no operator',
    q(spendOf([payee(998_001n)]), { approvals: approvedBy('ana', 'ana') }),
    ['W-APP-OPERATOR'],
  ],
  [
    'over five million asks a guardian too',
    q(six, { approvals: approvedBy('', 'olga') }),
    ['W-APP-TOO-FEW'],
  ],
  ['one guardian agrees', q(six, { approvals: approvedBy('ana', 'olga') }), []],
  [
    'a stranger is no guardian',
    q(six, { approvals: approvedBy('dan', 'olga') }),
    ['W-APP-TOO-FEW'],
  ],
  [
    'over twenty million asks two',
    q(thirty, { approvals: approvedBy('ana', 'olga') }),
    ['W-APP-TOO-FEW'],
  ],
  ['two guardians agree', q(thirty, { approvals: approvedBy('ana cleo', 'olga') }), []],
  [
    'one guardian twice is one',
    q(thirty, { approvals: approvedBy('ana ana', 'olga') }),
    ['W-APP-TOO-FEW'],
  ],
  [
    'one owner twice is one',
    q(thirty, { policy: sharedOwner, approvals: approvedBy('ana ben', 'olga') }),
    ['W-APP-NOT-DISTINCT', 'W-APP-TOO-FEW'],
  ],
  [
    'two owners are two',
    q(thirty, { policy: sharedOwner, approvals: approvedBy('ben cleo', 'olga') }),
    [],
  ],
  [
    'one owner by the facts is one',
    q(thirty, {
      approvals: {
        initiator: 'c',
        guardians: [
          { id: 'ana', owner: 'x' },
          { id: 'ben', owner: 'x' },
        ],
        operators: [{ id: 'olga', owner: 'olga' }],
      },
    }),
    ['W-APP-NOT-DISTINCT', 'W-APP-TOO-FEW'],
  ],
  [
    'one region twice is one',
    q(thirty, { policy: byRegion, approvals: approvedBy('ana ben', 'olga') }),
    ['W-APP-NOT-DISTINCT', 'W-APP-TOO-FEW'],
  ],
  [
    'two regions are two',
    q(thirty, { policy: byRegion, approvals: approvedBy('ben cleo', 'olga') }),
    [],
  ],
  [
    'one person is not both operator and guardian',
    q(six, { policy: operatorIsGuardian, approvals: approvedBy('ana', 'olga') }),
    ['W-APP-NOT-DISTINCT', 'W-APP-TOO-FEW'],
  ],
  [
    'two people are',
    q(six, { policy: operatorIsGuardian, approvals: approvedBy('ana ben', 'olga') }),
    [],
  ],
  [
    'the proposer does not approve',
    q(six, { approvals: from('ana', approvedBy('ana', 'olga')) }),
    ['W-APP-SELF', 'W-APP-TOO-FEW'],
  ],
  [
    'another beside the proposer does',
    q(six, { approvals: from('ana', approvedBy('ana ben', 'olga')) }),
    [],
  ],
  [
    'the owner of the proposer does not approve',
    q(six, { policy: sharedOwner, approvals: from('ana', approvedBy('ben', 'olga')) }),
    ['W-APP-SELF', 'W-APP-TOO-FEW'],
  ],
  [
    'an operator that proposes does not approve',
    q(spendOf([payee(998_001n)]), { approvals: from('olga', approvedBy('', 'olga')) }),
    ['W-APP-OPERATOR', 'W-APP-SELF'],
  ],
  [
    'the proposer approves where the policy says so',
    q(six, {
      policy: policyWith(['no_self_approval: yes', 'no_self_approval: no']),
      approvals: from('ana', approvedBy('ana', 'olga')),
    }),
    [],
  ],
  ['a first payment asks one', q(newPayee, { policy: newcomers }), ['W-APP-TOO-FEW']],
  ['a second does not', q(small, { policy: newcomers }), []],
  [
    'a bump of a first payment does not',
    q(bumpOf({ payees: newPayee.payees }), { policy: newcomers }),
    [],
  ],
  ['a day half used asks nobody more', q(small, { policy: fullDay, charges: half(0n) }), []],
  [
    'a day more than half used asks one more',
    q(small, { policy: fullDay, charges: half(1n) }),
    ['W-APP-TOO-FEW'],
  ],
  [
    'one more on top of one is two',
    q(six, { policy: fullDay, charges: half(0n), approvals: approvedBy('ana', 'olga') }),
    ['W-APP-TOO-FEW'],
  ],
  [
    'a treasury move asks two whatever its size',
    q(move(600_000n), { approvals: approvedBy('ana', 'olga') }),
    ['W-APP-TOO-FEW'],
  ],
  [
    'a bump is weighed by its fee',
    q(bumpOf({ payees: [payee(30_000_000n)], changeSat: sat(369_996_000n) })),
    [],
  ],
  [
    'an agent that always asks waits for its guardian',
    q(small, { overlay: overlay('always_ask: yes') }),
    ['W-APP-TOO-FEW'],
  ],
  [
    'it does not wait for another',
    q(small, { overlay: overlay('always_ask: yes'), approvals: approvedBy('ben') }),
    ['W-APP-TOO-FEW'],
  ],
  [
    'its guardian agrees',
    q(small, { overlay: overlay('always_ask: yes'), approvals: approvedBy('ana') }),
    [],
  ],
  [
    'a seat that is not automatic always asks',
    q(small, {
      policy: policyWith(['region: eu, automatic: yes', 'region: eu, automatic: no']),
      overlay: emptyOverlay('ana'),
    }),
    ['W-APP-TOO-FEW'],
  ],
  [
    'a seat the policy does not know always asks',
    q(small, { overlay: emptyOverlay('dan') }),
    ['W-APP-TOO-FEW'],
  ],
  ['an automatic seat does not', q(small, { overlay: emptyOverlay('ana') }), []],
];

test.each(NEEDS)('%s', (_, asked, codes) => {
  expect(verdictOf(asked)).toStrictEqual({ kind: codes.length === 0 ? 'ok' : 'needs', codes });
});

test('the approvals of nobody are nobody', () => {
  expect(evaluate(q(six, { approvals: NOBODY })).requirement).toStrictEqual({
    guardianApprovals: 1,
    operatorApprovals: 1,
    distinct: ['owner'],
    askOwnGuardian: 'no',
  });
});
