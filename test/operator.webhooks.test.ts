/** Webhooks: where they may go, what a receiver can check, and that a lost one is only a hint lost. */
import { EventEmitter, once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Event, webhookBody } from '../operator/protocol.ts';
import { checkEndpoint, deliver, isPublic, publicLookup } from '../operator/webhook-endpoint.ts';
import {
  type CursorStore,
  followEvents,
  RETRY_MS,
  type Standing,
} from '../operator/webhook-loop.ts';
import { openCursorFile } from '../operator/webhooks.ts';

const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;
const NOW_MS = Date.now();

function eventOf(seq: number, kind = 'pay-settled'): Event {
  return { seq, at_ms: 1_790_000_000_000, kind, quote_id: `liq_quote_${seq}` };
}

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

let server: Server;
let url: string;
let received: Received[] = [];
let status = 200;

beforeAll(async () => {
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
      response.writeHead(status, { location: `${url}/elsewhere` }).end('{}');
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  received = [];
  status = 200;
});

test.each<[string, string, string | RegExp]>([
  ['https', 'https://hooks.example/a?b=1', 'allowed'],
  ['https to a public address', 'https://198.51.100.9/', 'allowed'],
  ['http to this machine', 'http://localhost:8080/', 'allowed'],
  ['http to this machine by number', 'http://127.0.0.1:8080/', 'allowed'],
  ['http to this machine by IPv6', 'http://[::1]:8080/', 'allowed'],
  ['https to this machine', 'https://localhost/', 'allowed'],
  ['http elsewhere', 'http://hooks.example/', /https, or http to this machine/],
  ['a file', 'file:///etc/passwd', /https, or http/],
  ['the network of the operator', 'https://10.0.0.7/', /not a public address/],
  ['another of its networks', 'https://192.168.1.1/', /not a public address/],
  ['the metadata of a cloud', 'https://169.254.169.254/', /not a public address/],
  ['the same, written as one number', 'https://2852039166/', /not a public address/],
  ['the same in IPv6', 'https://[::ffff:169.254.169.254]/', /not a public address/],
  ['a private IPv6 network', 'https://[fd00::1]/', /not a public address/],
  ['an address with a password', 'https://a:b@hooks.example/', /holds no user/],
])('an endpoint at %s', (_, address, verdict) => {
  let said = 'allowed';
  try {
    checkEndpoint({ url: address, secret: SECRET });
  } catch (cause) {
    said = String(cause);
  }
  expect(said).toMatch(verdict);
});

test.each(['', 'secret', 'whsec_', `whsec_${'A'.repeat(10)}`])(
  'a secret %j is refused',
  (secret) => {
    expect(() => checkEndpoint({ url: 'https://hooks.example', secret })).toThrow(/whsec_/);
  },
);

test.each([
  ['8.8.8.8', true],
  ['2606:4700::1111', true],
  ['100.64.0.1', false],
  ['172.31.255.255', false],
  ['172.32.0.1', true],
  ['0.0.0.0', false],
  ['255.255.255.255', false],
  ['::1', false],
  ['fe80::1', false],
  ['::ffff:10.0.0.1', false],
])('%s is public: %s', (address, verdict) => {
  expect(isPublic(address)).toBe(verdict);
});

test('a receiver checks it with the published library, and knows a repetition by its id', async () => {
  const event = eventOf(7);
  expect(await deliver(event, { url, secret: SECRET }, NOW_MS)).toBe('delivered');
  expect(await deliver(event, { url, secret: SECRET }, NOW_MS + 1_000)).toBe('delivered');
  const verified = received.map(({ headers, body }) =>
    new Webhook(SECRET).verify(body, headers as Record<string, string>),
  );
  expect(verified[0]).toEqual({
    type: 'pay-settled',
    timestamp: '2026-09-21T14:13:20.000Z',
    data: event,
  });
  expect(webhookBody.parse(verified[0])).toEqual(verified[0]);
  expect(received.map(({ headers }) => headers['webhook-id'])).toEqual(['evt_7', 'evt_7']);
  expect(received[0]?.body).toBe(received[1]?.body);
  expect(() =>
    new Webhook(SECRET).verify(
      received[0]?.body.replace('7', '8') ?? '',
      received[0]?.headers as Record<string, string>,
    ),
  ).toThrow(/No matching signature/);
});

test.each([
  [204, 'delivered'],
  [410, 'gone'],
  [301, 'failed'],
  [307, 'failed'],
  [400, 'failed'],
  [503, 'failed'],
])('an answer %s: %s, and no redirect is followed', async (code, delivery) => {
  status = code;
  expect(await deliver(eventOf(1), { url, secret: SECRET }, NOW_MS)).toBe(delivery);
  expect(received.length).toBe(1);
});

/** What connecting to a name comes to, where DNS gives these addresses. */
function connected(addresses: string[], all: boolean): Promise<unknown> {
  const lookup = publicLookup((_, __, callback) => {
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  });
  return new Promise((resolve) => {
    lookup('hooks.example', { all }, (problem, found) => resolve(problem?.message ?? found));
  });
}

test.each([
  ['a public server', ['8.8.8.8'], '8.8.8.8'],
  ['nothing', [], 'the name has no address'],
  ['the network of the operator', ['10.0.0.7'], 'the name leads to an address that is not public'],
  ['this machine', ['::1'], 'the name leads to an address that is not public'],
  ['both', ['8.8.8.8', '10.0.0.7'], 'the name leads to an address that is not public'],
])('a name that leads to %s: judged when it is connected to', async (_, addresses, verdict) => {
  expect(await connected(addresses, false)).toBe(verdict);
  const all = verdict === '8.8.8.8' ? [{ address: '8.8.8.8', family: 4 }] : verdict;
  expect(await connected(addresses, true)).toEqual(all);
});

interface Followed {
  sent: string[];
  waits: number[];
  standing: Standing | undefined;
}

/** Follows these events with an endpoint that answers as it is told, and stops at their end. */
async function follow(
  events: readonly Event[],
  answers: readonly ('delivered' | 'failed' | 'gone')[],
  startAfter = 0,
  known?: Standing,
): Promise<Followed> {
  const left = [...answers];
  const sent: string[] = [];
  const waits: number[] = [];
  const kept = new Map<string, Standing>(known === undefined ? [] : [['u', known]]);
  const store: CursorStore = {
    get: (key) => kept.get(key),
    set: async (key, standing) => {
      kept.set(key, standing);
    },
  };
  const end = new EventEmitter();
  const ended = once(end, 'end');
  const running = followEvents({
    endpoints: [{ url: 'u', secret: SECRET }],
    store,
    startAfter,
    feed: (after, limit) => {
      const page = events.filter(({ seq }) => seq > after).slice(0, limit);
      const last = page.at(-1);
      if (last === undefined) {
        end.emit('end');
        return new Promise(() => undefined);
      }
      return Promise.resolve({
        schema: 'weir.event_page.v1',
        events: page,
        next_after: last.seq,
      });
    },
    sleep: async (ms) => {
      waits.push(ms);
    },
    now: () => NOW_MS,
    send: async (event) => {
      const answer = left.shift() ?? 'delivered';
      sent.push(`${event.seq} ${answer}`);
      if (answer === 'gone') end.emit('end');
      return answer;
    },
  });
  await ended;
  await running.stop();
  return { sent, waits, standing: kept.get('u') };
}

test('only what is terminal is told, in order, and the cursor is behind it', async () => {
  const events = [
    eventOf(1, 'quoted'),
    eventOf(2),
    eventOf(3, 'pay-reserved'),
    eventOf(4, 'pay-failed'),
  ];
  const { sent, standing } = await follow(events, []);
  expect(sent).toEqual(['2 delivered', '4 delivered']);
  expect(standing).toEqual({ after: 4, state: 'live' });
});

test('an event is tried a bounded number of times, with longer and longer waits, then left to the feed', async () => {
  const { sent, waits, standing } = await follow(
    [eventOf(1), eventOf(2)],
    Array.from({ length: RETRY_MS.length + 1 }, () => 'failed' as const),
  );
  expect(sent.filter((line) => line.startsWith('1 '))).toHaveLength(RETRY_MS.length + 1);
  expect(sent.at(-1)).toBe('2 delivered');
  expect(waits).toEqual(RETRY_MS);
  expect(standing).toEqual({ after: 2, state: 'live' });
});

test('410 ends it for good, also after a restart', async () => {
  const first = await follow([eventOf(1), eventOf(2)], ['gone']);
  expect(first.sent).toEqual(['1 gone']);
  expect(first.standing).toEqual({ after: 1, state: 'gone' });
  const asked: number[] = [];
  const again = followEvents({
    endpoints: [{ url: 'u', secret: SECRET }],
    store: { get: () => first.standing, set: async () => undefined },
    startAfter: 0,
    feed: async (after) => {
      asked.push(after);
      return { schema: 'weir.event_page.v1', events: [], next_after: after };
    },
    sleep: async () => undefined,
    now: () => NOW_MS,
  });
  await again.stop();
  expect(asked).toEqual([]);
});

test('an endpoint that is new is not told the past, one that is known goes on where it was', async () => {
  const events = [eventOf(1), eventOf(2), eventOf(3)];
  expect((await follow(events, [], 2)).sent).toEqual(['3 delivered']);
  expect((await follow(events, [], 3, { after: 1, state: 'live' })).sent).toEqual([
    '2 delivered',
    '3 delivered',
  ]);
});

test('cursors survive a restart, and a file that is not ours is refused', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'weir-webhooks-'));
  const store = await openCursorFile(dir);
  await Promise.all([
    store.set('https://a.example', { after: 1, state: 'live' }),
    store.set('https://a.example', { after: 2, state: 'live' }),
    store.set('https://b.example', { after: 9, state: 'gone' }),
  ]);
  const again = await openCursorFile(dir);
  expect(again.get('https://a.example')).toEqual({ after: 2, state: 'live' });
  expect(again.get('https://b.example')).toEqual({ after: 9, state: 'gone' });
  expect(await readFile(path.join(dir, 'webhooks.json'), 'utf8')).not.toContain('whsec_');
  await writeFile(path.join(dir, 'webhooks.json'), '{"a":1}');
  await expect(openCursorFile(dir)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
});
