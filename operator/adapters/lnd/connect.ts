/** A connection to one LND with one macaroon: ln-service's handle, guarded, and calls it has no wrapper for. */
import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { type AuthenticatedLnd, authenticatedLndGrpc } from 'ln-service';
import { z } from 'zod';
import { Failure, invariant } from '../../../policies/failure.ts';
import { guarded, openStreams } from './guard.ts';

/** A certificate or macaroon is some hundred bytes; more is another file. */
const CREDENTIAL_BYTES_MAX = 64 * 1024;

export interface LndConnection {
  readonly lnd: AuthenticatedLnd;
  /** Ends every call. A payment in flight goes on at the node, without new attempts. */
  close(): void;
}

export interface LndAddress {
  /** `host:port`, by a name that the node's certificate has: an IP address makes Node warn about TLS. */
  socket: string;
  certPath: string;
  /** A file, or the macaroon itself in base64 or hex. */
  macaroonPath?: string;
  macaroon?: string;
}

/**
 * Connects at the first call. ln-service also sets GRPC_SSL_CIPHER_SUITES in this process's environment, for
 * LND's certificates; nothing else here speaks gRPC.
 *
 * @throws Failure KEY_MISSING for a file that is not there or is something else
 */
export async function connectLnd(address: LndAddress): Promise<LndConnection> {
  const { socket, certPath, macaroonPath } = address;
  const cert = await credential(certPath);
  const macaroon =
    macaroonPath === undefined ? (address.macaroon ?? '') : await credential(macaroonPath);
  if (macaroon === '') throw new Failure('KEY_MISSING', 'there is no macaroon to connect with');
  const { lnd } = authenticatedLndGrpc({ socket, cert, macaroon });
  const clients = Object.values(lnd) as { close(): void }[];
  const streams = openStreams();
  return {
    lnd: guarded(lnd, streams),
    close() {
      for (const client of clients) client.close();
      streams.cancel();
    },
  };
}

/** In base64, as ln-service wants it. */
async function credential(file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new Failure('KEY_MISSING', `${file} cannot be read (${cause.code ?? 'unknown'})`);
  });
  if (bytes.length > 0 && bytes.length <= CREDENTIAL_BYTES_MAX) return bytes.toString('base64');
  throw new Failure('KEY_MISSING', `${file} is no certificate or macaroon`);
}

/** One service of the handle, as gRPC makes it: methods by name. */
type Client = Record<string, ((...args: unknown[]) => unknown) | undefined>;

/** A call that ln-service has no wrapper for, or one that hides what LND said. Rejects as gRPC does. */
export function rawCall(client: unknown, method: string, request: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    methodOf(client, method)(request, (cause: Error | null, answer: unknown) => {
      if (cause === null || cause === undefined) resolve(answer);
      else reject(cause);
    });
  });
}

/** A stream of the node's, as gRPC makes it. */
export type RawStream = Duplex & { cancel(): void };

/** The same for a stream. Give it an `error` listener at once: its error ends the process otherwise. */
export function rawStream(client: unknown, method: string, request: unknown): RawStream {
  return methodOf(client, method)(request) as RawStream;
}

function methodOf(client: unknown, method: string): (...args: unknown[]) => unknown {
  const found = (client as Client)[method];
  invariant(found !== undefined, `LND has no method ${method}`);
  return found;
}

/** An answer of the shape that is expected. @throws Failure LND_UNREACHABLE naming the field */
export function shaped<T>(what: string, schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join('.') ?? '';
  throw new Failure('LND_UNREACHABLE', `the Lightning node's ${what} has another shape at ${at}`);
}

/** Numbers that LND writes as text, as it does with all of 64 bits. */
export const digits = z.string().regex(/^[0-9]{1,20}$/);
