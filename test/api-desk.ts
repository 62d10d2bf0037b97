/** The pool's surface over a scripted pool, with a clock that stands, and a token that holds. */
import { getPublicKey } from 'nostr-tools/pure';
import { type ApiOptions, type PoolApp, poolApp } from '../operator/api/app.ts';
import { mintToken } from '../operator/auth/token.ts';
import type { Credential } from '../operator/pool-api.ts';
import {
  credential,
  credentialsOf,
  examplePolicy,
  type PoolDouble,
  PUBLIC_URL,
  poolDouble,
} from './pool-api-double.ts';

export const NOW_MS = 1_790_000_000_000;
/** Long enough before `NOW_MS` that nothing was signed before the start. */
const STARTED_MS = NOW_MS - 3_600_000;
export const NOSTR_KEY = new Uint8Array(32).fill(7);
export const { token: TOKEN, tokenHash: TOKEN_HASH } = mintToken(new Uint8Array(32).fill(1));

export interface ApiDesk extends PoolDouble {
  app: PoolApp;
  options: ApiOptions;
  faults: unknown[];
  clock: { ms: number };
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** Text as it is, everything else as JSON. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

export interface DeskOptions extends Partial<ApiOptions> {
  credential?: Partial<Credential>;
}

export function apiDesk({ credential: change, ...changes }: DeskOptions = {}): ApiDesk {
  const pool = poolDouble();
  const faults: unknown[] = [];
  const clock = { ms: STARTED_MS };
  const policy = examplePolicy();
  const known = credential(change);
  const options: ApiOptions = {
    api: pool.api,
    credentials: credentialsOf(
      new Map([[TOKEN_HASH, known]]),
      new Map([[getPublicKey(NOSTR_KEY), known]]),
    ),
    policy: () => policy,
    publicUrl: PUBLIC_URL,
    now: () => clock.ms,
    notReady: () => [],
    refusals: new Map(),
    fault: (cause) => faults.push(cause),
    proxyHops: 0,
    ...changes,
  };
  const app = poolApp(options);
  clock.ms = NOW_MS;
  const bearer = { authorization: `Bearer ${TOKEN}` };
  return {
    ...pool,
    app,
    options,
    faults,
    clock,
    get: async (path, headers = bearer) => app.request(path, { headers }),
    post: async (path, body, headers = bearer) =>
      app.request(path, {
        method: 'POST',
        headers,
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}
