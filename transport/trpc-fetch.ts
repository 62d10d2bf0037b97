/** The `fetch` a tRPC `httpLink` is given: over HTTP with signed requests, or over a Unix socket. */
import { Agent, type Response, fetch as undiciFetch } from 'undici';

/** How long one call may take, long polls included. */
export const CALL_MS_MAX = 60_000;
/** Largest answer taken: who answers may be hostile, and an agent's memory is not theirs to fill. */
export const ANSWER_BYTES_MAX = 48 * 1024 * 1024;
/** Calls at once to one place: a long poll, what it leads to, and a person's command. */
const CONNECTIONS_MAX = 8;
/** Base address for calls over a socket; only its path matters. */
export const SOCKET_URL = 'http://localhost';

/** What a request is signed over: which procedure, and the text that decides what it does. */
export interface SignableRequest {
  procedure: string;
  /** HTTP body of a mutation; the decoded `input` parameter of a query, or empty. */
  input: string;
}

interface FetchOptions {
  method?: string;
  body?: unknown;
  signal?: AbortSignal | null | undefined;
}
type Fetch = (input: URL | string, init?: FetchOptions) => Promise<Response>;

/** Calls over a Unix socket. Nothing is signed: the socket's mode says who may. */
export function unixFetch(socketPath: string): Fetch {
  return fetchThrough(agentOf({ socketPath }), () => ({}));
}

/** Calls over HTTP with headers made of each request's content. */
export function signedFetch(
  headersFor: (request: SignableRequest) => Record<string, string>,
): Fetch {
  return fetchThrough(agentOf({}), headersFor);
}

function agentOf(connect: { socketPath?: string }): Agent {
  return new Agent({ connect, connections: CONNECTIONS_MAX, maxResponseSize: ANSWER_BYTES_MAX });
}

function fetchThrough(
  dispatcher: Agent,
  headersFor: (request: SignableRequest) => Record<string, string>,
): Fetch {
  return (input, init) => {
    const url = new URL(input);
    const body = typeof init?.body === 'string' ? init.body : '';
    const request = {
      procedure: url.pathname.slice(1),
      input: body === '' ? (url.searchParams.get('input') ?? '') : body,
    };
    return undiciFetch(url, {
      method: init?.method ?? 'GET',
      ...(body === '' ? {} : { body }),
      headers: { 'content-type': 'application/json', ...headersFor(request) },
      signal: AbortSignal.any([
        AbortSignal.timeout(CALL_MS_MAX),
        ...(init?.signal ? [init.signal] : []),
      ]),
      // A redirect would carry a signed request to a place nobody chose.
      redirect: 'error',
      dispatcher,
    });
  };
}
