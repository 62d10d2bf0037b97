/** The pool's HTTP server, with a bound on everything: heads, time to send, connections. */
import { createServer, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { ApiRefusal } from '../pool-api.ts';
import { refuse } from '../reasons.ts';
import { refusalAnswer } from './answer.ts';
import { type ApiOptions, poolApp } from './app.ts';
import { countRefusal } from './refusal-count.ts';
import { envelopeOf } from './refusal-error.ts';

export interface ServingApi {
  port: number;
  close(): Promise<void>;
}

const HEAD_BYTES_MAX = 16 * 1024;
/** A request without a Host is answered below like everything else that is none. */
const SERVER_OPTIONS = { maxHeaderSize: HEAD_BYTES_MAX, requireHostHeader: false };
const HEADERS_MAX = 64;
/** A head, and a whole request, must arrive within these. */
const HEAD_MS_MAX = 10_000;
const REQUEST_MS_MAX = 30_000;
/** Longer than what common proxies keep a connection, so that they and not we end it. */
const KEEP_ALIVE_MS = 75_000;
const CONNECTIONS_MAX = 2_048;
/** What is being answered at `close` may finish within this. */
const CLOSE_GRACE_MS = 1_000;

/** Listens; port 0 takes a free one. */
export async function serveApi(
  options: ApiOptions,
  at: { host: string; port: number },
): Promise<ServingApi> {
  const { fetch } = poolApp(options);
  const count = (refusal: ApiRefusal): ApiRefusal => {
    countRefusal(options.refusals, refusal);
    return refusal;
  };
  const listener = getRequestListener(fetch, {
    // Its own Response is written to the connection as it is; the global one goes through a web stream.
    overrideGlobalObjects: true,
    // What cannot become a request at all, e.g. a Host that is none.
    errorHandler: () =>
      refusalAnswer(count(refuse('body_invalid', 'this is no request for this server'))),
  });
  // The listener answers whatever goes wrong itself: its promise does not reject.
  const server = createServer(SERVER_OPTIONS, (request, response) => {
    void listener(request, response);
  });
  server.maxHeadersCount = HEADERS_MAX;
  server.headersTimeout = HEAD_MS_MAX;
  server.requestTimeout = REQUEST_MS_MAX;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = CONNECTIONS_MAX;
  server.on('clientError', (error, socket) => answerMalformed(error, socket, count));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => closed(server),
  };
}

/** What Node's parser refuses never becomes a request: the envelope is written by hand, and the line ends. */
function answerMalformed(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  count: (refusal: ApiRefusal) => ApiRefusal,
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const refusal = count(
    error.code === 'HPE_HEADER_OVERFLOW'
      ? refuse('body_too_large', `the head is larger than ${HEAD_BYTES_MAX} bytes`)
      : refuse('body_invalid', 'this is no HTTP request, or it came too slowly'),
  );
  const body = JSON.stringify(envelopeOf(refusal));
  const line = refusal.status === 413 ? '413 Payload Too Large' : '400 Bad Request';
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
