/** What the pool sees by watching: channels from outside, addresses that differ, fees, backups, silence. */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { backupFiles, GENERATIONS } from '../operator/channels/backup-files.ts';
import { inboundRefusal } from '../operator/channels/inbound.ts';
import { isTooLong, offlineWatch } from '../operator/channels/offline-watch.ts';
import { openRefusals } from '../operator/channels/open-decision.ts';
import { plainNews } from '../operator/decision.ts';
import type { PoolEvent } from '../operator/pool-event.ts';
import { Failure } from '../policies/failure.ts';
import { msat, sat } from '../policies/units.ts';
import { ALPHA, BETA, STRANGER } from './channel-cases.ts';
import {
  asksToOpen,
  batchOf,
  type ChannelWorld,
  channelWorld,
  differences,
  driven,
  NO_DIFFERENCE,
  TWO,
} from './channel-world.ts';

const INBOUND = [{ node: ALPHA, name: 'alpha', minSat: sat(100_000n), maxSat: sat(1_000_000n) }];

function alarms(world: ChannelWorld): string[] {
  return world.events().flatMap((event) => (event.kind === 'alarm' ? [event.code] : []));
}

describe('a peer that opens a channel to us', () => {
  test('gets an address of the treasury that is on record before it hears of it, and the books stay right', async () => {
    const world = await channelWorld({ inbound: INBOUND });
    await world.desk.work.look();
    const outpoint = (await world.lnd.peerOpens(ALPHA, 500_000n)) ?? '';
    const [promised] = world.state().channels.inbound.values();
    expect(promised).toMatchObject({ peer: ALPHA });
    expect(promised?.closeAddress).toBe(
      world.desk.s.deriver.address(0, promised?.closeIndex ?? -1),
    );
    await world.mine(3);
    await world.rounds(2);
    expect(world.state().channels.open.get(outpoint)).toMatchObject({
      openedBy: 'peer',
      closes: 'to_treasury',
      closeAddress: promised?.closeAddress,
    });
    expect([alarms(world), world.state().mode]).toEqual([[], 'open']);
    expect(await differences(world)).toEqual(NO_DIFFERENCE);
    await world.close();
  });

  test.each<[what: string, peer: string, capacitySat: bigint]>([
    ['not on the list', STRANGER, 500_000n],
    ['below the least', ALPHA, 99_999n],
    ['above the most', ALPHA, 1_000_001n],
  ])('that is %s gets nothing', async (_, peer, capacitySat) => {
    const world = await channelWorld({ inbound: INBOUND });
    expect(await world.lnd.peerOpens(peer, capacitySat)).toBe(null);
    expect(world.state().channels.inbound.size).toBe(0);
    await world.close();
  });

  test('gets nothing while the coordinator is away, or hands out what is not the treasury’s', async () => {
    const world = await channelWorld({ inbound: INBOUND });
    const closeAddresses = world.desk.pool.closeAddresses.bind(world.desk.pool);
    world.desk.pool.closeAddresses = () =>
      Promise.reject(new Failure('COORDINATOR_UNREACHABLE', 'away'));
    expect(await world.lnd.peerOpens(ALPHA, 500_000n)).toBe(null);
    world.desk.pool.closeAddresses = async (count) =>
      (await closeAddresses(count)).map((each) => ({ ...each, index: each.index + 1 }));
    expect(await world.lnd.peerOpens(ALPHA, 500_000n)).toBe(null);
    expect(world.state().channels.inbound.size).toBe(0);
    await world.close();
  });

  test('never shares an address, even when the coordinator forgot what it handed out', async () => {
    const world = await channelWorld({ inbound: INBOUND });
    for (let opens = 0; opens < 4; opens += 1) {
      await world.desk.restart();
      await world.desk.work.look();
      expect(await world.lnd.peerOpens(ALPHA, 500_000n)).not.toBe(null);
    }
    expect(world.state().channels.inbound.size).toBe(4);
    await world.close();
  });

  test('asks in vain after ten times in a day, and when the pool winds down', async () => {
    const world = await channelWorld({ inbound: INBOUND });
    const { inbound } = world.state().channels;
    const at = (nowMs: number) =>
      inboundRefusal(world.state(), world.policy, { peer: ALPHA, nowMs });
    for (let given = 0; given < 10; given += 1) {
      const closeAddress = `address ${given}`;
      inbound.set(closeAddress, { peer: ALPHA, closeIndex: given, closeAddress, givenAtMs: 1_000 });
    }
    expect([at(2_000), at(90_000_000)]).toEqual(['10 channels were asked for in a day', null]);
    world.state().mode = 'winding-down';
    expect(at(90_000_000)).toBe('the pool is winding-down');
    await world.close();
  });
});

describe('an upfront shutdown address that is not what was set', () => {
  test('of a channel that the quorum opened freezes the pool', async () => {
    const world = await channelWorld();
    world.lnd.betrays = world.desk.s.deriver.address(0, 40);
    await asksToOpen(world);
    await driven(world);
    expect(world.state().mode).toBe('frozen');
    expect(alarms(world)).toEqual(['channel_close_address', 'channel_close_address']);
    expect([...world.state().channels.open.values()].map(({ closes }) => closes)).toEqual([
      'elsewhere',
      'elsewhere',
    ]);
    await world.close();
  });

  test('of a channel that a peer opened through the acceptor freezes it, too', async () => {
    const world = await channelWorld({ inbound: INBOUND });
    await world.desk.work.look();
    world.lnd.betrays = world.desk.s.deriver.address(0, 40);
    await world.lnd.peerOpens(ALPHA, 500_000n);
    await world.mine(3);
    await world.rounds(1);
    expect([world.state().mode, alarms(world)]).toEqual(['frozen', ['channel_close_address']]);
    await world.close();
  });

  test('freezes a pool that winds down, too, which goes on winding down afterwards', async () => {
    const world = await channelWorld();
    world.lnd.betrays = world.desk.s.deriver.address(0, 40);
    await asksToOpen(world);
    await world.parts().engine.act(() => ({
      news: [plainNews({ kind: 'mode-changed', mode: 'winding-down', why: 'it ends', by: 'olga' })],
      answer: null,
    }));
    await driven(world);
    expect(world.state()).toMatchObject({ mode: 'frozen', windDownWhy: 'it ends' });
    await world.close();
  });
});

test('channel fees are set from the policy once a channel is active, and again when the policy differs', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  await driven(world);
  const fees = () => world.lnd.calls.filter((call) => call.startsWith('fees'));
  await world.rounds(2);
  expect(fees()).toHaveLength(2);
  Object.assign(world.policy, { channelFees: { baseMsat: msat(7n), ratePpm: 3 } });
  world.restart();
  await world.rounds(3);
  expect(
    fees()
      .slice(2)
      .map((call) => call.slice(-4)),
  ).toEqual([' 7 3', ' 7 3']);
  await world.close();
});

describe('parts of a satoshi that a close does not pay', () => {
  test.each<[what: string, spent: [bigint, bigint], closes: number]>([
    ['of one channel are lost with its fee', [1_500n, 250n], 1],
    ['of two that go at once are booked when both are over', [1_500n, 250n], 2],
    ['are found even when the last payment was after the last look', [7_001_999n, 0n], 1],
  ])('%s: books, node and treasury agree to the msat', async (_, spent, closes) => {
    const world = await channelWorld({ inbound: INBOUND });
    await asksToOpen(world);
    await driven(world);
    const opened = [...world.state().channels.open.keys()];
    for (const [at, outpoint] of opened.entries()) world.lnd.spend(outpoint, spent[at] ?? 0n);
    await pretendPaid(world, spent[0] + spent[1]);
    expect(await differences(world)).toEqual(NO_DIFFERENCE);
    for (const outpoint of opened.slice(0, closes)) {
      await world.lnd.closesByItself(outpoint, 'cooperative');
    }
    await world.rounds(1);
    await world.mine(3);
    await world.rounds(3);
    expect(await differences(world)).toEqual(NO_DIFFERENCE);
    const booked = [...world.state().channels.closes.values()].map(({ closed }) => closed !== null);
    expect(booked).toEqual(Array.from({ length: closes }, () => true));
    await world.close();
  });
});

/** As if so much had left over Lightning. */
async function pretendPaid(world: ChannelWorld, amountMsat: bigint): Promise<void> {
  const { reconShort } = await import('../operator/ledger/rail-rows.ts');
  const event: PoolEvent = { kind: 'alarm', code: 'test', detail: 'paid' };
  const entry = reconShort({ rail: 'ln.local', amountMsat: msat(amountMsat) });
  await world.parts().engine.act(() => ({ news: [{ event, entry, receipt: null }], answer: null }));
}

describe('a node that does not answer', () => {
  test.each<[blocks: number, csv: number, alarm: boolean]>([
    [0, 144, false],
    [35, 144, false],
    [36, 144, true],
    [1, 4, true],
  ])('for %s blocks of a delay of %s: alarm %s', (blocks, csv, alarm) => {
    expect(isTooLong(blocks, csv)).toBe(alarm);
  });

  test('is an alarm once after a quarter of the delay, and again only after it came back', async () => {
    const world = await channelWorld();
    const watch = offlineWatch({ parts: world.parts(), csvBlocks: 144 });
    await watch.saw('nothing');
    await world.mine(35);
    await watch.saw('nothing');
    expect(alarms(world)).toEqual([]);
    await world.mine(1);
    await watch.saw('nothing');
    await watch.saw('nothing');
    expect(alarms(world)).toEqual(['lnd_offline']);
    await watch.saw('an answer');
    await world.mine(40);
    await watch.saw('nothing');
    expect(alarms(world)).toEqual(['lnd_offline']);
    await world.close();
  });

  test('counts by the clock where bitcoind is away as well', async () => {
    const world = await channelWorld();
    const watch = offlineWatch({ parts: world.parts(), csvBlocks: 144 });
    world.desk.chain.away = new Failure('BITCOIND_UNREACHABLE', 'away');
    await watch.saw('nothing');
    world.clock.now += 36 * 600_000;
    await watch.saw('nothing');
    expect(alarms(world)).toEqual(['lnd_offline']);
    await world.close();
  });
});

test('a channel that the books hold and no list of the node has is said aloud', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  await driven(world);
  const [gone = ''] = world.state().channels.open.keys();
  await world.lnd.manager.forgetConflicted({ outpoint: gone, pendingTx: '', confirmedTx: '' });
  await world.rounds(2);
  expect(alarms(world)).toEqual(['channel_gone']);
  await world.close();
});

test('channel backups are kept for some generations, readable by their owner only', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'weir-backup-'));
  const store = backupFiles(path.join(dir, 'backups'));
  for (let at = 1; at <= GENERATIONS + 3; at += 1) {
    await store.store({ multiHex: 'abcd', outpoints: [] }, 1_800_000_000_000 + at);
  }
  const names = (await readdir(path.join(dir, 'backups'))).toSorted();
  expect(names).toHaveLength(GENERATIONS);
  expect(names[0]).toMatch(/^channels-1800000000004-[0-9a-f]{8}\.backup$/);
  const { mode } = await stat(path.join(dir, 'backups', names[0] ?? ''));
  expect(mode & 0o777).toBe(0o600);
  await rm(dir, { recursive: true });
});

const open = async (world: ChannelWorld, channels: typeof TWO) => {
  const answer = await world.service().open({ initiator: 'olga', channels });
  const { refused = [] } = answer.json as { refused?: { code: string }[] };
  return [answer.exit, refused.map(({ code }) => code), world.lnd.calls.length];
};
const wish = (change: Partial<(typeof TWO)[0]>) => [
  {
    ...TWO[0],
    peer: ALPHA,
    socket: null,
    capacitySat: sat(300_000n),
    announced: 'public' as const,
    ...change,
  },
];

describe('channels are refused before anybody is asked', () => {
  test.each<[what: string, channels: typeof TWO, codes: string[]]>([
    ['to a peer that the policy does not list', wish({ peer: STRANGER }), ['peer_not_listed']],
    ['too small', wish({ capacitySat: sat(99_999n) }), ['channel_too_small']],
    ['too large', wish({ capacitySat: sat(3_000_001n) }), ['channel_too_large']],
    ['too many', [...TWO, ...TWO], ['too_many']],
  ])('%s', async (_, channels, codes) => {
    const world = await channelWorld();
    expect(await open(world, channels)).toEqual([4, codes, 0]);
    await world.close();
  });

  test('beyond the hot limit, beyond the books, in another mode, beside another batch', async () => {
    const world = await channelWorld({ hotLimitMsat: msat(700_000_000n) });
    world.lnd.moods.set(BETA, 'silent');
    await asksToOpen(world);
    expect(batchOf(world).phase).toBe('verified');
    expect(await open(world, wish({}))).toEqual([4, ['another_batch', 'hot_limit'], 2]);
    world.state().mode = 'frozen';
    expect(await open(world, wish({}))).toEqual([4, ['mode', 'another_batch', 'hot_limit'], 2]);
    await world.close();
  });

  test('where the books have less in the treasury than is asked for', async () => {
    const world = await channelWorld();
    const facts = {
      treasury: await world.parts().treasury.refresh(),
      tipHeight: 500,
      standing: await world.parts().reader.standing(),
      balance: await world.parts().reader.balance(),
      channels: [],
      pending: [],
      policy: world.policy,
    };
    world.state().ledger.balances.clear();
    const codes = openRefusals(world.state(), TWO, facts).map(({ code }) => code);
    expect(codes).toEqual(['books_short']);
    await world.close();
  });
});
