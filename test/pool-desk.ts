/** One pool for each test, and what callers do with it: credit, quote, pay, look at balances. */
import { afterEach, beforeEach, expect } from 'vitest';
import { accountRows } from '../operator/ledger/ledger.ts';
import type { OperatorPolicy } from '../operator/operator-policy.ts';
import type { ApiRefusal, Caller, Reply } from '../operator/pool-api.ts';
import type { PayResponse, QuotePayRequest, QuotePayResponse } from '../operator/protocol.ts';
import { payRequest, quotePayRequest, topupRequest } from '../operator/protocol.ts';
import { poolWorld, type TestPool, type World } from './pool-scenario.ts';

export interface PoolDesk {
  readonly world: World;
  readonly pool: TestPool;
  /** After `pool.close`. */
  open(): Promise<void>;
  /** As after a power cut. */
  reopen(more?: { policy?: OperatorPolicy }): Promise<void>;
  quoteBody(invoice: string, more?: Record<string, unknown>): QuotePayRequest;
  quoted(
    caller: Caller,
    invoice: string,
    more?: Record<string, unknown>,
  ): Promise<QuotePayResponse>;
  pay(caller: Caller, quoteId: string, more?: Record<string, unknown>): Promise<Reply<PayResponse>>;
  paid(caller: Caller, quoteId: string): Promise<PayResponse>;
  credit(caller: Caller, amountMsat: bigint, key?: string): Promise<void>;
  balance(caller: Caller): Promise<bigint>;
  account(name: string): bigint;
}

/** Opens a pool before each test of the file it is called in, and removes it after. */
export function poolDesk(): PoolDesk {
  let world: World;
  let pool: TestPool;
  beforeEach(async () => {
    world = await poolWorld();
    pool = await world.open();
  });
  afterEach(async () => {
    await pool.close().catch(() => undefined);
    await world.remove();
  });

  const desk: PoolDesk = {
    get world() {
      return world;
    },
    get pool() {
      return pool;
    },
    async open() {
      pool = await world.open();
    },
    async reopen(more) {
      await pool.crash();
      pool = await world.open(more);
    },
    quoteBody: (invoice, more = {}) =>
      quotePayRequest.parse({
        schema: 'openagents.liquidity.quote_pay_request.v1',
        idempotency_key: `key ${invoice}`,
        invoice,
        host: 'sats4ai.com',
        max_amount_msats: 100_000_000,
        max_fee_msats: 20_000,
        urgency: null,
        policy_context: {},
        ...more,
      }),
    quoted: async (caller, invoice, more = {}) =>
      body(await pool.api.quotePay(caller, desk.quoteBody(invoice, more))),
    pay: (caller, quoteId, more = {}) =>
      pool.api.pay(
        caller,
        payRequest.parse({
          schema: 'openagents.liquidity.pay_request.v1',
          quote_id: quoteId,
          ...more,
        }),
      ),
    paid: async (caller, quoteId) => body(await desk.pay(caller, quoteId)),
    async credit(caller, amountMsat, key = 'first') {
      const request = topupRequest.parse({
        schema: 'weir.prepaid.topup_request.v1',
        idempotency_key: key,
        amount_msats: Number.parseInt(amountMsat.toString(), 10),
      });
      const opened = body(await pool.api.topup(caller, request));
      world.node.payIn(opened.payment_hash);
      await pool.topups.sweep();
      const view = await pool.api.topupOf(caller, opened.topup_id);
      expect(view).toMatchObject({ is: 'ok', body: { state: 'credited' } });
    },
    balance: async (caller) => body(await pool.api.prepaid(caller)).available_msats,
    account: (name) =>
      accountRows(pool.engine.state().ledger).find((row) => row.account === name)?.balance ?? 0n,
  };
  return desk;
}

/** @throws Error that names the refusal */
export function body<T>(reply: Reply<T>): T {
  if (reply.is === 'ok') return reply.body;
  throw new Error(`${reply.refusal.reasonCode}: ${reply.refusal.message}`);
}

/** The reason of a no, or `ok`. */
export async function refusalOf(
  reply: Promise<{ is: string; refusal?: ApiRefusal }>,
): Promise<string> {
  const answer = await reply;
  return answer.refusal?.reasonCode ?? answer.is;
}

/** Bigints as text: only for comparing. */
export function comparable(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'bigint' ? each.toString() : each,
  );
}
