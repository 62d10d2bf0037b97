/** The feed of events: what an operator's pager reads off it, and what an agent never sees. */
import { expect, test } from 'vitest';
import { plainNews } from '../operator/decision.ts';
import type { Caller } from '../operator/pool-api.ts';
import type { Event } from '../operator/protocol.ts';
import { outsideInvoice } from './fake-node.ts';
import { body, poolDesk } from './pool-desk.ts';
import { agent } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');
const olga = agent('olga', { role: 'operator' });
const DETAIL = 'the node has not answered for 36 blocks';

async function feedOf(caller: Caller): Promise<Event[]> {
  return body(await desk.pool.api.events(caller, 0, 200, 0)).events;
}

test('an operator reads which alarm and why the mode changed, an agent hears of neither', async () => {
  await desk.credit(ana, 50_000_000n);
  const quote = await desk.quoted(ana, outsideInvoice('one', 1_000_000n));
  await desk.paid(ana, quote.quote_id);
  await desk.pool.engine.act(() => ({
    news: [
      plainNews({ kind: 'alarm', code: 'lnd_offline', detail: DETAIL }),
      plainNews({ kind: 'mode-changed', mode: 'frozen', why: DETAIL, by: 'operator' }),
    ],
    answer: null,
  }));

  const whole = await feedOf(olga);
  expect(whole.find(({ kind }) => kind === 'alarm')).toMatchObject({
    code: 'lnd_offline',
    detail: DETAIL,
  });
  expect(whole.find(({ kind }) => kind === 'mode-changed')).toMatchObject({
    mode: 'frozen',
    why: DETAIL,
  });
  const own = await feedOf(ana);
  expect(own.map(({ kind }) => kind)).toContain('pay-settled');
  expect(own.filter(({ kind }) => kind === 'alarm' || kind === 'mode-changed')).toEqual([]);
  const members = new Set(own.flatMap((event) => Object.keys(event)));
  for (const member of ['code', 'detail', 'mode', 'why']) expect(members).not.toContain(member);
});
