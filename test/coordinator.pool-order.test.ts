/** A channel_open in order: the pool's word, then signatures, then our own broadcast; and how it is taken back. */
import { describe, expect, test } from 'vitest';
import { spendableCoins } from '../coordinator/spendable.ts';
import { feerate } from '../policies/units.ts';
import {
  attest,
  codeOf,
  type Pool as PoolDesk,
  poolDesk,
  proposedBy,
  stateOf,
  wordOn,
} from './channel-desk.ts';
import { strangerScript } from './spend-scenario.ts';

describe('G9 the order of things', () => {
  test('nobody signs before the pool spoke; then a quorum does, and it goes out and is buried', async () => {
    const desk = await poolDesk();
    const { pool } = desk;
    const id = await proposedBy(desk);
    const standing = async () => {
      const found = await pool.proposal(id);
      return [found.standing, found.signed, found.confirmations];
    };
    expect(await standing()).toEqual(['collecting', 'nobody', 0]);
    expect(await codeOf(desk.contribute('ana', id))).toBe('NOT_READY');
    await attest(desk, id);
    await attest(desk, id);
    await desk.contribute('ana', id);
    expect(await standing()).toEqual(['collecting', 'somebody', 0]);
    await desk.contribute('cleo', id);
    await desk.loop.round();
    expect(await standing()).toEqual(['broadcast', 'enough', 0]);
    expect(desk.chain.sent).toEqual([(await pool.proposal(id)).txid]);
    desk.chain.mine();
    expect(await standing()).toEqual(['confirmed', 'enough', 1]);
    desk.chain.mine(5);
    expect(await standing()).toEqual(['buried', 'enough', 6]);
    await desk.close();
  });

  test('what the pool said survives a restart', async () => {
    const desk = await poolDesk();
    const id = await proposedBy(desk);
    await attest(desk, id);
    await desk.restart();
    await desk.work.look();
    await desk.contribute('ana', id);
    expect(stateOf(desk, id).contributions.size).toBe(1);
    await desk.close();
  });

  test('the word of another is no word, and neither is one that comes too late', async () => {
    const desk = await poolDesk();
    const id = await proposedBy(desk);
    expect(await codeOf(desk.pool.channelsPending(wordOn(desk, id, 'thief')))).toBe(
      'SIGNATURE_INVALID',
    );
    desk.chain.mine(200);
    await desk.work.look();
    expect(await codeOf(attest(desk, id))).toBe('WRONG_STATE');
    expect((await desk.pool.proposal(id)).standing).toBe('expired');
    await desk.close();
  });

  test('it is never bumped: another txid would orphan its channels', async () => {
    const desk = await poolDesk();
    const id = await proposedBy(desk);
    await attest(desk, id);
    const { id: bump, verdict } = await desk.propose({
      kind: 'fee_bump',
      of: id,
      feerate: feerate(9_000n),
    });
    expect(bump).toBeNull();
    expect(verdict.reasons.map(({ code }) => code)).toEqual(['W-LN-BUMP']);
    await desk.close();
  });
});

class Crash extends Error {}

/** Each step may be repeated: whoever asked does not know whether it was done. */
const STORY: readonly ((desk: PoolDesk) => Promise<unknown>)[] = [
  (desk) => proposedBy(desk),
  async (desk) => attest(desk, await proposedBy(desk)),
  async (desk) => desk.contribute('ana', await proposedBy(desk)),
  async (desk) => desk.contribute('cleo', await proposedBy(desk)),
  (desk) => desk.loop.round(),
];

/** Plays the story with a crash at one moment, or none; gives the moments there were. */
async function played(crashAt: number): Promise<{ desk: PoolDesk; moments: string[] }> {
  const moments: string[] = [];
  const desk = await poolDesk();
  const crash = (moment: string): void => {
    moments.push(moment);
    if (moments.length - 1 === crashAt) throw new Crash(moment);
  };
  await desk.restart(crash);
  await desk.work.look();
  for (const step of STORY) {
    try {
      await step(desk);
    } catch (cause) {
      if (!(cause instanceof Crash)) throw cause;
      await desk.restart(() => undefined);
      await desk.work.look();
      await step(desk);
    }
  }
  return { desk, moments };
}

const { moments: MOMENTS } = await played(-1);

test.each(MOMENTS.map((moment, at) => ({ moment, at })))(
  'a crash at $moment (moment $at) opens the same channels, once',
  async ({ at }) => {
    const { desk } = await played(at);
    await desk.loop.round();
    desk.chain.mine();
    await desk.loop.round();
    const { proposals } = desk.work.log.treasury();
    const [state] = proposals.values();
    expect(proposals.size).toBe(1);
    expect(new Set(desk.chain.sent).size).toBe(1);
    expect(state?.place?.in).toBe('block');
    await desk.close();
  },
);

test('a story of channels has a crash at every boundary', () => {
  expect(MOMENTS).toEqual(
    expect.arrayContaining([
      'before-append channels-pending',
      'after-append channels-pending',
      'before-broadcast',
    ]),
  );
});

describe('taking it back', () => {
  test('before it is pending it is withdrawn, and its coins are free at once', async () => {
    const desk = await poolDesk();
    const coins = () => spendableCoins(desk.work.situation()).length;
    const free = coins();
    const id = await proposedBy(desk);
    expect(coins()).toBe(free - 1);
    await desk.pool.withdrawProposal(id, 'beta did not answer');
    await desk.pool.withdrawProposal(id, 'again');
    expect(coins()).toBe(free);
    expect(stateOf(desk, id).withdrawn).toBe('beta did not answer');
    expect((await desk.pool.proposal(id)).standing).toBe('dead');
    expect(await codeOf(attest(desk, id))).toBe('WRONG_STATE');
    expect(await codeOf(desk.contribute('ana', id))).toBe('WRONG_STATE');
    await desk.close();
  });

  test('after that it is not withdrawn, and nothing else ever is', async () => {
    const desk = await poolDesk();
    const id = await proposedBy(desk);
    await attest(desk, id);
    expect(await codeOf(desk.pool.withdrawProposal(id, ''))).toBe('WRONG_STATE');
    await desk.queue(desk.s.t.order('lp-one', { script: strangerScript(1) }));
    const { id: batch } = await desk.propose({ kind: 'withdrawal_batch' });
    expect(await codeOf(desk.pool.withdrawProposal(batch ?? '', ''))).toBe('REQUEST_REFUSED');
    expect(await codeOf(desk.pool.cancelChannelOpen(batch ?? ''))).toBe('WRONG_STATE');
    expect(await codeOf(desk.pool.withdrawProposal('00'.repeat(32), ''))).toBe('NOT_FOUND');
    await desk.close();
  });

  test('after that a cancel takes its coins home, asked once however often; it is dead six deep', async () => {
    const desk = await poolDesk();
    const id = await proposedBy(desk);
    await attest(desk, id);
    await desk.contribute('ana', id);
    const { id: cancel } = await desk.pool.cancelChannelOpen(id);
    expect(cancel).not.toBeNull();
    expect((await desk.pool.cancelChannelOpen(id)).id).toBe(cancel);
    const [plan] = [stateOf(desk, cancel ?? '').proposal.intent.plan];
    expect(plan.anchor).toBe(stateOf(desk, id).proposal.intent.plan.anchor);
    for (const seat of ['ana', 'ben']) await desk.contribute(seat, cancel ?? '');
    await desk.loop.round();
    const standing = async () => (await desk.pool.proposal(id)).standing;
    expect(await standing()).toBe('collecting');
    desk.chain.mine(5);
    expect(await standing()).toBe('expired');
    desk.chain.mine();
    expect(await standing()).toBe('dead');
    expect((await desk.pool.proposal(cancel ?? '')).standing).toBe('buried');
    await desk.close();
  });

  test('seats that refuse it do not make it dead to the pool: one of them could lie', async () => {
    const desk = await poolDesk();
    const id = await proposedBy(desk);
    await attest(desk, id);
    for (const seat of ['ana', 'ben']) {
      const event = desk.s.t.verdict(seat, id, 'never');
      if (event.kind === 'verdict') await desk.service.postVerdict(event.verdict);
    }
    expect((await desk.pool.proposal(id)).standing).toBe('expired');
    await desk.close();
  });
});
