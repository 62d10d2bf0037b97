/** A node that lost its memory, or whose clock is ahead, and a disk that does not keep up: no hold is let go for it. */
import { describe, expect, test } from 'vitest';
import { decideMode } from '../operator/mode-decision.ts';
import { decideReceived } from '../operator/topup-decision.ts';
import { Failure } from '../policies/failure.ts';
import { msat } from '../policies/units.ts';
import { outsideInvoice } from './fake-node.ts';
import { poolDesk, refusalOf } from './pool-desk.ts';
import { agent, untilTrue } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');
const MINUTE_MS = 60_000;
const SILENCE = { is: 'unknown', why: 'unreachable', timeoutHeight: null, detail: '' };

/** Held at the node; the quote. */
async function held(name: string, more: { expiresAtMs?: number } = {}) {
  const quote = await desk.quoted(ana, outsideInvoice(name, 1_000_000n, more));
  desk.world.node.fates.set(quote.payment_hash, 'stays');
  await desk.pay(ana, quote.quote_id);
  return quote;
}

function unfreeze() {
  const wish = { verb: 'unfreeze', why: 'looked', by: 'olga' } as const;
  return desk.pool.engine.act((state, nowMs) => decideMode(state, nowMs, wish));
}

describe('LN-14 a node that was restored from its seed and knows no payment', () => {
  test.each<[when: string, settledBefore: boolean, laterMs: number]>([
    ['something had settled before it, and the invoice still lives', true, 0],
    ['something had settled before it, and the invoice ran out long ago', true, 60 * MINUTE_MS],
    ['nothing had settled before it, and the invoice still lives', false, 0],
    ['nothing had settled before it, and the invoice ran out long ago', false, 60 * MINUTE_MS],
  ])(
    'keeps the hold of what was in flight and sends it no second time: %s',
    async (_when, settledBefore, laterMs) => {
      const { node, clock } = desk.world;
      await desk.credit(ana, 50_000_000n);
      if (settledBefore) {
        const first = await desk.quoted(ana, outsideInvoice('first', 1_000_000n));
        await desk.paid(ana, first.quote_id);
      }
      const quote = await held('in flight', { expiresAtMs: clock.nowMs + 10 * MINUTE_MS });
      const balance = await desk.balance(ana);
      await desk.pool.crash();
      for (const hash of node.payments.keys()) node.forget(hash);
      const { reader } = node;
      // Its channels are gone with its database: peers closed them, and new ones were opened.
      const fresh = (await reader.channels()).map((each) => ({
        ...each,
        outpoint: `${'e'.repeat(64)}:0`,
      }));
      Object.assign(reader, { channels: async () => fresh });
      clock.nowMs += laterMs;
      await desk.open();
      const { engine } = desk.pool;
      if (settledBefore) await untilTrue('the freeze', () => engine.state().mode === 'frozen');
      // Whoever unfreezes goes on paying before the next look: what settles now the node does know.
      const asks = { ...node.payer };
      let silent = true;
      Object.assign(node.payer, {
        lookUp: (hash: string) => (silent ? Promise.resolve(SILENCE) : asks.lookUp(hash)),
      });
      if (settledBefore) await unfreeze();
      const next = await desk.quoted(ana, outsideInvoice('next', 1_000_000n));
      expect(await desk.paid(ana, next.quote_id)).toMatchObject({ status: 'succeeded' });
      silent = false;
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(node.dispatched(quote.payment_hash)).toBe(1);
      expect(engine.state().unresolved.has(quote.quote_id)).toBe(true);
      expect(await desk.balance(ana)).toBeLessThanOrEqual(balance);
      expect(desk.pool.fatal()).toBeNull();
    },
  );
});

describe('an invoice that failed and is paid again', () => {
  test('does not end by the first failure where the node’s clock is ahead of ours', async () => {
    const { node } = desk.world;
    await desk.credit(ana, 50_000_000n);
    const invoice = outsideInvoice('again', 1_000_000n);
    const first = await desk.quoted(ana, invoice);
    node.fates.set(first.payment_hash, 'fails');
    expect(await desk.paid(ana, first.quote_id)).toMatchObject({ status: 'failed' });
    // Our clock stands still, so the second order is not later than what the node says of the first.
    const second = await desk.quoted(ana, invoice, { idempotency_key: 'second' });
    node.fates.set(second.payment_hash, 'late');
    expect(await refusalOf(desk.pay(ana, second.quote_id))).toBe('payment_in_flight');
    expect(desk.pool.engine.state().unresolved.has(second.quote_id)).toBe(true);
    node.arrive();
    await untilTrue('the end', () => desk.pool.engine.state().unresolved.size === 0);
    expect(await desk.paid(ana, second.quote_id)).toMatchObject({ status: 'succeeded' });
    expect(node.settledHtlcs.get(second.payment_hash)).toBe(1);
  });
});

test('a disk that does not keep up ends no process: the outcome is booked when there is room', async () => {
  await desk.credit(ana, 50_000_000n);
  const quote = await held('full');
  const { engine } = desk.pool;
  const whole = { ...engine };
  let refused = 0;
  Object.assign(engine, {
    act(decide: Parameters<typeof whole.act>[0]) {
      if (refused === 20) return whole.act(decide);
      refused += 1;
      return Promise.reject(new Failure('NOT_READY', 'too many wait'));
    },
  });
  desk.world.node.resolve(quote.payment_hash, 'settled');
  await untilTrue('the end', () => engine.state().unresolved.size === 0);
  expect(refused).toBe(20);
  expect(desk.pool.fatal()).toBeNull();
});

describe('what the node received before there was a pool', () => {
  test.each<[when: string, agoMs: number, booked: bigint]>([
    ['before it was opened', 1, 0n],
    ['since it was opened', 0, 7_000n],
  ])('%s: is nobody’s by that much', async (_when, agoMs, booked) => {
    const { engine } = desk.pool;
    const settledAtMs = engine.state().openedAtMs - agoMs;
    const received = {
      paymentHash: 'a'.repeat(64),
      receivedMsat: msat(7_000n),
      settledAtMs,
      settleIndex: 5,
    };
    await engine.act((state, nowMs) => decideReceived(state, nowMs, received));
    expect(desk.account('SYS:liab:unattributed')).toBe(booked);
    expect(engine.state().settleIndex).toBe(5);
  });
});

test('the pool pays for itself only what leaves the channels able to pay all agents out', async () => {
  const operator = agent('ana', { role: 'operator' });
  const { node } = desk.world;
  await desk.credit(agent('ben'), 300_000_000n);
  node.outboundMsat = 350_000_000n;
  await desk.reopen();
  const ask = (name: string, amount: bigint) =>
    desk.pool.api.quotePay(
      operator,
      desk.quoteBody(outsideInvoice(name, amount), { funding: 'treasury', max_fee_msats: 100_000 }),
    );
  expect(await refusalOf(ask('too much', 60_000_000n))).toBe('outbound_too_low');
  expect(await refusalOf(ask('enough', 40_000_000n))).toBe('ok');
});
