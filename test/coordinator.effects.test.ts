/** Crashes, silence and reorganisations: whatever happens in between, money moves once. */
import { describe, expect, test } from 'vitest';
import { type CrashMoment, crashPointOf } from '../coordinator/crash-point.ts';
import { pendingEffects } from '../coordinator/effects.ts';
import { Failure } from '../policies/failure.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { coordinatorDesk, type Desk } from './coordinator-desk.ts';
import { strangerScript } from './spend-scenario.ts';

class Crash extends Error {}

async function queued(desk: Desk, count: number): Promise<void> {
  for (let n = 1; n <= count; n += 1) {
    await desk.queue(desk.s.t.order('lp-one', { script: strangerScript(n) }));
  }
}

async function proposed(desk: Desk): Promise<string> {
  const known = [...desk.work.log.treasury().proposals.values()].find(
    ({ proposal }) => proposal.intent.kind === 'withdrawal_batch',
  );
  if (known !== undefined) return known.id;
  const { id } = await desk.propose({ kind: 'withdrawal_batch' });
  return id ?? '';
}

async function bumped(desk: Desk, of: string): Promise<string> {
  const known = [...desk.work.log.treasury().proposals.values()].find(
    ({ proposal }) => proposal.intent.kind === 'fee_bump',
  );
  if (known !== undefined) return known.id;
  const { id } = await desk.propose({ kind: 'fee_bump', of, feerate: null });
  return id ?? '';
}

/** Everything that comes between an order and its burial; each step may be repeated after a crash. */
const STORY: readonly ((desk: Desk) => Promise<unknown>)[] = [
  (desk) => proposed(desk),
  async (desk) => desk.contribute('ana', await proposed(desk)),
  async (desk) => desk.contribute('cleo', await proposed(desk)),
  (desk) => desk.loop.round(),
  async (desk) => bumped(desk, await proposed(desk)),
  async (desk) => desk.contribute('ben', await bumped(desk, await proposed(desk))),
  async (desk) => desk.contribute('cleo', await bumped(desk, await proposed(desk))),
  (desk) => desk.loop.round(),
  (desk) => desk.loop.round(),
];

/** Plays the story; at a crash everything but disk and chain is lost, and the step is repeated. */
async function play(desk: Desk): Promise<number> {
  let crashes = 0;
  const survive = async (step: (desk: Desk) => Promise<unknown>): Promise<void> => {
    try {
      await step(desk);
    } catch (cause) {
      if (!(cause instanceof Crash)) throw cause;
      crashes += 1;
      await desk.restart();
      await desk.work.look();
      await step(desk);
    }
  };
  for (const step of STORY) await survive(step);
  for (let block = 0; block < 7; block += 1) {
    desk.chain.mine();
    await survive(() => desk.loop.round());
  }
  return crashes;
}

/** Moments of a story without a crash. */
async function momentsOf(): Promise<CrashMoment[]> {
  const moments: CrashMoment[] = [];
  const desk = await coordinatorDesk();
  await queued(desk, 2);
  await desk.restart((moment) => void moments.push(moment));
  await desk.work.look();
  await play(desk);
  await desk.close();
  return moments;
}

const moments = await momentsOf();

describe('a crash', () => {
  test('is tried at every effect boundary of a spend and its bump', () => {
    expect(new Set(moments)).toEqual(
      new Set([
        'before-append proposed',
        'after-append proposed',
        'before-append contributed',
        'after-append contributed',
        'before-append broadcast-intended',
        'after-append broadcast-intended',
        'before-broadcast',
        'after-broadcast',
        'before-append broadcast-answered',
        'after-append broadcast-answered',
        'before-append tx-seen',
        'after-append tx-seen',
      ]),
    );
  });

  test.each(moments.map((moment, at) => ({ moment, at })))(
    'at $moment (moment $at) loses nothing and pays nobody twice',
    async ({ at }) => {
      const desk = await coordinatorDesk();
      await queued(desk, 2);
      let left = at;
      await desk.restart(() => {
        if (left === 0) {
          left -= 1;
          throw new Crash();
        }
        left -= 1;
      });
      await desk.work.look();
      const crashes = await play(desk);
      const treasury = desk.work.log.treasury();
      const confirmed = desk.chain
        .blocks()
        .flat()
        .filter(({ outpoints }) => outpoints.length > 0);
      const paid = confirmed.flatMap(({ outputs }) => outputs.map(({ script }) => script));
      expect(confirmed).toHaveLength(1);
      expect(paid.filter((script) => script === strangerScript(1))).toHaveLength(1);
      expect(treasury.proposals.size).toBe(2);
      expect(desk.work.situation().all.map(({ fate }) => fate.is)).toEqual(['buried']);
      expect(pendingEffects(treasury, desk.work.view())).toEqual([]);
      expect(crashes).toBe(1);
      await desk.close();
    },
  );
});

test('a silent node is asked again with the same transaction, and the answer noted once it is seen', async () => {
  const desk = await coordinatorDesk();
  await queued(desk, 1);
  const id = await proposed(desk);
  await desk.contribute('ana', id);
  await desk.contribute('ben', id);
  desk.chain.silent = 1;
  await desk.loop.round();
  expect(desk.loop.trouble()).toMatch(/^BROADCAST_OUTCOME_UNKNOWN/);
  await desk.loop.round();
  await desk.loop.round();
  const state = desk.work.log.treasury().proposals.get(id);
  expect(new Set(desk.chain.sent)).toEqual(new Set([state?.broadcast?.txid]));
  expect(state?.broadcast?.answer?.outcome).toBe('accepted');
  expect(state?.place).toEqual({ in: 'mempool' });
  await desk.close();
});

test('a node that is away stops nothing but what needs it', async () => {
  const desk = await coordinatorDesk();
  await queued(desk, 1);
  const id = await proposed(desk);
  desk.chain.away = new Failure('BITCOIND_UNREACHABLE', 'gone');
  await desk.contribute('ana', id);
  await desk.contribute('ben', id);
  await desk.loop.round();
  expect(desk.loop.trouble()).toBe('BITCOIND_UNREACHABLE: gone');
  expect(desk.chain.sent).toEqual([]);
  desk.chain.away = null;
  await desk.loop.round();
  expect(desk.loop.trouble()).toBeNull();
  expect(desk.chain.sent).toHaveLength(1);
  await desk.close();
});

test('a block taken back takes the place with it, and the spend comes back', async () => {
  const desk = await coordinatorDesk();
  await queued(desk, 1);
  const id = await proposed(desk);
  await desk.contribute('ana', id);
  await desk.contribute('ben', id);
  await desk.loop.round();
  desk.chain.mine();
  await desk.loop.round();
  const place = () => desk.work.log.treasury().proposals.get(id)?.place;
  expect(place()).toMatchObject({ in: 'block' });
  desk.chain.takeBack();
  await desk.loop.round();
  expect(place()).toEqual({ in: 'nowhere' });
  expect(desk.chain.mempool()).toHaveLength(1);
  desk.chain.mine();
  await desk.loop.round();
  expect(place()).toMatchObject({ in: 'block' });
  await desk.close();
});

test('a foreign spend of the anchor is noted as a conflict, and six deep it frees the order', async () => {
  const desk = await coordinatorDesk();
  await queued(desk, 1);
  const id = await proposed(desk);
  const anchor = desk.work.log.treasury().proposals.get(id)?.proposal.intent.plan.anchor ?? '';
  const thief = 'ee'.repeat(32);
  desk.chain.confirmForeign({ txid: thief, outpoints: [anchor] });
  await desk.loop.round();
  expect(desk.work.log.treasury().proposals.get(id)?.place).toMatchObject({
    in: 'conflict',
    txid: thief,
  });
  await expect(desk.propose({ kind: 'withdrawal_batch' })).rejects.toMatchObject({
    code: 'NOT_READY',
  });
  desk.chain.mine(5);
  await desk.loop.round();
  expect((await desk.propose({ kind: 'withdrawal_batch' })).id).not.toBeNull();
  await desk.close();
});

test('a cancel overtakes what was signed meanwhile: the payees are never paid', async () => {
  const desk = await coordinatorDesk();
  await queued(desk, 1);
  const id = await proposed(desk);
  await desk.contribute('ana', id);
  const cancel = await desk.propose({ kind: 'cancel', of: id, feerate: null });
  await desk.contribute('ben', id);
  await desk.loop.round();
  expect(desk.chain.sent).toEqual([]);
  for (const seat of ['ana', 'ben']) await desk.contribute(seat, cancel.id ?? '');
  await desk.loop.round();
  expect(desk.chain.mempool()).toEqual([cancel.txid]);
  desk.chain.mine(6);
  await desk.loop.round();
  expect(desk.work.situation().all[0]?.fate).toMatchObject({ is: 'buried' });
  // The order was never paid: it may be paid now.
  const again = await desk.propose({ kind: 'withdrawal_batch' });
  expect(again.id).not.toBeNull();
  await desk.close();
});

test('a cancel of a spend in the mempool replaces it', async () => {
  const desk = await coordinatorDesk();
  await queued(desk, 1);
  const id = await proposed(desk);
  for (const seat of ['ana', 'ben']) await desk.contribute(seat, id);
  await desk.loop.round();
  const cancel = await desk.propose({ kind: 'cancel', of: id, feerate: null });
  for (const seat of ['ana', 'ben']) await desk.contribute(seat, cancel.id ?? '');
  await desk.loop.round();
  expect(desk.chain.mempool()).toEqual([cancel.txid]);
  await desk.close();
});

test('what the operator rejected goes nowhere, whoever signed', async () => {
  const desk = await coordinatorDesk();
  await queued(desk, 1);
  const id = await proposed(desk);
  for (const seat of ['ana', 'ben']) await desk.contribute(seat, id);
  const proposal = desk.work.log.treasury().proposals.get(id)?.proposal;
  if (proposal === undefined) throw new Error('lost');
  const subject = { id, proposal, txid: proposalTxid(proposal) };
  const no = desk.s.t.approval('olga', 'operator', subject, 'reject');
  await desk.service.postApproval(no);
  await desk.loop.round();
  expect(desk.chain.sent).toEqual([]);
  await desk.close();
});

test('a crash point is met at its count, and a malformed one is refused', () => {
  let met = 0;
  const at = crashPointOf('after-broadcast:2', () => (met += 1));
  at('after-broadcast');
  at('before-broadcast');
  expect(met).toBe(0);
  at('after-broadcast');
  at('after-broadcast');
  expect(met).toBe(1);
  expect(() => crashPointOf('after-broadcast:x', () => undefined)).toThrow(/moment:count/);
});
