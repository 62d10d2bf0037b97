/** Freezing and winding down are two things: neither is ended by taking the other one back. */
import { describe, expect, test } from 'vitest';
import { freezeNews } from '../operator/channels/channel-look.ts';
import { decideMode, type ModeVerb } from '../operator/mode-decision.ts';
import type { AgentRules } from '../operator/operator-policy.ts';
import type { Caller, Reply } from '../operator/pool-api.ts';
import { type PayResponse, topupRequest, withdrawRequest } from '../operator/protocol.ts';
import { msat } from '../policies/units.ts';
import { outsideInvoice } from './fake-node.ts';
import { comparable, poolDesk, refusalOf } from './pool-desk.ts';
import { agent, GENEROUS, TEST_POLICY } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');

const ANY_TOPUP = topupRequest.parse({
  schema: 'weir.prepaid.topup_request.v1',
  idempotency_key: 'any',
  amount_msats: 2_000_000,
});

async function says(verb: ModeVerb): Promise<boolean> {
  const wish = { verb, why: `${verb} it`, by: 'olga' };
  const answer = await desk.pool.engine.act((state, nowMs) => decideMode(state, nowMs, wish));
  return answer.changed;
}

function out(key: string, amountMsat: bigint, caller = ana): Promise<Reply<PayResponse>> {
  const body = {
    schema: 'weir.prepaid.withdraw_request.v1',
    idempotency_key: key,
    invoice: outsideInvoice(key, amountMsat),
    max_fee_msats: 50_000,
  };
  return desk.pool.api.withdraw(caller, withdrawRequest.parse(body));
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

test('why the pool froze is told to its operator, and to no caller', async () => {
  await desk.credit(ana, 50_000_000n);
  const wish = { verb: 'freeze', why: 'payment abc of another', by: 'olga' } as const;
  await desk.pool.engine.act((state, nowMs) => decideMode(state, nowMs, wish));
  const invoice = outsideInvoice('x', 1_000_000n);
  for (const reply of [
    await desk.pool.api.quotePay(ana, desk.quoteBody(invoice)),
    await desk.pool.api.topup(ana, ANY_TOPUP),
  ]) {
    expect(reply).toMatchObject({ refusal: { reasonCode: 'frozen' } });
    expect(comparable(reply)).not.toContain('abc');
  }
});

describe('a pool that winds down', () => {
  test('and is frozen by a channel that closes elsewhere pays nothing out until a person has looked', async () => {
    await desk.credit(ana, 50_000_000n);
    await says('wind-down');
    await desk.pool.engine.act((state) => ({
      news: freezeNews(state, 'a channel closes elsewhere'),
      answer: null,
    }));
    expect(await refusalOf(out('one', 1_000_000n))).toBe('frozen');
    await says('unfreeze');
    expect(await refusalOf(out('two', 1_000_000n))).toBe('ok');
    const quote = desk.pool.api.quotePay(ana, desk.quoteBody(outsideInvoice('three', 1_000_000n)));
    expect(await refusalOf(quote)).toBe('winding_down');
  });

  test.each<
    [what: string, rules: Partial<AgentRules>, cap: Partial<Caller>, open: string, winding: string]
  >([
    ['without caps', {}, {}, 'ok', 'ok'],
    ['with a small day', { perDayMsat: msat(1_000_000n) }, {}, 'day_cap_exceeded', 'ok'],
    ['with small payments', { perPaymentMsat: msat(1_000_000n) }, {}, 'agent_cap_exceeded', 'ok'],
    [
      'with little in flight',
      { inFlightMsat: msat(1_000_000n) },
      {},
      'in_flight_exceeded',
      'in_flight_exceeded',
    ],
    [
      'by a credential with a small day of its own',
      {},
      { perDayMsat: 1_000_000n },
      'day_cap_exceeded',
      'day_cap_exceeded',
    ],
  ])('gives an agent %s its own money at once', async (...row) => {
    const [, rules, cap, open, winding] = row;
    const agentDefaults = { ...GENEROUS, ...rules };
    await desk.reopen({ policy: { ...TEST_POLICY, agentDefaults } });
    await desk.credit(ana, 50_000_000n);
    const caller = { ...ana, ...cap };
    expect(await refusalOf(out('while open', 40_000_000n, caller))).toBe(open);
    await desk.credit(ana, 50_000_000n, 'second');
    await says('wind-down');
    expect(await refusalOf(out('at the end', 40_000_000n, caller))).toBe(winding);
  });
});
