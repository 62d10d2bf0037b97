/**
 * Attacks on the money of a running treasury: limits, fee bumps, hoarded signatures, replayed orders, change
 * that nobody finds again. Each by a coordinator in a thief's hands; the agents are as their guardians left them.
 */
import { expect, test } from 'vitest';
import { spentCoins } from '../coordinator/collect.ts';
import { rebuilt } from '../coordinator/facts.ts';
import { propose } from '../coordinator/propose.ts';
import { nextChangeIndex, spendableCoins } from '../coordinator/spendable.ts';
import type { Workplace } from '../coordinator/workplace.ts';
import { mineBlocks } from '../demo/decisions.ts';
import { policyFor, startAgent, stopAgent } from '../demo/world.ts';
import { finalizeTx, signaturesFromHex } from '../descriptors/signature.ts';
import { feerate } from '../policies/units.ts';
import { describeWithBitcoind } from './bitcoind-available.ts';
import {
  backAtWork,
  batchOf,
  bumpOf,
  everybodyWorks,
  freeCoin,
  PLAIN_FEERATE,
  planted,
  saidBy,
  takenOver,
  untilOut,
  untilRefused,
} from './e2e-hostile.ts';
import {
  askCoordinator,
  confirmed,
  paymentsTo,
  proposed,
  queue,
  sharedWorld,
  signedOrder,
  untilRow,
} from './e2e-world.ts';

const QUORUM = { threshold: 2, of: 3 };
const TEST_MS_MAX = 300_000;
const SEATS = ['ana', 'ben', 'cleo'];
const WINDOW_BLOCKS = 6;
/** Blocks after which nothing counts in the window any more: buried first, then a window older. */
const CLEAR_BLOCKS = 2 * WINDOW_BLOCKS + 1;
const COINS = Array.from({ length: 12 }, () => '0.1');

/** The demo's policy with a window of 1,500,000 sat in six blocks. */
const policy = (await policyFor(QUORUM)).replace(
  /- \{ name: hour, .*\}/,
  `- { name: hour, blocks: ${WINDOW_BLOCKS}, max: 1_500_000 }`,
);

describeWithBitcoind('a coordinator in the hands of a thief', () => {
  const world = sharedWorld({ quorum: QUORUM, policy, coinsBtc: COINS });

  test(
    'a window is the treasury’s: three rotating pairs cannot spend more than it together',
    async () => {
      await stopAgent(world(), 'cleo');
      const first = await proposed(world(), '700000');
      expect((await untilOut(world(), first.id, 'the first pair')).signed).toEqual(
        expect.arrayContaining(['ana', 'ben']),
      );
      await stopAgent(world(), 'ben');
      await startAgent(world(), 'cleo');
      const second = await proposed(world(), '700000');
      expect((await untilOut(world(), second.id, 'the second pair')).signed).toEqual(
        expect.arrayContaining(['ana', 'cleo']),
      );
      await stopAgent(world(), 'ana');
      await startAgent(world(), 'ben');
      const third = await signedOrder(world(), '700000');
      const id = await takenOver(world(), (work) => planted(work, batchOf(work, [third.order])));
      // Ben signed the first only, cleo the second only: each alone would have room for it.
      expect(await untilRefused(world(), id, ['ben', 'cleo'])).toContain('W-LIM-WINDOW');
      await startAgent(world(), 'ana');
      expect(await untilRefused(world(), id, ['ana'])).toContain('W-LIM-WINDOW');
      await confirmed(world(), first.id);
      await untilRow(world(), second.id, 'its block', ({ state }) => state === 'confirmed');
      const { first: node } = world().network;
      expect(await paymentsTo(node, first.address)).toHaveLength(1);
      expect(await paymentsTo(node, second.address)).toHaveLength(1);
      expect(await paymentsTo(node, third.address)).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test(
    'bumps {A,B} to {A,C}; refuses {C,D}, which leaves the anchor, and the payee is paid once',
    async () => {
      await everybodyWorks(world());
      await mineBlocks(world(), CLEAR_BLOCKS);
      const { order, address } = await signedOrder(world(), '600000');
      const { root, coins } = await takenOver(world(), async (work) => {
        const [a, b] = [freeCoin(work, 0), freeCoin(work, 1)];
        const others = { c: freeCoin(work, 2), d: freeCoin(work, 3) };
        const first = batchOf(work, [order], { coins: [a, b], anchor: a.outpoint });
        return { root: await planted(work, first), coins: { a, ...others } };
      });
      const sent = await untilOut(world(), root, 'the first variant');
      const rawFirst = await world().network.first.rpc<string>('getrawtransaction', [sent.txid]);
      const { a, c, d } = coins;
      const bump = { of: root, orders: [order], anchor: a.outpoint };
      const second = await takenOver(world(), (work) =>
        planted(work, bumpOf(work, { ...bump, coins: [a, c], rate: feerate(6_000n) })),
      );
      const bumped = await untilOut(world(), second, 'the bump');
      const strays = await takenOver(world(), async (work) => {
        const stray = { ...bump, coins: [c, d], rate: feerate(20_000n) };
        return [
          await planted(work, bumpOf(work, stray)),
          await planted(work, bumpOf(work, { ...stray, anchor: c.outpoint })),
        ];
      });
      for (const id of strays) {
        expect(await untilRefused(world(), id, SEATS)).toContain('W-FEE-BUMP-ANCHOR');
      }
      await confirmed(world(), second);
      const { first: node } = world().network;
      // The first variant, kept by the thief, spends the same anchor: it is worth nothing now.
      await expect(node.rpc('sendrawtransaction', [rawFirst])).rejects.toThrow(/missing|spent/i);
      expect(await paymentsTo(node, address)).toEqual([
        expect.objectContaining({ txid: bumped.txid }),
      ]);
    },
    TEST_MS_MAX,
  );

  test(
    'signatures that are hoarded hold coins, limit and order until the cancel is six deep; then it is paid once',
    async () => {
      await everybodyWorks(world());
      await mineBlocks(world(), CLEAR_BLOCKS);
      await world().coordinator.daemon?.stop();
      await backAtWork(world(), { WEIR_CRASH_AT: 'before-append-broadcast-intended:1' });
      const { id, order, address } = await proposed(world(), '900000');
      expect(await world().coordinator.daemon?.ended).toBe('SIGKILL');
      const { raw, cancel } = await takenOver(world(), async (work) => {
        const settings = { longTermFeerate: PLAIN_FEERATE, initiator: 'coordinator' };
        const request = { kind: 'cancel', of: id, feerate: null } as const;
        const outcome = await propose(work, request, settings);
        return { raw: finished(work, id), cancel: outcome.id ?? '' };
      });
      await untilOut(world(), cancel, 'the cancel');
      const tip = await world().network.first.rpc<number>('getblockcount');
      const other = await signedOrder(world(), '700000', { expiryHeight: tip + 4 });
      await queue(world(), other.order);
      await expect(batch()).rejects.toThrow(/more than may leave now/);
      await confirmed(world(), cancel);
      await expect(batch()).rejects.toThrow(/more than may leave now/);
      const again = await takenOver(world(), async (work) => {
        const { coins } = known(work, id).proposal.intent.plan;
        const held = new Set(coins.map(({ outpoint }) => outpoint));
        const free = spendableCoins(work.situation());
        expect(free.some(({ outpoint }) => held.has(outpoint))).toBe(false);
        return planted(work, batchOf(work, [order]));
      });
      expect(await untilRefused(world(), again, SEATS)).toContain('W-OUT-PAID-BEFORE');
      await mineBlocks(world(), 5);
      await untilRow(world(), cancel, 'its burial', ({ state }) => state === 'buried');
      const { id: paid } = await batch();
      await untilOut(world(), paid ?? '', 'the payment');
      const row = await confirmed(world(), paid ?? '');
      const { first: node } = world().network;
      await expect(node.rpc('sendrawtransaction', [raw])).rejects.toThrow(/missing|spent/i);
      expect(await paymentsTo(node, address)).toEqual([
        expect.objectContaining({ txid: row.txid }),
      ]);
    },
    TEST_MS_MAX,
  );

  test(
    'an order paid while an agent was offline is not paid again through it',
    async () => {
      await everybodyWorks(world());
      await mineBlocks(world(), CLEAR_BLOCKS);
      await stopAgent(world(), 'cleo');
      const { id, order, address } = await proposed(world(), '400000');
      await untilOut(world(), id, 'the payment');
      await confirmed(world(), id);
      await mineBlocks(world(), 6);
      await stopAgent(world(), 'ana');
      await startAgent(world(), 'cleo');
      const replay = await takenOver(world(), (work) => planted(work, batchOf(work, [order])));
      expect(await untilRefused(world(), replay, ['cleo', 'ben'])).toContain('W-OUT-PAID-BEFORE');
      await startAgent(world(), 'ana');
      expect(await untilRefused(world(), replay, ['ana'])).toContain('W-OUT-PAID-BEFORE');
      expect(await saidBy(world(), 'cleo', id)).toMatchObject({ did: [] });
      await mineBlocks(world(), 1);
      expect(await paymentsTo(world().network.first, address)).toHaveLength(1);
    },
    TEST_MS_MAX,
  );

  test(
    'refuses change at an index where a recovery would not look for it, in every agent',
    async () => {
      await everybodyWorks(world());
      await mineBlocks(world(), CLEAR_BLOCKS);
      const { order } = await signedOrder(world(), '300000');
      const ids = await takenOver(world(), async (work) => {
        const next = nextChangeIndex(work.situation());
        return [
          await planted(work, batchOf(work, [order], { change: { index: next + 21 } })),
          await planted(work, batchOf(work, [order], { change: { index: 1_000_000 } })),
        ];
      });
      for (const id of ids) {
        expect((await untilRefused(world(), id, SEATS)).join()).toMatch(/W-OUT-CHANGE/);
      }
    },
    TEST_MS_MAX,
  );

  async function batch(): Promise<{ id: string | null }> {
    return askCoordinator(world(), (client) =>
      client.proposeSpend.mutate({ request: { kind: 'withdrawal_batch' }, initiator: null }),
    );
  }
});

function known(work: Workplace, id: string) {
  const state = work.log.treasury().proposals.get(id);
  if (state === undefined) throw new Error(`the log holds no ${id}`);
  return state;
}

/** The transaction that a hoarder can make of the signatures it collected. */
function finished(work: Workplace, id: string): string {
  const state = known(work, id);
  const vault = work.vault();
  const built = rebuilt(state, work.situation());
  const signed = [...state.contributions.values()]
    .slice(0, QUORUM.threshold)
    .map(({ seatId, signatures }) => ({
      seat: vault.seats.indexOf(seatId),
      signatures: signaturesFromHex(signatures),
    }));
  const coins = spentCoins(built, vault);
  return finalizeTx(built.unsignedTx, coins, signed, QUORUM.threshold).rawTx;
}
