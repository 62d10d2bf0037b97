/**
 * A small client of the pool over plain HTTP. It never guesses: an answer is what was asked for, a refusal with
 * its reason, or unknown, and unknown is repeated with the identical request, never with a new key. Save the
 * `quote_id` before `settle`: with it a restarted process goes on where this one ended.
 */
import type { z } from 'zod';
import {
  AGENT_HEADER,
  type ErrorEnvelope,
  errorEnvelope,
  eventPage,
  jsonObject,
  paymentList,
  paymentView,
  payRequest,
  payResponse,
  prepaidView,
  quotePayRequest,
  quotePayResponse,
  statusResponse,
  topupRequest,
  topupView,
  withdrawRequest,
} from './protocol.ts';

export type Answer<T> =
  | { is: 'ok'; body: T }
  | { is: 'refused'; status: number; error: ErrorEnvelope['error'] }
  /** Nobody answered, or not in our language: whatever was asked may have happened. */
  | { is: 'unknown'; why: string };

export interface ClientOptions {
  /** Base address of the pool, without the prefix. */
  url: string;
  token: string;
  /** Where the credential acts for many. */
  agent?: string;
  fetch?: typeof fetch;
  sleep?: (ms: number) => Promise<void>;
}

type Without<S extends z.ZodType> = Omit<z.input<S>, 'schema'>;
type Body<S extends z.ZodType> = Promise<Answer<z.output<S>>>;

export interface PoolClient {
  status(): Body<typeof statusResponse>;
  /** The same key and fields give the same quote, whenever asked. Amounts are numbers here, as in JSON. */
  quotePay(ask: Without<typeof quotePayRequest>): Body<typeof quotePayResponse>;
  /** One try. */
  pay(ask: Without<typeof payRequest>): Body<typeof payResponse>;
  /** The identical request until it is final or refused for good; at most this many tries. */
  settle(ask: Without<typeof payRequest>, triesMax?: number): Body<typeof payResponse>;
  quote(quoteId: string): Body<typeof paymentView>;
  payment(paymentHash: string): Body<typeof paymentView>;
  payments(after?: string): Body<typeof paymentList>;
  prepaid(): Body<typeof prepaidView>;
  topup(ask: Without<typeof topupRequest>): Body<typeof topupView>;
  topupOf(topupId: string): Body<typeof topupView>;
  withdraw(ask: Without<typeof withdrawRequest>, triesMax?: number): Body<typeof payResponse>;
  receipt(receiptId: string): Body<typeof jsonObject>;
  proof(receiptId: string): Body<typeof jsonObject>;
  events(after: number, waitMs?: number): Body<typeof eventPage>;
}

/** Longer than the pool holds a call open. */
const CALL_MS_MAX = 35_000;
const TRIES_MAX = 30;
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;

export function weirClient(options: ClientOptions): PoolClient {
  const { sleep = sleeping } = options;
  const get = <S extends z.ZodType>(path: string, output: S): Body<S> =>
    send(options, { method: 'GET', path, body: null }, output);
  const post = <S extends z.ZodType>(path: string, body: object, output: S): Body<S> =>
    send(options, { method: 'POST', path, body: JSON.stringify(body) }, output);
  const pay = (ask: Without<typeof payRequest>): Body<typeof payResponse> =>
    post('/liquidity/pay', named(payRequest, ask), payResponse);
  const name = encodeURIComponent;

  return {
    status: () => get('/liquidity/status', statusResponse),
    quotePay: (ask) => post('/liquidity/quote_pay', named(quotePayRequest, ask), quotePayResponse),
    pay,
    settle: (ask, triesMax = TRIES_MAX) => repeated(() => pay(ask), triesMax, sleep),
    quote: (quoteId) => get(`/liquidity/quotes/${name(quoteId)}`, paymentView),
    payment: (hash) => get(`/liquidity/payments/${name(hash)}`, paymentView),
    payments: (after) =>
      get(`/liquidity/payments${after === undefined ? '' : `?after=${name(after)}`}`, paymentList),
    prepaid: () => get('/prepaid', prepaidView),
    topup: (ask) => post('/prepaid/topups', named(topupRequest, ask), topupView),
    topupOf: (topupId) => get(`/prepaid/topups/${name(topupId)}`, topupView),
    withdraw: (ask, triesMax = TRIES_MAX) => {
      const body = named(withdrawRequest, ask);
      return repeated(() => post('/prepaid/withdrawals', body, payResponse), triesMax, sleep);
    },
    receipt: (id) => get(`/receipts/${name(id)}`, jsonObject),
    proof: (id) => get(`/proofs/${name(id)}`, jsonObject),
    events: (after, waitMs = 0) => get(`/events?after=${after}&wait_ms=${waitMs}`, eventPage),
  };
}

/** The ask with its schema's name in front. */
function named({ shape }: z.ZodObject<{ schema: z.ZodLiteral<string> }>, ask: object): object {
  return { schema: shape.schema.value, ...ask };
}

/** Repeats what may end otherwise by itself; a refusal that needs another request is the caller's to read. */
async function repeated<T>(
  call: () => Promise<Answer<T>>,
  triesMax: number,
  sleep: (ms: number) => Promise<void>,
): Promise<Answer<T>> {
  let answer = await call();
  for (let tries = 1; tries < triesMax && isOpen(answer); tries += 1) {
    const told = answer.is === 'refused' ? answer.error.retry_after_ms : undefined;
    await sleep(Math.min(told ?? RETRY_MS, RETRY_MS_MAX));
    answer = await call();
  }
  return answer;
}

function isOpen(answer: Answer<unknown>): boolean {
  if (answer.is !== 'refused') return answer.is === 'unknown';
  const { status, error } = answer;
  return error.reason_code === 'payment_in_flight' || (error.retryable && status >= 429);
}

async function send<S extends z.ZodType>(
  { url, token, agent, fetch: fetching = fetch }: ClientOptions,
  { method, path, body }: { method: 'GET' | 'POST'; path: string; body: string | null },
  output: S,
): Promise<Answer<z.output<S>>> {
  let status: number;
  let json: unknown;
  try {
    const response = await fetching(`${url}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(agent === undefined ? {} : { [AGENT_HEADER]: agent }),
        ...(body === null ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === null ? {} : { body }),
      // A redirect would carry the token to a place nobody chose.
      redirect: 'error',
      signal: AbortSignal.timeout(CALL_MS_MAX),
    });
    status = response.status;
    json = await response.json();
  } catch (cause) {
    return { is: 'unknown', why: cause instanceof Error ? cause.name : 'no answer' };
  }
  if (status === 200) {
    const read = output.safeParse(json);
    return read.success ? { is: 'ok', body: read.data } : unreadable(status);
  }
  const read = errorEnvelope.safeParse(json);
  return read.success ? { is: 'refused', status, error: read.data.error } : unreadable(status);
}

function unreadable(status: number): { is: 'unknown'; why: string } {
  return { is: 'unknown', why: `an answer ${status} that is not the pool's` };
}

function sleeping(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
