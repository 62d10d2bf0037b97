/** The surface behind a real socket: what is no HTTP, what is too large, and a client that never guesses. */
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type ServingApi, serveApi } from '../operator/api/server.ts';
import { type PoolClient, weirClient } from '../operator/client.ts';
import { BODY_BYTES_MAX } from '../operator/protocol.ts';
import { refuse } from '../operator/reasons.ts';
import { type ApiDesk, apiDesk, TOKEN } from './api-desk.ts';
import { PAY_BODY, QUOTE_BODY } from './pool-api-double.ts';

let desk: ApiDesk;
let server: ServingApi;
let client: PoolClient;
let slept: number[] = [];

beforeAll(async () => {
  desk = apiDesk();
  server = await serveApi(desk.options, { host: '127.0.0.1', port: 0 });
  client = clientAt(server.port);
});
afterAll(() => server.close());
beforeEach(() => {
  slept = [];
  desk.calls.length = 0;
  // Every test is a minute later: one does not use up another's turns.
  desk.clock.ms += 60_000;
});

function clientAt(port: number, fetching: typeof fetch = fetch): PoolClient {
  return weirClient({
    url: `http://127.0.0.1:${port}`,
    token: TOKEN,
    agent: 'bert',
    fetch: fetching,
    sleep: async (ms) => {
      slept.push(ms);
    },
  });
}

/** Everything the server answers to these bytes, until it ends the line. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

test.each<[string, string, string, string]>([
  [
    'a host that is none',
    'GET /v1/prepaid HTTP/1.1\r\nhost: a/b\r\nconnection: close\r\n\r\n',
    '400',
    'body_invalid',
  ],
  [
    'a target that is no path',
    'GET foo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    '400',
    'body_invalid',
  ],
  ['no host', 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n', '400', 'body_invalid'],
  ['what is no HTTP', 'HELLO\r\n\r\n', '400', 'body_invalid'],
  [
    'a head without end',
    `GET / HTTP/1.1\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`,
    '413',
    'body_too_large',
  ],
  [
    'a body with two lengths',
    'POST /v1/liquidity/pay HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    '400',
    'body_invalid',
  ],
])('%s is answered with the envelope, and the line ends', async (_, bytes, status, reason) => {
  const before = desk.options.refusals.get(reason) ?? 0;
  const answer = await raw(bytes);
  expect(desk.options.refusals.get(reason)).toBe(before + 1);
  expect(answer).toContain(`HTTP/1.1 ${status} `);
  expect(answer).toContain(`"reason_code":"${reason}"`);
});

test('a body that grows beyond its bound without saying so is not read to its end', async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 16_384;
      controller.enqueue(new Uint8Array(16_384).fill(32));
    },
  });
  const answer = await fetch(`http://127.0.0.1:${server.port}/v1/liquidity/pay`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
    body: endless,
    duplex: 'half',
  });
  expect(answer.status).toBe(413);
  expect(sent).toBeLessThan(BODY_BYTES_MAX * 64);
  expect(desk.calls).toEqual([]);
});

test('a body that says it is too large is not taken', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.port}/v1/liquidity/pay`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify(PAY_BODY) + ' '.repeat(BODY_BYTES_MAX),
  });
  expect(answer.status).toBe(413);
  expect(desk.calls).toEqual([]);
});

test('the client reads amounts as bigint and acts for its agent', async () => {
  const quoted = await client.quotePay(QUOTE_BODY);
  expect(quoted).toMatchObject({ is: 'ok', body: { quoted_amount_msats: 34_000n } });
  expect(desk.calls[0]?.caller?.agentId).toBe('bert');
  const prepaid = await client.prepaid();
  expect(prepaid).toMatchObject({ body: { available_msats: 9_007_199_254_740_991n } });
});

test.each<[string, (c: PoolClient) => Promise<unknown>]>([
  ['status', (c) => c.status()],
  ['quote', (c) => c.quote('liq_quote_1')],
  ['payment', (c) => c.payment('ab'.repeat(32))],
  ['payments', (c) => c.payments('x y')],
  ['topup', (c) => c.topup({ idempotency_key: 'k', amount_msats: 1_000 })],
  ['topupOf', (c) => c.topupOf('top_1')],
  ['withdraw', (c) => c.withdraw({ idempotency_key: 'k', invoice: 'lnbcrt1', max_fee_msats: 1 })],
  ['receipt', (c) => c.receipt('lipr_1')],
  ['proof', (c) => c.proof('lipr_1')],
  ['events', (c) => c.events(3)],
])('the client asks for %s as the server understands it', async (name, ask) => {
  expect(await ask(client)).toMatchObject({ is: 'ok' });
  expect(desk.calls[0]?.name).toBe(name);
});

test('a payment in flight is asked for with the identical request until it is final', async () => {
  const inFlight = refuse('payment_in_flight', 'in flight', { retryAfterMs: 1_500 });
  desk.payAnswers.push(inFlight, 'throw', refuse('overloaded', 'busy', { retryAfterMs: 90_000 }));
  const answer = await client.settle({ quote_id: 'liq_quote_1', run_id: 'r' });
  expect(answer).toMatchObject({ is: 'ok', body: { status: 'succeeded', route_fee_msats: 11n } });
  expect(slept).toEqual([1_500, 1_000, 30_000]);
  const [first] = desk.calls;
  expect(desk.calls).toEqual([first, first, first, first]);
});

test.each([
  ['paid by another quote', refuse('hash_paid', 'paid')],
  ['another quote on its way', refuse('hash_in_flight', 'in flight elsewhere')],
  ['a balance too low', refuse('prepaid_too_low', 'top up')],
])('a refusal that needs another decision is not repeated: %s', async (_, refusal) => {
  desk.payAnswers.push(refusal);
  const answer = await client.settle({ quote_id: 'liq_quote_1' });
  expect(answer).toMatchObject({ is: 'refused', error: { reason_code: refusal.reasonCode } });
  expect(desk.calls.length).toBe(1);
});

test('tries are bounded, and what is still open then is told as it is', async () => {
  for (let n = 0; n < 3; n += 1) desk.payAnswers.push(refuse('payment_in_flight', 'in flight'));
  const answer = await client.settle({ quote_id: 'liq_quote_1' }, 3);
  expect(answer).toMatchObject({ is: 'refused', error: { reason_code: 'payment_in_flight' } });
  expect(slept.length).toBe(2);
});

test.each<[string, () => Promise<Response>]>([
  ['nobody answers', () => Promise.reject(new TypeError('refused'))],
  ['a page of a proxy', async () => new Response('<html>', { status: 502 })],
  ['an answer of another service', async () => Response.json({ ok: true })],
  ['an error of another service', async () => Response.json({ error: 'x' }, { status: 409 })],
])('%s: unknown, never failed, and asked again', async (_, lost) => {
  let asked = 0;
  const lossy = clientAt(server.port, (input, init) => {
    asked += 1;
    return asked === 1 ? lost() : fetch(input, init);
  });
  const once = await lossy.pay({ quote_id: PAY_BODY.quote_id });
  expect(once).toMatchObject({ is: 'unknown' });
  asked = 0;
  expect(await lossy.settle({ quote_id: PAY_BODY.quote_id })).toMatchObject({ is: 'ok' });
});
