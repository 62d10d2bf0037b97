/**
 * Who calls, and for which agent: a bearer token or a Nostr key (NIP-98) of a credential in the books. Cheap
 * comparisons come first, and only the key of a credential costs curve arithmetic.
 */
import type { ApiRefusal, Caller, Credential, Credentials } from '../pool-api.ts';
import { refuse } from '../reasons.ts';
import {
  EVENT_AGE_MS_MAX,
  type HttpAuthEvent,
  httpAuthHolds,
  httpAuthProblem,
  readHttpAuth,
  type SignedParts,
} from './nip98.ts';
import { openSeenIds } from './seen-ids.ts';
import { tokenHash } from './token.ts';

export interface RequestParts extends SignedParts {
  /** Value of the Authorization header. */
  authorization: string | null;
  /** Agent that the request names, where a credential acts for many. */
  agent: string | null;
}

export type Authenticated =
  | { is: 'caller'; caller: Caller }
  /** The credential holds and was refused what it asked for: `caller` is its first agent. */
  | { is: 'denied'; caller: Caller; refusal: ApiRefusal }
  | { is: 'nobody' }
  | { is: 'refused'; refusal: ApiRefusal };

export interface Authenticator {
  authenticate(parts: RequestParts, credentials: Credentials, nowMs: number): Authenticated;
}

/** Events of two minutes at some 800 requests a second. */
const SEEN_IDS_MAX = 100_000;

/**
 * @param startedAtMs When this process began. Ids from before are forgotten, so events dated until then are
 *   refused. One that its caller's clock dated ahead can come twice through a restart; every POST bears that.
 */
export function openAuthenticator(startedAtMs: number): Authenticator {
  const seen = openSeenIds(SEEN_IDS_MAX);

  function byEvent(event: HttpAuthEvent, parts: RequestParts, nowMs: number): ApiRefusal | null {
    const problem = httpAuthProblem(event, parts, nowMs);
    if (problem !== null) return unauthenticated(problem);
    if (event.created_at * 1_000 <= startedAtMs) {
      return unauthenticated('the event was signed before the pool started: sign anew');
    }
    if (!httpAuthHolds(event)) return unauthenticated('the signature does not hold');
    const until = event.created_at * 1_000 + EVENT_AGE_MS_MAX;
    switch (seen.take(event.id, until, nowMs)) {
      case 'new':
        return null;
      case 'seen':
        return unauthenticated('this event came before: sign every request anew');
      case 'full':
        return refuse('overloaded', 'too many signed requests', { retryAfterMs: EVENT_AGE_MS_MAX });
    }
  }

  return {
    authenticate(parts, credentials, nowMs) {
      if (parts.authorization === null) return { is: 'nobody' };
      const [scheme = '', text = ''] = parts.authorization.trim().split(/ +/, 2);
      switch (scheme.toLowerCase()) {
        case 'bearer': {
          const hash = tokenHash(text);
          const found = hash === null ? undefined : credentials.byTokenHash(hash);
          return callerOf(found, parts.agent, nowMs);
        }
        case 'nostr': {
          const event = readHttpAuth(text);
          if (event === null) return refused(unauthenticated('the header holds no NIP-98 event'));
          const found = credentials.byNostrKey(event.pubkey);
          if (found === undefined) return callerOf(found, parts.agent, nowMs);
          const refusal = byEvent(event, parts, nowMs);
          return refusal === null ? callerOf(found, parts.agent, nowMs) : refused(refusal);
        }
        default:
          return refused(unauthenticated('authenticate with Bearer or Nostr (NIP-98)'));
      }
    },
  };
}

/** What a living credential makes of its holder. */
function callerOf(
  credential: Credential | undefined,
  agent: string | null,
  nowMs: number,
): Authenticated {
  if (credential === undefined) return refused(unauthenticated('this credential is not known'));
  if (credential.state !== 'live') return refused(unauthenticated('this credential is revoked'));
  if (credential.expiresAtMs <= nowMs) {
    return refused(unauthenticated('this credential has run out'));
  }
  const { id, role, agents, actions, perPaymentMsat, perDayMsat } = credential;
  const [first] = agents;
  const notAllowed = refuse('agent_not_allowed', 'this credential does not act for that agent');
  if (first === undefined) return refused(notAllowed);
  const caller = { credentialId: id, role, actions, perPaymentMsat, perDayMsat };
  if (agent === null) return { is: 'caller', caller: { ...caller, agentId: first } };
  return agents.includes(agent)
    ? { is: 'caller', caller: { ...caller, agentId: agent } }
    : { is: 'denied', caller: { ...caller, agentId: first }, refusal: notAllowed };
}

function refused(refusal: ApiRefusal): Authenticated {
  return { is: 'refused', refusal };
}

function unauthenticated(message: string): ApiRefusal {
  return refuse('unauthenticated', message);
}
