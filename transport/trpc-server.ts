/** Serving a tRPC router over HTTP or over a Unix socket of mode 0600, with bounds on everything. */
import { chmod, mkdir, stat, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import type { AnyTRPCRouter } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { Failure } from '../policies/failure.ts';

/** A request's head and body must arrive within this. */
const REQUEST_MS_MAX = 30_000;
/** Connections at once: five agents, each with a long poll and a call. */
const CONNECTIONS_MAX = 64;
/** Procedures are not batched: one request, one signature. */
const BATCH_MAX = 1;

export interface Serving {
  /** Where it listens: port of HTTP, 0 for a socket. */
  port: number;
  close(): Promise<void>;
}

export interface ServeOptions<Context> {
  router: AnyTRPCRouter;
  createContext(request: IncomingMessage): Promise<Context> | Context;
  bodyBytesMax: number;
}

/** Serves on an address of TCP. Port 0 takes a free one. */
export async function serveHttp<Context>(
  options: ServeOptions<Context>,
  at: { host: string; port: number },
): Promise<Serving> {
  const server = serverOf(options);
  await listening(server, () => server.listen(at.port, at.host));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => closed(server),
  };
}

/**
 * Serves on a Unix socket that only this user can open; its folder is made 0700 first, so that there
 * is no moment at which others could.
 *
 * @throws Failure WRONG_STATE when somebody serves there already.
 */
export async function serveUnix<Context>(
  options: ServeOptions<Context>,
  socketPath: string,
): Promise<Serving> {
  await mkdir(path.dirname(socketPath), { recursive: true, mode: 0o700 });
  await chmod(path.dirname(socketPath), 0o700);
  await removeStale(socketPath);
  const server = serverOf(options);
  await listening(server, () => server.listen(socketPath));
  await chmod(socketPath, 0o600);
  return {
    port: 0,
    close: () => closed(server),
  };
}

function serverOf<Context>(options: ServeOptions<Context>): Server {
  const handler = createHTTPHandler({
    router: options.router,
    createContext: ({ req }) => options.createContext(req) as Promise<object>,
    maxBodySize: options.bodyBytesMax,
    allowBatching: BATCH_MAX > 1,
  });
  const server = createServer({ maxHeaderSize: 64 * 1024 }, handler);
  server.requestTimeout = REQUEST_MS_MAX;
  server.headersTimeout = REQUEST_MS_MAX;
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

async function listening(server: Server, listen: () => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', resolve);
    listen();
  });
}

async function closed(server: Server): Promise<void> {
  const done = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeAllConnections();
  await done;
}

async function removeStale(socketPath: string): Promise<void> {
  const there = await stat(socketPath).then(
    () => true,
    () => false,
  );
  if (!there) return;
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect(socketPath);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (answers) throw new Failure('WRONG_STATE', `another process serves ${socketPath}`);
  await unlink(socketPath);
}
