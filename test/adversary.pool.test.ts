/** Attacks on the pool: one request that stops it, money that moves twice or back, limits that are walked around. */
import { EventEmitter, once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { PSBT_CHARS_MAX } from '../operator/channels/channel-event.ts';
import { commitQueue } from '../operator/commit-queue.ts';
import { NO_CRASH } from '../operator/crash-at.ts';
import { plainNews } from '../operator/decision.ts';
import { cr, dr, entryOf } from '../operator/ledger/entry.ts';
import { ROUTE_FEE_MSAT_MAX } from '../operator/lightning.ts';
import { decideMode } from '../operator/mode-decision.ts';
import { paymentDriver } from '../operator/payment-driver.ts';
import type { PoolEvent } from '../operator/pool-event.ts';
import { payRequest, quotePayRequest, topupRequest } from '../operator/protocol.ts';
import { Failure } from '../policies/failure.ts';
import { textUpTo } from '../policies/text.ts';
import { msat, sat } from '../policies/units.ts';
import { outsideInvoice, PAYEE } from './fake-node.ts';
import { poolDesk, refusalOf } from './pool-desk.ts';
import { agent, untilTrue } from './pool-scenario.ts';

const desk = poolDesk();
const ana = agent('ana');
/** Half of a character: no UTF-8, so no journal takes it. */
const HALF = 'x\ud800';

describe('one request does not stop the pool:', () => {
  test.each([
    ['an idempotency key', quotePayRequest, { idempotency_key: HALF }],
    ['a policy context', quotePayRequest, { policy_context: { a: [HALF] } }],
    ['a key of a policy context', quotePayRequest, { policy_context: { [HALF]: 1 } }],
    ['a run id', payRequest, { run_id: HALF }],
    ['a trajectory hash', payRequest, { trajectory_hash: HALF }],
    ['a policy id', payRequest, { policy_id: HALF }],
    ['the key of a top-up', topupRequest, { idempotency_key: HALF }],
  ] as const)('%s with half of a character is refused', (_what, schema, change) => {
    const whole = {
      [quotePayRequest.shape.schema.value]: desk.quoteBody(outsideInvoice('one', 1_000n)),
      [payRequest.shape.schema.value]: { quote_id: 'a' },
      [topupRequest.shape.schema.value]: { idempotency_key: 'a', amount_msats: 1_000 },
    };
    const name = schema.shape.schema.value;
    const body = { ...whole[name], ...amountsOf(whole[name]), schema: name };
    expect(schema.safeParse(body).success).toBe(true);
    expect(schema.safeParse({ ...body, ...change }).success).toBe(false);
  });

  test('what a peer says is cut between characters, never inside one', () => {
    const said = `${'a'.repeat(299)}\u{1f600}`;
    expect(textUpTo(said, 300)).toBe(`${'a'.repeat(299)}\ufffd`);
    expect(textUpTo(said, 301)).toBe(said);
  });

  test.each<[what: string, event: PoolEvent]>([
    [
      'a proposal that is longer than an event may be',
      {
        kind: 'channel-batch-proposed',
        batchId: '1'.repeat(64),
        proposalId: '2'.repeat(64),
        txid: '3'.repeat(64),
        unsignedTx: '00',
        psbt: 'A'.repeat(PSBT_CHARS_MAX + 1),
        inputs: [`${'4'.repeat(64)}:0`],
        vouts: [0],
        feeSat: sat(1n),
        expiryHeight: 1,
      },
    ],
    [
      'a credential with an action again and again',
      {
        kind: 'credential-issued',
        credential: {
          id: 'again',
          role: 'agent',
          agents: ['ana'],
          actions: ['pay', 'pay', 'pay', 'pay', 'pay', 'pay'],
          perPaymentMsat: null,
          perDayMsat: null,
          expiresAtMs: 1,
          tokenHash: '5'.repeat(64),
          nostrKey: null,
        },
      },
    ],
    ['a name with half of a character', { kind: 'alarm', code: 'test', detail: HALF }],
  ])('%s is not written, since no start would read it back', async (_what, event) => {
    const { engine } = desk.pool;
    const { seq } = engine.state();
    const writing = engine.act(() => ({ news: [plainNews(event)], answer: null }));
    await expect(writing).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect(engine.state().seq).toBe(seq);
    await desk.reopen();
    expect(desk.pool.fatal()).toBeNull();
  });

  test('a fee cap beyond every fee is asked of the node as what could be paid', async () => {
    const asked: bigint[] = [];
    const { payer } = desk.world.node;
    const route = await payer.estimate();
    Object.assign(payer, {
      async estimate(question: { maxFeeMsat: bigint }) {
        asked.push(question.maxFeeMsat);
        return route;
      },
    });
    await desk.credit(ana, 50_000_000n);
    const max_fee_msats = Number.MAX_SAFE_INTEGER;
    const quote = await desk.quoted(ana, outsideInvoice('one', 1_000_000n), { max_fee_msats });
    expect(asked).toEqual([15_000n]);
    expect(asked.every((each) => each <= ROUTE_FEE_MSAT_MAX)).toBe(true);
    expect(await desk.paid(ana, quote.quote_id)).toMatchObject({ status: 'succeeded' });
  });
});

/** Money that lies elsewhere than the books would like it. */
async function moved(from: string, to: string, amountMsat: bigint): Promise<void> {
  const event = { kind: 'alarm' as const, code: 'test', detail: `${from} to ${to}` };
  const entry = entryOf(dr(to, amountMsat), cr(from, amountMsat));
  await desk.pool.engine.act(() => ({ news: [{ event, entry, receipt: null }], answer: null }));
}

describe('agents’ money that a close took on chain', () => {
  test('is spent from there, at par', async () => {
    await desk.credit(ana, 50_000_000n);
    await moved('SYS:asset:ln.local', 'SYS:asset:cold', 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('cold', 1_000_000n));
    expect(await desk.paid(ana, quote.quote_id)).toMatchObject({ status: 'succeeded' });
    expect(await desk.balance(ana)).toBe(50_000_000n - 1_000_000n - 100n - 1_050n);
  });

  test('and is not there yet is said to be on its way, not to be missing', async () => {
    await desk.credit(ana, 50_000_000n);
    await moved('SYS:asset:ln.local', 'SYS:asset:ln.pending_close', 50_000_000n);
    const asked = desk.quoteBody(outsideInvoice('closing', 1_000_000n));
    expect(await refusalOf(desk.pool.api.quotePay(ana, asked))).toBe('outbound_too_low');
  });

  test('and leaves between quote and payment is said to be on its way when it is paid', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('leaves', 1_000_000n));
    await moved('SYS:asset:ln.local', 'SYS:asset:ln.pending_close', 50_000_000n);
    expect(await refusalOf(desk.pay(ana, quote.quote_id))).toBe('outbound_too_low');
  });
});

describe('a payment that settles after the node had said that it failed', () => {
  test('and that the books have no room for stops sending, not the pool, and is booked later, once', async () => {
    await desk.credit(ana, 1_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('late', 900_000n));
    desk.world.node.fates.set(quote.payment_hash, 'fails');
    await desk.paid(ana, quote.quote_id);
    const spent = await desk.quoted(ana, outsideInvoice('spent', 900_000n));
    await desk.paid(ana, spent.quote_id);
    const free = desk.account('LLP:asset:ln.local');
    await moved('LLP:asset:ln.local', 'LLP:asset:cold', free);
    const payment = desk.world.node.payments.get(quote.payment_hash);
    if (payment !== undefined) payment.state = 'settled';
    for (let starts = 0; starts < 2; starts += 1) {
      await desk.reopen();
      expect(desk.pool.fatal()).toBeNull();
      expect(desk.pool.engine.state().mode).toBe('frozen');
      expect(desk.account('LLP:exp:recon')).toBe(0n);
    }
    await moved('LLP:asset:cold', 'LLP:asset:ln.local', free);
    for (let starts = 0; starts < 2; starts += 1) {
      await desk.reopen();
      const left = 1_000_000n - 900_000n - 100n - 950n;
      expect(desk.account('LLP:exp:recon')).toBe(900_000n + 100n - left);
      expect(await desk.balance(ana)).toBe(0n);
    }
  });
});

describe('an invoice that failed and is paid again', () => {
  test('does not end by the node’s word on the first try while the second is on its way', async () => {
    const { node, clock } = desk.world;
    await desk.credit(ana, 50_000_000n);
    const invoice = outsideInvoice('again', 1_000_000n);
    const first = await desk.quoted(ana, invoice);
    node.fates.set(first.payment_hash, 'fails');
    expect(await desk.paid(ana, first.quote_id)).toMatchObject({ status: 'failed' });
    clock.nowMs += 1_000;
    const second = await desk.quoted(ana, invoice, { idempotency_key: 'second' });
    node.fates.set(second.payment_hash, 'late');
    expect(await refusalOf(desk.pay(ana, second.quote_id))).toBe('payment_in_flight');
    node.arrive();
    await untilTrue('the end', () => desk.pool.engine.state().unresolved.size === 0);
    expect(await desk.paid(ana, second.quote_id)).toMatchObject({ status: 'succeeded' });
    expect(desk.pool.engine.state().mode).toBe('open');
    expect(node.settledHtlcs.get(second.payment_hash)).toBe(1);
  });
});

function person(verb: 'freeze' | 'unfreeze'): Promise<{ changed: boolean }> {
  return desk.pool.engine.act((state, nowMs) =>
    decideMode(state, nowMs, { verb, why: 'a person looks', by: 'tess' }),
  );
}

function ask(idempotency_key: string, amount_msats: number) {
  const schema = 'weir.prepaid.topup_request.v1';
  return topupRequest.parse({ schema, idempotency_key, amount_msats });
}

describe('a top-up', () => {
  test('of nothing is refused, whatever the policy allows: its invoice would take any amount', async () => {
    const { policy } = desk.pool;
    const prepaid = { ...policy.prepaid, topupMinMsat: msat(0n) };
    await desk.reopen({ policy: { ...policy, prepaid } });
    expect(await refusalOf(desk.pool.api.topup(ana, ask('nothing', 0)))).toBe('field_invalid');
  });

  test('that the node refuses an invoice for does not stop the pool, nor the top-ups of others', async () => {
    const { receiver } = desk.world.node;
    const willing = { ...receiver };
    Object.assign(receiver, {
      createInvoice(asked: Parameters<typeof willing.createInvoice>[0]) {
        if (asked.amountMsat === 7_000n) throw new Failure('LND_REFUSED', 'too strange');
        return willing.createInvoice(asked);
      },
    });
    await desk.pool.api.topup(ana, ask('strange', 7_000)).catch(() => undefined);
    await desk.credit(agent('ben'), 50_000n);
    await desk.pool.topups.sweep();
    expect(desk.pool.fatal()).toBeNull();
  });

  test('that has no whole second left gets no invoice', async () => {
    const { node, clock } = desk.world;
    node.away = true;
    await desk.pool.api.topup(ana, ask('late', 5_000));
    const [topup] = desk.pool.engine.state().topups.values();
    clock.nowMs = (topup?.expiresAtMs ?? 0) - 400;
    node.away = false;
    await desk.pool.topups.sweep();
    expect([...node.invoices]).toEqual([]);
  });
});

describe('a freeze', () => {
  test('holds back what was reserved just before it, until it is lifted', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('frozen', 1_000_000n));
    const paying = desk.pay(ana, quote.quote_id);
    await person('freeze');
    expect(await refusalOf(paying)).toBe('payment_in_flight');
    expect(desk.world.node.dispatched(quote.payment_hash)).toBe(0);
    await person('unfreeze');
    await untilTrue('the end', () => desk.pool.engine.state().unresolved.size === 0);
    expect(await desk.paid(ana, quote.quote_id)).toMatchObject({ status: 'succeeded' });
  });
});

/** Reserved, and never at the node. */
async function lost(): Promise<string> {
  await desk.credit(ana, 50_000_000n);
  const quote = await desk.quoted(ana, outsideInvoice('lost', 1_000_000n));
  desk.world.node.fates.set(quote.payment_hash, 'lost');
  await desk.pay(ana, quote.quote_id);
  await desk.pool.crash();
  desk.world.node.fates.set(quote.payment_hash, 'settles');
  return quote.payment_hash;
}

describe('at a start, what was reserved is not sent', () => {
  test('from another node than the books are of', async () => {
    const paymentHash = await lost();
    const { reader } = desk.world.node;
    const standing = await reader.standing();
    Object.assign(reader, { standing: async () => ({ ...standing, publicKey: PAYEE }) });
    await desk.open();
    await untilTrue('the freeze', () => desk.pool.engine.state().mode === 'frozen');
    expect(desk.pool.engine.state().modeWhy).toContain(PAYEE);
    expect(desk.world.node.dispatched(paymentHash)).toBe(0);
  });

  test('from a node whose channels went back', async () => {
    const paymentHash = await lost();
    const { reader } = desk.world.node;
    const older = (await reader.channels()).map((each) => ({ ...each, updates: 0n }));
    Object.assign(reader, { channels: async () => older });
    await desk.open();
    expect(desk.pool.engine.state().mode).toBe('frozen');
    expect(desk.world.node.dispatched(paymentHash)).toBe(0);
  });
});

describe('the disk', () => {
  test('has what is looked up at a start before the node is asked of it', async () => {
    await desk.credit(ana, 50_000_000n);
    const quote = await desk.quoted(ana, outsideInvoice('disk', 1_000_000n));
    const { engine, policy } = desk.pool;
    const { node, clock } = desk.world;
    const asked: string[] = [];
    const payer = {
      ...node.payer,
      async lookUp(paymentHash: string) {
        asked.push(paymentHash);
        return node.payer.lookUp(paymentHash);
      },
    };
    const disk = new EventEmitter();
    const driver = paymentDriver({
      engine: { ...engine, durable: async () => void (await once(disk, 'written')) },
      payer,
      receiver: node.receiver,
      policy,
      watch: { look: () => null },
      now: clock.now,
      sleep: () => new Promise((resolve) => setImmediate(resolve)),
      crashPoint: NO_CRASH,
      onFatal: () => undefined,
    });
    node.fates.set(quote.payment_hash, 'stays');
    await desk.pay(ana, quote.quote_id);
    driver.resume();
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toEqual([]);
    disk.emit('written');
    await untilTrue('a look-up', () => asked.length > 0);
    await driver.stop();
  });

  test('that refused answers nobody from a state that it does not have', async () => {
    const queue = commitQueue({
      write: () => Promise.reject(new Error('full')),
      written: () => undefined,
      onFatal: () => undefined,
    });
    const event = { kind: 'alarm' as const, code: 'test', detail: '' };
    await expect(queue.add([{ news: plainNews(event), atMs: 0 }])).rejects.toThrow('full');
    await expect(queue.settled()).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' });
  });
});

test('a settlement without a preimage of its hash proves nothing, and no receipt says so', async () => {
  const { payer } = desk.world.node;
  const honest = { ...payer };
  Object.assign(payer, {
    pay: async (order: Parameters<typeof honest.pay>[0]) => ({
      ...(await honest.pay(order)),
      preimage: '00'.repeat(32),
      violations: ['no preimage'],
    }),
  });
  await desk.credit(ana, 50_000_000n);
  const quote = await desk.quoted(ana, outsideInvoice('unproved', 1_000_000n));
  const answer = await desk.paid(ana, quote.quote_id);
  expect(answer.status).toBe('succeeded');
  expect(answer).not.toHaveProperty('payment_proof');
  expect(answer.receipt).not.toHaveProperty('preimage_sha256');
  expect(desk.pool.engine.state().mode).toBe('frozen');
});

test('a quote on the treasury is paid by an operator only, whoever knows its id', async () => {
  const operator = agent('ana', { role: 'operator' });
  const quote = await desk.quoted(operator, outsideInvoice('ours', 1_000_000n), {
    funding: 'treasury',
  });
  expect(await refusalOf(desk.pay(ana, quote.quote_id))).toBe('funding_not_allowed');
  expect(desk.world.node.dispatched(quote.payment_hash)).toBe(0);
  expect(await desk.paid(operator, quote.quote_id)).toMatchObject({ status: 'succeeded' });
});

/** As they travel: JSON integers. */
function amountsOf(body: object): object {
  const amounts = Object.entries(body).filter(([, value]) => typeof value === 'bigint');
  return Object.fromEntries(
    amounts.map(([key, value]) => [key, Number.parseInt(String(value), 10)]),
  );
}
