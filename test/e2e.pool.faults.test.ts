/**
 * A pool on real LNDs while processes freeze, die and lose each other in the middle of a payment. Whatever happens:
 * nothing is called failed that may have been paid, each payment settles at most once, and the books are the node's.
 */
import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import { getPayments, payViaPaymentRequest } from 'ln-service';
import { expect, test } from 'vitest';
import { startOperator } from '../demo/lightning-world.ts';
import { rawPost } from '../demo/pool-calls.ts';
import { weir } from '../demo/weir-process.ts';
import { STEP_MS_MAX } from '../demo/world.ts';
import { mineSynced } from '../regtest/lightning.ts';
import { holdInvoice, invoice } from '../regtest/lightning-payments.ts';
import { called } from '../regtest/ln-call.ts';
import { connect } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { describeWithLnd } from './lnd-available.ts';
import {
  type Agent,
  agentWith,
  askPool,
  booksAgree,
  givenBack,
  nodeMsat,
  onceOrNotAtAll,
  paidOnce,
  pays,
  prepaidOf,
  quoteBody,
  quoted,
  settledOnce,
  settles,
  sharedLonePool,
  TEST_MS_MAX,
  type Told,
  told,
} from './pool-world.ts';

const MSAT = 20_000_000n;
const IN_FLIGHT = { code: 'conflict', reason_code: 'payment_in_flight', retryable: true };

describeWithLnd('a pool whose processes fail', () => {
  const pool = sharedLonePool((text) => text.replace('hold_open_ms: 5_000', 'hold_open_ms: 2_000'));
  const node = () => pool().lightning.node('pool');
  const payee = () => pool().lightning.node('payee');
  let shared: Promise<Agent> | undefined;
  const theAgent = (): Promise<Agent> => {
    shared ??= agentWith(pool(), 600_000_000n);
    return shared;
  };

  /** The same once the channel is of use: after a restart of the node that takes a moment. */
  async function payer(): Promise<Agent> {
    const agent = await theAgent();
    await until('the channel to be of use', canSend, STEP_MS_MAX);
    return agent;
  }

  async function available(): Promise<bigint> {
    return (await prepaidOf(pool(), await theAgent())).available;
  }

  /** The call says that the outcome is not known yet, and the money stays held. */
  async function inFlight(quoteId: string): Promise<void> {
    const agent = await theAgent();
    const answer = await pays(pool(), agent, quoteId);
    expect([answer?.status, told(answer).error]).toEqual([409, expect.objectContaining(IN_FLIGHT)]);
  }

  /** A payment that its payee holds, quoted, dispatched and arrived. */
  async function heldPayment() {
    const agent = await payer();
    const before = await available();
    const held = await holdInvoice(payee(), { msat: MSAT });
    const id = await quoted(pool(), agent, held.request);
    const paying = pays(pool(), agent, id);
    await held.untilHeld();
    const end = async (): Promise<Told> => {
      await paying;
      const answer = await settles(pool(), agent, id);
      await settledOnce(pool(), { agent, before, answer, hash: held.hash, msat: MSAT });
      return told(answer);
    };
    return { held, id, paying, end };
  }

  /** An ordinary invoice, quoted. */
  async function quotedPayment() {
    const agent = await payer();
    const before = await available();
    const { request, hash } = await invoice(payee(), { msat: MSAT });
    const id = await quoted(pool(), agent, request);
    const end = async (): Promise<Told> => {
      const answer = await settles(pool(), agent, id);
      await settledOnce(pool(), { agent, before, answer, hash, msat: MSAT });
      return told(answer);
    };
    return { id, end };
  }

  test(
    'LN-1 the node is frozen when pay is called: not known, and it settles once when the node goes on',
    async () => {
      const { id, end } = await quotedPayment();
      node().pause();
      await inFlight(id);
      await inFlight(id);
      node().resume();
      expect(await end()).toMatchObject({ status: 'succeeded' });
    },
    TEST_MS_MAX,
  );

  test(
    'LN-4 a hop is frozen with the payment in it: not known, and it settles once when the hop goes on',
    async () => {
      const { id, end } = await quotedPayment();
      pool().lightning.node('left').pause();
      await inFlight(id);
      pool().lightning.node('left').resume();
      expect(await end()).toMatchObject({ status: 'succeeded' });
    },
    TEST_MS_MAX,
  );

  test(
    'LN-2 the connection to the node is cut while the payment is held: it settles once',
    async () => {
      const { held, id, paying, end } = await heldPayment();
      pool().way.cut();
      expect(told(await paying).error).toMatchObject(IN_FLIGHT);
      await inFlight(id);
      await held.settle();
      expect(await end()).toMatchObject({ status: 'succeeded' });
    },
    TEST_MS_MAX,
  );

  test(
    'LN-2 a payment that its payee lets go is failed only then, and given back',
    async () => {
      const before = await available();
      const { held, id } = await heldPayment();
      await inFlight(id);
      await held.cancel();
      const answer = await settles(pool(), await theAgent(), id);
      expect(told(answer)).toMatchObject({ status: 'failed', error_code: 'refused_by_payee' });
      await givenBack(pool(), { agent: await theAgent(), before, hash: held.hash });
    },
    TEST_MS_MAX,
  );

  test(
    'LN-2 the node is killed while the payment is held: not known while it is away, and it settles once',
    async () => {
      const { held, id, end } = await heldPayment();
      await node().kill();
      await inFlight(id);
      await node().restart();
      await inFlight(id);
      await held.settle();
      expect(await end()).toMatchObject({ status: 'succeeded' });
    },
    TEST_MS_MAX,
  );

  test(
    'LN-3 node and operator are killed while the payment is held, and it settles before they are back',
    async () => {
      const { held, end } = await heldPayment();
      await Promise.all([node().kill(), pool().operator.daemon?.kill()]);
      await held.settle();
      const started = startOperator(pool());
      await node().restart();
      await started;
      expect(await end()).toMatchObject({ status: 'succeeded' });
    },
    TEST_MS_MAX,
  );

  // LND asks bitcoind for the height; where that fails it leaves the payment in flight without an HTLC, for ever.
  test(
    'LN-5 bitcoind is away while an invoice is paid: held until the node ends it, and once or not at all',
    async () => {
      const agent = await payer();
      const before = await available();
      const { request, hash } = await invoice(payee(), { msat: MSAT });
      const id = await quoted(pool(), agent, request);
      const { network } = pool().lightning;
      await network.first.stop();
      const first = await pays(pool(), agent, id);
      await network.first.restart();
      await connect(network);
      const said = told(first).status ?? told(first).error?.reason_code;
      expect(['succeeded', 'payment_in_flight']).toContain(said);
      await node().restart();
      const answer = await settles(pool(), agent, id);
      await onceOrNotAtAll(pool(), { agent, before, answer, hash, msat: MSAT });
      await mineSynced(pool().lightning, 1);
    },
    TEST_MS_MAX,
  );

  test.each<[moment: string, count: number]>([
    ['before-append', 1],
    ['before-append', 2],
    ['before-append', 3],
    ['after-append', 2],
    ['after-append', 3],
    ['before-dispatch', 1],
    ['after-dispatch', 1],
  ])(
    'LN-3 the operator dies %s, the %d. time: the same calls afterwards pay once',
    async (moment, count) => {
      const agent = await payer();
      const before = await available();
      const { request, hash } = await invoice(payee(), { msat: MSAT });
      const { operator } = pool();
      await operator.daemon?.stop();
      const dies = { WEIR_CRASH_AT: `${moment}:${count}` };
      await startOperator(pool(), dies).catch(() => null);
      let deaths = 0;
      const answer = await until(
        'the receipt',
        async () => {
          const id = await quoted(pool(), agent, request).catch(() => null);
          const told200 = id === null ? null : await pays(pool(), agent, id);
          if (told200?.status === 200 && deaths > 0) return told200;
          if (operator.daemon?.pid != null) return null;
          deaths += 1;
          await startOperator(pool());
          return null;
        },
        STEP_MS_MAX,
      );
      expect(deaths).toBe(1);
      await settledOnce(pool(), { agent, before, answer, hash, msat: MSAT });
    },
    TEST_MS_MAX,
  );

  test(
    'LN-1 a payment behind the back of the pool freezes it, until a person has looked',
    async () => {
      const agent = await payer();
      const books = await nodeMsat(pool());
      const foreign = await invoice(payee(), { msat: MSAT });
      const paid = payViaPaymentRequest({ lnd: node().lnd, request: foreign.request });
      await called('behind', paid);
      const gone = books - (await nodeMsat(pool()));
      const { dir } = pool().operator;
      const found = await weir(['operator', 'reconcile', '--dir', dir]);
      expect([found.code, found.stdout]).toEqual([7, expect.stringContaining(foreign.hash)]);
      const { request, hash } = await invoice(payee(), { msat: MSAT });
      const refused = await rawPost(
        pool(),
        agent.token,
        '/v1/liquidity/quote_pay',
        quoteBody(request, 'while frozen'),
      );
      expect([refused.status, told(refused).error?.reason_code]).toEqual([503, 'frozen']);
      const looked = ['--why', 'it was me', '--by', 'olga'];
      expect((await weir(['operator', 'unfreeze', '--dir', dir, ...looked])).code).toBe(0);
      const answer = await settles(pool(), agent, await quoted(pool(), agent, request));
      expect(told(answer).status).toBe('succeeded');
      await paidOnce(pool(), hash, MSAT);
      await booksAgree(pool(), gone);
    },
    TEST_MS_MAX,
  );

  test(
    'what a person has looked at does not freeze the pool again, at no match and at no start',
    async () => {
      const { dir, daemon } = pool().operator;
      const again = await weir(['operator', 'reconcile', '--dir', dir]);
      expect([again.code, await mode()]).toEqual([0, 'open']);
      await daemon?.stop();
      await startOperator(pool());
      expect(await mode()).toBe('open');
    },
    TEST_MS_MAX,
  );

  async function status() {
    const { json } = await askPool(pool(), (client) => client.status.query());
    return json as { mode: string; entries: number; node: { outboundMsat: string } | null };
  }

  async function mode(): Promise<string> {
    return (await status()).mode;
  }

  async function canSend(): Promise<boolean> {
    return BigInt((await status()).node?.outboundMsat ?? 0) > MSAT;
  }

  test(
    'LN-14 a node on an old database that forgot a payment in flight is frozen, and nothing is sent again',
    async () => {
      const agent = await theAgent();
      const data = path.join(node().dir, 'data');
      const old = path.join(pool().dir, 'old-data');
      await node().stop();
      await cp(data, old, { recursive: true });
      await node().restart();
      const { held, id } = await heldPayment();
      await seenSince(held.hash);
      await pool().operator.daemon?.kill();
      await node().stop();
      await rm(data, { recursive: true });
      await cp(old, data, { recursive: true });
      await node().restart();
      await startOperator(pool());
      await until('the pool to be frozen', async () => (await mode()) === 'frozen', STEP_MS_MAX);
      await inFlight(id);
      await inFlight(id);
      const { lnd } = node();
      const { payments } = await called('getPayments', getPayments({ lnd, limit: 1_000 }));
      expect(payments.filter((each) => each.id === held.hash)).toEqual([]);
      expect((await prepaidOf(pool(), agent)).held).toBeGreaterThanOrEqual(MSAT);
      const other = await invoice(payee(), { msat: MSAT });
      await expect(quoted(pool(), agent, other.request)).rejects.toThrow(/frozen/);
    },
    TEST_MS_MAX,
  );

  /** Waits until the operator wrote down how far the channels are, with that payment in them. */
  async function seenSince(hash: string): Promise<void> {
    await until(
      `the channel with ${hash.slice(0, 8)} to be written down`,
      async () => {
        const { entries } = await status();
        const after = Math.max(0, entries - 20);
        const answer = await fetch(`${pool().operator.url}/v1/log?after=${after}&limit=200`);
        // Who asks this often without a credential is told to wait.
        const { records = [] } = (await answer.json()) as { records?: { kind: string }[] };
        const kinds = records.map(({ kind }) => kind);
        return kinds.lastIndexOf('node-seen') > kinds.lastIndexOf('pay-reserved') ? true : null;
      },
      STEP_MS_MAX,
    );
  }
});
