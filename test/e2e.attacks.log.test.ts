/**
 * Attacks on what a running treasury knows: its registry, its patience, an agent's memory, and the log itself.
 * Each by a coordinator in a thief's hands, or by a disk that went back in time.
 */
import { randomBytes } from 'node:crypto';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { authorize } from '../coordinator/authorize.ts';
import { nextChangeIndex } from '../coordinator/spendable.ts';
import { guardianApproves, mineBlocks, untilKnown } from '../demo/decisions.ts';
import { weirJson } from '../demo/weir-process.ts';
import { homeOf, STEP_MS_MAX, startAgent, stopAgent, type World } from '../demo/world.ts';
import { makeOrder, makeRegistration, scriptOfAddress } from '../lp/order.ts';
import type { LpOrder } from '../policies/intent.ts';
import { minerAddress } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { describeWithBitcoind } from './bitcoind-available.ts';
import { type Fork, forkOf, relayAt } from './e2e-fork.ts';
import {
  atDesk,
  batchOf,
  everybodyWorks,
  freeCoin,
  planted,
  saidBy,
  takenOver,
  untilOut,
  untilRefused,
} from './e2e-hostile.ts';
import {
  askCoordinator,
  askSeat,
  confirmed,
  headOf,
  paymentsTo,
  proposed,
  sharedWorld,
  signedOrder,
  untilRow,
} from './e2e-world.ts';

const TEST_MS_MAX = 300_000;
const SEATS = ['ana', 'ben', 'cleo'];
const COINS = Array.from({ length: 10 }, () => '0.1');
const FLOOD = 30;
/** Beyond the delay that the policy wants before a new key of a known LP pays. */
const SWAP_BLOCKS = 30;
/** Resident memory of an agent, far above what it needs and far below what a flood without bounds takes. */
const RESIDENT_KB_MAX = 600_000;

describeWithBitcoind('what a treasury knows', () => {
  const world = sharedWorld({ quorum: { threshold: 2, of: 3 }, coinsBtc: COINS });

  test(
    'a registry key swapped without the guardians pays nobody; the key they approved still does',
    async () => {
      const height = await world().network.first.rpc<number>('getblockcount');
      const thief = await thiefFor(world());
      const swaps = await takenOver(world(), async (work) => {
        const swap = async (activeFromHeight: number): Promise<string> => {
          const entries = [thief.registration(activeFromHeight)];
          const asked = await authorize(work, { kind: 'registry_change', entries }, 'coordinator');
          return asked.id ?? '';
        };
        return { now: await swap(0), later: await swap(height + SWAP_BLOCKS) };
      });
      await expect(guardianApproves(world(), 'ana', swaps.now)).rejects.toThrow(
        'W-POL-LOOSENED-EARLY',
      );
      // One guardian is fooled, of two that are needed.
      await guardianApproves(world(), 'ana', swaps.later);
      await until(
        'the approval to be in the log',
        async () => (await approversOf(world(), swaps.later)).includes('ana'),
        STEP_MS_MAX,
      );
      await mineBlocks(world(), SWAP_BLOCKS);
      const after = await takenOver(world(), (work) =>
        planted(work, batchOf(work, [thief.order('500000')])),
      );
      expect(await untilRefused(world(), after, SEATS)).toContain('W-OUT-PAYEE-UNSIGNED');
      const honest = await proposed(world(), '600000');
      await untilOut(world(), honest.id, 'an order of the key that was approved');
      await confirmed(world(), honest.id);
      expect(await paymentsTo(world().network.first, honest.address)).toHaveLength(1);
      expect(await paymentsTo(world().network.first, thief.address)).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test.each([
    { from: 'an old disk', back: backFromOldDisk },
    { from: 'a backup, in a new folder', back: backFromBackup },
  ])(
    'an agent that comes back from $from signs nothing until every peer proved that nothing is missing',
    async ({ back }) => {
      await everybodyWorks(world());
      const comeBack = await back(world());
      await stopAgent(world(), 'ana');
      const forgotten = await proposed(world(), '600000');
      const sent = await untilOut(world(), forgotten.id, 'what cleo will forget');
      expect(sent.signed.toSorted()).toEqual(['ben', 'cleo']);
      await confirmed(world(), forgotten.id);
      await stopAgent(world(), 'cleo');
      await comeBack();
      await startAgent(world(), 'cleo');
      await untilHand(world(), 'cleo', 'locked');
      const meanwhile = await proposed(world(), '600000');
      await untilRow(world(), meanwhile.id, 'ben alone', ({ signed }) => signed.includes('ben'));
      await untilKnown(world(), 'cleo', meanwhile.id);
      const { reasons } = await askSeat<{ reasons: { code: string }[] }>(
        world(),
        'cleo',
        (client) => client.review.query({ id: meanwhile.id }),
      );
      expect(reasons.map(({ code }) => code)).toContain('W-CNT-ROLLBACK');
      expect(await saidBy(world(), 'cleo', meanwhile.id)).toEqual({ did: [], codes: [] });
      await startAgent(world(), 'ana');
      await untilHand(world(), 'cleo', 'on');
      const done = await untilOut(world(), meanwhile.id, 'what ana signed');
      expect(done.signed.toSorted()).toEqual(['ana', 'ben']);
      // What was said before the proof may be forgotten: never signed, not even now.
      expect((await saidBy(world(), 'cleo', meanwhile.id)).did).not.toContain('signed');
      await confirmed(world(), meanwhile.id);
      await stopAgent(world(), 'ana');
      const newer = await proposed(world(), '600000');
      const again = await untilOut(world(), newer.id, 'what is newer than the proof');
      expect(again.signed.toSorted()).toEqual(['ben', 'cleo']);
      await confirmed(world(), newer.id);
      await startAgent(world(), 'ana');
      const { first: node } = world().network;
      for (const { address } of [forgotten, meanwhile, newer]) {
        expect(await paymentsTo(node, address)).toHaveLength(1);
      }
    },
    TEST_MS_MAX,
  );

  test(
    'a flood of bad proposals stops signing alone for its initiator, and nothing else, until unlock',
    async () => {
      await everybodyWorks(world());
      const before = await headsOf(world());
      const { order } = await signedOrder(world(), '500000');
      const ids = await takenOver(world(), async (work) => {
        const same = {
          coins: [freeCoin(work)],
          change: { index: nextChangeIndex(work.situation()) },
        };
        const planting: string[] = [];
        for (let n = 0; n < FLOOD; n += 1) {
          const script = `0014${bytesToHex(randomBytes(20))}`;
          const stolen: LpOrder = { ...order, body: { ...order.body, script } };
          planting.push(await planted(work, batchOf(work, [stolen], same)));
        }
        return planting;
      });
      for (const id of ids) {
        expect(await untilRefused(world(), id, SEATS)).toContain('W-OUT-PAYEE-UNSIGNED');
        await untilRow(world(), id, 'all words', ({ refused }) => refused.length === SEATS.length);
      }
      // Each agent's log grows by what was said, once: 30 proposals, a word of each seat, its own event.
      const after = await headsOf(world());
      for (const seatId of SEATS) {
        const grown = (after.get(seatId) ?? 0) - (before.get(seatId) ?? 0);
        expect(grown).toBeLessThanOrEqual(FLOOD * (1 + SEATS.length + 1) + 10);
        expect(await residentKb(world(), seatId)).toBeLessThan(RESIDENT_KB_MAX);
      }
      const good = await proposed(world(), '600000');
      const asked = await untilRow(world(), good.id, 'all to ask', ({ asks }) => asks.length === 3);
      expect(asked.signed).toEqual([]);
      await guardianApproves(world(), 'ana', good.id);
      await guardianApproves(world(), 'ben', good.id);
      await untilOut(world(), good.id, 'what two guardians approved at the keyboard');
      await confirmed(world(), good.id);
      for (const seatId of ['ana', 'ben']) {
        await askSeat(world(), seatId, (client) => client.unlock.mutate());
      }
      const next = await proposed(world(), '600000');
      const sent = await untilOut(world(), next.id, 'what two unlocked agents sign alone');
      expect(sent.signed.toSorted()).toEqual(['ana', 'ben']);
      await confirmed(world(), next.id);
      await askSeat(world(), 'cleo', (client) => client.unlock.mutate());
    },
    TEST_MS_MAX,
  );

  test(
    'two forks of the log, each shown to one agent, collect no quorum; who sees both heads freezes with the proof',
    async () => {
      await everybodyWorks(world());
      await stopAgent(world(), 'cleo');
      await world().coordinator.daemon?.stop();
      const [a, b] = [await forkOf(world(), 'fork-a'), await forkOf(world(), 'fork-b')];
      const orders = [await signedOrder(world(), '600000'), await signedOrder(world(), '700000')];
      const [idA = '', idB = ''] = await Promise.all(
        [a, b].map(async ({ dir }, at) =>
          atDesk(dir, (work) => {
            const order = orders[at]?.order;
            return planted(work, batchOf(work, order === undefined ? [] : [order]));
          }),
        ),
      );
      await Promise.all([a.start(), b.start()]);
      const relay = await relayAt(world().coordinator.port);
      try {
        relay.routes.set('ana', a).set('ben', b);
        await untilWaits(world(), 'ana', idA, 'W-ENV-ACKS');
        await untilWaits(world(), 'ben', idB, 'W-ENV-ACKS');
        expect((await a.rowOf(idA))?.signed).toEqual([]);
        expect((await b.rowOf(idB))?.signed).toEqual([]);
        relay.routes.set('ana', b).set('ben', a);
        for (const seatId of ['ana', 'ben']) await untilForkSeen(world(), seatId);
        relay.routes.set('ana', a).set('ben', b).set('cleo', a);
        await startAgent(world(), 'cleo');
        for (const [fork, seatId, id] of [
          [a, 'ana', idA],
          [b, 'ben', idB],
        ] as const) {
          await untilNo(fork, id, seatId);
          expect(await saidBy(world(), seatId, id)).toMatchObject({
            did: ['refused'],
            codes: expect.arrayContaining(['W-ENV-FORK']) as unknown,
          });
        }
        await mineBlocks(world(), 1);
        for (const [fork, id] of [
          [a, idA],
          [b, idB],
        ] as const) {
          expect((await fork.rowOf(id))?.signed.length).toBeLessThan(2);
        }
        for (const { address } of orders) {
          expect(await paymentsTo(world().network.first, address)).toEqual([]);
        }
      } finally {
        await relay.close();
        await Promise.all([a.daemon?.stop(), b.daemon?.stop()]);
      }
    },
    TEST_MS_MAX,
  );
});

/** A key of the thief's for `lp-one`, self-signed as every registration is, and orders by it. */
async function thiefFor(world: World) {
  const secret = randomBytes(32);
  const address = await minerAddress(world.network);
  const here = { treasuryId: world.treasuryId, network: 'regtest' as const, lpId: 'lp-one' };
  const key = bytesToHex(schnorr.getPublicKey(secret));
  return {
    address,
    registration: (activeFromHeight: number) =>
      makeRegistration(
        { ...here, key, activeFromHeight, lifetimeCapSat: '100000000' },
        secret,
        randomBytes(32),
      ),
    order: (amountSat: string) =>
      makeOrder(
        {
          ...here,
          orderId: randomBytes(32).toString('hex'),
          amountSat,
          maxFeeSat: '50000',
          script: scriptOfAddress(address, 'regtest'),
          expiryHeight: 100_000,
        },
        secret,
        randomBytes(32),
      ),
  };
}

async function approversOf(world: World, id: string): Promise<string[]> {
  const { approved } = await askCoordinator<{ approved: string[] }>(world, (client) =>
    client.show.query({ id }),
  );
  return approved;
}

async function headsOf(world: World): Promise<Map<string, number>> {
  const heads = SEATS.map(
    async (seatId): Promise<[string, number]> => [
      seatId,
      (await headOf(homeOf(world, seatId).dir)).seq,
    ],
  );
  return new Map(await Promise.all(heads));
}

/** VmRSS of proc(5). */
async function residentKb(world: World, seatId: string): Promise<number> {
  const pid = homeOf(world, seatId).daemon?.pid ?? 0;
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number.parseInt(/^VmRSS:\s+([0-9]+) kB$/m.exec(text)?.[1] ?? '', 10);
}

/** Keeps a copy of cleo's folder as it is now; gives what puts it back. */
async function backFromOldDisk(world: World): Promise<() => Promise<void>> {
  const { dir } = homeOf(world, 'cleo');
  const kept = `${dir}-kept`;
  await stopAgent(world, 'cleo');
  await cp(dir, kept, { recursive: true });
  await startAgent(world, 'cleo');
  return async () => {
    await rm(dir, { recursive: true });
    await cp(kept, dir, { recursive: true });
  };
}

/** Makes a backup as a guardian does; gives what restores it into a folder of its own. */
async function backFromBackup(world: World): Promise<() => Promise<void>> {
  const home = homeOf(world, 'cleo');
  const file = path.join(world.dir, 'cleo.backup');
  await weirJson(['signer-agent', 'backup', file, '--dir', home.dir]);
  return async () => {
    const { rpcUrl, rpcUser, p2pPort } = world.network.second;
    const dir = path.join(world.dir, 'cleo-new');
    const passphrase = path.join(world.dir, 'cleo.passphrase');
    const password = path.join(world.dir, `rpc-${p2pPort}.password`);
    const user = ['--bitcoind-user', rpcUser, '--bitcoind-password-file', password];
    const node = ['--bitcoind-url', rpcUrl, ...user];
    const restore = ['signer-agent', 'restore', file, '--dir', dir];
    await weirJson([...restore, '--passphrase-file', passphrase, ...node]);
    const config = path.join(dir, 'config.yaml');
    const text = await readFile(config, 'utf8');
    await writeFile(config, text.replace(/^poll_ms: .*$/m, 'poll_ms: 300'));
    home.dir = dir;
  };
}

interface Status {
  automation: { state: string };
  fork: { seq: number; ours: { hash: string }; theirs: { hash: string } } | null;
}

function statusOf(world: World, seatId: string): Promise<Status> {
  return askSeat<Status>(world, seatId, (client) => client.status.query());
}

async function untilHand(world: World, seatId: string, state: 'locked' | 'on'): Promise<void> {
  await until(
    `automatic signing of ${seatId} to be ${state}`,
    async () => (await statusOf(world, seatId)).automation.state === state,
    STEP_MS_MAX,
  );
}

async function untilForkSeen(world: World, seatId: string): Promise<void> {
  const fork = await until(
    `${seatId} to prove the fork`,
    async () => (await statusOf(world, seatId)).fork,
    STEP_MS_MAX,
  );
  expect(fork.ours.hash).not.toBe(fork.theirs.hash);
}

/** Waits until an agent has a proposal and waits with it, for this reason. */
async function untilWaits(world: World, seatId: string, id: string, code: string): Promise<void> {
  await untilKnown(world, seatId, id);
  const { reasons } = await askSeat<{ reasons: { code: string }[] }>(world, seatId, (client) =>
    client.review.query({ id }),
  );
  expect(reasons.map((each) => each.code)).toContain(code);
  expect(await saidBy(world, seatId, id)).toEqual({ did: [], codes: [] });
}

async function untilNo(fork: Fork, id: string, seatId: string): Promise<void> {
  await until(
    `${seatId} to refuse in its fork`,
    async () => (await fork.rowOf(id))?.refused.some((each) => each.seatId === seatId),
    STEP_MS_MAX,
  );
}
