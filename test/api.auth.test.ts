/** Who may call: bearer tokens and NIP-98, every way in which they do not hold, and that they hold once. */
import { createHash } from 'node:crypto';
import { type EventTemplate, finalizeEvent } from 'nostr-tools/pure';
import { expect, test } from 'vitest';
import { mintToken, tokenHash } from '../operator/auth/token.ts';
import type { Action, Credential } from '../operator/pool-api.ts';
import { apiDesk, NOSTR_KEY, NOW_MS, TOKEN } from './api-desk.ts';
import { PAY_BODY, PUBLIC_URL } from './pool-api-double.ts';

const PAY = '/v1/liquidity/pay';
const NOW_S = NOW_MS / 1_000;
const BODY = JSON.stringify(PAY_BODY);
const OTHER_KEY = new Uint8Array(32).fill(9);

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

interface Signing {
  template?: Partial<EventTemplate>;
  key?: Uint8Array;
  /** Changes the signed event. */
  spoil?: (event: Record<string, unknown>) => unknown;
  /** Tags beside u and method; the payload of `BODY` when not given. */
  tags?: string[][];
  url?: string;
  method?: string;
}

function nostr({ template, key = NOSTR_KEY, spoil, tags, url, method }: Signing = {}): string {
  const event = finalizeEvent(
    {
      kind: 27_235,
      created_at: NOW_S,
      content: '',
      tags: [
        ['u', url ?? PUBLIC_URL + PAY],
        ['method', method ?? 'POST'],
        ...(tags ?? [['payload', sha256(BODY)]]),
      ],
      ...template,
    },
    key,
  );
  const sent = spoil === undefined ? event : spoil({ ...event });
  return `Nostr ${Buffer.from(JSON.stringify(sent)).toString('base64')}`;
}

test.each<[string, string, 200 | 401]>([
  ['signed as it should be', nostr(), 200],
  ['with a method in small letters', nostr({ method: 'post' }), 200],
  ['a minute old', nostr({ template: { created_at: NOW_S - 60 } }), 200],
  ['a minute ahead', nostr({ template: { created_at: NOW_S + 60 } }), 200],
  [
    'with a tag that nobody knows',
    nostr({
      tags: [
        ['payload', sha256(BODY)],
        ['x', '1'],
      ],
    }),
    200,
  ],
  ['with a scheme in small letters', nostr().replace('Nostr', 'nostr'), 200],
  ['older than a minute', nostr({ template: { created_at: NOW_S - 61 } }), 401],
  ['more than a minute ahead', nostr({ template: { created_at: NOW_S + 61 } }), 401],
  ['of another kind', nostr({ template: { kind: 1 } }), 401],
  ['for another route', nostr({ url: `${PUBLIC_URL}/v1/prepaid` }), 401],
  ['for the other prefix', nostr({ url: `${PUBLIC_URL}/internal/v1/liquidity/pay` }), 401],
  ['for another host', nostr({ url: `https://evil.example${PAY}` }), 401],
  ['for an address with a query', nostr({ url: `${PUBLIC_URL}${PAY}?a=1` }), 401],
  ['for another method', nostr({ method: 'GET' }), 401],
  [
    'for two addresses',
    nostr({
      tags: [
        ['u', 'https://evil.example'],
        ['payload', sha256(BODY)],
      ],
    }),
    401,
  ],
  ['without the payload of a POST', nostr({ tags: [] }), 401],
  ['with the payload of another body', nostr({ tags: [['payload', sha256('{}')]] }), 401],
  [
    'with two payloads',
    nostr({
      tags: [
        ['payload', sha256(BODY)],
        ['payload', sha256('{}')],
      ],
    }),
    401,
  ],
  ['by a key that is in no credential', nostr({ key: OTHER_KEY }), 401],
  [
    'with a signature of other bytes',
    nostr({ spoil: (event) => ({ ...event, sig: '00'.repeat(64) }) }),
    401,
  ],
  ['changed after signing', nostr({ spoil: (event) => ({ ...event, content: 'x' }) }), 401],
  [
    'under an id that is not its own',
    nostr({ spoil: (event) => ({ ...event, id: '00'.repeat(32) }) }),
    401,
  ],
  [
    'with the mark of a library that says it is verified',
    nostr({ spoil: (event) => ({ ...event, verified: true, sig: '00'.repeat(64) }) }),
    401,
  ],
  ['that is no event', nostr({ spoil: () => [] }), 401],
  ['that is no base64', 'Nostr %%%', 401],
  ['that is empty', 'Nostr ', 401],
  ['longer than any event', `Nostr ${'A'.repeat(9_000)}`, 401],
])('a NIP-98 event %s', async (_, authorization, status) => {
  const desk = apiDesk();
  expect((await desk.post(PAY, BODY, { authorization })).status).toBe(status);
  expect(desk.calls.length).toBe(status === 200 ? 1 : 0);
});

test('a NIP-98 event is good for one request', async () => {
  const desk = apiDesk();
  const authorization = nostr();
  expect((await desk.post(PAY, BODY, { authorization })).status).toBe(200);
  const again = await desk.post(PAY, BODY, { authorization });
  expect(again.status).toBe(401);
  expect(await again.json()).toMatchObject({ error: { reason_code: 'unauthenticated' } });
  const anew = nostr({ template: { content: 'again' } });
  expect((await desk.post(PAY, BODY, { authorization: anew })).status).toBe(200);
});

test('an event that does not hold does not use up the one that does', async () => {
  const desk = apiDesk();
  const spoiled = nostr({ spoil: (event) => ({ ...event, sig: '00'.repeat(64) }) });
  expect((await desk.post(PAY, BODY, { authorization: spoiled })).status).toBe(401);
  expect((await desk.post(PAY, BODY, { authorization: nostr() })).status).toBe(200);
});

test('an event from before the start is refused: its id may be forgotten', async () => {
  const desk = apiDesk({ now: () => NOW_MS });
  expect((await desk.post(PAY, BODY, { authorization: nostr() })).status).toBe(401);
  const later = nostr({ template: { created_at: NOW_S + 1 } });
  expect((await desk.post(PAY, BODY, { authorization: later })).status).toBe(200);
});

function signed(url: string, content: string): Record<string, string> {
  return { authorization: nostr({ url, method: 'GET', tags: [], template: { content } }) };
}

test('a GET is signed with its query, and needs no payload', async () => {
  const desk = apiDesk();
  const path = '/v1/events?after=3&limit=2';
  expect((await desk.get(path, signed(PUBLIC_URL + path, 'a'))).status).toBe(200);
  expect((await desk.get(path, signed(`${PUBLIC_URL}/v1/events`, 'b'))).status).toBe(401);
  expect((await desk.get(path, signed(`${PUBLIC_URL}/v1/events?after=9`, 'c'))).status).toBe(401);
});

test('after a flood from one address a signature waits for its turn, a token does not', async () => {
  const desk = apiDesk();
  const spoiled = nostr({ spoil: (event) => ({ ...event, sig: '00'.repeat(64) }) });
  for (let n = 0; n < 100; n += 1) await desk.post(PAY, BODY, { authorization: spoiled });
  expect((await desk.post(PAY, BODY, { authorization: nostr() })).status).toBe(429);
  expect((await desk.post(PAY, BODY)).status).toBe(200);
  desk.clock.ms += 1_000;
  expect((await desk.post(PAY, BODY, { authorization: nostr() })).status).toBe(200);
});

test('a slash at the end of the configured address changes nothing', async () => {
  const desk = apiDesk({ publicUrl: `${PUBLIC_URL}/` });
  expect((await desk.post(PAY, BODY, { authorization: nostr() })).status).toBe(200);
});

test('tRPC is signed by its own address', async () => {
  const desk = apiDesk();
  const url = `${PUBLIC_URL}/trpc/pay`;
  const headers = { 'content-type': 'application/json', authorization: nostr({ url }) };
  expect((await desk.post('/trpc/pay', BODY, headers)).status).toBe(200);
  expect(desk.calls[0]).toMatchObject({ name: 'pay', caller: { credentialId: 'router' } });
});

const ALL: readonly Action[] = ['pay', 'read', 'topup', 'withdraw'];

test.each<[string, Partial<Credential>, string, string | null, number, string | null]>([
  // Credential, Authorization, agent named; then status and reason.
  ['holds', {}, `Bearer ${TOKEN}`, null, 200, null],
  ['holds for its first agent', {}, `Bearer ${TOKEN}`, 'anna', 200, null],
  ['holds for another of its agents', {}, `Bearer ${TOKEN}`, 'bert', 200, null],
  [
    'lives until its last millisecond',
    { expiresAtMs: NOW_MS + 1 },
    `Bearer ${TOKEN}`,
    null,
    200,
    null,
  ],
  ['has run out', { expiresAtMs: NOW_MS }, `Bearer ${TOKEN}`, null, 401, 'unauthenticated'],
  ['is revoked', { state: 'revoked' }, `Bearer ${TOKEN}`, null, 401, 'unauthenticated'],
  ['does not act for that agent', {}, `Bearer ${TOKEN}`, 'mallory', 403, 'agent_not_allowed'],
  [
    'does not carry the action',
    { actions: ['read'] },
    `Bearer ${TOKEN}`,
    null,
    403,
    'action_not_allowed',
  ],
  [
    'does not carry it although it may administer',
    { actions: ['admin'] },
    `Bearer ${TOKEN}`,
    null,
    403,
    'action_not_allowed',
  ],
  [
    'is another one',
    {},
    `Bearer ${mintToken(new Uint8Array(32).fill(2)).token}`,
    null,
    401,
    'unauthenticated',
  ],
  ['is longer', {}, `Bearer ${TOKEN}A`, null, 401, 'unauthenticated'],
  ['has no prefix', {}, `Bearer ${TOKEN.slice(3)}`, null, 401, 'unauthenticated'],
  ['is the hash that is kept', {}, `Bearer ${tokenHash(TOKEN)}`, null, 401, 'unauthenticated'],
  ['comes by another scheme', {}, `Basic ${TOKEN}`, null, 401, 'unauthenticated'],
  ['comes without a scheme', {}, TOKEN, null, 401, 'unauthenticated'],
])('a token that %s', async (...row) => {
  const [, change, authorization, agent, status, reason] = row;
  const desk = apiDesk({ credential: { actions: ALL, ...change } });
  const named = agent === null ? {} : { 'weir-agent': agent };
  const answer = await desk.post(PAY, BODY, { authorization, ...named });
  const body = (await answer.json()) as { error?: { reason_code: string } };
  expect([answer.status, body.error?.reason_code ?? null]).toEqual([status, reason]);
  expect(desk.calls.map(({ caller }) => caller?.agentId)).toEqual(
    status === 200 ? [agent ?? 'anna'] : [],
  );
});

test('an action that is not carried is a refusal on record', async () => {
  const desk = apiDesk({ credential: { actions: ['read'] } });
  await desk.post(PAY, BODY);
  expect(
    desk.recorded.map(({ action, quoteId, refusal }) => [action, quoteId, refusal.reasonCode]),
  ).toEqual([['pay', 'liq_quote_1', 'action_not_allowed']]);
});

test('a token that is shown once is found by its hash alone', () => {
  const { token, tokenHash: hash } = mintToken(new Uint8Array(32).fill(255));
  expect(token).toMatch(/^wt_[A-Za-z0-9_-]{43}$/);
  expect(hash).toBe(sha256(token));
  expect(tokenHash(token)).toBe(hash);
  expect(tokenHash('wt_short')).toBeNull();
  expect(() => mintToken(new Uint8Array(16))).toThrow(/32 random bytes/);
});
