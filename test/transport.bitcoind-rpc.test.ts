/** bitcoind's JSON-RPC against a server that misbehaves: answers a real node does not give on demand. */
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { MAX_MONEY_SAT } from '../policies/units.ts';
import { bitcoindRpc, btcAmount, rpcInteger } from '../transport/bitcoind-rpc.ts';

const auth = { user: 'u', password: 'geheim' };
const opened: { close(): void; closeAllConnections(): void }[] = [];
afterEach(() => {
  for (const server of opened.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function nodeThat(
  answer: (response: ServerResponse, request: IncomingMessage) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    answer(response, request);
  });
  opened.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function amountIn(text: string): Promise<unknown> {
  const url = await nodeThat((response) => response.end(`{"result":{"a":${text}},"error":null}`));
  return bitcoindRpc({ url, auth }).call('getbalance', [], z.object({ a: btcAmount }));
}

test.each([
  ['0.00000001', 1n],
  ['0.10000000', 10_000_000n],
  ['0.1', 10_000_000n],
  // 28999999.999999996 where a float is multiplied.
  ['0.29000000', 29_000_000n],
  ['20999999.97690000', 2_099_999_997_690_000n],
  ['21000000.00000000', MAX_MONEY_SAT],
])('the amount %s in an answer is %s sat', async (text, amount) => {
  expect(await amountIn(text)).toEqual({ a: amount });
});

test.each([
  ['21000000.00000001', /21 million/],
  ['100000000.00000000', /eight decimals/],
  ['0.123456789', /eight decimals/],
  ['1e-8', /eight decimals/],
  ['-0.50000000', /eight decimals/],
  ['null', /string/],
])('refuses the amount %s and names the field', async (text, rule) => {
  await expect(amountIn(text)).rejects.toThrow(rule);
  await expect(amountIn(text)).rejects.toThrow(/^getbalance answered a: /);
});

test('every amount in satoshi survives its way through BTC text', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: MAX_MONEY_SAT }), (amount) => {
      const text = `${amount / 100_000_000n}.${(amount % 100_000_000n).toString().padStart(8, '0')}`;
      expect(btcAmount.parse(text)).toBe(amount);
    }),
  );
});

test('a refusal keeps the number of the node and the wallet is in the path', async () => {
  const url = await nodeThat((response, request) => {
    response.statusCode = 500;
    response.end(
      JSON.stringify({ result: null, error: { code: -27, message: `no: ${request.url}` } }),
    );
  });
  await expect(
    bitcoindRpc({ url, auth }).wallet('a/../b').call('sendrawtransaction', ['00'], z.string()),
  ).rejects.toMatchObject({
    code: 'BITCOIND_REFUSED',
    rpcCode: -27,
    message: 'sendrawtransaction: no: /wallet/a%2F..%2Fb (-27)',
  });
});

const starting = '{"result":null,"error":{"code":-28,"message":"Loading block index…"}}';
test.each([
  ['starts', (r: ServerResponse) => r.end(starting), 'BITCOIND_UNREACHABLE'],
  ['is too busy', (r: ServerResponse) => r.writeHead(503).end('depth'), 'BITCOIND_UNREACHABLE'],
  [
    'stops in the middle',
    (r: ServerResponse) => r.write('{"res', () => r.destroy()),
    'BITCOIND_UNREACHABLE',
  ],
  ['answers half', (r: ServerResponse) => r.end('{"result":[1,'), 'BITCOIND_UNREACHABLE'],
  ['answers no envelope', (r: ServerResponse) => r.end('[]'), 'INPUT_INVALID'],
  ['answers another shape', (r: ServerResponse) => r.end('{"result":"x"}'), 'INPUT_INVALID'],
  ['answers a fraction', (r: ServerResponse) => r.end('{"result":1.5}'), 'INPUT_INVALID'],
  ['does not know us', (r: ServerResponse) => r.writeHead(401).end(), 'BITCOIND_REFUSED'],
])('a node that %s', async (_, answer, code) => {
  const url = await nodeThat((response) => void answer(response));
  const asked = bitcoindRpc({ url, auth }).call('getblockcount', [], rpcInteger);
  await expect(asked).rejects.toMatchObject({ code });
  await expect(asked).rejects.not.toThrow(/geheim/);
});

test('an answer that drips is ended by the bound on the whole call', async () => {
  const url = await nodeThat((response) => {
    const drip = setInterval(() => response.write(' '), 10);
    response.on('close', () => clearInterval(drip));
  });
  await expect(
    bitcoindRpc({ url, auth, timeoutMs: 150 }).call('getblockcount', [], rpcInteger),
  ).rejects.toMatchObject({ code: 'BITCOIND_UNREACHABLE' });
});

test('an answer without end is ended by the bound on its size', async () => {
  const part = Buffer.alloc(4 * 1024 * 1024, 0x20);
  const url = await nodeThat((response) => {
    const more = (): void => {
      if (response.destroyed) return;
      response.write(part, more);
    };
    more();
  });
  await expect(
    bitcoindRpc({ url, auth }).call('getblockcount', [], rpcInteger),
  ).rejects.toMatchObject({ code: 'INPUT_TOO_LARGE' });
});

test('nobody listens: unreachable, and asking again can help', async () => {
  await expect(
    bitcoindRpc({ url: 'http://127.0.0.1:1', auth }).call('uptime', [], rpcInteger),
  ).rejects.toMatchObject({ code: 'BITCOIND_UNREACHABLE', retry: 'later' });
});

test('the cookie is read at each call, so a restarted node is known again', async () => {
  const cookieFile = path.join(await mkdtemp(path.join(tmpdir(), 'weir-cookie-')), '.cookie');
  const seen: string[] = [];
  const url = await nodeThat((response, request) => {
    const [, word = ''] = (request.headers.authorization ?? '').split(' ');
    seen.push(Buffer.from(word, 'base64').toString());
    response.end('{"result":7}');
  });
  const rpc = bitcoindRpc({ url, auth: { cookieFile } });
  await expect(rpc.call('uptime', [], rpcInteger)).rejects.toMatchObject({
    code: 'BITCOIND_UNREACHABLE',
  });
  for (const cookie of ['__cookie__:one', '__cookie__:two']) {
    await writeFile(cookieFile, `${cookie}\n`);
    expect(await rpc.call('uptime', [], rpcInteger)).toBe(7);
  }
  expect(seen).toEqual(['__cookie__:one', '__cookie__:two']);
});

test.each(['http://u:geheim@127.0.0.1:8332', 'file:///etc/passwd', '127.0.0.1:8332', ''])(
  'refuses the URL %s without repeating it',
  (url) => {
    expect(() => bitcoindRpc({ url, auth })).toThrow(/^the URL of bitcoind must/);
  },
);
