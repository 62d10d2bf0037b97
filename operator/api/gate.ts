/**
 * What a request passes before any procedure: its size, who sends it, how often. Gives the caller, or the refusal
 * that is the answer; refusals of this kind are counted, never put on record. `denied` is: its caller is known and
 * within the rate.
 */
import { type Authenticator, openAuthenticator } from '../auth/authenticate.ts';
import { openRateLimit } from '../auth/rate-limit.ts';
import { type OperatorPolicy, rulesOf } from '../operator-policy.ts';
import type { ApiRefusal, Caller, Credentials } from '../pool-api.ts';
import { AGENT_HEADER, BODY_BYTES_MAX } from '../protocol.ts';
import { refuse } from '../reasons.ts';
import { readBody } from './request-body.ts';
import type { Auth } from './router.ts';

export interface GateOptions {
  credentials: Credentials;
  policy: () => OperatorPolicy;
  /** Base address as callers write it: NIP-98 signs it. */
  publicUrl: string;
  now: () => number;
}

export interface Admitted {
  body: string;
  caller: Caller | null;
  refusal: ApiRefusal | null;
  /** What the caller's credential does not give it: the answer, and put on record. */
  denied: ApiRefusal | null;
}

export interface Gate {
  admit(request: Request, auth: Auth, remote: string): Promise<Admitted>;
}

/** Requests a minute of one address without a credential that holds, wrong ones included. */
const PUBLIC_PER_MINUTE = 300;
const REMOTES_MAX = 10_000;
const AGENTS_MAX = 100_000;

export function openGate(options: GateOptions): Gate {
  const authenticator = openAuthenticator(options.now());
  const perRemote = openRateLimit(REMOTES_MAX);
  const perAgent = openRateLimit(AGENTS_MAX);

  /** A turn of the remote address; when there is none left, that is the answer. */
  function counted(remote: string, refusal: ApiRefusal | null): Omit<Admitted, 'body'> {
    const wait = perRemote.take(remote, PUBLIC_PER_MINUTE, options.now());
    return { caller: null, refusal: wait === 0 ? refusal : tooMany(wait), denied: null };
  }

  function who(request: Request, body: string, remote: string): Omit<Admitted, 'body'> {
    const authorization = request.headers.get('authorization');
    // A token costs one hash to look up; a signature costs more, so it waits for its address's turn.
    if (authorization !== null && !/^bearer /i.test(authorization)) {
      const wait = perRemote.wait(remote, PUBLIC_PER_MINUTE, options.now());
      if (wait > 0) return { caller: null, refusal: tooMany(wait), denied: null };
    }
    const found = identify(authenticator, options, { request, body, authorization });
    if (found.is === 'nobody') return counted(remote, null);
    if (found.is === 'refused') return counted(remote, found.refusal);
    const { ratePerMinute } = rulesOf(options.policy(), found.caller.agentId);
    const wait = perAgent.take(found.caller.agentId, ratePerMinute, options.now());
    const denied = found.is === 'denied' ? found.refusal : null;
    return { caller: found.caller, refusal: wait === 0 ? null : tooMany(wait), denied };
  }

  return {
    async admit(request, auth, remote) {
      const read = await readBody(request, BODY_BYTES_MAX);
      if (read.is !== 'ok') return { body: '', ...counted(remote, bodyRefusal(read.is)) };
      const admitted = auth === 'none' ? counted(remote, null) : who(request, read.text, remote);
      return { body: read.text, ...admitted };
    },
  };
}

function identify(
  authenticator: Authenticator,
  { credentials, publicUrl, now }: GateOptions,
  from: { request: Request; body: string; authorization: string | null },
) {
  const { pathname, search } = new URL(from.request.url);
  const parts = {
    method: from.request.method,
    url: `${publicUrl}${pathname}${search}`,
    body: from.body,
    authorization: from.authorization,
    agent: from.request.headers.get(AGENT_HEADER),
  };
  return authenticator.authenticate(parts, credentials, now());
}

function tooMany(wait: number): ApiRefusal {
  return refuse('rate_exceeded', `too many requests: wait ${wait} ms`, { retryAfterMs: wait });
}

function bodyRefusal(why: 'too_large' | 'broken'): ApiRefusal {
  return why === 'too_large'
    ? refuse('body_too_large', `the body is larger than ${BODY_BYTES_MAX} bytes`)
    : refuse('body_invalid', 'the body is not UTF-8, or ended too early');
}
