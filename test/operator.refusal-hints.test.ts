/** What a no says beside its reason: when to ask again, which payment it is about, which field is wrong. */
import { describe, expect, test } from 'vitest';
import { decideMode, type ModeVerb } from '../operator/mode-decision.ts';
import { decidePay } from '../operator/pay-decision.ts';
import type { Reply } from '../operator/pool-api.ts';
import { type PayResponse, type TopupView, topupRequest } from '../operator/protocol.ts';
import { REFUSALS, type RefusalReason, refuse } from '../operator/reasons.ts';
import { outsideInvoice } from './fake-node.ts';
import { body, poolDesk } from './pool-desk.ts';
import { agent, GENEROUS, TEST_POLICY } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');
const ben = agent('ben');

test.each(Object.keys(REFUSALS) as RefusalReason[])(
  '%s says when to ask again exactly where asking again can help',
  (reason) => {
    const { retryable, retryAfterMs } = refuse(reason, 'words');
    expect(retryable).toBe(REFUSALS[reason].retry === 'later');
    expect(retryAfterMs !== null && retryAfterMs > 0).toBe(retryable);
    expect(refuse(reason, 'words', { retryAfterMs: 7 }).retryAfterMs).toBe(7);
  },
);

async function says(verb: ModeVerb): Promise<void> {
  const wish = { verb, why: 'test', by: 'olga' };
  await desk.pool.engine.act((state, nowMs) => decideMode(state, nowMs, wish));
}

function topup(caller: typeof ana, amount: number): Promise<Reply<TopupView>> {
  const asked = { schema: 'weir.prepaid.topup_request.v1', idempotency_key: 'k' };
  return desk.pool.api.topup(caller, topupRequest.parse({ ...asked, amount_msats: amount }));
}

interface Asked {
  hash: string;
  reply: Reply<PayResponse>;
}

/** A quote of ana's, then what happens, then her `pay`. */
async function paidAfter(
  happens: (quote: { quote_id: string; payment_hash: string }) => unknown,
  { invoice = outsideInvoice('one', 1_000_000n), caller = ana } = {},
): Promise<Asked> {
  const quote = await desk.quoted(ana, invoice);
  await happens(quote);
  return { hash: quote.payment_hash, reply: await desk.pay(caller, quote.quote_id) };
}

/** Somebody pays another invoice, or this one, and no end of it is in sight. */
async function staysInFlight(caller: typeof ana, invoice: string): Promise<void> {
  const quote = await desk.quoted(caller, invoice, { idempotency_key: 'stays' });
  desk.world.node.fates.set(quote.payment_hash, 'stays');
  await desk.pay(caller, quote.quote_id);
}

const ONE = outsideInvoice('one', 1_000_000n);
const TWO = outsideInvoice('two', 1_000_000n);
const REST = outsideInvoice('rest', 49_000_000n);
const ONE_AT_ONCE = { ...TEST_POLICY, agentDefaults: { ...GENEROUS, inFlightMax: 1 } };
const ONE_TO_EACH = { ...TEST_POLICY, pay: { ...TEST_POLICY.pay, perPayeeInFlightMax: 1 } };

const later = (ms: number) => () => {
  desk.world.clock.nowMs += ms;
};

const CASES: [what: string, ask: () => Promise<Asked>, reason: RefusalReason][] = [
  ['a quote that ran out', () => paidAfter(later(60_001)), 'quote_expired'],
  [
    'a quote of other rules',
    () => paidAfter(() => desk.reopen({ policy: { ...TEST_POLICY, hash: 'e'.repeat(64) } })),
    'quote_expired',
  ],
  ['a freeze', () => paidAfter(() => says('freeze')), 'frozen'],
  ['a wind-down', () => paidAfter(() => says('wind-down')), 'winding_down'],
  [
    'an invoice that she pays by another quote',
    () => paidAfter(() => staysInFlight(ana, ONE)),
    'hash_in_flight',
  ],
  [
    'an invoice that another agent pays',
    () => paidAfter(() => staysInFlight(ben, ONE)),
    'hash_in_flight',
  ],
  [
    'an invoice that another agent paid',
    () => paidAfter(async () => desk.paid(ben, (await desk.quoted(ben, ONE)).quote_id)),
    'hash_paid',
  ],
  [
    'a balance that went elsewhere',
    async () => {
      const rest = await desk.quoted(ana, REST, { max_fee_msats: 100_000 });
      return paidAfter(() => desk.paid(ana, rest.quote_id));
    },
    'prepaid_too_low',
  ],
  [
    'too much in flight of hers',
    async () => {
      await desk.reopen({ policy: ONE_AT_ONCE });
      return paidAfter(() => staysInFlight(ana, TWO));
    },
    'in_flight_exceeded',
  ],
  [
    'too much in flight to the payee',
    async () => {
      await desk.reopen({ policy: ONE_TO_EACH });
      return paidAfter(() => staysInFlight(ben, TWO));
    },
    'payee_in_flight_exceeded',
  ],
  [
    'a credential that may pay less at once',
    () => paidAfter(() => null, { caller: agent('ana', { perPaymentMsat: 1_000n }) }),
    'agent_cap_exceeded',
  ],
  [
    'a credential that may pay less in a day',
    () => paidAfter(() => null, { caller: agent('ana', { perDayMsat: 1_000n }) }),
    'day_cap_exceeded',
  ],
  [
    'a node that does not answer',
    () =>
      paidAfter(() => {
        desk.world.node.away = true;
        desk.world.clock.nowMs += 20_000;
      }),
    'node_unavailable',
  ],
  [
    'a paid quote under another run',
    () => paidAfter(({ quote_id }) => desk.pay(ana, quote_id, { run_id: 'other' })),
    'request_drift',
  ],
  [
    'a payment whose end is not known',
    () => paidAfter(({ payment_hash }) => desk.world.node.fates.set(payment_hash, 'stays')),
    'payment_in_flight',
  ],
];

describe('a no to pay names the payment of the caller’s own quote, and when to ask again:', () => {
  test.each(CASES)('%s', async (_what, ask, reason) => {
    await desk.credit(ana, 50_000_000n);
    await desk.credit(ben, 50_000_000n);
    const { hash, reply } = await ask();
    expect(reply).toMatchObject({
      is: 'refused',
      refusal: { reasonCode: reason, paymentHash: hash },
    });
    const { retryable, retryAfterMs } = (reply as Extract<typeof reply, { is: 'refused' }>).refusal;
    expect(retryAfterMs !== null).toBe(retryable);
  });

  test('but not of another agent’s quote', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, ONE);
    const not = { refusal: { reasonCode: 'not_found', paymentHash: null } };
    expect(await desk.pay(ben, quote.quote_id)).toMatchObject(not);
    await desk.paid(ana, quote.quote_id);
    expect(await desk.pay(ben, quote.quote_id)).toMatchObject(not);
  });
});

describe('a no to pay that blames the request names the field:', () => {
  test('LN-20 an invoice of our own that was paid over Lightning meanwhile', async () => {
    await desk.credit(ana, 50_000_000n);
    const opened = body(await topup(ben, 2_000_000));
    const { hash, reply } = await paidAfter(
      async () => {
        desk.world.node.payIn(opened.payment_hash);
        await desk.pool.topups.sweep();
      },
      { invoice: opened.invoice ?? '' },
    );
    expect(reply).toMatchObject({
      refusal: {
        status: 400,
        reasonCode: 'own_invoice_unknown',
        field: 'quote_id',
        paymentHash: hash,
      },
    });
  });

  test.each([
    ['pay', 'quote_id'],
    ['withdraw', 'invoice'],
  ] as const)('an invoice that runs out too soon, to %s', async (purpose, field) => {
    await desk.credit(ana, 50_000_000n);
    const { quote_id: quoteId } = await desk.quoted(ana, ONE);
    const state = desk.pool.engine.state();
    const quote = state.quotes.get(quoteId);
    if (quote === undefined) throw new Error('no quote');
    const nowMs = quote.validUntilMs - 1;
    // No quote outlives its invoice: this is the second lock.
    const invoiceExpiresAtMs = nowMs + TEST_POLICY.pay.minInvoiceLifeMs - 1;
    state.quotes.set(quoteId, { ...quote, purpose, invoiceExpiresAtMs });
    const ask = { quoteId, runId: null, trajectoryHash: null, policyId: null };
    const { answer } = decidePay(state, nowMs, {
      caller: ana,
      ask,
      policy: TEST_POLICY,
      height: 1,
    });
    const paymentHash = quote.paymentHash;
    expect(answer).toMatchObject({
      refusal: { reasonCode: 'invoice_expired', field, paymentHash },
    });
  });
});

describe('a key that drifts names what was made under it:', () => {
  test('a quote', async () => {
    await desk.credit(ana, 50_000_000n);
    const { payment_hash: paymentHash } = await desk.quoted(ana, ONE);
    const other = desk.quoteBody(TWO, { idempotency_key: `key ${ONE}` });
    expect(await desk.pool.api.quotePay(ana, other)).toMatchObject({
      refusal: { reasonCode: 'idempotency_drift', field: 'idempotency_key', paymentHash },
    });
  });

  test('a top-up', async () => {
    const { payment_hash: paymentHash } = body(await topup(ana, 1_000));
    expect(await topup(ana, 2_000)).toMatchObject({
      refusal: { reasonCode: 'idempotency_drift', field: 'idempotency_key', paymentHash },
    });
  });
});
