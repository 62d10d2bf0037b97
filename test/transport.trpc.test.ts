/** tRPC over a Unix socket and over HTTP: who may, how much, and what a request is signed over. */
import { mkdtemp, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTRPCClient, httpLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { SOCKET_URL, signedFetch, unixFetch } from '../transport/trpc-fetch.ts';
import { serveHttp, serveUnix } from '../transport/trpc-server.ts';

const t = initTRPC.context<{ header: string }>().create();
const router = t.router({
  echo: t.procedure.input(z.string().max(2_000_000)).query(({ input }) => input),
  put: t.procedure
    .input(z.string().max(2_000_000))
    .mutation(({ input, ctx }) => [input, ctx.header]),
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

test('a socket left by a dead process is taken over; one that answers is not', async () => {
  const at = await socketPath();
  const first = await serveUnix(options, at);
  await expect(serveUnix(options, at)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  await first.close();
  await writeFile(at, '').catch(() => undefined);
  const second = await serveUnix(options, at);
  await second.close();
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
    await expect(client.put.mutate('x'.repeat(1_500_000))).rejects.toThrow();
    const garbage = await fetch(`${url}/put`, { method: 'POST', body: '{not json' });
    expect(garbage.status).toBe(415);
    expect(await client.echo.query('still here')).toBe('still here');
  } finally {
    await serving.close();
  }
});
