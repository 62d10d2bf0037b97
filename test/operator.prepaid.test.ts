/** Prepaid money: credited once, withdrawn by its agent, moved between two agents inside. */
import { describe, expect, test } from 'vitest';
import { topupRequest, withdrawRequest } from '../operator/protocol.ts';
import { outsideInvoice } from './fake-node.ts';
import { poolDesk, refusalOf } from './pool-desk.ts';
import { agent } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');
const ben = agent('ben');

describe('prepaid money', () => {
  test('LN-21 a settlement is credited once, by the stream and by look-up', async () => {
    await desk.credit(ana, 5_000_000n);
    await desk.pool.topups.sweep();
    await desk.reopen();
    await desk.pool.topups.sweep();
    expect(await desk.balance(ana)).toBe(5_000_000n);
  });

  test('a top-up that was paid after it ran out is still credited', async () => {
    const body = topupRequest.parse({
      schema: 'weir.prepaid.topup_request.v1',
      idempotency_key: 'k',
      amount_msats: 2_000_000,
    });
    const opened = await desk.pool.api.topup(ana, body);
    if (opened.is === 'refused') throw new Error('refused');
    desk.world.node.away = true;
    desk.world.clock.nowMs += 2 * 60 * 60_000;
    desk.world.node.payIn(opened.body.payment_hash);
    desk.world.node.away = false;
    await desk.pool.topups.sweep();
    expect(await desk.balance(ana)).toBe(2_000_000n);
  });

  test('is withdrawn by its agent, without a service fee, while the pool winds down', async () => {
    await desk.credit(ana, 5_000_000n);
    await desk.pool.engine.act((state) => ({
      news: [
        {
          event: { kind: 'mode-changed', mode: 'winding-down', why: 'test', by: 'olga' },
          entry: null,
          receipt: null,
        },
      ],
      answer: state.mode,
    }));
    expect(
      await refusalOf(desk.pool.api.quotePay(ana, desk.quoteBody(outsideInvoice('w', 5_000n)))),
    ).toBe('winding_down');
    const reply = await desk.pool.api.withdraw(
      ana,
      withdrawRequest.parse({
        schema: 'weir.prepaid.withdraw_request.v1',
        idempotency_key: 'out',
        invoice: outsideInvoice('out', 4_900_000n),
        max_fee_msats: 50_000,
      }),
    );
    expect(reply).toMatchObject({ is: 'ok', body: { status: 'succeeded', service_fee_msats: 0n } });
    expect(await desk.balance(ana)).toBe(100_000n - 100n);
  });

  test('LN-20 moves between two agents inside: the invoice is cancelled at the node first', async () => {
    await desk.credit(ana, 5_000_000n);
    const body = topupRequest.parse({
      schema: 'weir.prepaid.topup_request.v1',
      idempotency_key: 'in',
      amount_msats: 2_000_000,
    });
    const opened = await desk.pool.api.topup(ben, body);
    if (opened.is === 'refused' || opened.body.invoice === undefined) throw new Error('no invoice');
    const quote = await desk.quoted(ana, opened.body.invoice);
    const answer = await desk.paid(ana, quote.quote_id);
    expect(answer).toMatchObject({ status: 'succeeded', route_fee_msats: 0n });
    expect(answer.payment_proof).toBeUndefined();
    expect(desk.world.node.invoices.get(opened.body.payment_hash)?.state).toBe('cancelled');
    expect(desk.world.node.dispatched(opened.body.payment_hash)).toBe(0);
    expect(await desk.balance(ben)).toBe(2_000_000n);
    expect(await desk.balance(ana)).toBe(3_000_000n - 2_050n);
  });

  test('LN-20 is not moved inside when somebody paid the invoice over Lightning at that moment', async () => {
    await desk.credit(ana, 5_000_000n);
    const body = topupRequest.parse({
      schema: 'weir.prepaid.topup_request.v1',
      idempotency_key: 'in',
      amount_msats: 2_000_000,
    });
    const opened = await desk.pool.api.topup(ben, body);
    if (opened.is === 'refused' || opened.body.invoice === undefined) throw new Error('no invoice');
    const quote = await desk.quoted(ana, opened.body.invoice);
    desk.world.node.payIn(opened.body.payment_hash);
    expect(await desk.paid(ana, quote.quote_id)).toMatchObject({ status: 'failed' });
    await desk.pool.topups.sweep();
    expect(await desk.balance(ana)).toBe(5_000_000n);
    expect(await desk.balance(ben)).toBe(2_000_000n);
  });
});
