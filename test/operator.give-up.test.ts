/** A payment that a lost node took with it is ended by a person, and by nobody else. */
import { beforeEach, expect, test } from 'vitest';
import { giveUpPayment } from '../operator/give-up.ts';
import { decideMode } from '../operator/mode-decision.ts';
import type { NodeLook } from '../operator/node-watch.ts';
import { LOST_AFTER_EXPIRY_MS } from '../operator/payment-driver.ts';
import { matchSince } from '../operator/reconcile.ts';
import { outsideInvoice } from './fake-node.ts';
import { poolDesk, refusalOf } from './pool-desk.ts';
import { agent, TEST_POLICY } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');
const CREDIT = 50_000_000n;
const WORDS = { why: 'the disk is gone, its channels are closed', by: 'olga' };

async function inFlight(): Promise<{ quoteId: string; hash: string }> {
  await desk.credit(ana, CREDIT);
  const quote = await desk.quoted(ana, outsideInvoice('gone', 1_000_000n));
  desk.world.node.fates.set(quote.payment_hash, 'stays');
  await desk.pay(ana, quote.quote_id);
  return { quoteId: quote.quote_id, hash: quote.payment_hash };
}

async function freeze(): Promise<void> {
  const wish = { verb: 'freeze', why: 'a disk is gone', by: 'olga' } as const;
  await desk.pool.engine.act((state, nowMs) => decideMode(state, nowMs, wish));
}

function givesUp(quoteId: string): Promise<void> {
  const { engine } = desk.pool;
  const { payer } = desk.world.node;
  const { now } = desk.world.clock;
  return giveUpPayment({ engine, payer, watch: { look: looked }, now }, { quoteId, ...WORDS });
}

/** The node is here when it is looked at; an HTLC of a payment made at 200 is off the chain by then. */
const LAST_HEIGHT = 200 + TEST_POLICY.pay.urgency.normal.maxTimeoutBlocks + 18;
let height = LAST_HEIGHT;
beforeEach(() => {
  height = LAST_HEIGHT;
});

function looked(): NodeLook {
  const standing = { height } as NodeLook['standing'];
  return { standing, channels: [], lost: [], atMs: 0, seq: 0 };
}

/** Longer than any invoice of `outsideInvoice` lives. */
const LATER_MS = 24 * 60 * 60_000 + LOST_AFTER_EXPIRY_MS;

test('gives what was held back to its agent, and says by whom it was given up', async () => {
  const { quoteId, hash } = await inFlight();
  await freeze();
  desk.world.node.forget(hash);
  desk.world.clock.nowMs += LATER_MS;
  await givesUp(quoteId);
  expect(await desk.balance(ana)).toBe(CREDIT);
  expect(desk.pool.engine.state().payments.get(quoteId)).toMatchObject({
    state: 'failed',
    failure: { why: 'error', detail: `given up by olga: ${WORDS.why}` },
  });
  await expect(givesUp(quoteId)).rejects.toThrow(/failed already/);
});

test.each<[what: string, setUp: (hash: string) => Promise<void> | void, why: RegExp]>([
  [
    'of a pool that is not frozen',
    (hash) => {
      desk.world.node.forget(hash);
      desk.world.clock.nowMs += LATER_MS;
    },
    /freeze the pool first/,
  ],
  [
    'whose invoice may still be paid',
    async (hash) => {
      await freeze();
      desk.world.node.forget(hash);
    },
    /may still be paid/,
  ],
  [
    'that the node knows',
    async () => {
      await freeze();
      desk.world.clock.nowMs += LATER_MS;
    },
    /the node knows it: in_flight/,
  ],
  [
    'whose HTLC may still be out',
    async (hash) => {
      await freeze();
      desk.world.node.forget(hash);
      desk.world.clock.nowMs += LATER_MS;
      height = LAST_HEIGHT - 1;
    },
    /may be out until block/,
  ],
  [
    'while the node does not answer',
    async (hash) => {
      await freeze();
      desk.world.node.forget(hash);
      desk.world.clock.nowMs += LATER_MS;
      desk.world.node.away = true;
    },
    /unreachable/,
  ],
])('refuses to give up a payment %s', async (_what, setUp, why) => {
  const { quoteId, hash } = await inFlight();
  const before = await desk.balance(ana);
  await setUp(hash);
  await expect(givesUp(quoteId)).rejects.toThrow(why);
  expect(desk.pool.engine.state().unresolved.has(quoteId)).toBe(true);
  expect(await desk.balance(ana)).toBe(before);
});

test('gives up what failed under an earlier quote, which is all that an older node knows of it', async () => {
  await desk.credit(ana, CREDIT);
  const { node } = desk.world;
  const invoice = outsideInvoice('twice', 1_000_000n);
  const first = await desk.quoted(ana, invoice);
  node.fates.set(first.payment_hash, 'fails');
  await desk.paid(ana, first.quote_id);
  const second = await desk.quoted(ana, invoice, { idempotency_key: 'second' });
  node.fates.set(second.payment_hash, 'lost');
  await desk.pay(ana, second.quote_id);
  await freeze();
  desk.world.clock.nowMs += LATER_MS;
  await givesUp(second.quote_id);
  expect(await desk.balance(ana)).toBe(CREDIT);
});

test('the hourly match looks back as far as what failed could still settle, and a day where nothing could', async () => {
  await desk.credit(ana, CREDIT);
  const quote = await desk.quoted(ana, outsideInvoice('fails', 1_000_000n));
  desk.world.node.fates.set(quote.payment_hash, 'fails');
  await desk.pay(ana, quote.quote_id);
  expect(await refusalOf(desk.pay(ana, quote.quote_id))).toBe('ok');
  const state = desk.pool.engine.state();
  const payment = state.payments.get(quote.quote_id);
  if (payment === undefined) throw new Error('no payment');
  const { reservedAtMs, maxTimeoutHeight } = payment;
  const muchLater = reservedAtMs + 10 * 24 * 60 * 60_000;
  expect(matchSince(state, maxTimeoutHeight, muchLater)).toBeLessThan(reservedAtMs);
  expect(matchSince(state, maxTimeoutHeight + 144, muchLater)).toBeGreaterThan(reservedAtMs);
});
