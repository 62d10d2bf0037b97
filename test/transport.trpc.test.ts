/** tRPC over a Unix socket and over HTTP: who may, how much, and what a request is signed over. */
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTRPCClient, httpLink } from '@trpc/client';
import { initTRPC, TRPCError } from '@trpc/server';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import { failureOfCall } from '../transport/trpc-failure.ts';
import { ANSWER_BYTES_MAX, SOCKET_URL, signedFetch, unixFetch } from '../transport/trpc-fetch.ts';
import { serveHttp, serveUnix } from '../transport/trpc-server.ts';

const t = initTRPC.context<{ header: string }>().create({
  errorFormatter: ({ shape, error }) => ({
    ...shape,
    data: { failure: error.cause instanceof Failure ? error.cause.code : null },
  }),
});
/** Calls of `hold` that arrived and wait; a test lets them go. */
const held: (() => void)[] = [];
const router = t.router({
  echo: t.procedure.input(z.string().max(2_000_000)).query(({ input }) => input),
  put: t.procedure
    .input(z.string().max(2_000_000))
    .mutation(({ input, ctx }) => [input, ctx.header]),
  hold: t.procedure.query(() => new Promise<string>((resolve) => held.push(() => resolve('held')))),
  refuse: t.procedure.query((): string => {
    const cause = new Failure('AGENT_LOCKED', 'unlock \u001b[2J first');
    throw new TRPCError({ code: 'BAD_REQUEST', message: cause.message, cause });
  }),
});
type Router = typeof router;
const options = {
  router,
  bodyBytesMax: 1_000_000,
  createContext: (request: { headers: Record<string, string | string[] | undefined> }) => ({
    header: String(request.headers['x-signed'] ?? ''),
  }),
};

async function socketPath(): Promise<string> {
  return path.join(await mkdtemp(path.join(tmpdir(), 'weir-socket-')), 'run', 'agent.sock');
}

test('a socket answers its user and nobody else: mode 0600 in a folder of mode 0700', async () => {
  const at = await socketPath();
  const serving = await serveUnix(options, at);
  try {
    expect((await stat(at)).mode & 0o777).toBe(0o600);
    expect((await stat(path.dirname(at))).mode & 0o777).toBe(0o700);
    const client = createTRPCClient<Router>({
      links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(at) })],
    });
    expect(await client.echo.query('hello')).toBe('hello');
    expect(await client.put.mutate('twice')).toEqual(['twice', '']);
  } finally {
    await serving.close();
  }
});

function clientOf(at: string) {
  return createTRPCClient<Router>({ links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(at) })] });
}

test('a socket left by a dead process is taken over; one that answers is not', async () => {
  const at = await socketPath();
  const first = await serveUnix(options, at);
  await expect(serveUnix(options, at)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  expect(await clientOf(at).echo.query('undisturbed')).toBe('undisturbed');
  // Closing unlinks the name it was bound to: moved away and back, the socket stays as after a kill.
  await rename(at, `${at}.aside`);
  await first.close();
  await rename(`${at}.aside`, at);
  const second = await serveUnix(options, at);
  expect(await clientOf(at).echo.query('mine now')).toBe('mine now');
  await second.close();
});

test('a file that is no socket is left alone', async () => {
  const at = await socketPath();
  await mkdir(path.dirname(at), { mode: 0o700 });
  await writeFile(at, 'somebody needs this');
  await expect(serveUnix(options, at)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  expect((await stat(at)).size).toBe(19);
});

test('refuses a folder in which others may write, and does not change it', async () => {
  const at = await socketPath();
  await mkdir(path.dirname(at));
  await chmod(path.dirname(at), 0o777);
  await expect(serveUnix(options, at)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  expect((await stat(path.dirname(at))).mode & 0o777).toBe(0o777);
});

test('the umask of the process is what it was before', async () => {
  const before = process.umask();
  const serving = await serveUnix(options, await socketPath());
  expect(process.umask()).toBe(before);
  await serving.close();
});

test('closing lets an answer under way arrive, and cuts what would wait for ever', async () => {
  const at = await socketPath();
  const serving = await serveUnix(options, at);
  const client = clientOf(at);
  const answered = client.hold.query();
  const cut = client.hold.query().catch((cause: unknown) => failureOfCall(cause, 'KEY_MISSING'));
  await expect.poll(() => held.length).toBe(2);
  const closing = serving.close();
  held.shift()?.();
  expect(await answered).toBe('held');
  expect(await cut).toMatchObject({ code: 'KEY_MISSING' });
  await closing;
  held.length = 0;
  const gone = await client.echo.query('').catch((cause: unknown) => cause);
  expect(failureOfCall(gone, 'AGENT_UNREACHABLE')).toMatchObject({
    code: 'AGENT_UNREACHABLE',
    retry: 'later',
  });
});

test('a failure of the other side arrives with its code, without control characters', async () => {
  const at = await socketPath();
  const serving = await serveUnix(options, at);
  const thrown = await clientOf(at)
    .refuse.query()
    .catch((cause: unknown) => failureOfCall(cause, 'AGENT_UNREACHABLE'));
  expect(thrown).toMatchObject({ code: 'AGENT_LOCKED', message: 'unlock  [2J first' });
  await serving.close();
});

test.each([
  ['redirects', { status: 302, headers: { location: '/elsewhere' }, chunks: 0 }],
  ['never stops', { status: 200, headers: {}, chunks: ANSWER_BYTES_MAX / 1024 / 1024 + 2 }],
])('a server that %s is no answer', async (_, { status, headers, chunks }) => {
  const megabyte = Buffer.alloc(1024 * 1024, 0x20);
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/elsewhere' ? 200 : status, headers);
    for (let sent = 0; sent < chunks; sent += 1) response.write(megabyte);
    response.end('{"result":{"data":"x"}}');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createTRPCClient<Router>({
    links: [httpLink({ url, fetch: signedFetch(() => ({})) })],
  });
  const thrown = await client.echo.query('').catch((cause: unknown) => cause);
  expect(failureOfCall(thrown, 'COORDINATOR_UNREACHABLE')).toMatchObject({
    code: 'COORDINATOR_UNREACHABLE',
  });
  server.closeAllConnections();
  server.close();
});

test('a signed request covers the procedure and the text of its input', async () => {
  const seen: unknown[] = [];
  const serving = await serveHttp(options, { host: '127.0.0.1', port: 0 });
  const fetch = signedFetch((request) => {
    seen.push(request);
    return { 'x-signed': 'yes' };
  });
  try {
    const url = `http://127.0.0.1:${serving.port}`;
    const client = createTRPCClient<Router>({ links: [httpLink({ url, fetch })] });
    expect(await client.put.mutate('body')).toEqual(['body', 'yes']);
    await client.echo.query('query');
    expect(seen).toEqual([
      { procedure: 'put', input: '"body"' },
      { procedure: 'echo', input: '"query"' },
    ]);
  } finally {
    await serving.close();
  }
});

test('a body above the bound is refused and the server goes on', async () => {
  const serving = await serveHttp(options, { host: '127.0.0.1', port: 0 });
  try {
    const url = `http://127.0.0.1:${serving.port}`;
    const client = createTRPCClient<Router>({
      links: [httpLink({ url, fetch: signedFetch(() => ({})) })],
    });
    await expect(client.put.mutate('x'.repeat(1_500_000))).rejects.toMatchObject({
      shape: { code: -32013 },
    });
    const garbage = await fetch(`${url}/put`, { method: 'POST', body: '{not json' });
    expect(garbage.status).toBe(415);
    expect(await client.echo.query('still here')).toBe('still here');
  } finally {
    await serving.close();
  }
});
