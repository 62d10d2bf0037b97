/** Closing a channel: the quorum's word first, one order at a time, and what nobody asked for is booked as well. */
import { describe, expect, test } from 'vitest';
import type { Close } from '../operator/channels/channel-state.ts';
import { CLOSE_ATTEMPTS_MAX } from '../operator/channels/close-steps.ts';
import type { CloseOutcome } from '../operator/lightning.ts';
import { feerate } from '../policies/units.ts';
import {
  asksToOpen,
  type ChannelWorld,
  Crash,
  channelWorld,
  differences,
  driven,
  NO_DIFFERENCE,
} from './channel-world.ts';

interface Opened {
  world: ChannelWorld;
  outpoint: string;
  /** Proposes the close of the first channel and gives the authorization's id. */
  asks: (force?: 'cooperative' | 'peer_offline') => Promise<string>;
  approves: (...seats: string[]) => Promise<void>;
  close: () => Close | undefined;
  closeCalls: () => number;
}

async function openedWorld(): Promise<Opened> {
  const world = await channelWorld();
  await asksToOpen(world);
  await driven(world);
  const [outpoint = ''] = world.state().channels.open.keys();
  let authorizationId = '';
  return {
    world,
    outpoint,
    async asks(force = 'cooperative') {
      const rate = { maxFeeRateSatPerKvb: feerate(5_000n) };
      const asked = await world.service().close({ initiator: 'olga', outpoint, force, ...rate });
      ({ authorizationId } = asked.json as { authorizationId: string });
      return authorizationId;
    },
    async approves(...seats) {
      for (const seat of seats) {
        const subject = { id: authorizationId, txid: null };
        await world.desk.service.postApproval(world.desk.s.t.approval(seat, 'guardian', subject));
      }
    },
    close: () => world.state().channels.closes.get(outpoint),
    closeCalls: () => world.lnd.calls.filter((call) => call === `close ${outpoint}`).length,
  };
}

test('a close waits for the threshold of distinct guardians, is ordered once, and pays the treasury', async () => {
  const { world, asks, approves, close, closeCalls } = await openedWorld();
  await asks();
  await world.rounds(2);
  expect([close()?.phase, closeCalls()]).toEqual(['asked', 0]);
  await approves('ana');
  await world.rounds(2);
  expect([close()?.phase, closeCalls()]).toEqual(['asked', 0]);
  await approves('ben');
  await world.rounds(3);
  expect([close()?.phase, close()?.approvedBy, closeCalls()]).toEqual([
    'closing',
    ['ana', 'ben'],
    1,
  ]);
  await world.mine(2);
  await world.rounds(3);
  expect(close()?.phase).toBe('closing');
  await world.mine(1);
  await world.rounds(3);
  expect(close()).toMatchObject({ phase: 'closed', closed: { paidTo: 'treasury' } });
  expect(closeCalls()).toBe(1);
  expect(await differences(world)).toEqual(NO_DIFFERENCE);
  await world.close();
});

test('a force close pays the node and not the treasury, and is said so', async () => {
  const { world, asks, approves, close } = await openedWorld();
  await asks('peer_offline');
  await approves('ana', 'ben');
  await world.rounds(3);
  await world.mine(3);
  await world.rounds(3);
  expect(close()).toMatchObject({
    phase: 'closed',
    closed: { paidTo: 'node', how: 'local_force' },
  });
  expect(await differences(world)).toEqual(NO_DIFFERENCE);
  await world.close();
});

test('what a coordinator calls passed is not enough: approvals are counted here', async () => {
  const { world, asks, close, closeCalls } = await openedWorld();
  const id = await asks();
  const parts = world.parts();
  const refresh = parts.treasury.refresh.bind(parts.treasury);
  parts.treasury.refresh = async () => {
    const treasury = await refresh();
    const state = treasury.authorizations.get(id);
    if (state === undefined) return treasury;
    const authorizations = new Map(treasury.authorizations).set(id, { ...state, passedAtSeq: 1 });
    return { ...treasury, authorizations };
  };
  await world.rounds(3);
  expect([close()?.phase, closeCalls()]).toEqual(['asked', 0]);
  await world.close();
});

test.each(['htlcs_active', 'peer_offline', 'fee_disagreed'] as const)(
  'refused for %s it stays open, is tried again later, and closes',
  async (why) => {
    const { world, asks, approves, close, closeCalls } = await openedWorld();
    const no: CloseOutcome = { is: 'refused', why, detail: 'not now' };
    world.lnd.closeAnswers = [no, no];
    await asks();
    await approves('ana', 'cleo');
    await world.rounds(4);
    expect(close()).toMatchObject({ phase: 'refused', attempts: 1, lastAnswer: { why } });
    expect(closeCalls()).toBe(1);
    world.clock.now += 30_000;
    await world.rounds(3);
    expect(close()).toMatchObject({ phase: 'refused', attempts: 2 });
    world.clock.now += 30_000;
    await world.rounds(3);
    expect(closeCalls()).toBe(2);
    world.clock.now += 30_000;
    await world.rounds(3);
    expect([close()?.phase, closeCalls()]).toEqual(['closing', 3]);
    await world.close();
  },
);

describe('an outcome that nobody knows', () => {
  test('a lost answer is looked up, and not asked for twice', async () => {
    const { world, asks, approves, close, closeCalls } = await openedWorld();
    world.lnd.loseCloseAnswer = true;
    await asks();
    await approves('ana', 'cleo');
    await world.rounds(1);
    world.clock.now += 10 * 60_000;
    await world.rounds(4);
    expect([close()?.phase, closeCalls()]).toEqual(['closing', 1]);
    await world.close();
  });

  test('a channel that goes on working is asked again, but only after a while', async () => {
    const { world, asks, approves, close, closeCalls } = await openedWorld();
    world.lnd.closeAnswers = [{ is: 'unknown', detail: 'the stream ended' }];
    await asks();
    await approves('ana', 'cleo');
    await world.rounds(5);
    expect([close()?.phase, closeCalls()]).toEqual(['started', 1]);
    world.clock.now += 61_000;
    await world.rounds(2);
    expect(close()).toMatchObject({ phase: 'refused', lastAnswer: { why: 'not_seen' } });
    world.clock.now += 31_000;
    await world.rounds(3);
    expect([close()?.phase, closeCalls()]).toEqual(['closing', 2]);
    await world.close();
  });

  test.each(['before-close', 'after-close'] as const)(
    'a crash %s closes the channel in the end, with one closing transaction',
    async (moment) => {
      const { world, asks, approves, close } = await openedWorld();
      await asks();
      await approves('ana', 'cleo');
      world.crashAt(moment);
      await expect(world.rounds(4)).rejects.toThrow(Crash);
      world.restart();
      for (let turn = 0; turn < 4; turn += 1) {
        world.clock.now += 61_000;
        await world.rounds(2);
      }
      await world.mine(3);
      await world.rounds(3);
      expect(close()?.phase).toBe('closed');
      expect(await differences(world)).toEqual(NO_DIFFERENCE);
      const sent = world.desk.chain.blocks().flat();
      const spends = sent.filter((tx) => tx.outpoints.includes(close()?.outpoint ?? ''));
      expect(spends).toHaveLength(1);
      await world.close();
    },
  );
});

test.each([
  ['a decision that ran out of time', 'expired'],
  ['a decision that too many rejected', 'rejected'],
] as const)('%s closes nothing, and may be asked for again', async (_, why) => {
  const { world, asks, close, closeCalls } = await openedWorld();
  const id = await asks();
  if (why === 'expired') await world.mine(400);
  else {
    for (const seat of ['ana', 'ben']) {
      const no = world.desk.s.t.approval(seat, 'guardian', { id, txid: null }, 'reject');
      await world.desk.service.postApproval(no);
    }
  }
  await world.rounds(2);
  expect([close()?.endedWhy, closeCalls()]).toEqual([why, 0]);
  await asks();
  expect(close()?.phase).toBe('asked');
  await world.close();
});

test('refused for ever it is given up, for a person to look', async () => {
  const { world, asks, approves, close, closeCalls } = await openedWorld();
  const no: CloseOutcome = { is: 'refused', why: 'error', detail: 'never' };
  world.lnd.closeAnswers = Array.from({ length: CLOSE_ATTEMPTS_MAX + 1 }, () => no);
  await asks();
  await approves('ana', 'cleo');
  for (let turn = 0; turn < CLOSE_ATTEMPTS_MAX + 3; turn += 1) {
    world.clock.now += 3_600_000;
    await world.rounds(1);
  }
  expect([close()?.endedWhy, closeCalls()]).toEqual(['given_up', CLOSE_ATTEMPTS_MAX]);
  await world.close();
});

test.each([
  ['cooperative', 'treasury'],
  ['remote_force', 'node'],
] as const)(
  'a %s close that nobody here asked for is booked, said aloud, and pays the %s',
  async (how, paidTo) => {
    const { world, outpoint, close } = await openedWorld();
    await world.lnd.closesByItself(outpoint, how);
    await world.rounds(1);
    const closing = world.events().findLast(({ kind }) => kind === 'channel-closing');
    expect(closing).toMatchObject({ asked: 'nobody' });
    expect(world.events().findLast(({ kind }) => kind === 'alarm')).toMatchObject({
      code: 'channel_closed_unasked',
    });
    await world.mine(3);
    await world.rounds(3);
    expect(close()).toMatchObject({ phase: 'closed', closed: { paidTo } });
    expect(await differences(world)).toEqual(NO_DIFFERENCE);
    await world.close();
  },
);

test('a close that was seen while the operator was down is booked whole when it starts again', async () => {
  const { world, outpoint, close } = await openedWorld();
  await world.lnd.closesByItself(outpoint, 'cooperative');
  await world.mine(4);
  world.restart();
  await world.rounds(3);
  expect(close()).toMatchObject({ phase: 'closed', closed: { paidTo: 'treasury' } });
  expect(await differences(world)).toEqual(NO_DIFFERENCE);
  await world.close();
});
