/** What every caller meets, whatever is asked: one envelope for every no, strict reading, bounds, health. */

import { EventEmitter, once } from 'node:events';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import type { Reply } from '../operator/pool-api.ts';
import { BODY_BYTES_MAX } from '../operator/protocol.ts';
import { refuse } from '../operator/reasons.ts';
import { BrokenInvariant } from '../policies/failure.ts';
import { apiDesk, TOKEN } from './api-desk.ts';
import { PAY_BODY, QUOTE_BODY } from './pool-api-double.ts';

const QUOTE = '/v1/liquidity/quote_pay';
const PAY = '/v1/liquidity/pay';
const HASH = 'ab'.repeat(32);

test.each([
  [
    'nothing but what every no has, and the receipt that the surface makes of it',
    refuse('hash_paid', 'this invoice is paid'),
    '{"error":{"code":"conflict","message":"this invoice is paid","reason_code":"hash_paid","retryable":false,"receipt_id":"lprr_1"}}',
    null,
  ],
  [
    'what a payment in flight says',
    refuse('payment_in_flight', 'payment in flight', { retryAfterMs: 1_500, paymentHash: HASH }),
    `{"error":{"code":"conflict","message":"payment in flight","reason_code":"payment_in_flight","retryable":true,"retry_after_ms":1500,"payment_hash":"${HASH}"}}`,
    '2',
  ],
  [
    'field and receipt',
    { ...refuse('amount_over_cap', 'too much', { field: 'invoice' }), receiptId: 'lprr_1' },
    '{"error":{"code":"invalid_request","message":"too much","reason_code":"amount_over_cap","field":"invoice","retryable":false,"receipt_id":"lprr_1"}}',
    null,
  ],
])(
  'a refusal of the pool reaches its caller as one envelope: %s',
  async (_, refusal, bytes, retryAfter) => {
    const desk = apiDesk();
    desk.payAnswers.push(refusal);
    const answer = await desk.post(PAY, PAY_BODY);
    expect(answer.status).toBe(refusal.status);
    expect(await answer.text()).toBe(bytes);
    expect(answer.headers.get('retry-after')).toBe(retryAfter);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  },
);

test.each<[string, string, string, unknown, number, string, string | null]>([
  // Method, path, body; then status, reason code, field.
  ['no such route', 'GET', '/v1/nothing', null, 404, 'route_unknown', null],
  ['no such place at all', 'GET', '/', null, 404, 'route_unknown', null],
  ['a known route by another method', 'GET', PAY, null, 405, 'method_unknown', null],
  ['another one', 'POST', '/v1/prepaid', {}, 405, 'method_unknown', null],
  ['no body', 'POST', PAY, '', 400, 'body_invalid', null],
  ['no JSON', 'POST', PAY, '{"schema":', 400, 'body_invalid', null],
  ['no object', 'POST', PAY, [], 400, 'body_invalid', 'body'],
  ['a key with two values', 'POST', PAY, '{"a":1,"a":2}', 400, 'body_invalid', null],
  ['a body that nests without end', 'POST', PAY, '['.repeat(20_000), 400, 'body_invalid', null],
  [
    'a body that nests a little too deep',
    'POST',
    PAY,
    '['.repeat(20) + ']'.repeat(20),
    400,
    'body_invalid',
    null,
  ],
  ['a number that is none', 'POST', PAY, '{"a":1e400}', 400, 'field_invalid', 'a'],
  ['another schema', 'POST', PAY, { ...PAY_BODY, schema: 'x' }, 400, 'field_invalid', 'schema'],
  ['a field too many', 'POST', PAY, { ...PAY_BODY, note: 1 }, 400, 'field_invalid', 'note'],
  [
    'a field that changes what an object is',
    'POST',
    PAY,
    '{"__proto__":{"quote_id":"x"}}',
    400,
    'field_invalid',
    '__proto__',
  ],
  ['a missing field', 'POST', PAY, { schema: PAY_BODY.schema }, 400, 'field_invalid', 'quote_id'],
  [
    'a field of another type',
    'POST',
    PAY,
    { ...PAY_BODY, run_id: 7 },
    400,
    'field_invalid',
    'run_id',
  ],
  [
    'a fraction of a millisatoshi',
    'POST',
    QUOTE,
    { ...QUOTE_BODY, max_fee_msats: 1.5 },
    400,
    'field_invalid',
    'max_fee_msats',
  ],
  [
    'an amount in text',
    'POST',
    QUOTE,
    { ...QUOTE_BODY, max_fee_msats: '1' },
    400,
    'field_invalid',
    'max_fee_msats',
  ],
  [
    'an amount below zero',
    'POST',
    QUOTE,
    { ...QUOTE_BODY, max_fee_msats: -1 },
    400,
    'field_invalid',
    'max_fee_msats',
  ],
  [
    'an amount that a double rounds',
    'POST',
    QUOTE,
    JSON.stringify(QUOTE_BODY).replace('35000', '9007199254740993'),
    400,
    'field_invalid',
    'max_amount_msats',
  ],
  [
    'an integer written as a float',
    'POST',
    QUOTE,
    JSON.stringify(QUOTE_BODY).replace('35000', '35000.0'),
    400,
    'field_invalid',
    'max_amount_msats',
  ],
  [
    'an exponent',
    'POST',
    QUOTE,
    JSON.stringify(QUOTE_BODY).replace('35000', '35e3'),
    400,
    'field_invalid',
    'max_amount_msats',
  ],
  [
    'a float deep in the context',
    'POST',
    QUOTE,
    { ...QUOTE_BODY, policy_context: { a: [1, { b: 0.5 }] } },
    400,
    'field_invalid',
    'policy_context.a.1.b',
  ],
  [
    'a context that is a list',
    'POST',
    QUOTE,
    { ...QUOTE_BODY, policy_context: [] },
    400,
    'field_invalid',
    'policy_context',
  ],
  [
    'a context that is too large',
    'POST',
    QUOTE,
    { ...QUOTE_BODY, policy_context: { a: 'x'.repeat(16_384) } },
    400,
    'field_invalid',
    'policy_context',
  ],
  [
    'an urgency that is none',
    'POST',
    QUOTE,
    { ...QUOTE_BODY, urgency: 'now' },
    400,
    'field_invalid',
    'urgency',
  ],
  [
    'a control character in a key',
    'POST',
    QUOTE,
    { ...QUOTE_BODY, idempotency_key: 'a\u0000' },
    400,
    'field_invalid',
    'idempotency_key',
  ],
  [
    'a body that is too large',
    'POST',
    QUOTE,
    'x'.repeat(BODY_BYTES_MAX + 1),
    413,
    'body_too_large',
    null,
  ],
  [
    'a hash that is none',
    'GET',
    '/v1/liquidity/payments/AB',
    null,
    400,
    'field_invalid',
    'payment_hash',
  ],
  [
    'a page that is too long',
    'GET',
    '/v1/liquidity/payments?limit=1000',
    null,
    400,
    'field_invalid',
    'limit',
  ],
  ['a limit that is no number', 'GET', '/v1/events?limit=', null, 400, 'field_invalid', 'limit'],
  ['a place in hex', 'GET', '/v1/events?after=0x10', null, 400, 'field_invalid', 'after'],
  ['a wait without end', 'GET', '/v1/events?wait_ms=60000', null, 400, 'field_invalid', 'wait_ms'],
  ['a parameter twice', 'GET', '/v1/events?after=1&after=2', null, 400, 'field_invalid', 'after'],
  ['a parameter that nobody knows', 'GET', '/v1/log?from=1', null, 400, 'field_invalid', 'from'],
])('%s is refused', async (...row) => {
  const [, method, path, body, status, reason, field] = row;
  const desk = apiDesk();
  const answer = await (method === 'GET' ? desk.get(path) : desk.post(path, body));
  const { error } = (await answer.json()) as { error: Record<string, unknown> };
  expect([answer.status, error['reason_code'], error['field'] ?? null]).toEqual([
    status,
    reason,
    field,
  ]);
  expect(desk.calls).toEqual([]);
  expect(desk.faults).toEqual([]);
  expect(desk.options.refusals.get(reason)).toBe(1);
});

test('null means absent, and the published request needs nothing of ours', async () => {
  const withNulls = { ...QUOTE_BODY, urgency: null, policy_context: null, funding: null };
  const desk = apiDesk();
  const answers = [await desk.post(QUOTE, withNulls), await desk.post(QUOTE, QUOTE_BODY)];
  expect(await answers[0]?.text()).toBe(await answers[1]?.text());
  expect(desk.calls[0]?.input).toEqual(desk.calls[1]?.input);
  expect(desk.calls[0]?.input).toMatchObject({ max_amount_msats: 35_000n, urgency: null });
});

test('what a caller hashes arrives as it was sent', async () => {
  const desk = apiDesk();
  const context = { b: [1, -2, null, true, 'ä'], a: { max: 9_007_199_254_740_991 } };
  await desk.post(QUOTE, { ...QUOTE_BODY, policy_context: context });
  expect(desk.calls[0]?.input).toMatchObject({ policy_context: context });
});

test('host and invoice are tidied, the key is not', async () => {
  const desk = apiDesk();
  const asked = { ...QUOTE_BODY, host: ' API.Example.com ', invoice: ' lnbcrt1 \n' };
  await desk.post(QUOTE, { ...asked, idempotency_key: ' K ' });
  expect(desk.calls[0]?.input).toMatchObject({
    host: 'api.example.com',
    invoice: 'lnbcrt1',
    idempotency_key: ' K ',
  });
});

test('the largest amount that JSON keeps is told exactly', async () => {
  const answer = await apiDesk().get('/v1/prepaid');
  expect(await answer.text()).toContain('"available_msats":9007199254740991,');
});

test('a schema that fails inside of the pool is a fault of ours, not of the caller', async () => {
  const desk = apiDesk();
  vi.spyOn(desk.api, 'prepaid').mockRejectedValue(z.int().safeParse('x').error);
  expect((await desk.get('/v1/prepaid')).status).toBe(500);
  expect(desk.faults.length).toBe(1);
  expect(desk.recorded).toEqual([]);
});

test('a fault of ours tells nothing of itself and is told to whoever watches', async () => {
  const desk = apiDesk();
  desk.payAnswers.push('throw');
  const answer = await desk.post(PAY, PAY_BODY);
  expect(answer.status).toBe(500);
  expect(await answer.text()).toBe(
    '{"error":{"code":"internal","message":"a fault of ours: send the identical request again","reason_code":"internal","retryable":true,"retry_after_ms":1000}}',
  );
  expect(String(desk.faults[0])).toContain('preimage');
});

test('a broken invariant reaches whoever stops the process', async () => {
  const desk = apiDesk();
  const broken = new BrokenInvariant('books');
  vi.spyOn(desk.api, 'status').mockRejectedValue(broken);
  expect((await desk.get('/v1/liquidity/status')).status).toBe(500);
  expect(desk.faults).toEqual([broken]);
});

test('a refusal of the surface is put on record for an authenticated caller, by what it was about', async () => {
  const desk = apiDesk();
  const asked = { ...QUOTE_BODY, max_fee_msats: -1 };
  const answer = await desk.post(QUOTE, asked);
  expect(await answer.json()).toMatchObject({ error: { receipt_id: 'lprr_1' } });
  await desk.post(PAY, { ...PAY_BODY, run_id: 7 });
  await desk.post(PAY, '{"a":0.5}');
  expect(
    desk.recorded.map(({ caller, action, refusal, quoteId, idempotencyKey }) => [
      caller.agentId,
      action,
      refusal.reasonCode,
      quoteId,
      idempotencyKey,
    ]),
  ).toEqual([
    ['anna', 'quote_pay', 'field_invalid', null, 'neobank:liq:k1'],
    ['anna', 'pay', 'field_invalid', 'liq_quote_1', null],
    ['anna', 'pay', 'field_invalid', null, null],
  ]);
});

test('a refusal of somebody unknown is only counted', async () => {
  const desk = apiDesk();
  const answer = await desk.post(QUOTE, '{"a":0.5}', {});
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toBe('Bearer, Nostr');
  expect(desk.recorded).toEqual([]);
  expect([...desk.options.refusals]).toEqual([['unauthenticated', 1]]);
});

test('an agent above its rate is told when to come again, and is admitted then', async () => {
  const desk = apiDesk();
  const perBurst = (desk.options.policy().agentDefaults.ratePerMinute / 4) | 0;
  for (let n = 0; n < perBurst; n += 1) expect((await desk.get('/v1/prepaid')).status).toBe(200);
  const refused = await desk.get('/v1/prepaid');
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('1');
  const { error } = (await refused.json()) as { error: { retry_after_ms: number } };
  expect(error).toMatchObject({ code: 'rate_limited', reason_code: 'rate_exceeded' });
  expect(desk.recorded).toEqual([]);
  const other = { authorization: `Bearer ${TOKEN}`, 'weir-agent': 'bert' };
  expect((await desk.get('/v1/prepaid', other)).status).toBe(200);
  desk.clock.ms += error.retry_after_ms - 1;
  expect((await desk.get('/v1/prepaid')).status).toBe(429);
  desk.clock.ms += 1;
  expect((await desk.get('/v1/prepaid')).status).toBe(200);
});

test('a flood without a credential stops nobody who has one', async () => {
  const desk = apiDesk();
  const nobody = { authorization: 'Bearer wt_wrong' };
  const statuses = new Set<number>();
  for (let n = 0; n < 400; n += 1) statuses.add((await desk.get('/v1/prepaid', nobody)).status);
  expect(statuses).toEqual(new Set([401, 429]));
  expect((await desk.get('/v1/log', {})).status).toBe(429);
  expect((await desk.get('/v1/prepaid')).status).toBe(200);
  expect((await desk.get('/livez', {})).status).toBe(200);
});

test('more at once than can be answered: come again, but health is answered', async () => {
  const desk = apiDesk();
  const policy = desk.options.policy();
  const agentDefaults = { ...policy.agentDefaults, ratePerMinute: 1_000_000 };
  const full = apiDesk({ policy: () => ({ ...policy, agentDefaults }) });
  const end = new EventEmitter();
  const held = once(end, 'release').then(
    (): Reply<never> => ({ is: 'refused', refusal: refuse('not_found', 'nothing') }),
  );
  vi.spyOn(full.api, 'prepaid').mockReturnValue(held);
  const waiting = Array.from({ length: 1_024 }, () => full.get('/v1/prepaid'));
  const refused = await full.get('/v1/prepaid');
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ error: { reason_code: 'overloaded' } });
  expect((await full.get('/livez', {})).status).toBe(200);
  end.emit('release');
  expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([404]));
  expect((await full.get('/v1/liquidity/payments')).status).toBe(200);
});

test('health says whether it lives, and why it is not ready', async () => {
  const desk = apiDesk({ notReady: () => ['the Lightning node is behind the chain'] });
  expect((await desk.get('/livez', {})).status).toBe(200);
  const answer = await desk.get('/readyz', {});
  expect(answer.status).toBe(503);
  expect(await answer.json()).toEqual({
    status: 'not_ready',
    reasons: ['the Lightning node is behind the chain'],
  });
  expect((await apiDesk().get('/readyz', {})).status).toBe(200);
});

test('a receipt shows its owner as the caller and everybody else as nobody', async () => {
  const desk = apiDesk();
  const path = '/v1/receipts/lipr_1';
  expect(await (await desk.get(path)).json()).toMatchObject({ seen_by: 'anna' });
  expect(await (await desk.get(path, {})).json()).toMatchObject({ seen_by: 'everybody' });
  // A credential that is given must hold.
  expect((await desk.get(path, { authorization: 'Bearer wt_x' })).status).toBe(401);
  expect((await desk.get('/v1/receipts/lipr_none', {})).status).toBe(404);
});
