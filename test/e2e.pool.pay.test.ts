/**
 * Paying through the API of a pool on real LNDs, as its callers do it: a published client, an agent that forgets
 * everything, fifty at once, two who want the last sats. Each invoice is paid at most once, and the books are the node's.
 */
import { randomUUID } from 'node:crypto';
import {
  createInvoice,
  deleteForwardingReputations,
  getChannels,
  payViaPaymentRequest,
} from 'ln-service';
import { expect, test } from 'vitest';
import { startOperator } from '../demo/lightning-world.ts';
import { type ApiAnswer, rawPost } from '../demo/pool-calls.ts';
import { STEP_MS_MAX } from '../demo/world.ts';
import { type HeldInvoice, holdInvoice, invoice } from '../regtest/lightning-payments.ts';
import { called } from '../regtest/ln-call.ts';
import type { LndNode } from '../regtest/lnd.ts';
import { until } from '../regtest/wait.ts';
import { describeWithLnd } from './lnd-available.ts';
import { neobank } from './neobank-client.ts';
import { asksOfThePool, booked, OPERATOR, spendCapital } from './pool-capital.ts';
import {
  type Agent,
  agentWith,
  askPool,
  booksAgree,
  get,
  givenBack,
  neverPaid,
  nodeMsat,
  paidOnce,
  pays,
  prepaidOf,
  quoteBody,
  quoted,
  settledOnce,
  settles,
  sharedLonePool,
  TEST_MS_MAX,
  told,
} from './pool-world.ts';

const MSAT = 20_000_000n;
const BALANCE = 100_000_000n;
const LAST = 95_000_000n;
/** What the pool keeps to spend of its own: one such payment with its fees, and not two. */
const ENOUGH_FOR_ONE = 105_000_000n;

describeWithLnd('paying through a pool', () => {
  // In one part: parts that arrived would wait at the payee for two minutes for those that cannot.
  const pool = sharedLonePool((text) =>
    text
      // What nobody pays holds outbound until then, and the last sats are wanted below.
      .replace('ttl_ms: 60_000', 'ttl_ms: 20_000')
      .replace('hold_open_ms: 5_000', 'hold_open_ms: 2_000')
      .replace('pathfinding_ms: 15_000, parts_max: 4', 'pathfinding_ms: 15_000, parts_max: 1'),
  );
  const payee = () => pool().lightning.node('payee');

  test(
    'the published client pays by its direct route, and reads every field it declares',
    async () => {
      const agent = await agentWith(pool(), BALANCE);
      const client = neobank(pool().operator.url, agent.token);
      const { request, hash } = await invoice(payee(), { msat: MSAT });
      const order = {
        invoice: ` ${request}\n`,
        amountMsats: Number(MSAT),
        host: 'Shop.Example',
        maxFeeMsats: 100_000,
        key: 'job-1',
        policyContext: { scope: 'job-1' },
      };
      const end = await client.quoteAndPay(order);
      expect(end).toMatchObject({ is: 'committed', answer: { status: 'succeeded' } });
      expect(client.reservation('job-1')).toBe('committed');
      // Its process is new, its budget empty: the same order is the same payment and the same receipt.
      const again = await neobank(pool().operator.url, agent.token).quoteAndPay(order);
      expect(again).toEqual(end);
      await paidOnce(pool(), hash, MSAT);
      await booksAgree(pool());
    },
    TEST_MS_MAX,
  );

  test(
    'the published client that gives a held payment up gets its receipt when it asks again',
    async () => {
      const agent = await agentWith(pool(), BALANCE);
      const client = neobank(pool().operator.url, agent.token);
      const held = await holdInvoice(payee(), { msat: MSAT });
      const order = {
        invoice: held.request,
        amountMsats: Number(MSAT),
        host: 'shop.example',
        maxFeeMsats: 100_000,
        key: 'job-2',
        policyContext: {},
      };
      expect(await client.quoteAndPay(order)).toEqual({ is: 'released', code: 'conflict' });
      await held.untilHeld();
      await held.settle();
      const end = await until(
        'its receipt',
        async () => {
          const found = await client.quoteAndPay(order);
          return found.is === 'committed' ? found : null;
        },
        STEP_MS_MAX,
      );
      expect(end.answer.status).toBe('succeeded');
      await paidOnce(pool(), held.hash, MSAT);
      await booksAgree(pool());
    },
    TEST_MS_MAX,
  );

  test(
    'LN-1 an agent that forgets, restarts and rephrases pays one invoice once',
    async () => {
      const agent = await agentWith(pool(), BALANCE);
      const { request, hash } = await invoice(payee(), { msat: MSAT });
      const answers: (ApiAnswer | null)[] = [];
      // Each life begins with nothing but the invoice, words everything anew and dies before it has read an answer.
      const life = async (n: number): Promise<void> => {
        const body = quoteBody(request, randomUUID(), {
          host: `host-${n}.example`,
          max_amount_msats: 30_000_000 + n,
          max_fee_msats: 90_000 + n,
          urgency: (['low', 'normal', 'high', null] as const)[n % 4],
          policy_context: { life: n },
        });
        const quote = await rawPost(pool(), agent.token, '/v1/liquidity/quote_pay', body);
        const id = told(quote).quote_id;
        if (id === undefined) return;
        answers.push(...(await Promise.all([pays(pool(), agent, id), pays(pool(), agent, id)])));
      };
      await Promise.all(Array.from({ length: 12 }, (_, n) => life(n)));
      await pool().operator.daemon?.kill();
      await startOperator(pool());
      await Promise.all(Array.from({ length: 4 }, (_, n) => life(20 + n)));
      const settled = answers.filter((each) => told(each).status === 'succeeded');
      expect(new Set(settled.map((each) => told(each).quote_id)).size).toBe(1);
      const { body } = await get(pool(), agent.token, `/v1/liquidity/payments/${hash}`);
      expect(body).toMatchObject({ state: 'succeeded', final: true });
      const [answer] = settled;
      if (answer == null) throw new Error('nothing was paid');
      await settledOnce(pool(), { agent, before: BALANCE, answer, hash, msat: MSAT });
      for (const late of answers.slice(-2)) {
        expect(told(late).error?.reason_code ?? 'hash_paid').toBe('hash_paid');
      }
    },
    TEST_MS_MAX,
  );

  test(
    'fifty calls at once pay one quote once, and the same bytes come after a restart',
    async () => {
      const agent = await agentWith(pool(), BALANCE);
      const { request, hash } = await invoice(payee(), { msat: MSAT });
      const id = await quoted(pool(), agent, request);
      const answers = await Promise.all(Array.from({ length: 50 }, () => pays(pool(), agent, id)));
      const answer = await settles(pool(), agent, id);
      const texts = answers.filter((each) => each?.status === 200).map((each) => each?.text);
      expect(new Set([...texts, answer.text])).toEqual(new Set([answer.text]));
      await pool().operator.daemon?.stop();
      await startOperator(pool());
      expect(await settles(pool(), agent, id)).toEqual(answer);
      await settledOnce(pool(), { agent, before: BALANCE, answer, hash, msat: MSAT });
    },
    TEST_MS_MAX,
  );

  test(
    'LN-20 an invoice of an agent is paid inside: it is cancelled at the node first, and no HTLC leaves',
    async () => {
      const [payer, earner] = [await agentWith(pool(), BALANCE), await agentWith(pool(), 0n)];
      const before = await nodeMsat(pool());
      const asked = await rawPost(pool(), earner.token, '/v1/prepaid/topups', {
        schema: 'weir.prepaid.topup_request.v1',
        idempotency_key: 'earn',
        amount_msats: Number(MSAT),
      });
      const topup = JSON.parse(asked.text) as { invoice: string; payment_hash: string };
      const id = await quoted(pool(), payer, topup.invoice);
      const answer = await settles(pool(), payer, id);
      expect(told(answer)).toMatchObject({ status: 'succeeded', route_fee_msats: 0 });
      expect(await prepaidOf(pool(), earner)).toEqual({ available: MSAT, held: 0n });
      expect(await nodeMsat(pool())).toBe(before);
      await neverPaid(pool(), topup.payment_hash);
      const { lnd } = pool().lightning.node('left');
      const late = called('late', payViaPaymentRequest({ lnd, request: topup.invoice }));
      await expect(late).rejects.toThrow(/RejectedByDestination|incorrect/i);
      expect(await prepaidOf(pool(), earner)).toEqual({ available: MSAT, held: 0n });
      await booksAgree(pool());
    },
    TEST_MS_MAX,
  );

  test(
    'LN-20 an invoice of our node that no top-up has is refused',
    async () => {
      const agent = await agentWith(pool(), BALANCE);
      const { lnd } = pool().lightning.node('pool');
      const { request } = await called('own', createInvoice({ lnd, mtokens: MSAT.toString() }));
      await expect(quoted(pool(), agent, request)).rejects.toThrow(/own_invoice_unknown/);
    },
    TEST_MS_MAX,
  );

  /** What a hop can send to the payee, its reserve and the commitment left alone. */
  async function sendableSat({ lnd }: LndNode): Promise<bigint> {
    const { channels } = await called('getChannels', getChannels({ lnd }));
    const to = channels.find((each) => each.partner_public_key === payee().publicKey);
    return BigInt(to?.local_balance ?? 0) - BigInt(to?.local_reserve ?? 0);
  }

  test(
    'a hop without liquidity fails the payment, and amount and fees are given back',
    async () => {
      const agent = await agentWith(pool(), 300_000_000n);
      const left = pool().lightning.node('left');
      const drain = await invoice(payee(), {
        msat: ((await sendableSat(left)) - 100_000n) * 1_000n,
      });
      await called('drain', payViaPaymentRequest({ lnd: left.lnd, request: drain.request }));
      const { request, hash } = await invoice(payee(), { msat: 200_000_000n });
      const id = await quoted(pool(), agent, request, { urgency: 'low', max_fee_msats: 1_000_000 });
      const answer = await settles(pool(), agent, id);
      expect(told(answer)).toMatchObject({ status: 'failed', error_code: 'no_route' });
      await givenBack(pool(), { agent, before: 300_000_000n, hash });
      const back = await invoice(left, { msat: 2_200_000_000n });
      await called('refill', payViaPaymentRequest({ lnd: payee().lnd, request: back.request }));
      const { lnd } = pool().lightning.node('pool');
      await called('forget', deleteForwardingReputations({ lnd }));
      // It failed for good, so the same invoice may be quoted and paid again.
      const next = await quoted(pool(), agent, request, {
        idempotency_key: 'a second try',
        urgency: 'low',
        max_fee_msats: 1_000_000,
      });
      const paid = await settles(pool(), agent, next);
      const of = { agent, before: 300_000_000n, answer: paid, hash, msat: 200_000_000n };
      await settledOnce(pool(), of);
      expect(await settles(pool(), agent, id)).toEqual(answer);
    },
    TEST_MS_MAX,
  );

  test(
    'two agents want the last sats: one is quoted, the other is told so, and is paid for when they come back',
    async () => {
      const racers: { agent: Agent; held: HeldInvoice }[] = [];
      for (let n = 0; n < 2; n += 1) {
        const agent = await agentWith(pool(), 0n, OPERATOR);
        racers.push({ agent, held: await holdInvoice(payee(), { msat: LAST }) });
      }
      await spendCapital(pool(), await agentWith(pool(), 0n, OPERATOR), ENOUGH_FOR_ONE);
      const ask = ({ agent, held }: (typeof racers)[number]) =>
        asksOfThePool(pool(), agent, held.request);
      // Quotes of before that nobody pays hold some of it until they run out.
      const said = await until(
        'one of both to be quoted',
        async () => {
          const both = await Promise.all(racers.map(ask));
          return both.some((each) => each.status === 200) ? both : null;
        },
        STEP_MS_MAX,
      );
      const won = said.findIndex((each) => each.status === 200);
      const [winner, loser] = [racers[won], racers[1 - won]];
      if (winner === undefined || loser === undefined) throw new Error('two race');
      const no = said[1 - won] ?? null;
      expect(told(no).error).toMatchObject({ reason_code: 'outbound_reserved', retryable: true });
      const first = told(said[won] ?? null).quote_id ?? '';
      await pays(pool(), winner.agent, first);
      await winner.held.untilHeld();
      await winner.held.cancel();
      expect(told(await settles(pool(), winner.agent, first)).status).toBe('failed');
      const second = await until(
        'the last sats to be free again',
        async () => told(await ask(loser)).quote_id ?? null,
        STEP_MS_MAX,
      );
      const ending = settles(pool(), loser.agent, second);
      await loser.held.untilHeld();
      await loser.held.settle();
      expect(told(await ending).status).toBe('succeeded');
      await paidOnce(pool(), loser.held.hash, LAST);
      await neverPaid(pool(), winner.held.hash);
      await booksAgree(pool());
    },
    TEST_MS_MAX,
  );

  test(
    'a pool whose channel is as good as empty pays nothing of its own, and pays out all that is an agent’s',
    async () => {
      const agent = await agentWith(pool(), BALANCE);
      const operator = await agentWith(pool(), 0n, OPERATOR);
      await spendCapital(pool(), operator, 0n);
      // The books still have it: it is the reserve that LND keeps in the channel.
      expect(await booked(pool(), 'LLP:asset:ln.local')).toBeGreaterThan(MSAT);
      const own = await invoice(payee(), { msat: MSAT });
      const no = await until(
        'the next look at the channel',
        async () => {
          const answer = await asksOfThePool(pool(), operator, own.request);
          // What left since the last look is held back; what the look shows is too little.
          return told(answer).error?.reason_code === 'outbound_reserved' ? null : answer;
        },
        STEP_MS_MAX,
      );
      expect(told(no).error).toMatchObject({ reason_code: 'outbound_too_low', retryable: true });
      const { request, hash } = await invoice(payee(), { msat: LAST });
      const answer = await rawPost(pool(), agent.token, '/v1/prepaid/withdrawals', {
        schema: 'weir.prepaid.withdraw_request.v1',
        idempotency_key: 'all of it',
        invoice: request,
        max_fee_msats: 1_000_000,
      });
      expect(answer.status).toBe(200);
      await settledOnce(pool(), { agent, before: BALANCE, answer, hash, msat: LAST });
    },
    TEST_MS_MAX,
  );

  test(
    'a pool that winds down takes nothing, closes its open top-ups, and pays out what it owes',
    async () => {
      const agent = await agentWith(pool(), BALANCE);
      const asked = await rawPost(pool(), agent.token, '/v1/prepaid/topups', {
        schema: 'weir.prepaid.topup_request.v1',
        idempotency_key: 'never paid',
        amount_msats: 1_000_000,
      });
      const open = JSON.parse(asked.text) as { topup_id: string; invoice: string };
      const words = { verb: 'wind-down', why: 'the test ends', by: 'olga' } as const;
      await askPool(pool(), (client) => client.setMode.mutate(words));
      const { request } = await invoice(payee(), { msat: 1_000_000n });
      const writes: [route: string, body: object][] = [
        ['/v1/liquidity/quote_pay', quoteBody(request, 'too late')],
        [
          '/v1/prepaid/topups',
          {
            schema: 'weir.prepaid.topup_request.v1',
            idempotency_key: 'too late',
            amount_msats: 1_000,
          },
        ],
      ];
      for (const [route, body] of writes) {
        const answer = await rawPost(pool(), agent.token, route, body);
        expect([route, answer.status, told(answer).error?.code]).toEqual([
          route,
          503,
          'write_path_frozen',
        ]);
      }
      await until(
        'the open top-up to be cancelled',
        async () =>
          (await get(pool(), agent.token, `/v1/prepaid/topups/${open.topup_id}`)).body['state'] ===
          'cancelled',
        STEP_MS_MAX,
      );
      const own = await invoice(payee(), { msat: BALANCE - 1_000_000n });
      const withdrawal = {
        schema: 'weir.prepaid.withdraw_request.v1',
        idempotency_key: 'all',
        invoice: own.request,
        max_fee_msats: 1_000_000,
      };
      const answer = await until(
        'the withdrawal',
        async () => {
          const end = await rawPost(pool(), agent.token, '/v1/prepaid/withdrawals', withdrawal);
          return end.status === 200 ? end : null;
        },
        STEP_MS_MAX,
      );
      const { hash } = own;
      await settledOnce(pool(), {
        agent,
        before: BALANCE,
        answer,
        hash,
        msat: BALANCE - 1_000_000n,
      });
      const { lnd } = pool().lightning.node('left');
      const late = called('late', payViaPaymentRequest({ lnd, request: open.invoice }));
      await expect(late).rejects.toThrow(/RejectedByDestination|incorrect/i);
      await booksAgree(pool());
    },
    TEST_MS_MAX,
  );
});
