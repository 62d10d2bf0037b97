/** Attacks on "money moves at most once": a dead batch that can still be finished, an order paid by two. */
import { expect, test } from 'vitest';
import { chargesOf, families, spendsByOutpoint, takenOrders } from '../policies/commitments.ts';
import type { LogEvent } from '../policies/log-entry.ts';
import { type Proposal, proposalTxid } from '../policies/proposal.ts';
import { sat } from '../policies/units.ts';
import { payeesOf, validBatch } from './hostile-spend.ts';
import { codesOf, type JudgeScenario, judgeScenario, withChain } from './judge-scenario.ts';
import { type Built, TIP } from './spend-scenario.ts';

const signedBy = (seatId: string, { id }: Built): LogEvent => ({
  kind: 'contributed',
  contribution: {
    proposalId: id,
    seatId,
    round: 1,
    scheme: 'wsh-ecdsa',
    signatures: ['30'.repeat(9)],
  },
});

const ordersTaken = ({ t }: JudgeScenario): number =>
  takenOrders(families(t.treasury, spendsByOutpoint([]), TIP)).size;

/** A batch that ana and ben said no to, and its orders batched again from another coin. */
function batchedAgain(s: JudgeScenario): { first: Built; second: Built } {
  const orders = s.orders(100_000n, 200_000n);
  const first = s.batch(orders);
  s.t.append(s.t.verdict('ana', first.id, 'never'));
  s.t.append(s.t.verdict('ben', first.id, 'never'));
  const coin = s.coins[1];
  if (coin === undefined) throw new Error('a treasury of several coins');
  const second = s.batch(orders, { coins: [coin], orderSeed: 'ef'.repeat(32) });
  return { first, second };
}

const spendOf = ({ proposal }: Built, height: number | null) => ({
  txid: proposalTxid(proposal),
  height,
  outpoints: proposal.prevouts.map(({ outpoint }) => outpoint),
});

test('a batch that one seat signed stays alive, whoever says that they never sign it', () => {
  const s = judgeScenario();
  const batch = validBatch(s);
  s.t.append(signedBy('ana', batch));
  s.t.append(s.t.verdict('ben', batch.id, 'never'));
  s.t.append(s.t.verdict('cleo', batch.id, 'never'));
  // One of the two lies, reads ana's signature in the log, and adds its own.
  expect(ordersTaken(s)).toBe(2);
});

test('a batch that one seat says it signed stays alive, though its signature is not in the log', () => {
  const s = judgeScenario();
  const batch = validBatch(s);
  s.t.append(s.t.verdict('ana', batch.id, 'signed'));
  s.t.append(s.t.verdict('ben', batch.id, 'never'));
  s.t.append(s.t.verdict('cleo', batch.id, 'never'));
  expect(ordersTaken(s)).toBe(2);
});

test('refuses to sign what enough agents refused for good: its orders are free for others', () => {
  const s = judgeScenario();
  const { first } = batchedAgain(s);
  const judgement = s.judge(first, (input) => ({
    ...input,
    pinned: s.input(first, 'cleo').pinned,
  }));
  expect(judgement.decision).toBe('refuse');
  expect(codesOf(judgement)).toContain('W-APP-REJECTED');
});

test.each([
  ['in a block', TIP - 3],
  ['unconfirmed', null],
] as const)('refuses an order that a later proposal, %s, pays already', (_, height) => {
  const s = judgeScenario();
  const { first, second } = batchedAgain(s);
  const judgement = s.judge(first, withChain({ spends: [spendOf(second, height)] }));
  expect(codesOf(judgement)).toContain('W-OUT-PAID-BEFORE');
});

test('refuses a bump that wakes a dead batch, once its orders belong to another', () => {
  const s = judgeScenario();
  const { first } = batchedAgain(s);
  const { intent } = first.proposal;
  if (intent.kind !== 'withdrawal_batch') throw new Error('a batch');
  const plan = s.plan({ feerateSatPerKvb: 5_000n as typeof intent.plan.feerateSatPerKvb });
  const bump = s.propose({ kind: 'fee_bump', of: first.id, plan }, payeesOf(intent));
  const judgement = s.judge(bump);
  expect(judgement.decision).toBe('refuse');
  expect(codesOf(judgement)).toContain('W-OUT-PAID-BEFORE');
});

/** Variants of a batch as a lying coordinator logs them: the lie first, then the bump that it imitates. */
function imitated(s: JudgeScenario, kind: 'cancel' | 'fee_bump', feeSat: bigint) {
  const batch = validBatch(s);
  const lie = { kind, of: batch.id, plan: s.plan() };
  const unsignedTx = batch.proposal.unsignedTx.replace(/.{8}$/, '00000000');
  const edit =
    (fee: bigint) =>
    (proposal: Proposal): Proposal => ({ ...proposal, unsignedTx, feeSat: sat(fee) });
  s.propose(lie, [], edit(feeSat));
  const bump = s.propose({ ...lie, kind: 'fee_bump' }, [], edit(900n));
  return families(s.t.treasury, spendsByOutpoint([spendOf(bump, TIP - 10)]), TIP);
}

test('an order stays paid though a lying cancel names the transaction that paid it', () => {
  const s = judgeScenario();
  const all = imitated(s, 'cancel', 900n);
  expect(all[0]?.fate.is).toBe('buried');
  expect(takenOrders(all).size).toBe(2);
  expect(chargesOf(all, s.t.treasury)).toMatchObject([{ outflowSat: 300_000n, feeSat: 900n }]);
});

test('a fee stays counted though a lying bump names the transaction with a lower one', () => {
  const s = judgeScenario();
  const all = imitated(s, 'fee_bump', 1n);
  expect(chargesOf(all, s.t.treasury)).toMatchObject([{ at: TIP - 10, feeSat: 900n }]);
});
