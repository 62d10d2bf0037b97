/** What the pool's core refuses to quote and to pay, and with which reason. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { NODE_KEY, outsideInvoice, PAYEE } from './fake-node.ts';
import { body, poolDesk, refusalOf } from './pool-desk.ts';
import { agent, GENEROUS, TEST_POLICY, untilTrue } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');
const ben = agent('ben');

/** A quote under a policy that wants invoices to live this long, of one that has that much left. */
async function quotedOf(minInvoiceLifeMs: number, leftMs: number) {
  await desk.reopen({
    policy: { ...TEST_POLICY, pay: { ...TEST_POLICY.pay, minInvoiceLifeMs } },
  });
  await desk.credit(ana, 50_000_000n);
  const expiresAtMs = desk.world.clock.nowMs + leftMs;
  const invoice = outsideInvoice('x', 5_000n, { expiresAtMs });
  return desk.pool.api.quotePay(ana, desk.quoteBody(invoice));
}

/** Until the node was looked at after the clock went on: then something is quoted again. */
function lookedAgain(name: string, expiresAtMs: number): Promise<void> {
  const { api } = desk.pool;
  const asked = () =>
    api.quotePay(ana, desk.quoteBody(outsideInvoice(name, 5_000n, { expiresAtMs })));
  return untilTrue('a look', async () => (await refusalOf(asked())) === 'ok');
}

describe('refuses to quote', () => {
  const CASES: [
    string,
    { invoice: string; more: Record<string, unknown>; field: string },
    string,
  ][] = [
    [
      'what is no invoice',
      { invoice: 'nonsense', more: {}, field: 'invoice' },
      'invoice_unreadable',
    ],
    [
      'LN-16 an invoice without an amount',
      { invoice: '{"name":"a","amountMsat":null}', more: {}, field: 'invoice' },
      'invoice_amountless',
    ],
    [
      'another network',
      { invoice: outsideInvoice('n', 5_000n, { network: 'bitcoin' }), more: {}, field: 'invoice' },
      'invoice_network',
    ],
    [
      'more than the caller allows',
      {
        invoice: outsideInvoice('m', 5_000_000n),
        more: { max_amount_msats: 4_999_999 },
        field: 'max_amount_msats',
      },
      'amount_over_cap',
    ],
    [
      'more than the pool pays',
      {
        invoice: outsideInvoice('p', 400_000_001n),
        more: { max_amount_msats: 500_000_000 },
        field: 'invoice',
      },
      'amount_over_cap',
    ],
    [
      'dust',
      { invoice: outsideInvoice('d', 999n), more: {}, field: 'invoice' },
      'amount_below_dust',
    ],
    [
      'a cap below the service fee',
      {
        invoice: outsideInvoice('f', 10_000_000n),
        more: { max_fee_msats: 10_049 },
        field: 'max_fee_msats',
      },
      'fee_cap_too_low',
    ],
    [
      'LN-6 private routes above the cap',
      {
        invoice: outsideInvoice('h', 1_000_000n, { hintFeeMsat: 900_000n }),
        more: {},
        field: 'invoice',
      },
      'invoice_hint_fee',
    ],
    [
      'treasury funding for an agent',
      { invoice: outsideInvoice('t', 1_000_000n), more: { funding: 'treasury' }, field: 'funding' },
      'funding_not_allowed',
    ],
    [
      'LN-20 an invoice of our own node that is no top-up',
      { invoice: outsideInvoice('o', 1_000_000n, { payee: NODE_KEY }), more: {}, field: 'invoice' },
      'own_invoice_unknown',
    ],
  ];
  test.each(CASES)('%s', async (_what, { invoice, more, field }, reason) => {
    await desk.credit(ana, 500_000_000n, 'rich');
    const reply = await desk.pool.api.quotePay(ana, desk.quoteBody(invoice, more));
    expect(reply).toMatchObject({ is: 'refused', refusal: { reasonCode: reason, field } });
    const { refusal } = reply as { refusal: { receiptId: string } };
    const receipt = await desk.pool.api.receipt(ana, refusal.receiptId);
    expect(receipt).toMatchObject({ is: 'ok', body: { receipt: { reason_code: reason } } });
  });

  test.each([
    [30_000, 29_999],
    [30_000, 30_000],
    [15_000, 14_999],
    [15_000, 15_000],
    [60_000, 45_000],
  ])(
    'LN-17 an invoice that runs out before a payment could arrive: %i ms needed, %i left',
    async (neededMs, leftMs) => {
      expect(await quotedOf(neededMs, leftMs)).toMatchObject({
        refusal: { reasonCode: 'invoice_expired', field: 'invoice' },
      });
    },
  );

  test.each([
    [30_000, 45_000, 15_000],
    [15_000, 20_000, 5_000],
    [60_000, 61_000, 1_000],
    [15_000, 600_000, 60_000],
  ])(
    'LN-17 but not one that lives longer: %i ms needed, %i left, quoted for %i and paid until then',
    async (neededMs, leftMs, quotedMs) => {
      const { quote_id: quoteId, valid_until: until } = body(await quotedOf(neededMs, leftMs));
      expect(Date.parse(until) - desk.world.clock.nowMs).toBe(quotedMs);
      desk.world.clock.nowMs = Date.parse(until) - 1;
      await untilTrue(
        'a new look',
        async () => (await desk.pool.api.status()).wallet_executor_reachable,
      );
      expect(await refusalOf(desk.pay(ana, quoteId))).toBe('ok');
    },
  );

  test('without a prepaid balance, and with one that is a millisatoshi short', async () => {
    const invoice = outsideInvoice('poor', 1_000_000n);
    expect(await refusalOf(desk.pool.api.quotePay(ana, desk.quoteBody(invoice)))).toBe(
      'prepaid_too_low',
    );
    await desk.credit(ana, 1_000_000n + 15_000n + 1_050n - 1n);
    const reply = desk.pool.api.quotePay(ana, desk.quoteBody(invoice));
    expect(await refusalOf(reply)).toBe('prepaid_too_low');
  });

  test('more than our channels can send, other live quotes counted', async () => {
    desk.world.node.outboundMsat = 3_000_000n;
    await desk.reopen();
    await desk.credit(ana, 50_000_000n);
    await desk.credit(ben, 50_000_000n);
    await desk.quoted(ana, outsideInvoice('a', 1_900_000n));
    const reply = await desk.pool.api.quotePay(
      ben,
      desk.quoteBody(outsideInvoice('b', 1_900_000n)),
    );
    expect(reply).toMatchObject({
      is: 'refused',
      refusal: { status: 429, reasonCode: 'outbound_reserved' },
    });
    desk.world.clock.nowMs += 60_001;
    await untilTrue(
      'a new look',
      async () => (await desk.pool.api.status()).wallet_executor_reachable,
    );
    expect(
      (await desk.pool.api.quotePay(ben, desk.quoteBody(outsideInvoice('b', 1_900_000n)))).is,
    ).toBe('ok');
  });

  test('what the last look at the node still shows and has left since', async () => {
    desk.world.node.outboundMsat = 3_000_000n;
    await desk.reopen();
    await desk.credit(ana, 50_000_000n);
    // The node goes on paying, and its list of channels hangs.
    const { reader } = desk.world.node;
    const whole = { ...reader };
    const hangs = new AbortController();
    Object.assign(reader, {
      async channels() {
        if (!hangs.signal.aborted) await once(hangs.signal, 'abort');
        return whole.channels();
      },
    });
    const first = await desk.quoted(ana, outsideInvoice('a', 1_900_000n));
    await desk.paid(ana, first.quote_id);
    const reply = desk.pool.api.quotePay(ana, desk.quoteBody(outsideInvoice('b', 1_900_000n)));
    expect(await refusalOf(reply)).toBe('outbound_reserved');
    expect(await desk.quoted(ana, outsideInvoice('c', 900_000n))).toHaveProperty('quote_id');
    hangs.abort();
  });

  test('nothing for a key whose unpaid quote is forgotten, a week after it ran out', async () => {
    await desk.credit(ana, 50_000_000n);
    const { clock } = desk.world;
    const expiresAtMs = clock.nowMs + 30 * 24 * 60 * 60_000;
    const asked = (name: string) =>
      desk.quoted(ana, outsideInvoice(name, 1_000_000n, { expiresAtMs }));
    const unpaid = await asked('unpaid');
    const paid = await asked('paid');
    await desk.paid(ana, paid.quote_id);
    clock.nowMs += 7 * 24 * 60 * 60_000;
    await lookedAgain('look', expiresAtMs);
    expect((await asked('unpaid')).quote_id).toBe(unpaid.quote_id);
    clock.nowMs += 60_001;
    await lookedAgain('later', expiresAtMs);
    expect((await asked('unpaid')).quote_id).not.toBe(unpaid.quote_id);
    expect((await asked('paid')).quote_id).toBe(paid.quote_id);
    expect(await desk.paid(ana, paid.quote_id)).toMatchObject({ status: 'succeeded' });
  });

  test('the same key with another request, and gives the same quote for the same', async () => {
    await desk.credit(ana, 50_000_000n);
    const invoice = outsideInvoice('key', 1_000_000n);
    const first = await desk.quoted(ana, invoice);
    expect(await desk.quoted(ana, invoice)).toEqual(first);
    const other = desk.pool.api.quotePay(ana, desk.quoteBody(invoice, { max_fee_msats: 19_999 }));
    expect(await refusalOf(other)).toBe('idempotency_drift');
  });

  test('while the node does not answer', async () => {
    await desk.credit(ana, 50_000_000n);
    desk.world.node.away = true;
    desk.world.clock.nowMs += 20_000;
    expect(
      await refusalOf(desk.pool.api.quotePay(ana, desk.quoteBody(outsideInvoice('a', 5_000n)))),
    ).toBe('node_unavailable');
  });
});

describe('refuses to pay', () => {
  test('a quote that ran out unpaid', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('old', 1_000_000n));
    desk.world.clock.nowMs += 60_001;
    expect(await refusalOf(desk.pay(ana, quote.quote_id))).toBe('quote_expired');
  });

  test('a quote of another agent, as if there were none', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('mine', 1_000_000n));
    expect(await refusalOf(desk.pay(ben, quote.quote_id))).toBe('not_found');
    await desk.paid(ana, quote.quote_id);
    expect(await refusalOf(desk.pay(ben, quote.quote_id))).toBe('not_found');
  });

  test('a paid quote under another run', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('run', 1_000_000n));
    await desk.pay(ana, quote.quote_id, { run_id: 'run-1' });
    expect(await refusalOf(desk.pay(ana, quote.quote_id, { run_id: 'run-2' }))).toBe(
      'request_drift',
    );
  });

  test('two agents racing for the last of the outbound: what the node refuses is given back', async () => {
    await desk.credit(ana, 50_000_000n);
    await desk.credit(ben, 50_000_000n);
    const one = await desk.quoted(ana, outsideInvoice('r1', 1_000_000n));
    const two = await desk.quoted(ben, outsideInvoice('r2', 1_000_000n));
    desk.world.node.fates.set(two.payment_hash, 'fails');
    const replies = await Promise.all([desk.pay(ana, one.quote_id), desk.pay(ben, two.quote_id)]);
    expect(replies.map((each) => (each.is === 'ok' ? each.body.status : each.is))).toEqual([
      'succeeded',
      'failed',
    ]);
    expect(await desk.balance(ben)).toBe(50_000_000n);
  });

  test('more in flight than an agent may have', async () => {
    const rules = { ...GENEROUS, inFlightMax: 1 };
    await desk.reopen({ policy: { ...TEST_POLICY, agentDefaults: rules } });
    await desk.credit(ana, 50_000_000n);
    const one = await desk.quoted(ana, outsideInvoice('f1', 1_000_000n));
    const two = await desk.quoted(ana, outsideInvoice('f2', 1_000_000n));
    desk.world.node.fates.set(one.payment_hash, 'stays');
    await desk.pay(ana, one.quote_id);
    expect(await refusalOf(desk.pay(ana, two.quote_id))).toBe('in_flight_exceeded');
    desk.world.node.resolve(one.payment_hash, 'failed');
    await untilTrue('the end', () => desk.pool.engine.state().unresolved.size === 0);
    expect((await desk.pay(ana, two.quote_id)).is).toBe('ok');
  });

  test('more in flight to one payee than all agents together may have', async () => {
    const payRules = { ...TEST_POLICY.pay, perPayeeInFlightMax: 1 };
    await desk.reopen({ policy: { ...TEST_POLICY, pay: payRules } });
    await desk.credit(ana, 50_000_000n);
    await desk.credit(ben, 50_000_000n);
    const one = await desk.quoted(ana, outsideInvoice('p1', 1_000_000n));
    const two = await desk.quoted(ben, outsideInvoice('p2', 1_000_000n));
    desk.world.node.fates.set(one.payment_hash, 'stays');
    await desk.pay(ana, one.quote_id);
    expect(desk.pool.engine.state().payeeUsage.get(PAYEE)?.inFlight).toBe(1);
    expect(await refusalOf(desk.pay(ben, two.quote_id))).toBe('payee_in_flight_exceeded');
  });
});
