/** tRPC and HTTP are one surface: the same procedures, callers, refusals and bounds. */
import { createTRPCClient, httpLink, TRPCClientError } from '@trpc/client';
import { expect, test } from 'vitest';
import type { PoolRouter } from '../operator/api/router.ts';
import { apiDesk, TOKEN } from './api-desk.ts';
import { PAY_BODY, QUOTE_BODY } from './pool-api-double.ts';

const QUOTE = '/v1/liquidity/quote_pay';

function trpcOf(desk: ReturnType<typeof apiDesk>, token: string | null) {
  return createTRPCClient<PoolRouter>({
    links: [
      httpLink({
        url: 'http://pool.example/trpc',
        headers: token === null ? {} : { authorization: `Bearer ${token}` },
        fetch: async (input, init) => desk.app.request(String(input), init as RequestInit) as never,
      }),
    ],
  });
}

test('tRPC calls the same procedures: same body, same caller', async () => {
  const desk = apiDesk();
  const client = trpcOf(desk, TOKEN);
  const overTrpc = await client.quotePay.mutate(QUOTE_BODY as never);
  const overHttp = await (await desk.post(QUOTE, QUOTE_BODY)).json();
  expect(overTrpc).toEqual(overHttp);
  expect(desk.calls[0]).toEqual(desk.calls[1]);
  expect(await client.events.query({ after: 3 })).toMatchObject({ next_after: 4 });
});

test.each<[string, (client: ReturnType<typeof trpcOf>) => Promise<unknown>, string | null, object]>(
  [
    ['nobody', (client) => client.prepaid.query(), null, { reason_code: 'unauthenticated' }],
    [
      'a field that breaks its rule',
      (client) => client.pay.mutate({ ...PAY_BODY, quote_id: '' } as never),
      TOKEN,
      { reason_code: 'field_invalid', field: 'quote_id', receipt_id: 'lprr_1' },
    ],
    [
      'a float',
      (client) => client.quotePay.mutate({ ...QUOTE_BODY, max_fee_msats: 0.5 } as never),
      TOKEN,
      { reason_code: 'field_invalid', field: 'max_fee_msats', receipt_id: 'lprr_1' },
    ],
    [
      'no such procedure',
      (client) => (client as never as { steal: { query(): Promise<unknown> } }).steal.query(),
      TOKEN,
      { reason_code: 'route_unknown' },
    ],
  ],
)('tRPC refuses with the same words in data.refusal: %s', async (_, call, token, refusal) => {
  const failed = await call(trpcOf(apiDesk(), token)).catch((cause: unknown) => cause);
  expect(failed).toBeInstanceOf(TRPCClientError);
  expect((failed as { data: { refusal: object } }).data.refusal).toMatchObject(refusal);
});

test.each([
  ['{"quote_id":1.0}', { reason_code: 'field_invalid', field: 'quote_id' }],
  ['{"a":1,"a":2}', { reason_code: 'body_invalid' }],
  ['{"a":', { reason_code: 'body_invalid' }],
])(
  'tRPC reads a body as strictly as the routes, and puts the refusal on record: %s',
  async (body, refusal) => {
    const desk = apiDesk();
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const answer = await desk.post('/trpc/pay', body, headers);
    expect(await answer.json()).toMatchObject({
      error: { data: { httpStatus: 400, refusal: { ...refusal, receipt_id: 'lprr_1' } } },
    });
  },
);

test('tRPC takes no batch: one request, one turn', async () => {
  const desk = apiDesk();
  const answer = await desk.get('/trpc/status,status?batch=1&input={}');
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(desk.calls).toEqual([]);
});
