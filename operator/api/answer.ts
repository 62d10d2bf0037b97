/** How one request is answered, by a route or by tRPC: gate, procedure, bytes. */
import type { HttpBindings } from '@hono/node-server';
import { TRPCError } from '@trpc/server';
import { fetchRequestHandler } from '@trpc/server/adapters/fetch';
import type { Context } from 'hono';
import type { ApiRefusal, PoolApi } from '../pool-api.ts';
import { refuse } from '../reasons.ts';
import type { Admitted, Gate } from './gate.ts';
import { fieldName, type JsonRead, readJson } from './json-body.ts';
import { envelopeOf, faultRefusal, refusalHeaders, refusalOf } from './refusal-error.ts';
import { remoteNetwork } from './remote-address.ts';
import { type Auth, createPoolCaller, poolRouter } from './router.ts';
import { ROUTES, type Route } from './routes.ts';

export interface Env {
  Bindings: HttpBindings;
}

export interface AnswerOptions {
  api: PoolApi;
  gate: Gate;
  /** Hears the cause of every `internal`; a broken invariant is its to stop the process for. */
  fault: (cause: unknown) => void;
  /** Hears every refusal that is answered. */
  count: (refusal: ApiRefusal) => void;
  /** Proxies of ours in front, each of which appends to X-Forwarded-For. */
  proxyHops: number;
}

type Call = (input: unknown) => Promise<unknown>;

const JSON_HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};
export const TRPC_PATH = '/trpc';
const AUTH_OF = new Map<string, Auth>(ROUTES.map(({ procedure, auth }) => [procedure, auth]));

export function jsonAnswer(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: JSON_HEADERS });
}

export function refusalAnswer(refusal: ApiRefusal): Response {
  return new Response(JSON.stringify(envelopeOf(refusal)), {
    status: refusal.status,
    headers: { ...JSON_HEADERS, ...refusalHeaders(refusal) },
  });
}

/** Never rejects: whatever goes wrong is a refusal. */
export async function answerRoute(
  route: Route,
  context: Context<Env>,
  options: AnswerOptions,
): Promise<Response> {
  try {
    const admitted = await options.gate.admit(
      context.req.raw,
      route.auth,
      remote(context, options),
    );
    const read = route.method === 'POST' ? readJson(admitted.body) : queryOf(context);
    const procedures = createPoolCaller(contextOf(admitted, read, options));
    const call = procedures[route.procedure] as Call;
    return jsonAnswer(await call(read.is === 'ok' ? read.value : undefined));
  } catch (cause) {
    const refusal = cause instanceof TRPCError ? refusalOf(cause) : faultRefusal();
    if (!(cause instanceof TRPCError)) options.fault(cause);
    options.count(refusal);
    return refusalAnswer(refusal);
  }
}

/** tRPC with the same gate; its body is read strictly before it reads it itself. No batches. */
export async function answerTrpc(context: Context<Env>, options: AnswerOptions): Promise<Response> {
  const { raw } = context.req;
  const auth = AUTH_OF.get(context.req.path.slice(TRPC_PATH.length + 1)) ?? 'none';
  const admitted = await options.gate.admit(raw, auth, remote(context, options));
  const read: JsonRead = admitted.body === '' ? NOTHING : readJson(admitted.body);
  const inside = contextOf(admitted, read, options);
  const request = new Request(raw.url, {
    method: raw.method,
    headers: raw.headers,
    ...(admitted.body === '' ? {} : { body: read.is === 'ok' ? admitted.body : '{}' }),
  });
  return fetchRequestHandler({
    endpoint: TRPC_PATH,
    req: request,
    router: poolRouter,
    allowBatching: false,
    createContext: () => inside,
    onError: ({ error }) => options.count(refusalOf(error)),
    responseMeta: ({ errors: [error] }) => ({
      headers: {
        'cache-control': 'no-store',
        ...(error === undefined ? {} : refusalHeaders(refusalOf(error))),
      },
    }),
  });
}

const NOTHING: JsonRead = { is: 'ok', value: undefined };

function contextOf(admitted: Admitted, read: JsonRead, { api, fault }: AnswerOptions) {
  const { caller, refusal, denied } = admitted;
  const unreadable = read.is === 'ok' ? null : read.refusal;
  return { api, caller, refusal, denied, unreadable, fault };
}

/** Parameters of path and query in one object; undefined when there are none. */
function queryOf(context: Context<Env>): JsonRead {
  const input = new Map<string, string>(Object.entries(context.req.param()));
  for (const [key, value] of new URL(context.req.raw.url).searchParams) {
    if (input.has(key)) {
      const field = fieldName([key]);
      const refusal = refuse('field_invalid', `${field}: stands twice`, { field });
      return { is: 'refused', refusal };
    }
    input.set(key, value);
  }
  return { is: 'ok', value: Object.fromEntries(input) };
}

function remote(context: Context<Env>, { proxyHops }: AnswerOptions): string {
  const forwarded = context.req.header('x-forwarded-for') ?? null;
  // Without a server in front, as in tests, there is no connection to ask.
  const { incoming } = (context.env ?? {}) as Partial<HttpBindings>;
  return remoteNetwork(incoming?.socket.remoteAddress, forwarded, proxyHops);
}
