/** A payment whose end does not come by itself is said aloud, once, and no clock gives its money back. */
import { expect, test } from 'vitest';
import type { NodeLook } from '../operator/node-watch.ts';
import { watchStuck } from '../operator/stuck-watch.ts';
import { outsideInvoice } from './fake-node.ts';
import { poolDesk } from './pool-desk.ts';
import { agent, TEST_POLICY } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');
const MINUTE_MS = 60_000;

/** The pool's node is looked at when the test says so, with these HTLCs and at this height. */
function watched() {
  const { engine } = desk.pool;
  const alarms: string[] = [];
  engine.onDurable((news) => {
    for (const { event } of news) if (event.kind === 'alarm') alarms.push(event.code);
  });
  const listeners: ((look: NodeLook) => Promise<void>)[] = [];
  watchStuck({
    engine,
    watch: { onLook: (listener) => void listeners.push(listener) },
    policy: TEST_POLICY,
  });
  const { reader } = desk.world.node;
  return {
    alarms,
    look: async (htlcs: string[], height = 200): Promise<void> => {
      const standing = { ...(await reader.standing()), height };
      const channels = (await reader.channels()).map((each) => ({
        ...each,
        pendingHashes: htlcs,
      }));
      const look = { standing, channels, lost: [], atMs: desk.world.clock.nowMs, seq: 0 };
      for (const listener of listeners) await listener(look);
      await engine.durable();
    },
  };
}

async function inFlight(name: string): Promise<string> {
  await desk.credit(ana, 50_000_000n);
  const quote = await desk.quoted(ana, outsideInvoice(name, 1_000_000n));
  desk.world.node.fates.set(quote.payment_hash, 'stays');
  await desk.pay(ana, quote.quote_id);
  return quote.payment_hash;
}

test('LN-5 in flight and without an HTLC for a minute is an alarm, said once, and stays held', async () => {
  await inFlight('bare');
  const held = await desk.balance(ana);
  const { alarms, look } = watched();
  const { clock } = desk.world;
  await look([]);
  clock.nowMs += MINUTE_MS;
  await look([]);
  expect(alarms).toEqual([]);
  clock.nowMs += MINUTE_MS;
  await look([]);
  await look([]);
  expect(alarms).toEqual(['payment_without_htlc']);
  expect(await desk.balance(ana)).toBe(held);
  expect(desk.pool.engine.state().unresolved.size).toBe(1);
});

test('an HTLC that comes back ends the count, and one that goes again begins it anew', async () => {
  const hash = await inFlight('again');
  const { alarms, look } = watched();
  const { clock } = desk.world;
  clock.nowMs += MINUTE_MS;
  for (const htlcs of [[], [hash], []]) {
    await look(htlcs);
    clock.nowMs += MINUTE_MS - 1;
  }
  expect(alarms).toEqual([]);
  await look([]);
  clock.nowMs += MINUTE_MS;
  await look([]);
  expect(alarms).toEqual(['payment_without_htlc']);
});

test('LN-4 an HTLC that is long past its last height is an alarm, said once', async () => {
  const hash = await inFlight('late');
  const { alarms, look } = watched();
  const last = 200 + TEST_POLICY.pay.urgency.normal.maxTimeoutBlocks;
  await look([hash], last + 17);
  expect(alarms).toEqual([]);
  await look([hash], last + 18);
  await look([hash], last + 19);
  expect(alarms).toEqual(['payment_past_timeout']);
});

test('what ended is no alarm', async () => {
  const hash = await inFlight('ends');
  const { alarms, look } = watched();
  desk.world.node.resolve(hash, 'settled');
  const { clock } = desk.world;
  clock.nowMs += MINUTE_MS;
  await look([]);
  clock.nowMs += 2 * MINUTE_MS;
  await expect.poll(() => desk.pool.engine.state().unresolved.size).toBe(0);
  await look([], 10_000);
  expect(alarms).toEqual([]);
});
