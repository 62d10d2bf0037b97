/** The `fetch` a tRPC `httpLink` is given: over HTTP with signed requests, or over a Unix socket. */
import { Agent, type Response, fetch as undiciFetch } from 'undici';

/** How long one call may take, long polls included. */
export const CALL_MS_MAX = 60_000;
/** Base address for calls over a socket; only its path matters. */
export const SOCKET_URL = 'http://localhost';

/** What a request is signed over: which procedure, and the text that decides what it does. */
export interface SignableRequest {
  procedure: string;
  /** HTTP body of a mutation; the decoded `input` parameter of a query, or empty. */
  input: string;
}

type Fetch = (input: URL | string, init?: { method?: string; body?: unknown }) => Promise<Response>;

/** Calls over a Unix socket. Nothing is signed: the socket's mode says who may. */
export function unixFetch(socketPath: string): Fetch {
  return fetchThrough(new Agent({ connect: { socketPath } }), () => ({}));
}

/** Calls over HTTP with headers made of each request's content. */
export function signedFetch(
  headersFor: (request: SignableRequest) => Record<string, string>,
): Fetch {
  return fetchThrough(new Agent({ connections: 8 }), headersFor);
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
      signal: AbortSignal.timeout(CALL_MS_MAX),
      dispatcher,
    });
  };
}
