/**
 * JSON-RPC to a bitcoind. Amounts come as BTC decimals and are read as text, so that no satoshi passes
 * through a float; errors are classified here and nowhere else.
 */
import { readFile } from 'node:fs/promises';
import { isLosslessNumber, parse as parseLossless } from 'lossless-json';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import { MAX_MONEY_SAT, sat } from '../policies/units.ts';

/** Where a node listens and how it knows us; a cookie file is read at every call, nodes renew it. */
export interface BitcoindAddress {
  url: string;
  auth: { user: string; password: string } | { cookieFile: string };
  /** Longest a call may take, from the connection to the last byte of the answer. */
  timeoutMs?: number;
}

/** Enough for a call of any kind but a rescan, which the caller gives more. */
const CALL_TIMEOUT_MS = 60_000;
/** bitcoind works on four calls at a time by default (`rpcthreads`) and refuses those beyond its queue. */
const CONNECTIONS_MAX = 4;
/** Largest answer: a block's worth of wallet transactions, several times. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** `RPC_IN_WARMUP` (rpc/protocol.h): the node is starting. */
const IN_WARMUP = -28;

// The bound of a call is its own, whole one; the library's would end a rescan after five minutes.
const dispatcher = new Agent({ connections: CONNECTIONS_MAX, headersTimeout: 0, bodyTimeout: 0 });

/** A refusal by the node, with its own number (rpc/protocol.h). */
export class BitcoindRefusal extends Failure {
  readonly rpcCode: number;
  constructor(method: string, rpcCode: number, message: string) {
    super('BITCOIND_REFUSED', `${method}: ${message} (${rpcCode})`);
    this.rpcCode = rpcCode;
  }
}

export interface BitcoindRpc {
  /** @throws Failure BITCOIND_UNREACHABLE (retry later), BitcoindRefusal, INPUT_INVALID */
  call<S extends z.ZodType>(
    method: string,
    params: readonly unknown[],
    answer: S,
  ): Promise<z.infer<S>>;
  /** The same node, a named wallet. */
  wallet(name: string): BitcoindRpc;
}

/** BTC decimal text to Sat, exactly. Refuses a sign, an exponent, more than eight decimals and MAX_MONEY. */
export const btcAmount = z
  .string()
  .regex(/^[0-9]{1,8}(\.[0-9]{1,8})?$/, 'must be BTC with at most eight decimals')
  .transform((text) => {
    const [whole = '0', part = ''] = text.split('.');
    return BigInt(whole) * 100_000_000n + BigInt(part.padEnd(8, '0'));
  })
  .refine((value) => value <= MAX_MONEY_SAT, 'must be at most 21 million BTC')
  .transform((value) => sat(value));
/** A height, a count, a time: an integer in the answer. */
export const rpcInteger = z
  .string()
  .regex(/^-?[0-9]{1,15}$/, 'must be an integer')
  .transform((text) => Number.parseInt(text, 10));

const envelope = z.object({
  result: z.unknown(),
  error: z.object({ code: rpcInteger, message: z.string() }).nullish(),
});

/**
 * A client of one node. Every number in an answer reaches the schema as text.
 *
 * @throws Failure INPUT_INVALID for a URL that is none, is not HTTP, or holds a password.
 */
export function bitcoindRpc(address: BitcoindAddress, path = '/'): BitcoindRpc {
  checkUrl(address.url);
  return {
    async call(method, params, answer) {
      const body = await post(address, path, method, params);
      const { result, error } = read(envelope, body, method);
      if (error !== null && error !== undefined) {
        if (error.code === IN_WARMUP) {
          throw new Failure('BITCOIND_UNREACHABLE', `bitcoind is starting: ${error.message}`);
        }
        throw new BitcoindRefusal(method, error.code, error.message);
      }
      return read(answer, result, method);
    },
    wallet: (name) => bitcoindRpc(address, `/wallet/${encodeURIComponent(name)}`),
  };
}

/** A URL is printed in errors, so it must not hold a password. */
function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Failure('INPUT_INVALID', 'the URL of bitcoind must be http://host:port');
  }
  if (url.username !== '' || url.password !== '') {
    throw new Failure('INPUT_INVALID', 'the URL of bitcoind must not hold a user or password');
  }
}

async function post(
  address: BitcoindAddress,
  path: string,
  method: string,
  params: readonly unknown[],
): Promise<unknown> {
  const credentials = await credentialsOf(address);
  const text = await textOf(method, address, async (signal) => {
    const answer = await request(new URL(path, address.url), {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ jsonrpc: '1.0', id: 'weir', method, params }),
      signal,
      dispatcher,
    });
    const body = await bounded(answer.body);
    if (answer.statusCode === 401 || answer.statusCode === 403) {
      throw new Failure('BITCOIND_REFUSED', 'bitcoind does not know this user or password');
    }
    return body;
  });
  try {
    return withTextNumbers(parseLossless(text));
  } catch (cause) {
    // A full work queue and a proxy in between answer in plain text: asking again can help.
    throw new Failure('BITCOIND_UNREACHABLE', `${method}: the answer is not JSON`, { cause });
  }
}

async function textOf(
  method: string,
  { url, timeoutMs = CALL_TIMEOUT_MS }: BitcoindAddress,
  ask: (signal: AbortSignal) => Promise<string>,
): Promise<string> {
  try {
    return await ask(AbortSignal.timeout(timeoutMs));
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('BITCOIND_UNREACHABLE', `${method}: no answer from ${url}`, { cause });
  }
}

async function bounded(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > ANSWER_BYTES_MAX) throw new Failure('INPUT_TOO_LARGE', 'an answer of bitcoind');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function credentialsOf({ auth }: BitcoindAddress): Promise<string> {
  if ('user' in auth) return `${auth.user}:${auth.password}`;
  try {
    return (await readFile(auth.cookieFile, 'utf8')).trim();
  } catch (cause) {
    throw new Failure('BITCOIND_UNREACHABLE', 'the cookie file of bitcoind is not there', {
      cause,
    });
  }
}

function read<S extends z.ZodType>(schema: S, value: unknown, method: string): z.infer<S> {
  const result = schema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    const where = issue?.path.join('.') ?? '';
    throw new Failure('INPUT_INVALID', `${method} answered ${where}: ${issue?.message ?? ''}`);
  }
  return result.data;
}

/** Every number as its own text. */
function withTextNumbers(value: unknown): unknown {
  if (isLosslessNumber(value)) return value.toString();
  if (Array.isArray(value)) return value.map(withTextNumbers);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, withTextNumbers(member)]),
    );
  }
  return value;
}
