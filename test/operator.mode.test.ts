/** Freezing and winding down are two things: neither is ended by taking the other one back. */
import { describe, expect, test } from 'vitest';
import { freezeNews } from '../operator/channels/channel-look.ts';
import { decideMode, type ModeVerb } from '../operator/credential-decision.ts';
import { withdrawRequest } from '../operator/protocol.ts';
import { outsideInvoice } from './fake-node.ts';
import { poolDesk, refusalOf } from './pool-desk.ts';
import { agent } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');

async function says(verb: ModeVerb): Promise<boolean> {
  const wish = { verb, why: `${verb} it`, by: 'olga' };
  const answer = await desk.pool.engine.act((state, nowMs) => decideMode(state, nowMs, wish));
  return answer.changed;
}

test.each<[said: ModeVerb[], last: 'changed' | 'refused', mode: string, why: string]>([
  [['freeze'], 'changed', 'frozen', 'freeze it'],
  [['freeze', 'freeze'], 'refused', 'frozen', 'freeze it'],
  [['freeze', 'unfreeze'], 'changed', 'open', 'unfreeze it'],
  [['unfreeze'], 'refused', 'open', ''],
  [['wind-down'], 'changed', 'winding-down', 'wind-down it'],
  [['wind-down', 'wind-down'], 'refused', 'winding-down', 'wind-down it'],
  [['wind-down', 'unfreeze'], 'refused', 'winding-down', 'wind-down it'],
  [['wind-down', 'reopen'], 'changed', 'open', 'reopen it'],
  [['wind-down', 'freeze'], 'changed', 'frozen', 'freeze it'],
  [['wind-down', 'freeze', 'unfreeze'], 'changed', 'winding-down', 'wind-down it'],
  [['wind-down', 'freeze', 'reopen'], 'refused', 'frozen', 'freeze it'],
  [['freeze', 'wind-down'], 'changed', 'frozen', 'freeze it'],
  [['freeze', 'wind-down', 'unfreeze'], 'changed', 'winding-down', 'wind-down it'],
  [['wind-down', 'freeze', 'unfreeze', 'reopen'], 'changed', 'open', 'reopen it'],
  [['reopen'], 'refused', 'open', ''],
])('%j: the last is %s, and the pool is %s', async (said, last, mode, why) => {
  let changed = false;
  for (const verb of said) changed = await says(verb);
  expect(changed ? 'changed' : 'refused').toBe(last);
  expect(desk.pool.engine.state()).toMatchObject({ mode, modeWhy: why });
  await desk.reopen();
  expect(desk.pool.engine.state()).toMatchObject({ mode, modeWhy: why });
});

describe('a pool that winds down', () => {
  test('and is frozen by a channel that closes elsewhere pays nothing out until a person has looked', async () => {
    await desk.credit(ana, 50_000_000n);
    await says('wind-down');
    await desk.pool.engine.act((state) => ({
      news: freezeNews(state, 'a channel closes elsewhere'),
      answer: null,
    }));
    const out = (key: string) =>
      desk.pool.api.withdraw(
        ana,
        withdrawRequest.parse({
          schema: 'weir.prepaid.withdraw_request.v1',
          idempotency_key: key,
          invoice: outsideInvoice(key, 1_000_000n),
          max_fee_msats: 50_000,
        }),
      );
    expect(await refusalOf(out('one'))).toBe('frozen');
    await says('unfreeze');
    expect(await refusalOf(out('two'))).toBe('ok');
    const quote = desk.pool.api.quotePay(ana, desk.quoteBody(outsideInvoice('three', 1_000_000n)));
    expect(await refusalOf(quote)).toBe('winding_down');
  });
});
