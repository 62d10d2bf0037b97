/** The route table: what is served, by which procedure, for whom, and what makes a repeated call the same one. */
import { expect, test } from 'vitest';
import { poolRouter } from '../operator/api/router.ts';
import { PREFIXES, ROUTES } from '../operator/api/routes.ts';
import { apiDesk } from './api-desk.ts';
import { PAY_BODY, QUOTE_BODY } from './pool-api-double.ts';

const HASH = 'ab'.repeat(32);
const BODIES: Record<string, object> = {
  quotePay: QUOTE_BODY,
  pay: PAY_BODY,
  topup: {
    schema: 'weir.prepaid.topup_request.v1',
    idempotency_key: 'k',
    amount_msats: 1_000,
  },
  withdraw: {
    schema: 'weir.prepaid.withdraw_request.v1',
    idempotency_key: 'k',
    invoice: 'lnbcrt1',
    max_fee_msats: 10,
  },
};

test('no route comes or goes unseen', () => {
  const rows = ROUTES.map(
    ({ method, path, procedure, action, auth, idempotency }) =>
      `${method} ${path} ${procedure} ${action} ${auth} ${idempotency}`,
  );
  expect(rows).toMatchInlineSnapshot(`
    [
      "POST /liquidity/quote_pay quotePay pay required idempotency_key",
      "POST /liquidity/pay pay pay required quote_id",
      "GET /liquidity/status status null none null",
      "GET /liquidity/quotes/{quote_id} quote read required null",
      "GET /liquidity/payments/{payment_hash} payment read required null",
      "GET /liquidity/payments payments read required null",
      "GET /prepaid prepaid read required null",
      "POST /prepaid/topups topup topup required idempotency_key",
      "GET /prepaid/topups/{id} topupOf read required null",
      "POST /prepaid/withdrawals withdraw withdraw required idempotency_key",
      "GET /receipts/{receipt_id} receipt null optional null",
      "GET /proofs/{receipt_id} proof null none null",
      "GET /events events read required null",
      "GET /log log null none null",
      "GET /log/checkpoint checkpoint null none null",
    ]
  `);
});

test('every POST names what makes its repetition the same call', () => {
  for (const { method, procedure, idempotency, input } of ROUTES) {
    if (method !== 'POST') continue;
    expect(Object.keys(input?.shape ?? {}), procedure).toContain(idempotency);
  }
});

test('every procedure has one route, which says of it what the procedure itself enforces', () => {
  const procedures = poolRouter['_def'].procedures;
  expect(ROUTES.map(({ procedure }) => procedure).toSorted()).toEqual(
    Object.keys(procedures).toSorted(),
  );
  for (const { procedure, action, auth, method } of ROUTES) {
    const { meta, type } = procedures[procedure]['_def'];
    expect(meta, procedure).toEqual({ action, auth });
    expect(type, procedure).toBe(method === 'POST' ? 'mutation' : 'query');
  }
});

test.each(ROUTES)(
  '$method $path answers with the same bytes under both prefixes',
  async (route) => {
    const path = route.path.replaceAll(/\{\w+\}/g, route.path.includes('hash') ? HASH : 'id_1');
    const answers = await Promise.all(
      PREFIXES.map(async (prefix) => {
        const desk = apiDesk();
        const answer = await (route.method === 'GET'
          ? desk.get(prefix + path)
          : desk.post(prefix + path, BODIES[route.procedure]));
        return { status: answer.status, bytes: await answer.text(), calls: desk.calls };
      }),
    );
    expect(answers[0]?.status).toBe(200);
    expect(answers[1]).toEqual(answers[0]);
    // The answer is what the published schema says.
    expect(route.output.safeParse(JSON.parse(answers[0]?.bytes ?? '')).error).toBeUndefined();
  },
);
