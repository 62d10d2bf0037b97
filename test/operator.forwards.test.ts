/** What others' payments through the node earned is booked once, whatever crashes, changes or is away meanwhile. */
import { describe, expect, test } from 'vitest';
import { type CrashMoment, crashPointOf } from '../operator/crash-at.ts';
import { afterPage, decideForwards, NO_FORWARDS } from '../operator/forwards-decision.ts';
import { forwardsDriver } from '../operator/forwards-driver.ts';
import { reconShort } from '../operator/ledger/rail-rows.ts';
import { FORWARDS_PAGE, type Forward, type NodeStanding } from '../operator/lightning.ts';
import { factOf } from '../operator/pool-entry.ts';
import type { PoolEvent } from '../operator/pool-event.ts';
import { emptyPool } from '../operator/pool-state.ts';
import { Failure, type FailureCode } from '../policies/failure.ts';
import { msat, sat } from '../policies/units.ts';
import { until } from '../regtest/wait.ts';
import { ALPHA } from './channel-cases.ts';
import {
  asksToOpen,
  type ChannelWorld,
  channelWorld,
  differences,
  driven,
  NO_DIFFERENCE,
} from './channel-world.ts';
import { NODE_KEY } from './fake-node.ts';
import { poolDesk } from './pool-desk.ts';

const WAIT_MS = 5_000;
const INCOME = 'LLP:inc:routing';
const LOCAL = 'LLP:asset:ln.local';

const desk = poolDesk();
let made = 0;

function forward(feeMsat: bigint, atMs = desk.world.clock.nowMs): Forward {
  made += 1;
  return { id: `forward ${made}`, atMs, feeMsat: msat(feeMsat) };
}

/** Others pay through the node, each for that fee. */
function through(...fees: bigint[]): void {
  for (const fee of fees) desk.world.node.forwards.push(forward(fee));
}

async function entries(): Promise<PoolEvent[]> {
  await desk.pool.engine.durable();
  const all = await desk.pool.engine.journal.read(0, 1_000);
  return all.map((entry) => factOf(entry).fact.event);
}

async function settledEntries() {
  return (await entries()).flatMap((event) => (event.kind === 'forwards-settled' ? [event] : []));
}

async function alarms(): Promise<string[]> {
  return (await entries()).flatMap((event) => (event.kind === 'alarm' ? [event.code] : []));
}

test('a node that goes on refusing its list is an alarm, said once, and stops nothing', async () => {
  const { engine } = desk.pool;
  const { reader } = desk.world.node;
  let asked = 0;
  let fatal: unknown = null;
  const driver = forwardsDriver({
    engine,
    reader: {
      standing: () => reader.standing(),
      forwards() {
        asked += 1;
        return Promise.reject(new Failure('LND_REFUSED', 'permission denied'));
      },
    },
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
    onFatal(cause) {
      fatal = cause;
    },
  });
  await until('it to be asked often', () => asked > 30, WAIT_MS);
  await driver.stop();
  expect(fatal).toBeNull();
  expect(await alarms()).toEqual(['forwards_unread']);
});

describe('a forward', () => {
  test('is booked with the others of its page in one entry: income, and money on Lightning', async () => {
    const before = desk.account(LOCAL);
    through(1_500n, 7n, 0n);
    await desk.pool.forwards.catchUp();
    expect([desk.account(INCOME), desk.account(LOCAL) - before]).toEqual([1_507n, 1_507n]);
    expect(await settledEntries()).toMatchObject([{ forwards: 3, feeMsat: 1_507n }]);
  });

  test('is booked once, however often the node is asked and the pool is started', async () => {
    through(1_500n);
    await desk.pool.forwards.catchUp();
    await desk.pool.forwards.catchUp();
    await desk.reopen();
    await desk.pool.forwards.catchUp();
    through(20n);
    await desk.reopen();
    await desk.pool.forwards.catchUp();
    expect(desk.account(INCOME)).toBe(1_520n);
    expect((await settledEntries()).map(({ forwards }) => forwards)).toEqual([1, 1]);
  });

  test('that costs nothing moves the cursor and posts nothing', async () => {
    through(0n, 0n);
    await desk.pool.forwards.catchUp();
    const [entry] = await settledEntries();
    expect(entry).toMatchObject({ forwards: 2, feeMsat: 0n, cursor: { count: 2 } });
    expect(desk.account(INCOME)).toBe(0n);
    await desk.pool.forwards.catchUp();
    expect(await settledEntries()).toHaveLength(1);
  });

  test('is booked in a frozen pool, too: it happened', async () => {
    const frozen = { kind: 'mode-changed' as const, mode: 'frozen' as const, why: 'x', by: 'olga' };
    await desk.pool.engine.act(() => ({
      news: [{ event: frozen, entry: null, receipt: null }],
      answer: null,
    }));
    through(3n);
    await desk.pool.forwards.catchUp();
    expect(desk.account(INCOME)).toBe(3n);
  });

  test('from before the pool was opened is in its capital', async () => {
    const { openedAtMs } = desk.pool.engine.state();
    const { forwards } = desk.world.node;
    forwards.push(forward(100n, openedAtMs - 5_000), forward(10n, openedAtMs - 1));
    forwards.push(forward(1n, openedAtMs), forward(2n, openedAtMs + 1));
    await desk.pool.forwards.catchUp();
    expect(desk.account(INCOME)).toBe(3n);
  });

  test('is read page by page to the end, an entry for each', async () => {
    through(...Array.from({ length: 2 * FORWARDS_PAGE }, () => 3n));
    await desk.pool.forwards.catchUp();
    expect(desk.account(INCOME)).toBe(6_000n);
    const sizes = (await settledEntries()).map(({ forwards }) => forwards);
    expect(sizes).toEqual([FORWARDS_PAGE, FORWARDS_PAGE - 1, 1]);
  });

  test('is not booked twice by two who ask at the same time', async () => {
    through(5n, 6n);
    await Promise.all([1, 2, 3].map(() => desk.pool.forwards.catchUp()));
    expect(desk.account(INCOME)).toBe(11n);
  });
});

describe('a list that is not what it was', () => {
  test('for one that was written down late, before others: each is booked once, and nothing is said', async () => {
    through(100n, 200n, 300n);
    await desk.pool.forwards.catchUp();
    desk.world.node.forwards.splice(1, 0, forward(40n));
    through(5n);
    await desk.pool.forwards.catchUp();
    expect(desk.account(INCOME)).toBe(645n);
    expect(await alarms()).toEqual([]);
    through(1n);
    await desk.pool.forwards.catchUp();
    expect(desk.account(INCOME)).toBe(646n);
  });

  test('over more than a page is added up whole', async () => {
    through(...Array.from({ length: FORWARDS_PAGE + 10 }, () => 1n));
    await desk.pool.forwards.catchUp();
    desk.world.node.forwards.unshift(forward(1_000_000n));
    await desk.pool.forwards.catchUp();
    expect(desk.account(INCOME)).toBe(1_001_010n);
  });

  test('because the node forgot: what was booked stays, a person is told once, what comes is booked', async () => {
    through(100n, 200n, 300n);
    await desk.pool.forwards.catchUp();
    desk.world.node.forwards.splice(1, 2);
    await desk.pool.forwards.catchUp();
    await desk.pool.forwards.catchUp();
    expect([desk.account(INCOME), await alarms()]).toEqual([600n, ['forwards_forgotten']]);
    through(7n);
    await desk.pool.forwards.catchUp();
    expect([desk.account(INCOME), await alarms()]).toEqual([607n, ['forwards_forgotten']]);
  });

  test('since another node answers is not read', async () => {
    const { reader } = desk.world.node;
    const standing = reader.standing.bind(reader);
    reader.standing = async () => ({ ...(await standing()), publicKey: `03${'9'.repeat(64)}` });
    through(100n);
    await desk.pool.forwards.catchUp();
    expect(desk.account(INCOME)).toBe(0n);
  });
});

test('a forward of the second in which the pool was opened is in its place, and earned nothing before', () => {
  const opened = 1_760_000_000_500;
  const page = [forward(100n, opened - 1), forward(20n, opened), forward(3n, opened + 1)];
  expect(afterPage(NO_FORWARDS, page, opened)).toEqual({
    count: 3,
    newest: page[2]?.id,
    feeMsat: 23n,
  });
});

test('a decision on a cursor that the books have left is none', () => {
  const to = { count: 1, newest: 'one', feeMsat: msat(5n) };
  const state = { ...emptyPool(), forwards: to };
  expect(decideForwards(state, { from: NO_FORWARDS, to }).news).toEqual([]);
});

test.each<[moment: CrashMoment, nth: number]>([
  ['before-append', 1],
  ['after-append', 1],
  ['before-append', 2],
  ['after-append', 2],
])('a power cut %s of page %s books each forward once', async (moment, nth) => {
  await desk.pool.close();
  through(...Array.from({ length: FORWARDS_PAGE + 500 }, (_, at) => BigInt(at)));
  const crashPoint = crashPointOf(`${moment}:${nth}`, () => {
    throw new Error('the power goes');
  });
  const cut = await desk.world.open({ crashPoint });
  await until('the power to go', () => cut.fatal() !== null, WAIT_MS);
  await cut.crash();
  await desk.open();
  await desk.pool.forwards.catchUp();
  expect(desk.account(INCOME)).toBe((1_499n * 1_500n) / 2n);
  expect(desk.pool.engine.state().forwards.count).toBe(1_500);
});

test.each<[code: FailureCode, verdict: 'asks again' | 'stops the pool']>([
  ['LND_UNREACHABLE', 'asks again'],
  ['LND_REFUSED', 'asks again'],
  ['NETWORK_MISMATCH', 'stops the pool'],
])('a question that ends in %s: the driver %s', async (code, verdict) => {
  let asks = 0;
  let fatal: unknown = null;
  const driver = forwardsDriver({
    engine: desk.pool.engine,
    reader: {
      standing: () => Promise.resolve({ publicKey: NODE_KEY } as NodeStanding),
      forwards() {
        asks += 1;
        return asks === 1
          ? Promise.reject(new Failure(code, 'no'))
          : Promise.resolve([forward(9n)]);
      },
    },
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
    onFatal(cause) {
      fatal = cause;
    },
  });
  await until('an entry or the end', () => desk.account(INCOME) > 0n || fatal !== null, WAIT_MS);
  await driver.stop();
  expect(fatal === null ? 'asks again' : 'stops the pool').toBe(verdict);
});

const INBOUND = [{ node: ALPHA, name: 'alpha', minSat: sat(100_000n), maxSat: sat(1_000_000n) }];

/** Two channels that the quorum opened, one of a peer, and payments behind the pool's back that the books have. */
async function threeChannels(
  paid: [bigint, bigint],
): Promise<{ world: ChannelWorld; first: string; second: string; inbound: string }> {
  const world = await channelWorld({ inbound: INBOUND });
  await asksToOpen(world);
  await driven(world);
  const [first = '', second = ''] = world.state().channels.open.keys();
  const inbound = (await world.lnd.peerOpens(ALPHA, 500_000n)) ?? '';
  await world.mine(3);
  await world.rounds(2);
  world.lnd.spend(first, paid[0]);
  world.lnd.spend(second, paid[1]);
  const amountMsat = msat(paid[0] + paid[1]);
  const event: PoolEvent = { kind: 'alarm', code: 'test', detail: 'paid' };
  const entry = reconShort({ rail: 'ln.local', amountMsat });
  await world.parts().engine.act(() => ({ news: [{ event, entry, receipt: null }], answer: null }));
  expect(await differences(world)).toEqual(NO_DIFFERENCE);
  return { world, first, second, inbound };
}

function countOf(world: ChannelWorld, kind: PoolEvent['kind']): number {
  return world.events().filter((event) => event.kind === kind).length;
}

describe('forwards that nobody has read', () => {
  test.each(['while the pool runs', 'at its start'] as const)(
    'are booked before a close that is seen %s: books and node agree to the msat',
    async (when) => {
      const { world, first, inbound } = await threeChannels([0n, 0n]);
      world.lnd.spend(first, 70_000_400n);
      world.lnd.spend(inbound, -70_001_650n);
      world.forwards.push({ id: 'one', atMs: world.clock.now, feeMsat: msat(1_250n) });
      await world.lnd.closesByItself(first, 'cooperative');
      if (when === 'at its start') {
        await world.mine(4);
        world.restart();
      }
      await world.rounds(2);
      await world.mine(3);
      await world.rounds(4);
      expect(world.state().channels.closes.get(first)?.phase).toBe('closed');
      expect(await differences(world)).toEqual(NO_DIFFERENCE);
      expect(countOf(world, 'forwards-settled')).toBe(1);
      await world.close();
    },
  );

  test('are in no difference that a person is shown, and could book', async () => {
    const { world, inbound } = await threeChannels([0n, 0n]);
    world.lnd.spend(inbound, -5_000n);
    world.forwards.push({ id: 'one', atMs: world.clock.now, feeMsat: msat(5_000n) });
    const { json } = await world.service().list();
    expect(json).toMatchObject({ differences: { lightningMsat: 0n } });
    await world.close();
  });

  test('are booked before what closes left below a satoshi, which they would hide in part', async () => {
    const { world, first, second, inbound } = await threeChannels([1_300n, 250n]);
    for (const outpoint of [first, second]) {
      await world.lnd.closesByItself(outpoint, 'cooperative');
    }
    await world.rounds(1);
    world.lnd.spend(inbound, -200n);
    world.forwards.push({ id: 'one', atMs: world.clock.now, feeMsat: msat(200n) });
    await world.mine(3);
    await world.rounds(4);
    expect([countOf(world, 'forwards-settled'), countOf(world, 'channel-remainder')]).toEqual([
      1, 1,
    ]);
    expect(await differences(world)).toEqual(NO_DIFFERENCE);
    await world.close();
  });

  test('and are not in yet: nothing is concluded from the balance meanwhile', async () => {
    const { world, first, second, inbound } = await threeChannels([1_300n, 250n]);
    for (const outpoint of [first, second]) {
      await world.lnd.closesByItself(outpoint, 'cooperative');
    }
    await world.rounds(1);
    // It came in with 500 msat and is booked; the balance has it when its HTLC is settled.
    const { reader } = world.parts();
    const channels = reader.channels.bind(reader);
    reader.channels = async () => (await channels()).map((each) => ({ ...each, incomingHtlcs: 1 }));
    world.forwards.push({ id: 'one', atMs: world.clock.now, feeMsat: msat(500n) });
    await world.parts().forwards.catchUp();
    await world.mine(3);
    await world.rounds(3);
    expect(countOf(world, 'channel-remainder')).toBe(0);
    reader.channels = channels;
    world.lnd.spend(inbound, -500n);
    await world.rounds(2);
    expect(await differences(world)).toEqual(NO_DIFFERENCE);
    await world.close();
  });
});
