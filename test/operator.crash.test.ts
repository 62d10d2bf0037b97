/**
 * The pool's core is cut off at the edge of every effect, as by a power cut, and started again: one settled debit per
 * payment hash at most, no hold released whose HTLC settled, no receipt lost, every balance as an independent count says.
 */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CrashMoment, crashPointOf } from '../operator/crash-at.ts';
import { accountRows } from '../operator/ledger/ledger.ts';
import type { Caller } from '../operator/pool-api.ts';
import { payRequest, quotePayRequest, topupRequest } from '../operator/protocol.ts';
import { type Fate, hashOf, outsideInvoice, preimageOf } from './fake-node.ts';
import {
  agent,
  poolWorld,
  TEST_POLICY,
  type TestPool,
  untilTrue,
  type World,
} from './pool-scenario.ts';

/** Thrown where the power goes: nothing after it is done. */
class PowerCut extends Error {}

/** The edges of what payments do. */
const PAYING: readonly CrashMoment[] = [
  'before-append',
  'after-append',
  'before-dispatch',
  'after-dispatch',
  'before-look-up',
];
/** The edges of what top-ups do. */
const INVOICING: readonly CrashMoment[] = [
  'before-create-invoice',
  'after-create-invoice',
  'before-cancel-invoice',
  'after-cancel-invoice',
];

const ana = agent('ana');
const ben = agent('ben');
const CREDIT = 50_000_000n;
/** Nobody waits here for a payment that stays open: there are many. */
const POLICY = { ...TEST_POLICY, pay: { ...TEST_POLICY.pay, holdOpenMs: 5 } };

interface Step {
  who: 'ana' | 'ben';
  name: string;
  amountMsat: bigint;
  fate: Fate;
}

/** A pool that is started again whenever the power goes, and callers that ask again with the same bodies. */
class Life {
  readonly world: World;
  pool: TestPool;
  cuts = 0;
  private setting: string | undefined;

  private constructor(world: World, pool: TestPool) {
    this.world = world;
    this.pool = pool;
  }

  static async begin(setting: string): Promise<Life> {
    const world = await poolWorld();
    const life = new Life(world, await world.open({ policy: POLICY }));
    await life.credit(ana);
    await life.credit(ben);
    await life.pool.close();
    life.setting = setting;
    await life.start();
    return life;
  }

  private async start(): Promise<void> {
    const setting = this.cuts === 0 ? this.setting : undefined;
    for (;;) {
      try {
        this.pool = await this.world.open({
          policy: POLICY,
          crashPoint: crashPointOf(setting, () => {
            throw new PowerCut('cut');
          }),
        });
        return;
      } catch (cause) {
        if (!(cause instanceof PowerCut)) throw cause;
        this.cuts += 1;
      }
    }
  }

  /** Until it is answered; a pool whose power went is started again. */
  async asked<T>(call: (pool: TestPool) => Promise<T>): Promise<T> {
    for (let tries = 0; tries < 20; tries += 1) {
      try {
        const answer = await call(this.pool);
        if (this.pool.fatal() === null) return answer;
      } catch (cause) {
        if (this.pool.fatal() === null && !(cause instanceof PowerCut)) throw cause;
      }
      await this.restart();
    }
    throw new Error('never answered');
  }

  async restart(): Promise<void> {
    this.cuts += 1;
    await this.pool.crash();
    await this.start();
  }

  private async credit(caller: Caller): Promise<void> {
    const body = topupRequest.parse({
      schema: 'weir.prepaid.topup_request.v1',
      idempotency_key: 'first',
      amount_msats: 50_000_000,
    });
    const opened = await this.asked((pool) => pool.api.topup(caller, body));
    if (opened.is === 'refused') throw new Error(opened.refusal.message);
    this.world.node.payIn(opened.body.payment_hash);
    await this.asked((pool) => pool.topups.sweep());
  }

  async pay(step: Step): Promise<'succeeded' | 'failed' | 'open'> {
    const caller = step.who === 'ana' ? ana : ben;
    const invoice = outsideInvoice(step.name, step.amountMsat);
    const hash = hashOf(preimageOf(step.name));
    if (!this.world.node.fates.has(hash)) this.world.node.fates.set(hash, step.fate);
    const body = quotePayRequest.parse({
      schema: 'openagents.liquidity.quote_pay_request.v1',
      idempotency_key: step.name,
      invoice,
      host: 'host',
      max_amount_msats: 100_000_000,
      max_fee_msats: 20_000,
    });
    const quote = await this.asked((pool) => pool.api.quotePay(caller, body));
    if (quote.is === 'refused') return 'failed';
    const request = payRequest.parse({
      schema: 'openagents.liquidity.pay_request.v1',
      quote_id: quote.body.quote_id,
    });
    const reply = await this.asked((pool) => pool.api.pay(caller, request));
    return reply.is === 'ok' ? reply.body.status : 'open';
  }

  /** Whatever is open ends at the node, and then in the books. */
  async settleAll(): Promise<void> {
    const { node } = this.world;
    node.arrive();
    for (const [hash, payment] of node.payments) {
      if (payment.state === 'in_flight')
        node.resolve(hash, payment.amountMsat % 2n === 0n ? 'settled' : 'failed');
    }
    for (const hash of node.fates.keys()) {
      if (['lost', 'late'].includes(node.fates.get(hash) ?? '')) node.fates.set(hash, 'settles');
    }
    await untilTrue('every end', async () => {
      if (this.pool.fatal() !== null) await this.restart();
      return this.pool.engine.state().unresolved.size === 0;
    });
  }

  async end(): Promise<void> {
    await this.pool.close().catch(() => undefined);
    await this.world.remove();
  }
}

/** Counted from the node alone, by other means than the ledger's. */
function expectBooksToTell(life: Life): void {
  const { node } = life.world;
  const state = life.pool.engine.state();
  const spent = new Map<string, bigint>();
  for (const payment of state.payments.values()) {
    const { agentId, paymentHash, amountMsat, serviceFeeMsat } = payment.quote;
    const settledAtNode = node.settledHtlcs.get(paymentHash) ?? 0;
    expect(settledAtNode, `${paymentHash} settled at the node`).toBeLessThanOrEqual(1);
    expect(payment.state === 'settled', `${paymentHash} in the books`).toBe(
      settledAtNode === 1 && state.paymentByHash.get(paymentHash) === payment.quote.quoteId,
    );
    if (payment.state !== 'settled') continue;
    const fee = payment.routeFeeMsat ?? 0n;
    spent.set(agentId, (spent.get(agentId) ?? 0n) + amountMsat + fee + serviceFeeMsat);
    expect(payment.finalSeq).not.toBeNull();
  }
  const rows = new Map(accountRows(state.ledger).map((row) => [row.account, row.balance]));
  for (const who of ['ana', 'ben']) {
    expect(rows.get(`SYS:liab:prepaid.${who}`)).toBe(CREDIT - (spent.get(who) ?? 0n));
  }
  expect(rows.get('LLP:asset:ln.inflight') ?? 0n).toBe(0n);
  expect([...rows.keys()].filter((name) => name.includes('prepaid_hold'))).toEqual([]);
}

const SCRIPT: readonly Step[] = [
  { who: 'ana', name: 'a', amountMsat: 1_000_000n, fate: 'settles' },
  { who: 'ana', name: 'b', amountMsat: 2_000_000n, fate: 'stays' },
  { who: 'ben', name: 'b', amountMsat: 2_000_000n, fate: 'stays' },
  { who: 'ben', name: 'c', amountMsat: 3_000_001n, fate: 'stays' },
  { who: 'ben', name: 'd', amountMsat: 1_500_000n, fate: 'fails' },
  { who: 'ana', name: 'e', amountMsat: 1_250_000n, fate: 'lost' },
  { who: 'ben', name: 'f', amountMsat: 1_750_000n, fate: 'late' },
];

describe('a power cut', () => {
  const places = PAYING.flatMap((moment) => [1, 2, 3, 5, 8].map((count) => ({ moment, count })));
  test.each(places)('$moment, time $count: every payment ends once', async ({ moment, count }) => {
    const life = await Life.begin(`${moment}:${count}`);
    try {
      for (const step of SCRIPT) await life.pay(step);
      await life.settleAll();
      expectBooksToTell(life);
      // The same requests again are answered from the books.
      for (const step of SCRIPT) await life.pay(step);
      expect(life.pool.engine.state().unresolved.size).toBe(0);
      expectBooksToTell(life);
    } finally {
      await life.end();
    }
  });

  test.each(INVOICING)('%s: money between two of our agents moves once', async (moment) => {
    const life = await Life.begin(`${moment}:1`);
    try {
      const body = topupRequest.parse({
        schema: 'weir.prepaid.topup_request.v1',
        idempotency_key: 'inside',
        amount_msats: 2_000_000,
      });
      const opened = await life.asked((pool) => pool.api.topup(ben, body));
      if (opened.is === 'refused' || opened.body.invoice === undefined)
        throw new Error('no invoice');
      const { invoice } = opened.body;
      const quoteBody = quotePayRequest.parse({
        schema: 'openagents.liquidity.quote_pay_request.v1',
        idempotency_key: 'inside',
        invoice,
        host: 'host',
        max_amount_msats: 100_000_000,
        max_fee_msats: 20_000,
      });
      const quote = await life.asked((pool) => pool.api.quotePay(ana, quoteBody));
      if (quote.is === 'refused') throw new Error(quote.refusal.message);
      const request = payRequest.parse({
        schema: 'openagents.liquidity.pay_request.v1',
        quote_id: quote.body.quote_id,
      });
      await life.asked((pool) => pool.api.pay(ana, request));
      await life.settleAll();
      const rows = new Map(
        accountRows(life.pool.engine.state().ledger).map((row) => [row.account, row.balance]),
      );
      expect(rows.get('SYS:liab:prepaid.ben')).toBe(CREDIT + 2_000_000n);
      expect(rows.get('SYS:liab:prepaid.ana')).toBe(CREDIT - 2_000_000n - 2_050n);
      expect(life.cuts).toBeGreaterThan(0);
    } finally {
      await life.end();
    }
  });

  test('every place of the table was really reached', async () => {
    const source = await Promise.all(
      ['payment-driver', 'topup-driver', 'crashing-journal'].map((name) =>
        readFile(`operator/${name}.ts`, 'utf8'),
      ),
    );
    for (const moment of [...PAYING, ...INVOICING])
      expect(source.join('\n')).toContain(`crashPoint('${moment}')`);
  });
});

test('any order of payments, restarts and ends leaves the books as the node tells', async () => {
  const fate = fc.constantFrom<Fate>('settles', 'fails', 'stays', 'lost', 'late');
  const step = fc.record({
    who: fc.constantFrom<'ana' | 'ben'>('ana', 'ben'),
    name: fc.constantFrom('p', 'q', 'r', 's', 't'),
    amountMsat: fc.bigInt(1_000n, 3_000_000n),
    fate,
  });
  const act = fc.oneof(
    { weight: 5, arbitrary: step.map((of) => ({ is: 'pay' as const, of })) },
    { weight: 1, arbitrary: fc.constant({ is: 'restart' as const }) },
    { weight: 1, arbitrary: fc.constant({ is: 'end' as const }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { maxLength: 12 }),
      fc.constantFrom(...PAYING),
      fc.integer({ min: 1, max: 6 }),
      async (acts, moment, count) => {
        const life = await Life.begin(`${moment}:${count}`);
        // One invoice has one amount, whoever quotes it.
        const amounts = new Map<string, bigint>();
        try {
          for (const each of acts) {
            if (each.is === 'restart') await life.restart();
            else if (each.is === 'end') await life.settleAll();
            else {
              const amountMsat = amounts.get(each.of.name) ?? each.of.amountMsat;
              amounts.set(each.of.name, amountMsat);
              await life.pay({ ...each.of, amountMsat });
            }
          }
          await life.settleAll();
          expectBooksToTell(life);
          expect(life.pool.fatal()).toBeNull();
        } finally {
          await life.end();
        }
      },
    ),
    { numRuns: 25 },
  );
}, 120_000);
