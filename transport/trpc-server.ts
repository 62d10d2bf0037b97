/** Serving a tRPC router over HTTP or over a Unix socket of mode 0600, with bounds on everything. */
import { lstat, mkdir, stat, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { type AnyTRPCRouter, TRPCError } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { Failure } from '../policies/failure.ts';

/** A request's head and body must arrive within this. */
const REQUEST_MS_MAX = 30_000;
/** Connections at once: five agents, each with a long poll and a call. */
const CONNECTIONS_MAX = 64;
/** What is being answered at `close` may finish within this; a long poll is cut. */
const CLOSE_GRACE_MS = 1_000;
/** Only its user may open a socket (chmod 0600 from its first moment). */
const SOCKET_UMASK = 0o177;
/** Procedures are not batched: one request, one signature. */
const BATCH_MAX = 1;

export interface Serving {
  /** Where it listens: port of HTTP, 0 for a socket. */
  port: number;
  close(): Promise<void>;
}

/** A request whose body is read, whole and within its bound: a signature over it can be checked. */
export interface ReadRequest extends IncomingMessage {
  /** Empty where there is none. */
  body: string;
}

export interface ServeOptions<Context> {
  router: AnyTRPCRouter;
  createContext(request: ReadRequest): Promise<Context> | Context;
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
 * Serves on a Unix socket of mode 0600, made so under a umask: there is no moment at which others could
 * open it. A folder that is not there is made 0700.
 *
 * @throws Failure WRONG_STATE when somebody serves there already, when something else than a socket lies
 * there, or when others may write in the folder: they could put their own socket in its place.
 */
export async function serveUnix<Context>(
  options: ServeOptions<Context>,
  socketPath: string,
): Promise<Serving> {
  const folder = path.dirname(socketPath);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (((await stat(folder)).mode & 0o022) !== 0) {
    throw new Failure('WRONG_STATE', `others may write in ${folder}: chmod 700 it`);
  }
  await removeStale(socketPath);
  const server = serverOf(options);
  await listening(server, () => {
    // Node binds within this call, so the umask of the process is changed for nobody else.
    const before = process.umask(SOCKET_UMASK);
    try {
      server.listen(socketPath);
    } finally {
      process.umask(before);
    }
  });
  return {
    port: 0,
    close: () => closed(server),
  };
}

function serverOf<Context>(options: ServeOptions<Context>): Server {
  const handler = createHTTPHandler({
    router: options.router,
    createContext: ({ req }) => options.createContext(req as ReadRequest) as Promise<object>,
    maxBodySize: options.bodyBytesMax,
    allowBatching: BATCH_MAX > 1,
    middleware(
      request: IncomingMessage,
      response: ServerResponse,
      next: (failed?: unknown) => void,
    ) {
      const passOn = async (): Promise<void> =>
        next(await readBody(request, response, options.bodyBytesMax));
      void passOn();
    },
  });
  const server = createServer({ maxHeaderSize: 64 * 1024 }, handler);
  server.requestTimeout = REQUEST_MS_MAX;
  server.headersTimeout = REQUEST_MS_MAX;
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

/** Puts the body beside its request. Gives what went wrong, or undefined. */
async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  bytesMax: number,
): Promise<unknown> {
  try {
    Object.assign(request, { body: await bodyOf(request, bytesMax) });
    return undefined;
  } catch (cause) {
    // What is left of the body is not read: the connection ends with the answer.
    response.setHeader('connection', 'close');
    return cause;
  }
}

async function bodyOf(request: IncomingMessage, bytesMax: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    size += (part as Buffer).length;
    if (size > bytesMax) throw new TRPCError({ code: 'PAYLOAD_TOO_LARGE' });
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function listening(server: Server, listen: () => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', resolve);
    listen();
  });
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

async function removeStale(socketPath: string): Promise<void> {
  const there = await lstat(socketPath).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw cause;
  });
  if (there === null) return;
  if (!there.isSocket()) throw new Failure('WRONG_STATE', `${socketPath} is not a socket`);
  if (await isServed(socketPath)) {
    throw new Failure('WRONG_STATE', `another process serves ${socketPath}`);
  }
  await unlink(socketPath);
}

/** Only a refused connection proves that nobody listens: a full queue refuses otherwise. */
function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socketPath);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (cause: NodeJS.ErrnoException) => resolve(cause.code !== 'ECONNREFUSED'));
  });
}
