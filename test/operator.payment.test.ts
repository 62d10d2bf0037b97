/** A payment on the pool's core settles once, whatever the node says, says late, or does not say. */
import { describe, expect, test } from 'vitest';
import { decideMode } from '../operator/mode-decision.ts';
import { decideOutcome } from '../operator/outcome-decision.ts';
import { msat } from '../policies/units.ts';
import { hashOf, outsideInvoice, preimageOf } from './fake-node.ts';
import { comparable, poolDesk, refusalOf } from './pool-desk.ts';
import { agent, untilTrue } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');
const ben = agent('ben');

describe('a payment', () => {
  test('costs its amount, the route fee that was paid, and the service fee', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('one', 10_000_000n));
    expect(quote.service_fee_msats).toBe(10_050n);
    const answer = await desk.paid(ana, quote.quote_id);
    expect(answer).toMatchObject({
      status: 'succeeded',
      route_fee_msats: 100n,
      service_fee_msats: 10_050n,
    });
    expect(await desk.balance(ana)).toBe(50_000_000n - 10_000_000n - 100n - 10_050n);
    expect(desk.account('LLP:inc:service')).toBe(10_050n);
    expect(desk.account('LLP:asset:ln.inflight')).toBe(0n);
  });

  test('gives the preimage to the agent that paid', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('proof', 1_000_000n));
    const { payment_proof } = await desk.paid(ana, quote.quote_id);
    expect(payment_proof).toEqual({
      type: 'lightning_preimage',
      preimage: preimageOf('proof'),
      payment_hash: hashOf(preimageOf('proof')),
    });
  });

  test('answers the identical request with the same bytes, after its expiry and after a restart, too', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('twice', 1_000_000n));
    const first = comparable(await desk.paid(ana, quote.quote_id));
    desk.world.clock.nowMs += 10 * 60_000;
    expect(comparable(await desk.paid(ana, quote.quote_id))).toBe(first);
    await desk.reopen();
    expect(comparable(await desk.paid(ana, quote.quote_id))).toBe(first);
    expect(desk.world.node.dispatched(quote.payment_hash)).toBe(1);
  });

  test('of fifty concurrent calls settles once', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('fifty', 1_000_000n));
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => desk.paid(ana, quote.quote_id)),
    );
    expect(new Set(answers.map((each) => comparable(each))).size).toBe(1);
    expect(desk.world.node.settledHtlcs.get(quote.payment_hash)).toBe(1);
  });

  test('that fails by the word of the node gives everything back', async () => {
    await desk.credit(ana, 50_000_000n);
    const invoice = outsideInvoice('fails', 1_000_000n);
    const quote = await desk.quoted(ana, invoice);
    desk.world.node.fates.set(quote.payment_hash, 'fails');
    expect(await desk.paid(ana, quote.quote_id)).toMatchObject({
      status: 'failed',
      error_code: 'no_route',
    });
    expect(await desk.balance(ana)).toBe(50_000_000n);
    // And may be tried again, under a new quote.
    desk.world.node.fates.set(quote.payment_hash, 'settles');
    const again = await desk.quoted(ana, invoice, { idempotency_key: 'again' });
    expect(await desk.paid(ana, again.quote_id)).toMatchObject({ status: 'succeeded' });
  });
});

describe('what is not known', () => {
  test('LN-1 two quotes of one invoice settle once, whoever asks', async () => {
    await desk.credit(ana, 50_000_000n);
    await desk.credit(ben, 50_000_000n);
    const invoice = outsideInvoice('race', 1_000_000n);
    const one = await desk.quoted(ana, invoice);
    const two = await desk.quoted(ana, invoice, { idempotency_key: 'rephrased' });
    const other = await desk.quoted(ben, invoice);
    const replies = await Promise.all([
      desk.pay(ana, one.quote_id),
      desk.pay(ana, two.quote_id),
      desk.pay(ben, other.quote_id),
    ]);
    expect(replies.filter((each) => each.is === 'ok')).toHaveLength(1);
    expect(desk.world.node.settledHtlcs.get(one.payment_hash)).toBe(1);
    // The other agent learns nothing but that it is taken: the hash it hears is of its own quote.
    const late = await desk.pay(ben, other.quote_id);
    expect(late).toMatchObject({
      is: 'refused',
      refusal: { status: 409, reasonCode: 'hash_paid', paymentHash: other.payment_hash },
    });
    expect(await refusalOf(desk.pool.api.payment(ben, other.payment_hash))).toBe('not_found');
    const asked = desk.pool.api.quotePay(ben, desk.quoteBody(invoice, { idempotency_key: 'new' }));
    expect(await asked).toMatchObject({ refusal: { reasonCode: 'hash_paid', paymentHash: null } });
  });

  test('LN-2 a time-out releases nothing: what settles later is debited then', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('late', 1_000_000n));
    desk.world.node.fates.set(quote.payment_hash, 'stays');
    const reply = await desk.pay(ana, quote.quote_id);
    expect(reply).toMatchObject({
      is: 'refused',
      refusal: {
        status: 409,
        reasonCode: 'payment_in_flight',
        retryable: true,
        paymentHash: quote.payment_hash,
      },
    });
    expect(await desk.balance(ana)).toBeLessThan(49_000_000n);
    desk.world.node.resolve(quote.payment_hash, 'settled');
    await untilTrue('the end', () => desk.pool.engine.state().unresolved.size === 0);
    expect(await desk.paid(ana, quote.quote_id)).toMatchObject({ status: 'succeeded' });
  });

  test('LN-3 a crash between the node and the books debits exactly once', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('crash', 1_000_000n));
    desk.world.node.fates.set(quote.payment_hash, 'stays');
    await desk.pay(ana, quote.quote_id);
    await desk.pool.crash();
    desk.world.node.resolve(quote.payment_hash, 'settled');
    await desk.open();
    await untilTrue('the end', () => desk.pool.engine.state().unresolved.size === 0);
    expect(await desk.paid(ana, quote.quote_id)).toMatchObject({ status: 'succeeded' });
    expect(desk.world.node.dispatched(quote.payment_hash)).toBe(1);
    expect(await desk.balance(ana)).toBe(50_000_000n - 1_000_000n - 100n - 1_050n);
  });

  test('what settles after its failure was told is receipted anew, and names the receipt it takes back', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('after all', 1_000_000n));
    desk.world.node.fates.set(quote.payment_hash, 'fails');
    const failed = await desk.paid(ana, quote.quote_id);
    const first = failed.receipt as { receipt_id: string; extensions: object };
    expect(failed.status).toBe('failed');
    expect(first.extensions).toMatchObject({ parent_receipts: [] });
    const outcome = {
      is: 'settled' as const,
      preimage: preimageOf('after all'),
      amountMsat: msat(1_000_000n),
      feeMsat: msat(100n),
      settledAtMs: desk.world.clock.nowMs,
      attempts: 1,
      firstChannels: [],
    };
    const of = { quoteId: quote.quote_id, outcome };
    await desk.pool.engine.act((state, nowMs) => decideOutcome(state, nowMs, of));
    const told = await desk.paid(ana, quote.quote_id);
    expect(told).toMatchObject({
      status: 'succeeded',
      receipt: { extensions: { parent_receipts: [first.receipt_id] } },
    });
    // Whoever has only the later one finds the earlier one by it.
    const [parent = ''] = (told.receipt['extensions'] as { parent_receipts: string[] })
      .parent_receipts;
    const earlier = await desk.pool.api.receipt(null, parent);
    expect(earlier).toMatchObject({ is: 'ok', body: { receipt: { status: 'failed' } } });
  });

  test('LN-5 in flight without an HTLC stays held, however long: nothing refunds by itself', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('stuck', 1_000_000n));
    desk.world.node.fates.set(quote.payment_hash, 'stays');
    await desk.pay(ana, quote.quote_id);
    desk.world.clock.nowMs += 30 * 24 * 60 * 60_000;
    await desk.reopen();
    expect(await refusalOf(desk.pay(ana, quote.quote_id))).toBe('payment_in_flight');
    expect(desk.pool.engine.state().unresolved.size).toBe(1);
  });

  test('nothing new is sent before the node’s payments were matched; what ended is told all the same', async () => {
    await desk.credit(ana, 50_000_000n);
    const ended = await desk.quoted(ana, outsideInvoice('before', 1_000_000n));
    const answer = await desk.paid(ana, ended.quote_id);
    const quote = await desk.quoted(ana, outsideInvoice('unmatched', 1_000_000n));
    const { node } = desk.world;
    node.away = true;
    await desk.reopen();
    // It answers again, but in this world nobody asks it for its payments a second time.
    node.away = false;
    const other = () => desk.pool.api.quotePay(ana, desk.quoteBody(outsideInvoice('x', 1_000n)));
    await untilTrue('a look at the node', async () => (await refusalOf(other())) === 'ok');
    expect(await refusalOf(desk.pay(ana, quote.quote_id))).toBe('node_unavailable');
    expect(node.dispatched(quote.payment_hash)).toBe(0);
    expect(comparable(await desk.paid(ana, ended.quote_id))).toBe(comparable(answer));
  });

  test('a dispatch that never reached the node is sent again under the same hash and cap', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('lost', 1_000_000n));
    desk.world.node.fates.set(quote.payment_hash, 'lost');
    await desk.pay(ana, quote.quote_id);
    desk.world.node.fates.set(quote.payment_hash, 'settles');
    await untilTrue('the end', () => desk.pool.engine.state().unresolved.size === 0);
    expect(desk.world.node.payments.get(quote.payment_hash)?.order.maxFeeMsat).toBe(msat(15_000n));
    expect(desk.world.node.settledHtlcs.get(quote.payment_hash)).toBe(1);
  });

  test('one that was never sent fails only long after the invoice ran out, from a node that is up to date', async () => {
    await desk.credit(ana, 50_000_000n);
    const expiresAtMs = desk.world.clock.nowMs + 60_000;
    const quote = await desk.quoted(ana, outsideInvoice('never', 1_000_000n, { expiresAtMs }));
    desk.world.node.fates.set(quote.payment_hash, 'lost');
    await desk.pay(ana, quote.quote_id);
    desk.world.clock.nowMs = expiresAtMs + 60_000;
    expect(desk.pool.engine.state().unresolved.size).toBe(1);
    desk.world.clock.nowMs = expiresAtMs + 16 * 60_000;
    await untilTrue('the end', () => desk.pool.engine.state().unresolved.size === 0);
    expect(await desk.paid(ana, quote.quote_id)).toMatchObject({ status: 'failed' });
    expect(await desk.balance(ana)).toBe(50_000_000n);
  });

  test('LN-14 a node that forgot a settled payment freezes dispatch', async () => {
    await desk.credit(ana, 50_000_000n);
    const first = await desk.quoted(ana, outsideInvoice('known', 1_000_000n));
    await desk.paid(ana, first.quote_id);
    const second = await desk.quoted(ana, outsideInvoice('next', 1_000_000n));
    desk.world.node.fates.set(second.payment_hash, 'lost');
    desk.world.node.forget(first.payment_hash);
    await desk.pay(ana, second.quote_id);
    await untilTrue('the freeze', () => desk.pool.engine.state().mode === 'frozen');
    const third = desk.pool.api.quotePay(ana, desk.quoteBody(outsideInvoice('third', 1_000_000n)));
    expect(await refusalOf(third)).toBe('frozen');
    expect(desk.world.node.dispatched(second.payment_hash)).toBe(0);
  });

  test('a payment of the node that nobody ordered freezes dispatch at the next start', async () => {
    await desk.credit(ana, 50_000_000n);
    const hash = hashOf(preimageOf('stranger'));
    await desk.pool.close();
    await desk.world.node.payer.pay({
      request: outsideInvoice('stranger', 5_000n),
      paymentHash: hash,
      maxFeeMsat: msat(0n),
      partsMax: 1,
      pathfindingMs: 1,
      maxTimeoutHeight: 1,
      outgoingChannels: [],
      deadlineMs: 1,
    });
    await desk.open();
    expect(desk.pool.engine.state().mode).toBe('frozen');
    expect(desk.pool.engine.state().modeWhy).toContain(hash);
    // Whoever unfreezes has looked: the same payment does not freeze again.
    await desk.pool.engine.act((state, nowMs) =>
      decideMode(state, nowMs, { verb: 'unfreeze', why: 'looked', by: 'olga' }),
    );
    await desk.reopen();
    expect(desk.pool.engine.state().mode).toBe('open');
  });
});
