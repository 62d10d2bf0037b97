/** Every no to a caller who is known and within the rate has a receipt, whoever of us said it. */
import { expect, test } from 'vitest';
import { type PoolApp, poolApp } from '../operator/api/app.ts';
import { TOKEN, TOKEN_HASH } from './api-desk.ts';
import { outsideInvoice } from './fake-node.ts';
import { credential, credentialsOf, PUBLIC_URL } from './pool-api-double.ts';
import { poolDesk } from './pool-desk.ts';
import { agent, GENEROUS, TEST_POLICY } from './pool-scenario.ts';

const desk = poolDesk();
const anna = agent('anna', { credentialId: 'router' });
const HASH = 'ab'.repeat(32);
const INVOICE = outsideInvoice('one', 1_000_000n);
const QUOTE = {
  schema: 'openagents.liquidity.quote_pay_request.v1',
  idempotency_key: 'order-1',
  invoice: INVOICE,
  host: 'shop.example',
  max_amount_msats: 2_000_000,
  max_fee_msats: 20_000,
};
const PAY = { schema: 'openagents.liquidity.pay_request.v1' };
const TOPUP = { schema: 'weir.prepaid.topup_request.v1', idempotency_key: 'top-1' };
const OUT = {
  schema: 'weir.prepaid.withdraw_request.v1',
  idempotency_key: 'out-1',
  invoice: outsideInvoice('out', 1_000_000n),
  max_fee_msats: 20_000,
};

interface Answer {
  status: number;
  body: { quote_id?: string; error?: Record<string, unknown> };
}

function surface(ratePerMinute = GENEROUS.ratePerMinute): PoolApp {
  const policy = { ...TEST_POLICY, agentDefaults: { ...GENEROUS, ratePerMinute } };
  return poolApp({
    api: desk.pool.api,
    credentials: credentialsOf(new Map([[TOKEN_HASH, credential()]])),
    policy: () => policy,
    publicUrl: PUBLIC_URL,
    now: () => desk.world.clock.nowMs,
    notReady: () => [],
    refusals: new Map(),
    fault: (cause) => {
      throw cause;
    },
    proxyHops: 0,
  });
}

/** A POST where there is a body. */
async function called(app: PoolApp, path: string, body?: object, more = {}): Promise<Answer> {
  const answer = await app.request(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, ...more },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

/** The reason of a no as its receipt says it. */
async function receiptOf(app: PoolApp, { body }: Answer): Promise<object> {
  const id = String(body.error?.['receipt_id']);
  const { body: document } = await called(app, `/v1/receipts/${id}`);
  return (document as { receipt?: object }).receipt ?? {};
}

type Ask = (app: PoolApp) => Promise<Answer>;

async function paidUnder(app: PoolApp, run: string): Promise<Answer> {
  const { body } = await called(app, '/v1/liquidity/quote_pay', QUOTE);
  return called(app, '/v1/liquidity/pay', { ...PAY, quote_id: body.quote_id, run_id: run });
}

test.each<[what: string, ask: Ask, action: string, reason: string]>([
  [
    'the key of a quote with another cap',
    async (app) => {
      await called(app, '/v1/liquidity/quote_pay', QUOTE);
      return called(app, '/v1/liquidity/quote_pay', { ...QUOTE, max_fee_msats: 19_999 });
    },
    'quote_pay',
    'idempotency_drift',
  ],
  [
    'the key of a withdrawal with another cap',
    async (app) => {
      await called(app, '/v1/prepaid/withdrawals', OUT);
      return called(app, '/v1/prepaid/withdrawals', { ...OUT, max_fee_msats: 19_999 });
    },
    'withdraw',
    'idempotency_drift',
  ],
  [
    'the key of a top-up with another amount',
    async (app) => {
      await called(app, '/v1/prepaid/topups', { ...TOPUP, amount_msats: 1_000 });
      return called(app, '/v1/prepaid/topups', { ...TOPUP, amount_msats: 2_000 });
    },
    'topup',
    'idempotency_drift',
  ],
  [
    'a paid quote under another run',
    async (app) => {
      await paidUnder(app, 'run-1');
      return paidUnder(app, 'run-2');
    },
    'pay',
    'request_drift',
  ],
  [
    'a quote that is not there',
    (app) => called(app, '/v1/liquidity/pay', { ...PAY, quote_id: 'liq_quote_none' }),
    'pay',
    'not_found',
  ],
  ['a look at it', (app) => called(app, '/v1/liquidity/quotes/none'), 'quote', 'not_found'],
  ['a hash', (app) => called(app, `/v1/liquidity/payments/${HASH}`), 'payment', 'not_found'],
  ['a top-up', (app) => called(app, '/v1/prepaid/topups/none'), 'topup_of', 'not_found'],
  ['a receipt', (app) => called(app, '/v1/receipts/none'), 'receipt', 'not_found'],
  [
    'a place in the list that is none',
    (app) => called(app, '/v1/liquidity/payments?after=x'),
    'payments',
    'field_invalid',
  ],
  [
    'an agent that the credential is not for',
    (app) => called(app, '/v1/prepaid', undefined, { 'weir-agent': 'carl' }),
    'prepaid',
    'agent_not_allowed',
  ],
])('a receipt for %s', async (_what, ask, action, reason) => {
  await desk.credit(anna, 50_000_000n);
  const app = surface();
  const answer = await ask(app);
  expect(answer.body.error).toMatchObject({ reason_code: reason });
  expect(await receiptOf(app, answer)).toMatchObject({
    schema: 'weir.refusal_receipt.v1',
    action,
    reason_code: reason,
    agent_id: 'anna',
  });
});

test('tRPC has the same receipts', async () => {
  const app = surface();
  const input = encodeURIComponent(JSON.stringify({ quote_id: 'none' }));
  const answer = await called(app, `/trpc/quote?input=${input}`);
  expect(answer.body.error).toMatchObject({
    data: { refusal: { reason_code: 'not_found', receipt_id: expect.stringMatching(/^wrr_/) } },
  });
});

test('an end that is not known yet is no refusal and has none', async () => {
  await desk.credit(anna, 50_000_000n);
  const app = surface();
  const { body: quote } = await called(app, '/v1/liquidity/quote_pay', QUOTE);
  const hash = (quote as { payment_hash?: string }).payment_hash ?? '';
  desk.world.node.fates.set(hash, 'stays');
  const { seq } = desk.pool.engine.state();
  const { body } = await called(app, '/v1/liquidity/pay', { ...PAY, quote_id: quote.quote_id });
  expect(body.error).toMatchObject({ reason_code: 'payment_in_flight', payment_hash: hash });
  expect(body.error?.['receipt_id']).toBeUndefined();
  // Its reservation, and nothing else.
  expect(desk.pool.engine.state().seq).toBe(seq + 1);
  desk.world.node.resolve(hash, 'settled');
});

test('nobody makes more entries than the rate of the agent admits calls', async () => {
  const app = surface(40);
  const { seq } = desk.pool.engine.state();
  const asked = Array.from({ length: 60 }, (_, n) =>
    called(
      app,
      `/v1/liquidity/quotes/none-${n}`,
      undefined,
      n % 2 === 0 ? { 'weir-agent': 'x' } : {},
    ),
  );
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  // A quarter of a minute's calls at once.
  expect(statuses.filter((status) => status !== 429)).toHaveLength(10);
  expect(desk.pool.engine.state().seq).toBe(seq + 10);
});
