/**
 * What the pool does for a caller, whatever the transport: plain HTTP and tRPC call these and nothing else.
 * Refusals are values. Bodies are wire objects of `protocol.ts`, in the order in which they are printed, so that a
 * replay is the same bytes.
 */
import type * as wire from './protocol.ts';

export const ACTIONS = ['pay', 'read', 'topup', 'withdraw', 'admin'] as const;
export type Action = (typeof ACTIONS)[number];

/** An authenticated caller acting for one agent. */
export interface Caller {
  credentialId: string;
  agentId: string;
  /** `operator` may name the treasury as funding. */
  role: 'agent' | 'operator';
  actions: readonly Action[];
  /** Further caps of the credential itself, in msat; null where the agent's rules are enough. */
  perPaymentMsat: bigint | null;
  perDayMsat: bigint | null;
}

/** A credential as the books hold it: a token by its SHA-256, or a Nostr key (NIP-98). */
export interface Credential {
  id: string;
  role: 'agent' | 'operator';
  /** Agents it may act for; the first is meant when the request names none. */
  agents: readonly string[];
  actions: readonly Action[];
  perPaymentMsat: bigint | null;
  perDayMsat: bigint | null;
  expiresAtMs: number;
  state: 'live' | 'revoked';
}

export interface Credentials {
  byTokenHash(sha256Hex: string): Credential | undefined;
  byNostrKey(pubkey: string): Credential | undefined;
}

/** A no with its reason. `reasonCode` is from the closed list in `reasons.ts`. */
export interface ApiRefusal {
  status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 429 | 500 | 502 | 503;
  code:
    | 'invalid_request'
    | 'unauthorized'
    | 'forbidden'
    | 'not_found'
    | 'conflict'
    | 'rate_limited'
    | 'internal'
    | 'dependency_unavailable'
    | 'write_path_frozen';
  reasonCode: string;
  message: string;
  /** Field of the request that is wrong, where one is. */
  field: string | null;
  retryable: boolean;
  retryAfterMs: number | null;
  paymentHash: string | null;
  /** Receipt of this refusal, where one was made. */
  receiptId: string | null;
}

export type Reply<T> = { is: 'ok'; body: T } | { is: 'refused'; refusal: ApiRefusal };

/** A no that the surface said before any decision: a field breaks its rule, an action is not carried. */
export interface SurfaceRefusal {
  caller: Caller;
  action: string;
  refusal: ApiRefusal;
  quoteId: string | null;
  idempotencyKey: string | null;
}

export interface Page {
  after: string | null;
  limit: number;
}

export interface PoolApi {
  quotePay(caller: Caller, body: wire.QuotePayRequest): Promise<Reply<wire.QuotePayResponse>>;
  pay(caller: Caller, body: wire.PayRequest): Promise<Reply<wire.PayResponse>>;
  status(): Promise<wire.StatusResponse>;
  quote(caller: Caller, quoteId: string): Promise<Reply<wire.PaymentView>>;
  payment(caller: Caller, paymentHash: string): Promise<Reply<wire.PaymentView>>;
  payments(caller: Caller, page: Page): Promise<Reply<wire.PaymentList>>;
  prepaid(caller: Caller): Promise<Reply<wire.PrepaidView>>;
  topup(caller: Caller, body: wire.TopupRequest): Promise<Reply<wire.TopupView>>;
  topupOf(caller: Caller, topupId: string): Promise<Reply<wire.TopupView>>;
  withdraw(caller: Caller, body: wire.WithdrawRequest): Promise<Reply<wire.PayResponse>>;
  /** Whole for its owner and operators, without private fields for everybody else. */
  receipt(caller: Caller | null, receiptId: string): Promise<Reply<unknown>>;
  proof(receiptId: string): Promise<Reply<unknown>>;
  /** Events of the caller's agents after a cursor, oldest first; waits up to `waitMs` for one. */
  events(
    caller: Caller,
    after: number,
    limit: number,
    waitMs: number,
  ): Promise<Reply<wire.EventPage>>;
  /** Public log: records after a seq, and the signed checkpoint. */
  logRecords(after: number, limit: number): Promise<Reply<wire.LogPage>>;
  checkpoint(): Promise<Reply<unknown>>;
  /** Puts it on record; gives it back with its receipt. */
  recordRefusal(of: SurfaceRefusal): Promise<ApiRefusal>;
}
