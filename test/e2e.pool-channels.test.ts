/**
 * Channels of a pool on real LNDs, a real coordinator and real agents, driven by its commands: opened by quorum,
 * given up, taken up again after a crash, closed to the treasury, restored from their backup.
 */
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { base64 } from '@scure/base';
import {
  addPeer,
  getChainBalance,
  getChannels,
  getClosedChannels,
  getPendingChannels,
  payViaPaymentRequest,
  recoverFundsFromChannels,
} from 'ln-service';
import { expect, test } from 'vitest';
import { operatorJson, startOperator } from '../demo/lightning-world.ts';
import { STEP_MS_MAX } from '../demo/world.ts';
import { sat } from '../policies/units.ts';
import { fundNode, mineSynced } from '../regtest/lightning.ts';
import { openChannel } from '../regtest/lightning-channels.ts';
import { invoice } from '../regtest/lightning-payments.ts';
import { called } from '../regtest/ln-call.ts';
import { type LndNode, startLnd } from '../regtest/lnd.ts';
import { seedWords } from '../regtest/lnd-wallet.ts';
import { minerAddress } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { guardianSaysYes } from './e2e-people.ts';
import {
  agreed,
  batchNow,
  booksAgree,
  channelsOf,
  conflictOf,
  type ListedBatch,
  MINER,
  minedUntil,
  opened,
  opens,
  pendingAt,
  QUORUM,
  sharedPool,
  unsignedOf,
  untilList,
  wish,
} from './e2e-pool.ts';
import { paymentsTo, rowOf, rowsOf } from './e2e-world.ts';
import { describeWithLnd, lndBinary } from './lnd-available.ts';
import { realHands } from './lnd-hands.ts';

const TEST_MS_MAX = 400_000;
/** A wallet that is made of words reads the chain first, and its peers close when they next meet. */
const RESTORE_MS_MAX = 240_000;

describeWithLnd('channels of a pool', () => {
  const world = sharedPool({ nodes: ['pool', 'left', 'right'] });
  const pool = () => world().lightning.node('pool');

  test(
    'LN-9 a node without coins refuses a funding without a reserve, and what it lists all the same is forgotten by a conflict',
    async () => {
      const { lightning } = world();
      const left = lightning.node('left');
      const hands = await realHands(pool());
      const { manager } = hands;
      await manager.connect(left.publicKey, `127.0.0.1:${left.p2pPort}`);
      const closeAddress = await minerAddress(lightning.network);
      const order = { peer: left.publicKey, capacitySat: sat(1_000_000n), closeAddress };
      const asked = await manager.openChannels([{ ...order, announced: 'public' }]);
      const [funding] = asked;
      const { psbt } = await lightning.network.first.rpc<{ psbt: string }>(
        'walletcreatefundedpsbt',
        [[], [{ [funding?.address ?? '']: '0.01' }]],
        MINER,
      );
      const ids = asked.map(({ pendingId }) => pendingId);
      await expect(manager.verifyFunding(ids, base64.decode(psbt))).rejects.toMatchObject({
        code: 'LND_REFUSED',
        message: expect.stringContaining('anchor reserve') as unknown,
      });
      // It says no after it has gone on (lnwallet/wallet.go, PsbtFundingVerify): the refusal proves nothing.
      for (const id of ids) await manager.cancelPending(id);
      const [outpoint = ''] = await until(
        'the channel that was refused to be pending',
        async () => {
          const found = await pendingAt(pool());
          return found.length === 1 ? found : null;
        },
        STEP_MS_MAX,
      );
      const confirmedTx = await conflictOf(lightning.network, psbt);
      await mineSynced(lightning, 6);
      const { tx: pendingTx } = await unsignedOf(lightning.network, psbt);
      await manager.forgetConflicted({ outpoint, pendingTx, confirmedTx });
      expect(await pendingAt(pool())).toEqual([]);
      hands.close();
    },
    TEST_MS_MAX,
  );

  test(
    'LN-10 two channels are pending at the node before a guardian is asked, and then open in one transaction',
    async () => {
      const capital = ['capital', '--rail', 'cold', '--amount-msat', '50000000000'];
      await operatorJson(world(), [...capital, '--why', 'what the treasury holds for the pool']);
      const batch = await opens(world(), [
        ...wish(world(), 'left', '3000000'),
        ...wish(world(), 'right', '2500000'),
      ]);
      expect([batch.phase, batch.abort]).toEqual(['attested', null]);
      expect((await pendingAt(pool())).toSorted()).toEqual(batch.outpoints.toSorted());
      expect((await rowOf(world().treasury, batch.proposalId ?? '')).signed).toEqual([]);
      await opened(world(), batch);
      const { channels } = await called('channels', getChannels({ lnd: pool().lnd }));
      const closes = channels.map((each) => each.cooperative_close_address);
      expect(new Set(closes)).toEqual(new Set(batch.channels.map((each) => each.closeAddress)));
      expect(new Set(closes).size).toBe(2);
      const listed = (await channelsOf(world())).channels;
      expect(listed.map(({ closes: to, backedUp }) => [to, backedUp])).toEqual([
        ['to_treasury', true],
        ['to_treasury', true],
      ]);
      // LN-9: the node had no coin of its own; the same transaction gave it what its anchors need.
      expect(batch.reserve?.amountSat).toBe('20000');
      const { chain_balance: own } = await called('coins', getChainBalance({ lnd: pool().lnd }));
      expect(own).toBe(20_000);
      await booksAgree(world());
    },
    TEST_MS_MAX,
  );

  test(
    'a peer opens a channel to us through the acceptor, and it closes to the treasury',
    async () => {
      const { lightning } = world();
      await openChannel(lightning, lightning.node('left'), pool(), { sat: 1_500_000 });
      const { channels } = await untilList(
        world(),
        'three channels',
        (list) => list.channels.filter(({ state }) => state === 'active').length === 3,
      );
      const theirs = channels.find(({ openedBy }) => openedBy === 'peer');
      expect(theirs?.closes).toBe('to_treasury');
      const promised = async () =>
        (await operatorJson<{ promised: unknown[] }>(world(), ['channels', 'accept'])).promised;
      expect(await promised()).toHaveLength(1);
      await fundNode(lightning, lightning.node('right'), '0.05');
      for (const [name, size] of [
        ['left', 50_000],
        ['left', 10_000_001],
        ['right', 1_500_000],
      ] as const) {
        const refused = openChannel(lightning, lightning.node(name), pool(), { sat: size });
        await expect(refused).rejects.toThrow(/FailedToOpenChannel/);
      }
      expect(await promised()).toHaveLength(1);
      await booksAgree(world());
    },
    TEST_MS_MAX,
  );

  test(
    'a peer that refuses ends the batch before anything is proposed, and holds nothing afterwards',
    async () => {
      const before = (await rowsOf(world().treasury)).length;
      // `right` takes one pending channel at a time, as LND does by default.
      const batch = await opens(world(), [
        ...wish(world(), 'right', '1000000'),
        ...wish(world(), 'right', '1100000'),
      ]);
      expect([batch.phase, batch.abort?.why]).toEqual(['aborted', 'peer_refused']);
      expect(batch.abort?.detail).toContain(world().lightning.node('right').publicKey);
      expect(await rowsOf(world().treasury)).toHaveLength(before);
      expect(await pendingAt(pool())).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test(
    'what is pending is given up by moving the coins, six blocks deep, and the busy peer is named afterwards',
    async () => {
      const batch = await opens(world(), wish(world(), 'right', '1000000'));
      expect(batch.phase).toBe('attested');
      const words = ['channels', 'abort', batch.batchId, 'changed our mind'];
      const given = await operatorJson<ListedBatch>(world(), words, [0, 4]);
      expect(given.phase).toBe('conflicting');
      const { abort } = given.abort?.cancelId == null ? await untilCancelled(batch) : given;
      await agreed(world(), abort?.cancelId ?? '');
      for (let blocks = 1; blocks <= 5; blocks += 1) {
        await mineSynced(world().lightning, 1);
        expect([blocks, await pendingAt(pool())]).toEqual([blocks, batch.outpoints]);
      }
      await minedUntil(world(), 'the batch to be over', ({ batches }) =>
        batches.some((each) => each.batchId === batch.batchId && each.phase === 'aborted'),
      );
      expect(await pendingAt(pool())).toEqual([]);
      await booksAgree(world());
      const next = await opens(world(), wish(world(), 'right', '1000000'));
      expect(next.abort?.why).toBe('peer_refused');
      expect(next.abort?.detail).toContain(`batch ${batch.batchId.slice(0, 8)}`);
    },
    TEST_MS_MAX,
  );

  async function untilCancelled(batch: ListedBatch): Promise<ListedBatch> {
    await untilList(world(), 'the cancel', ({ batches }) =>
      batches.some((each) => each.batchId === batch.batchId && each.abort?.cancelId != null),
    );
    return batchNow(world(), batch);
  }

  test.each<[moment: string, node: 'stays' | 'restarts', end: 'done' | 'aborted']>([
    ['after-open-channels', 'stays', 'aborted'],
    ['before-verify', 'restarts', 'aborted'],
    ['after-verify', 'stays', 'done'],
    ['after-word', 'stays', 'done'],
  ])(
    'an operator that dies %s, while its node %s, leaves the batch %s',
    async (moment, node, end) => {
      const { operator } = world();
      await operator.daemon?.stop();
      await startOperator(world(), { WEIR_CRASH_AT: `${moment}:1` });
      await opens(world(), wish(world(), 'left', '500000')).catch(() => null);
      await operator.daemon?.ended;
      if (node === 'restarts') await pool().restart();
      await startOperator(world());
      const { batches } = await untilList(world(), 'the batch to go on', (list) => {
        const phase = list.batches.at(-1)?.phase ?? '';
        return ['attested', 'broadcast', 'done', 'aborted'].includes(phase);
      });
      const batch = batches.at(-1);
      if (batch === undefined) throw new Error('no batch');
      if (end === 'done') await opened(world(), batch);
      expect((await batchNow(world(), batch)).phase).toBe(end);
      await booksAgree(world());
    },
    TEST_MS_MAX,
  );

  test(
    'a close waits for two guardians, is ordered by nobody else, and pays the treasury',
    async () => {
      const { channels, batches } = await channelsOf(world());
      const ours = channels.find(({ openedBy, state }) => openedBy === 'us' && state === 'active');
      const outpoint = ours?.outpoint ?? '';
      const words = ['channels', 'close', outpoint, '--max-feerate', '20000'];
      const asked = await operatorJson<{ authorizationId: string }>(world(), [
        ...words,
        '--initiator',
        'pool',
      ]);
      const phase = async () =>
        (await channelsOf(world())).closes.find((each) => each.outpoint === outpoint)?.phase;
      const [first, second] = QUORUM;
      await guardianSaysYes(world().treasury, first, asked.authorizationId);
      expect(await phase()).toBe('asked');
      await guardianSaysYes(world().treasury, second, asked.authorizationId);
      await untilList(world(), 'the close to be out', ({ closes }) =>
        closes.some((each) => each.outpoint === outpoint && each.phase === 'closing'),
      );
      await minedUntil(world(), 'the close to be over', ({ closes }) =>
        closes.some((each) => each.outpoint === outpoint && each.phase === 'closed'),
      );
      const [txid] = outpoint.split(':');
      const batch = batches.find((each) => each.txid === txid);
      const address = batch?.channels[batch.outpoints.indexOf(outpoint)]?.closeAddress ?? '';
      expect(await paymentsTo(world().lightning.network.first, address)).toHaveLength(1);
      await booksAgree(world());
    },
    TEST_MS_MAX,
  );

  test(
    'LN-14 a node on an old channel database freezes the pool',
    async () => {
      const { lightning } = world();
      const left = lightning.node('left');
      const node = pool();
      await node.stop();
      const chain = path.join(node.dir, 'data');
      const copy = path.join(world().dir, 'old-data');
      await cp(chain, copy, { recursive: true });
      await node.restart();
      const { entries } = await operatorJson<{ entries: number }>(world(), ['status']);
      const { request } = await invoice(node, { msat: 3_000_000n });
      await until(
        'left to pay',
        () =>
          called('pay', payViaPaymentRequest({ lnd: left.lnd, request, max_fee: 10 })).catch(
            () => null,
          ),
        STEP_MS_MAX,
      );
      await until(
        'the operator to have seen the channel go on',
        async () => {
          const kinds = await kindsAfter(entries);
          const paid = kinds.indexOf('received-unattributed');
          return paid >= 0 && kinds.indexOf('node-seen', paid) > paid ? true : null;
        },
        STEP_MS_MAX,
      );
      await node.stop();
      await rm(chain, { recursive: true });
      await cp(copy, chain, { recursive: true });
      await node.restart();
      const mode = await until(
        'the pool to be frozen',
        async () => {
          const status = await operatorJson<{ mode: string; modeWhy?: string }>(world(), [
            'status',
          ]);
          return status.mode === 'frozen' ? status : null;
        },
        STEP_MS_MAX,
      );
      expect(JSON.stringify(mode)).toContain('old channel database');
    },
    TEST_MS_MAX,
  );

  /** Kinds of entries in the public log, after one; none while the API says that it was asked too often. */
  async function kindsAfter(seq: number): Promise<string[]> {
    const answer = await fetch(`${world().operator.url}/v1/log?after=${seq}&limit=100`);
    const page = (await answer.json()) as { records?: { kind: string }[] };
    return (page.records ?? []).map(({ kind }) => kind);
  }

  /** A node restored from words is found by nobody: it goes to its peers, and they close. */
  async function meets(fresh: LndNode, name: 'left' | 'right'): Promise<void> {
    const { publicKey, p2pPort } = world().lightning.node(name);
    const peer = { public_key: publicKey, socket: `127.0.0.1:${p2pPort}` };
    await called('addPeer', addPeer({ lnd: fresh.lnd, ...peer })).catch(() => null);
  }

  test(
    'LN-13 a fresh node with the words and the newest backup gets every channel closed to it',
    async () => {
      const { lightning, operator } = world();
      const node = pool();
      const { channels } = await called('channels', getChannels({ lnd: node.lnd }));
      const wanted = channels.map((each) => `${each.transaction_id}:${each.transaction_vout}`);
      expect(wanted.length).toBeGreaterThan(0);
      await operator.daemon?.stop();
      await node.stop();
      const folder = path.join(operator.dir, 'backups');
      const newest = (await readdir(folder)).toSorted().at(-1) ?? '';
      const backup = (await readFile(path.join(folder, newest))).toString('hex');
      const fresh = await startLnd({
        binary: lndBinary(),
        dir: path.join(world().dir, 'restored'),
        alias: 'restored',
        bitcoind: lightning.network.first,
        feeUrl: lightning.fees.url,
        seed: { words: await seedWords(node.dir) },
      });
      try {
        await called('restore', recoverFundsFromChannels({ lnd: fresh.lnd, backup }));
        await until(
          'the peers to close every channel',
          async () => {
            for (const peer of ['left', 'right'] as const) await meets(fresh, peer);
            await mineSynced(lightning, 1);
            const { channels: closed } = await called(
              'closed',
              getClosedChannels({ lnd: fresh.lnd }),
            );
            const { pending_channels: pending } = await called(
              'pending',
              getPendingChannels({ lnd: fresh.lnd }),
            );
            const closing = [...closed, ...pending.filter((each) => each.close_transaction_id)];
            const found = closing.map((each) => `${each.transaction_id}:${each.transaction_vout}`);
            return wanted.every((each) => found.includes(each)) ? true : null;
          },
          RESTORE_MS_MAX,
        );
      } finally {
        await fresh.stop();
      }
    },
    TEST_MS_MAX,
  );
});
