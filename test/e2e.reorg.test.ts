/** The chain changes its mind: a confirmed batch goes away and comes back, or is replaced; everybody follows. */
import { expect, test } from 'vitest';
import { mineBlocks } from '../demo/decisions.ts';
import { STEP_MS_MAX, type World } from '../demo/world.ts';
import { buildUnsignedTx } from '../descriptors/build.ts';
import { makeDeriver } from '../descriptors/derive.ts';
import { parseTreasuryDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { finalizeTx } from '../descriptors/signature.ts';
import { scriptOfAddress } from '../lp/order.ts';
import { feerate, sat } from '../policies/units.ts';
import type { Bitcoind } from '../regtest/bitcoind.ts';
import {
  connect,
  invalidateBlock,
  mine,
  minerAddress,
  partition,
  syncMempools,
  tip,
} from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { describeWithBitcoind } from './bitcoind-available.ts';
import { guardianSaysYes } from './e2e-people.ts';
import {
  askCoordinator,
  askSeat,
  confirmed,
  doorOf,
  foldedLog,
  keystoreOf,
  logThrough,
  paymentsTo,
  proposed,
  sharedWorld,
  untilRow,
  untilSent,
  whenReached,
} from './e2e-world.ts';

const TEST_MS_MAX = 240_000;
const SEATS = ['ana', 'ben', 'cleo'];
const DAY = 'limits.windows.day';

describeWithBitcoind('a reorganisation', () => {
  const world = sharedWorld({ quorum: { threshold: 2, of: 3 }, coinsBtc: ['1', '1', '1', '1'] });

  test(
    'takes a confirmed batch back to the mempool, still charged, and it confirms again once',
    async () => {
      const { id, address } = await proposed(world(), '800000');
      const { network } = world();
      const before = await confirmed(world(), id);
      await untilAgents(world(), 'to see the block', ({ steps }) => steps === 8n);
      // The other branch has no place for it: the first node follows because it is longer.
      await partition(network);
      await invalidateBlock(network.second, await tip(network.second));
      await mineWithout(world(), network.second, 2);
      await connect(network);
      const back = await untilRow(
        world(),
        id,
        'the mempool',
        ({ place }) => place?.in === 'mempool',
      );
      expect(back.state).toBe('broadcast');
      expect(await paymentsTo(network.first, address)).toEqual([]);
      await untilAgents(
        world(),
        'to hold it as live',
        ({ steps, live }) => steps === 8n && live === 1,
      );
      const after = await confirmed(world(), id);
      expect(after.place?.height).toBe((before.place?.height ?? 0) + 2);
      expect(await paymentsTo(network.first, address)).toEqual([
        { txid: before.txid, amountBtc: '0.00800000' },
      ]);
    },
    TEST_MS_MAX,
  );

  test(
    'replaces a confirmed bump by what it bumped: the order is paid once, and charged once',
    async () => {
      const { network } = world();
      const { id, address } = await proposed(world(), '700000');
      const first = await untilSent(world(), id);
      await syncMempools(network);
      await partition(network);
      const bump = await askCoordinator<{ id: string }>(world(), (client) =>
        client.proposeSpend.mutate({
          request: { kind: 'fee_bump', of: id, feerate: '12000' },
          initiator: null,
        }),
      );
      await until(
        'the bump in the mempool of the first node',
        async () => {
          const row = await whenReached(
            askCoordinator<{ txid: string }>(world(), (client) =>
              client.show.query({ id: bump.id }),
            ),
          );
          const pool = await network.first.rpc<string[]>('getrawmempool');
          return row !== null && pool.includes(row.txid);
        },
        STEP_MS_MAX,
      );
      await mine(network, network.first, 1);
      await untilRow(world(), bump.id, 'its block', ({ state }) => state === 'confirmed');
      await untilRow(world(), id, 'the end', ({ state }) => state === 'dead');
      await mine(network, network.second, 2);
      await connect(network);
      await untilRow(world(), id, 'its block', ({ state }) => state === 'confirmed');
      const over = await untilRow(
        world(),
        bump.id,
        'the conflict',
        ({ place }) => place?.in === 'conflict',
      );
      expect(over.state).toBe('dead');
      expect(over.place).toMatchObject({ in: 'conflict', txid: first.txid });
      for (const node of [network.first, network.second]) {
        expect(await paymentsTo(node, address)).toEqual([
          { txid: first.txid, amountBtc: '0.00700000' },
        ]);
      }
      await untilAgents(world(), 'to charge it once', ({ steps }) => steps === 15n);
    },
    TEST_MS_MAX,
  );

  test(
    'replaces a confirmed batch by a stranger’s spend: charged until that is buried, then paid anew',
    async () => {
      const { network } = world();
      const { id, address } = await proposed(world(), '600000');
      await untilSent(world(), id);
      await syncMempools(network);
      await partition(network);
      const { raw, txid } = await spentElsewhere(world(), id);
      await mine(network, network.first, 1);
      await untilRow(world(), id, 'its block', ({ state }) => state === 'confirmed');
      await mineWithout(world(), network.second, 1, [raw]);
      await mineWithout(world(), network.second, 1);
      await connect(network);
      const hit = await untilRow(
        world(),
        id,
        'the conflict',
        ({ place }) => place?.in === 'conflict',
      );
      expect(hit.place).toMatchObject({ txid });
      expect(hit.state).toBe('broadcast');
      await untilAgents(world(), 'to charge it still', ({ steps }) => steps === 21n);
      for (const seatId of SEATS) await untilAlarm(world(), seatId, txid);
      expect(await paymentsTo(network.first, address)).toEqual([]);

      await mineBlocks(world(), 4);
      await untilRow(world(), id, 'the end', ({ state }) => state === 'dead');
      await untilAgents(world(), 'to let it go', ({ steps }) => steps === 15n);
      const again = await askCoordinator<{ id: string }>(world(), (client) =>
        client.proposeSpend.mutate({ request: { kind: 'withdrawal_batch' }, initiator: null }),
      );
      // A spend of unknown making stays a matter for people.
      await untilRow(world(), again.id, 'two questions', ({ asks }) => asks.length >= 2);
      for (const seatId of SEATS.slice(0, 2)) await guardianSaysYes(world(), seatId, again.id);
      const paid = await confirmed(world(), again.id);
      expect(await paymentsTo(network.first, address)).toEqual([
        { txid: paid.txid, amountBtc: '0.00600000' },
      ]);
    },
    TEST_MS_MAX,
  );
});

/** Mines blocks that hold these raw transactions and nothing else of the mempool. */
async function mineWithout(
  { network }: World,
  node: Bitcoind,
  count: number,
  raws: readonly string[] = [],
): Promise<void> {
  for (let each = 0; each < count; each += 1) {
    await node.rpc('generateblock', [await minerAddress(network), raws]);
  }
}

interface Used {
  /** What the day's window holds in whole steps of 100,000 sat: fees are below one. */
  steps: bigint;
  live: number;
}

/** Waits until every agent's own view of the limits is as it should be. */
async function untilAgents(world: World, what: string, is: (used: Used) => boolean): Promise<void> {
  for (const seatId of SEATS) {
    let last: Used | null = null;
    await until(
      `${seatId} ${what}`,
      async () => {
        last = await whenReached(usedOf(world, seatId));
        return last !== null && is(last);
      },
      STEP_MS_MAX,
    ).catch((cause: unknown) => {
      throw new Error(`${String(cause)}, last ${last?.steps} with ${last?.live} live`);
    });
  }
}

async function usedOf(world: World, seatId: string): Promise<Used> {
  const { rows, live } = await askSeat<{ rows: { rule: string; used: string }[]; live: number }>(
    world,
    seatId,
    (client) => client.limits.query(),
  );
  const row = rows.find(({ rule }) => rule === DAY);
  if (row === undefined) throw new Error(`no ${DAY} in ${rows.map(({ rule }) => rule).join(' ')}`);
  return { steps: BigInt(row.used) / 100_000n, live };
}

async function untilAlarm(world: World, seatId: string, txid: string): Promise<void> {
  await until(
    `${seatId} to notice ${txid}`,
    async () => {
      const status = await askSeat<{ alarms: { code: string; detail: string }[] }>(
        world,
        seatId,
        (client) => client.status.query(),
      );
      return status.alarms.some(
        ({ code, detail }) => code === 'W-BRK-UNKNOWN-SPEND' && detail.includes(txid),
      );
    },
    STEP_MS_MAX,
  );
}

/** Two guardians' keys sign another spend of a proposal's coins, outside of everything. */
async function spentElsewhere(world: World, id: string): Promise<{ raw: string; txid: string }> {
  const { proposals, wallet } = foldedLog(await logThrough(await doorOf(world, 'ana')));
  const plan = proposals.get(id)?.proposal.intent.plan;
  if (plan === undefined || wallet === null) throw new Error(`no ${id}`);
  const deriver = makeDeriver(parseTreasuryDescriptor(wallet.descriptor, NETWORKS.regtest));
  const script = scriptOfAddress(await minerAddress(world.network), 'regtest');
  const built = buildUnsignedTx(
    { ...plan, feerateSatPerKvb: feerate(20_000n), change: { index: 90 } },
    [{ script, amountSat: sat(123_456n) }],
    deriver,
  );
  const coins = built.coins.map(({ amountSat, branch, index }) => ({
    amountSat,
    place: deriver.at(branch, index),
  }));
  const seats = await Promise.all(
    ['ana', 'ben'].map(async (seatId) => ({
      seat: wallet.keyRecords.findIndex(({ body }) => body.seatId === seatId),
      signatures: (await keystoreOf(world, seatId)).signInputs(built.unsignedTx, coins),
    })),
  );
  const { rawTx, txid } = finalizeTx(built.unsignedTx, coins, seats, 2);
  return { raw: rawTx, txid };
}
