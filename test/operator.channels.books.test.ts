/** Books that others' doings made wrong stop the sending and never the process; an HTLC in a channel that closes counts once. */
import { describe, expect, test } from 'vitest';
import { leavingNews } from '../operator/channels/leaving-news.ts';
import { decideDifference } from '../operator/difference-decision.ts';
import { railTotals, reconShort } from '../operator/ledger/rail-rows.ts';
import { capitalBrought } from '../operator/ledger/rows.ts';
import { type Msat, msat, sat } from '../policies/units.ts';
import {
  asksToOpen,
  batchOf,
  type ChannelWorld,
  channelWorld,
  differences,
  driven,
  NO_DIFFERENCE,
  TREASURY_SAT,
} from './channel-world.ts';

const ALL = msat(TREASURY_SAT * 1_000n);

/** What the treasury holds goes down in the books, whoever spent it. */
function gone(world: ChannelWorld, amountMsat: Msat): Promise<null> {
  const wish = { rail: 'cold', found: 'less', amountMsat, why: 'spent', by: 'olga' } as const;
  const event = { kind: 'difference-booked' as const, ...wish };
  const entry = reconShort({ rail: 'cold', amountMsat });
  return world
    .parts()
    .engine.act(() => ({ news: [{ event, entry, receipt: null }], answer: null }));
}

describe('a funding that the books have no coins for', () => {
  test('freezes the pool when it is out, and is booked once a person has put the books right', async () => {
    const world = await channelWorld();
    await asksToOpen(world);
    await world.rounds(3);
    const { proposal } = batchOf(world);
    await gone(world, ALL);
    await world.quorumSigns(proposal?.proposalId ?? '');
    await world.mine(1);
    await world.rounds(3);
    expect([world.state().mode, batchOf(world).phase]).toEqual(['frozen', 'attested']);
    expect(world.events().filter(({ kind }) => kind === 'alarm')).toHaveLength(1);
    world.restart();
    await world.rounds(1);
    const back = { rail: 'cold', amountMsat: ALL } as const;
    const event = { kind: 'capital-brought' as const, ...back, why: 'it was there' };
    await world.parts().engine.act(() => ({
      news: [{ event, entry: capitalBrought(back), receipt: null }],
      answer: null,
    }));
    expect((await driven(world)).phase).toBe('done');
    expect(await differences(world)).toEqual(NO_DIFFERENCE);
    await world.close();
  });

  test('is not made by a person: what channels will take is not booked as lost', async () => {
    const world = await channelWorld();
    await asksToOpen(world);
    await world.rounds(3);
    const wish = { rail: 'cold', found: 'less', why: 'seen', by: 'olga' } as const;
    const committed = 700_000_000n;
    const asked = async (amount: bigint) => {
      const of = { ...wish, amountMsat: msat(amount) };
      return world.parts().engine.act((state) => decideDifference(state, world.clock.now, of));
    };
    expect(await asked(ALL - committed)).toMatchObject({
      rule: expect.stringContaining('being opened') as unknown,
    });
    expect(await asked(1_000n)).toHaveProperty('receiptId');
    await world.close();
  });
});

test.each(['cooperative', 'remote_force'] as const)(
  'two channels that closed (%s) while the operator was down leave no fee behind in the books',
  async (how) => {
    const world = await channelWorld();
    await asksToOpen(world);
    await driven(world);
    for (const outpoint of world.state().channels.open.keys()) {
      await world.lnd.closesByItself(outpoint, how);
    }
    await world.mine(6);
    world.restart();
    await world.rounds(4);
    expect([...world.state().channels.closes.values()].map(({ phase }) => phase)).toEqual([
      'closed',
      'closed',
    ]);
    expect(await differences(world)).toEqual(NO_DIFFERENCE);
    await world.close();
  },
);

test('a close that our bitcoind has pruned is said aloud, once, and booked when it shows it after all', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  await driven(world);
  const [outpoint = ''] = world.state().channels.open.keys();
  await world.lnd.closesByItself(outpoint, 'cooperative');
  await world.mine(3);
  world.restart();
  const whole = { ...world.chain };
  Object.assign(world.chain, { minedAt: async () => null });
  await world.rounds(2);
  const alarms = () =>
    world
      .events()
      .flatMap((event) => (event.kind === 'alarm' ? [event.code] : []))
      .filter((code) => code === 'channel_close_unseen');
  expect(alarms()).toEqual([]);
  await world.mine(12);
  await world.rounds(3);
  expect(alarms()).toEqual(['channel_close_unseen']);
  expect(world.state().channels.open.has(outpoint)).toBe(true);
  Object.assign(world.chain, whole);
  await world.rounds(3);
  expect(world.state().channels.closes.get(outpoint)?.phase).toBe('closed');
  expect(await differences(world)).toEqual(NO_DIFFERENCE);
  await world.close();
});

describe('an HTLC that was out when a channel was last seen open', () => {
  const HTLC = 100_000_000n;

  /** One channel of ours leaves, with so much in its newest list; what is booked as its own. */
  async function booked(pendingSat: bigint, unexplainedMsat: bigint | null): Promise<bigint> {
    const world = await channelWorld();
    await asksToOpen(world);
    await driven(world);
    const state = world.state();
    const [channel] = state.channels.open.values();
    const listed = (await world.parts().reader.channels()).find(
      (each) => each.outpoint === channel?.outpoint,
    );
    if (channel === undefined || listed === undefined) throw new Error('no channel');
    const before = railTotals(state.ledger).lightningMsat;
    const news = leavingNews(state, channel, {
      pending: {
        outpoint: channel.outpoint,
        peer: channel.peer,
        capacitySat: channel.capacitySat,
        localSat: sat(pendingSat),
        phase: 'closing',
        closeTxid: null,
        blocksLeft: null,
      },
      closed: undefined,
      listed: {
        ...listed,
        localMsat: msat(listed.localMsat - HTLC),
        unsettledOutMsat: msat(HTLC),
      },
      seen: null,
      unexplainedMsat,
    });
    await world.parts().engine.act(() => ({ news, answer: null }));
    const after = railTotals(world.state().ledger).lightningMsat;
    await world.close();
    return before - after;
  }

  test('is not counted beside the newer balance, whether it settled, failed, or nobody knows', async () => {
    const whole = await booked(300_000n, null);
    const settled = await booked(200_000n, null);
    expect(whole - settled).toBe(HTLC);
    expect(await booked(200_000n, settled)).toBe(settled);
    expect(await booked(200_000n, settled + HTLC)).toBe(settled + HTLC);
  });
});
