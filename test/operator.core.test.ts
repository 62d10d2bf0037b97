/** Quote, pay, top up, withdraw on the pool's core, with a node in memory that answers as it is told. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { accountRows } from '../operator/ledger/ledger.ts';
import type { Caller } from '../operator/pool-api.ts';
import type { PayResponse, QuotePayResponse } from '../operator/protocol.ts';
import {
  payRequest,
  quotePayRequest,
  topupRequest,
  withdrawRequest,
} from '../operator/protocol.ts';
import { msat } from '../policies/units.ts';
import { hashOf, NODE_KEY, outsideInvoice, PAYEE, preimageOf } from './fake-node.ts';
import {
  agent,
  GENEROUS,
  poolWorld,
  TEST_POLICY,
  type TestPool,
  untilTrue,
  type World,
} from './pool-scenario.ts';

let world: World;
let pool: TestPool;
const ana = agent('ana');
const ben = agent('ben');

beforeEach(async () => {
  world = await poolWorld();
  pool = await world.open();
});
afterEach(async () => {
  await pool.close().catch(() => undefined);
  await world.remove();
});

function quoteBody(invoice: string, more: Record<string, unknown> = {}) {
  return quotePayRequest.parse({
    schema: 'openagents.liquidity.quote_pay_request.v1',
    idempotency_key: `key ${invoice}`,
    invoice,
    host: 'sats4ai.com',
    max_amount_msats: 100_000_000,
    max_fee_msats: 20_000,
    urgency: null,
    policy_context: {},
    ...more,
  });
}

async function quoted(
  caller: Caller,
  invoice: string,
  more: Record<string, unknown> = {},
): Promise<QuotePayResponse> {
  const reply = await pool.api.quotePay(caller, quoteBody(invoice, more));
  if (reply.is === 'refused')
    throw new Error(`${reply.refusal.reasonCode}: ${reply.refusal.message}`);
  return reply.body;
}

function pay(caller: Caller, quoteId: string, more: Record<string, unknown> = {}) {
  return pool.api.pay(
    caller,
    payRequest.parse({ schema: 'openagents.liquidity.pay_request.v1', quote_id: quoteId, ...more }),
  );
}

async function paid(caller: Caller, quoteId: string): Promise<PayResponse> {
  const reply = await pay(caller, quoteId);
  if (reply.is === 'refused')
    throw new Error(`${reply.refusal.reasonCode}: ${reply.refusal.message}`);
  return reply.body;
}

async function refusalOf(
  reply: Promise<{ is: string; refusal?: { reasonCode: string; field: string | null } }>,
) {
  const answer = await reply;
  return answer.refusal?.reasonCode ?? answer.is;
}

async function credit(caller: Caller, amountMsat: bigint, key = 'first'): Promise<void> {
  const body = topupRequest.parse({
    schema: 'weir.prepaid.topup_request.v1',
    idempotency_key: key,
    amount_msats: Number.parseInt(amountMsat.toString(), 10),
  });
  const reply = await pool.api.topup(caller, body);
  if (reply.is === 'refused') throw new Error(reply.refusal.message);
  world.node.payIn(reply.body.payment_hash);
  await pool.topups.sweep();
  const view = await pool.api.topupOf(caller, reply.body.topup_id);
  expect(view).toMatchObject({ is: 'ok', body: { state: 'credited' } });
}

async function balance(caller: Caller): Promise<bigint> {
  const reply = await pool.api.prepaid(caller);
  if (reply.is === 'refused') throw new Error(reply.refusal.message);
  return reply.body.available_msats;
}

function account(name: string): bigint {
  return accountRows(pool.engine.state().ledger).find((row) => row.account === name)?.balance ?? 0n;
}

describe('a payment', () => {
  test('costs its amount, the route fee that was paid, and the service fee', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('one', 10_000_000n));
    expect(quote.service_fee_msats).toBe(10_050n);
    const answer = await paid(ana, quote.quote_id);
    expect(answer).toMatchObject({
      status: 'succeeded',
      route_fee_msats: 100n,
      service_fee_msats: 10_050n,
    });
    expect(await balance(ana)).toBe(50_000_000n - 10_000_000n - 100n - 10_050n);
    expect(account('LLP:inc:service')).toBe(10_050n);
    expect(account('LLP:asset:ln.inflight')).toBe(0n);
  });

  test('gives the preimage to the agent that paid', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('proof', 1_000_000n));
    const { payment_proof } = await paid(ana, quote.quote_id);
    expect(payment_proof).toEqual({
      type: 'lightning_preimage',
      preimage: preimageOf('proof'),
      payment_hash: hashOf(preimageOf('proof')),
    });
  });

  test('answers the identical request with the same bytes, after its expiry and after a restart, too', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('twice', 1_000_000n));
    const first = JSON.stringify(wire(await paid(ana, quote.quote_id)));
    world.clock.nowMs += 10 * 60_000;
    expect(JSON.stringify(wire(await paid(ana, quote.quote_id)))).toBe(first);
    await pool.crash();
    pool = await world.open();
    expect(JSON.stringify(wire(await paid(ana, quote.quote_id)))).toBe(first);
    expect(world.node.dispatched(quote.payment_hash)).toBe(1);
  });

  test('of fifty concurrent calls settles once', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('fifty', 1_000_000n));
    const answers = await Promise.all(Array.from({ length: 50 }, () => paid(ana, quote.quote_id)));
    expect(new Set(answers.map((each) => JSON.stringify(wire(each)))).size).toBe(1);
    expect(world.node.settledHtlcs.get(quote.payment_hash)).toBe(1);
  });

  test('that fails by the word of the node gives everything back', async () => {
    await credit(ana, 50_000_000n);
    const invoice = outsideInvoice('fails', 1_000_000n);
    const quote = await quoted(ana, invoice);
    world.node.fates.set(quote.payment_hash, 'fails');
    expect(await paid(ana, quote.quote_id)).toMatchObject({
      status: 'failed',
      error_code: 'no_route',
    });
    expect(await balance(ana)).toBe(50_000_000n);
    // And may be tried again, under a new quote.
    world.node.fates.set(quote.payment_hash, 'settles');
    const again = await quoted(ana, invoice, { idempotency_key: 'again' });
    expect(await paid(ana, again.quote_id)).toMatchObject({ status: 'succeeded' });
  });
});

/** Bigints as text: only for comparing. */
function wire(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? each.toString() : each)),
  );
}

describe('what is not known', () => {
  test('LN-1 two quotes of one invoice settle once, whoever asks', async () => {
    await credit(ana, 50_000_000n);
    await credit(ben, 50_000_000n);
    const invoice = outsideInvoice('race', 1_000_000n);
    const one = await quoted(ana, invoice);
    const two = await quoted(ana, invoice, { idempotency_key: 'rephrased' });
    const other = await quoted(ben, invoice);
    const replies = await Promise.all([
      pay(ana, one.quote_id),
      pay(ana, two.quote_id),
      pay(ben, other.quote_id),
    ]);
    expect(replies.filter((each) => each.is === 'ok')).toHaveLength(1);
    expect(world.node.settledHtlcs.get(one.payment_hash)).toBe(1);
    // The other agent learns nothing but that it is taken.
    const late = await pay(ben, other.quote_id);
    expect(late).toMatchObject({
      is: 'refused',
      refusal: { status: 409, reasonCode: 'hash_paid', paymentHash: null },
    });
  });

  test('LN-2 a time-out releases nothing: what settles later is debited then', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('late', 1_000_000n));
    world.node.fates.set(quote.payment_hash, 'stays');
    const reply = await pay(ana, quote.quote_id);
    expect(reply).toMatchObject({
      is: 'refused',
      refusal: {
        status: 409,
        reasonCode: 'payment_in_flight',
        retryable: true,
        paymentHash: quote.payment_hash,
      },
    });
    expect(await balance(ana)).toBeLessThan(49_000_000n);
    world.node.resolve(quote.payment_hash, 'settled');
    await untilTrue('the end', () => pool.engine.state().unresolved.size === 0);
    expect(await paid(ana, quote.quote_id)).toMatchObject({ status: 'succeeded' });
  });

  test('LN-3 a crash between the node and the books debits exactly once', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('crash', 1_000_000n));
    world.node.fates.set(quote.payment_hash, 'stays');
    await pay(ana, quote.quote_id);
    await pool.crash();
    world.node.resolve(quote.payment_hash, 'settled');
    pool = await world.open();
    await untilTrue('the end', () => pool.engine.state().unresolved.size === 0);
    expect(await paid(ana, quote.quote_id)).toMatchObject({ status: 'succeeded' });
    expect(world.node.dispatched(quote.payment_hash)).toBe(1);
    expect(await balance(ana)).toBe(50_000_000n - 1_000_000n - 100n - 1_050n);
  });

  test('LN-5 in flight without an HTLC stays held, however long: nothing refunds by itself', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('stuck', 1_000_000n));
    world.node.fates.set(quote.payment_hash, 'stays');
    await pay(ana, quote.quote_id);
    world.clock.nowMs += 30 * 24 * 60 * 60_000;
    await pool.crash();
    pool = await world.open();
    expect(await refusalOf(pay(ana, quote.quote_id))).toBe('payment_in_flight');
    expect(pool.engine.state().unresolved.size).toBe(1);
  });

  test('a dispatch that never reached the node is sent again under the same hash and cap', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('lost', 1_000_000n));
    world.node.fates.set(quote.payment_hash, 'lost');
    await pay(ana, quote.quote_id);
    world.node.fates.set(quote.payment_hash, 'settles');
    await untilTrue('the end', () => pool.engine.state().unresolved.size === 0);
    expect(world.node.payments.get(quote.payment_hash)?.order.maxFeeMsat).toBe(
      msat(20_000n - 1_050n > 15_000n ? 15_000n : 18_950n),
    );
    expect(world.node.settledHtlcs.get(quote.payment_hash)).toBe(1);
  });

  test('one that was never sent fails only long after the invoice ran out, from a node that is up to date', async () => {
    await credit(ana, 50_000_000n);
    const expiresAtMs = world.clock.nowMs + 60_000;
    const quote = await quoted(ana, outsideInvoice('never', 1_000_000n, { expiresAtMs }));
    world.node.fates.set(quote.payment_hash, 'lost');
    await pay(ana, quote.quote_id);
    world.clock.nowMs = expiresAtMs + 60_000;
    expect(pool.engine.state().unresolved.size).toBe(1);
    world.clock.nowMs = expiresAtMs + 16 * 60_000;
    await untilTrue('the end', () => pool.engine.state().unresolved.size === 0);
    expect(await paid(ana, quote.quote_id)).toMatchObject({ status: 'failed' });
    expect(await balance(ana)).toBe(50_000_000n);
  });

  test('LN-14 a node that forgot a settled payment freezes dispatch', async () => {
    await credit(ana, 50_000_000n);
    const first = await quoted(ana, outsideInvoice('known', 1_000_000n));
    await paid(ana, first.quote_id);
    const second = await quoted(ana, outsideInvoice('next', 1_000_000n));
    world.node.fates.set(second.payment_hash, 'lost');
    world.node.forget(first.payment_hash);
    await pay(ana, second.quote_id);
    await untilTrue('the freeze', () => pool.engine.state().mode === 'frozen');
    const third = pool.api.quotePay(ana, quoteBody(outsideInvoice('third', 1_000_000n)));
    expect(await refusalOf(third)).toBe('frozen');
    expect(world.node.dispatched(second.payment_hash)).toBe(0);
  });

  test('a payment of the node that nobody ordered freezes dispatch at the next start', async () => {
    await credit(ana, 50_000_000n);
    const hash = hashOf(preimageOf('stranger'));
    await pool.close();
    await world.node.payer.pay({
      request: outsideInvoice('stranger', 5_000n),
      paymentHash: hash,
      maxFeeMsat: msat(0n),
      partsMax: 1,
      pathfindingMs: 1,
      maxTimeoutHeight: 1,
      outgoingChannels: [],
      deadlineMs: 1,
    });
    pool = await world.open();
    expect(pool.engine.state().mode).toBe('frozen');
    expect(pool.engine.state().modeWhy).toContain(hash);
  });
});

describe('refuses to quote', () => {
  const later = 3_600_000;
  const CASES: [string, string, Record<string, unknown>, string, string | null][] = [
    ['what is no invoice', 'nonsense', {}, 'invoice_unreadable', 'invoice'],
    [
      'LN-16 an invoice without an amount',
      '{"name":"a","amountMsat":null}',
      {},
      'invoice_amountless',
      'invoice',
    ],
    [
      'another network',
      outsideInvoice('n', 5_000n, { network: 'bitcoin' }),
      {},
      'invoice_network',
      'invoice',
    ],
    [
      'more than the caller allows',
      outsideInvoice('m', 5_000_000n),
      { max_amount_msats: 4_999_999 },
      'amount_over_cap',
      'max_amount_msats',
    ],
    [
      'more than the pool pays',
      outsideInvoice('p', 400_000_001n),
      { max_amount_msats: 500_000_000 },
      'amount_over_cap',
      'invoice',
    ],
    ['dust', outsideInvoice('d', 999n), {}, 'amount_below_dust', 'invoice'],
    [
      'a cap below the service fee',
      outsideInvoice('f', 10_000_000n),
      { max_fee_msats: 10_049 },
      'fee_cap_too_low',
      'max_fee_msats',
    ],
    [
      'LN-6 private routes above the cap',
      outsideInvoice('h', 1_000_000n, { hintFeeMsat: 900_000n }),
      {},
      'invoice_hint_fee',
      'invoice',
    ],
    [
      'treasury funding for an agent',
      outsideInvoice('t', 1_000_000n),
      { funding: 'treasury' },
      'funding_not_allowed',
      'funding',
    ],
    [
      'LN-20 an invoice of our own node that is no top-up',
      outsideInvoice('o', 1_000_000n, { payee: NODE_KEY }),
      {},
      'own_invoice_unknown',
      'invoice',
    ],
  ];
  test.each(CASES)('%s', async (_what, invoice, more, reason, field) => {
    await credit(ana, 500_000_000n, 'rich');
    const reply = await pool.api.quotePay(ana, quoteBody(invoice, more));
    expect(reply).toMatchObject({ is: 'refused', refusal: { reasonCode: reason, field } });
    const { refusal } = reply as { refusal: { receiptId: string } };
    const receipt = await pool.api.receipt(ana, refusal.receiptId);
    expect(receipt).toMatchObject({ is: 'ok', body: { receipt: { reason_code: reason } } });
  });

  test('LN-17 an invoice that runs out before a payment could arrive', async () => {
    await credit(ana, 50_000_000n);
    const expiresAtMs = world.clock.nowMs + 29_999;
    const reply = pool.api.quotePay(ana, quoteBody(outsideInvoice('x', 5_000n, { expiresAtMs })));
    expect(await refusalOf(reply)).toBe('invoice_expired');
    expect(later).toBeGreaterThan(29_999);
  });

  test('without a prepaid balance, and with one that is a millisatoshi short', async () => {
    const invoice = outsideInvoice('poor', 1_000_000n);
    expect(await refusalOf(pool.api.quotePay(ana, quoteBody(invoice)))).toBe('prepaid_too_low');
    await credit(ana, 1_000_000n + 15_000n + 1_050n - 1n);
    const reply = pool.api.quotePay(ana, quoteBody(invoice));
    expect(await refusalOf(reply)).toBe('prepaid_too_low');
  });

  test('more than our channels can send, other live quotes counted', async () => {
    world.node.outboundMsat = 3_000_000n;
    await pool.crash();
    pool = await world.open();
    await credit(ana, 50_000_000n);
    await credit(ben, 50_000_000n);
    await quoted(ana, outsideInvoice('a', 1_900_000n));
    const reply = await pool.api.quotePay(ben, quoteBody(outsideInvoice('b', 1_900_000n)));
    expect(reply).toMatchObject({
      is: 'refused',
      refusal: { status: 429, reasonCode: 'outbound_reserved' },
    });
    world.clock.nowMs += 60_001;
    await untilTrue('a new look', async () => (await pool.api.status()).wallet_executor_reachable);
    expect((await pool.api.quotePay(ben, quoteBody(outsideInvoice('b', 1_900_000n)))).is).toBe(
      'ok',
    );
  });

  test('the same key with another request, and gives the same quote for the same', async () => {
    await credit(ana, 50_000_000n);
    const invoice = outsideInvoice('key', 1_000_000n);
    const first = await quoted(ana, invoice);
    expect(await quoted(ana, invoice)).toEqual(first);
    const other = pool.api.quotePay(ana, quoteBody(invoice, { max_fee_msats: 19_999 }));
    expect(await refusalOf(other)).toBe('idempotency_drift');
  });

  test('while the node does not answer', async () => {
    await credit(ana, 50_000_000n);
    world.node.away = true;
    world.clock.nowMs += 20_000;
    expect(await refusalOf(pool.api.quotePay(ana, quoteBody(outsideInvoice('a', 5_000n))))).toBe(
      'node_unavailable',
    );
  });
});

describe('refuses to pay', () => {
  test('a quote that ran out unpaid', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('old', 1_000_000n));
    world.clock.nowMs += 60_001;
    expect(await refusalOf(pay(ana, quote.quote_id))).toBe('quote_expired');
  });

  test('a quote of another agent, as if there were none', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('mine', 1_000_000n));
    expect(await refusalOf(pay(ben, quote.quote_id))).toBe('not_found');
    await paid(ana, quote.quote_id);
    expect(await refusalOf(pay(ben, quote.quote_id))).toBe('not_found');
  });

  test('a paid quote under another run', async () => {
    await credit(ana, 50_000_000n);
    const quote = await quoted(ana, outsideInvoice('run', 1_000_000n));
    await pay(ana, quote.quote_id, { run_id: 'run-1' });
    expect(await refusalOf(pay(ana, quote.quote_id, { run_id: 'run-2' }))).toBe('request_drift');
  });

  test('two agents racing for the last of the outbound: what the node refuses is given back', async () => {
    await credit(ana, 50_000_000n);
    await credit(ben, 50_000_000n);
    const one = await quoted(ana, outsideInvoice('r1', 1_000_000n));
    const two = await quoted(ben, outsideInvoice('r2', 1_000_000n));
    world.node.fates.set(two.payment_hash, 'fails');
    const replies = await Promise.all([pay(ana, one.quote_id), pay(ben, two.quote_id)]);
    expect(replies.map((each) => (each.is === 'ok' ? each.body.status : each.is))).toEqual([
      'succeeded',
      'failed',
    ]);
    expect(await balance(ben)).toBe(50_000_000n);
  });

  test('more in flight than an agent may have', async () => {
    await pool.crash();
    const rules = { ...GENEROUS, inFlightMax: 1 };
    pool = await world.open({ policy: { ...TEST_POLICY, agentDefaults: rules } });
    await credit(ana, 50_000_000n);
    const one = await quoted(ana, outsideInvoice('f1', 1_000_000n));
    const two = await quoted(ana, outsideInvoice('f2', 1_000_000n));
    world.node.fates.set(one.payment_hash, 'stays');
    await pay(ana, one.quote_id);
    expect(await refusalOf(pay(ana, two.quote_id))).toBe('in_flight_exceeded');
    world.node.resolve(one.payment_hash, 'failed');
    await untilTrue('the end', () => pool.engine.state().unresolved.size === 0);
    expect((await pay(ana, two.quote_id)).is).toBe('ok');
  });

  test('more in flight to one payee than all agents together may have', async () => {
    await pool.crash();
    const payRules = { ...TEST_POLICY.pay, perPayeeInFlightMax: 1 };
    pool = await world.open({ policy: { ...TEST_POLICY, pay: payRules } });
    await credit(ana, 50_000_000n);
    await credit(ben, 50_000_000n);
    const one = await quoted(ana, outsideInvoice('p1', 1_000_000n));
    const two = await quoted(ben, outsideInvoice('p2', 1_000_000n));
    world.node.fates.set(one.payment_hash, 'stays');
    await pay(ana, one.quote_id);
    expect(pool.engine.state().payeeUsage.get(PAYEE)?.inFlight).toBe(1);
    expect(await refusalOf(pay(ben, two.quote_id))).toBe('payee_in_flight_exceeded');
  });
});

describe('prepaid money', () => {
  test('LN-21 a settlement is credited once, by the stream and by look-up', async () => {
    await credit(ana, 5_000_000n);
    await pool.topups.sweep();
    await pool.crash();
    pool = await world.open();
    await pool.topups.sweep();
    expect(await balance(ana)).toBe(5_000_000n);
  });

  test('a top-up that was paid after it ran out is still credited', async () => {
    const body = topupRequest.parse({
      schema: 'weir.prepaid.topup_request.v1',
      idempotency_key: 'k',
      amount_msats: 2_000_000,
    });
    const opened = await pool.api.topup(ana, body);
    if (opened.is === 'refused') throw new Error('refused');
    world.node.away = true;
    world.clock.nowMs += 2 * 60 * 60_000;
    world.node.payIn(opened.body.payment_hash);
    world.node.away = false;
    await pool.topups.sweep();
    expect(await balance(ana)).toBe(2_000_000n);
  });

  test('is withdrawn by its agent, without a service fee, while the pool winds down', async () => {
    await credit(ana, 5_000_000n);
    await pool.engine.act((state) => ({
      news: [
        {
          event: { kind: 'mode-changed', mode: 'winding-down', why: 'test', by: 'olga' },
          entry: null,
          receipt: null,
        },
      ],
      answer: state.mode,
    }));
    expect(await refusalOf(pool.api.quotePay(ana, quoteBody(outsideInvoice('w', 5_000n))))).toBe(
      'winding_down',
    );
    const reply = await pool.api.withdraw(
      ana,
      withdrawRequest.parse({
        schema: 'weir.prepaid.withdraw_request.v1',
        idempotency_key: 'out',
        invoice: outsideInvoice('out', 4_900_000n),
        max_fee_msats: 50_000,
      }),
    );
    expect(reply).toMatchObject({ is: 'ok', body: { status: 'succeeded', service_fee_msats: 0n } });
    expect(await balance(ana)).toBe(100_000n - 100n);
  });

  test('LN-20 moves between two agents inside: the invoice is cancelled at the node first', async () => {
    await credit(ana, 5_000_000n);
    const body = topupRequest.parse({
      schema: 'weir.prepaid.topup_request.v1',
      idempotency_key: 'in',
      amount_msats: 2_000_000,
    });
    const opened = await pool.api.topup(ben, body);
    if (opened.is === 'refused' || opened.body.invoice === undefined) throw new Error('no invoice');
    const quote = await quoted(ana, opened.body.invoice);
    const answer = await paid(ana, quote.quote_id);
    expect(answer).toMatchObject({ status: 'succeeded', route_fee_msats: 0n });
    expect(answer.payment_proof).toBeUndefined();
    expect(world.node.invoices.get(opened.body.payment_hash)?.state).toBe('cancelled');
    expect(world.node.dispatched(opened.body.payment_hash)).toBe(0);
    expect(await balance(ben)).toBe(2_000_000n);
    expect(await balance(ana)).toBe(3_000_000n - 2_050n);
  });

  test('LN-20 is not moved inside when somebody paid the invoice over Lightning at that moment', async () => {
    await credit(ana, 5_000_000n);
    const body = topupRequest.parse({
      schema: 'weir.prepaid.topup_request.v1',
      idempotency_key: 'in',
      amount_msats: 2_000_000,
    });
    const opened = await pool.api.topup(ben, body);
    if (opened.is === 'refused' || opened.body.invoice === undefined) throw new Error('no invoice');
    const quote = await quoted(ana, opened.body.invoice);
    world.node.payIn(opened.body.payment_hash);
    expect(await paid(ana, quote.quote_id)).toMatchObject({ status: 'failed' });
    await pool.topups.sweep();
    expect(await balance(ana)).toBe(5_000_000n);
    expect(await balance(ben)).toBe(2_000_000n);
  });
});
