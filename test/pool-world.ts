/**
 * A pool alone, for tests of paying: three LNDs and an operator process, no treasury. Its one channel is opened by
 * the node itself and booked as capital; the operator reaches its node by a way that a test can cut.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  getChannelBalance,
  getChannels,
  getInvoice,
  getPayments,
  payViaPaymentRequest,
} from 'ln-service';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import {
  bake,
  callerFor,
  initOperator,
  type PoolWorld,
  startOperator,
} from '../demo/lightning-world.ts';
import { type ApiAnswer, rawPost } from '../demo/pool-calls.ts';
import { STEP_MS_MAX } from '../demo/world.ts';
import { type AdminClient, ask } from '../operator/admin-client.ts';
import { Failure } from '../policies/failure.ts';
import { fundNode, type LightningNetwork, startLightning } from '../regtest/lightning.ts';
import { openChannel, openRing } from '../regtest/lightning-channels.ts';
import { routeKnown } from '../regtest/lightning-payments.ts';
import { called } from '../regtest/ln-call.ts';
import { type RegtestNetwork, startNetwork } from '../regtest/network.ts';
import { until } from '../regtest/wait.ts';
import { bitcoindBinary } from './bitcoind-available.ts';
import { lndBinary } from './lnd-available.ts';
import { type CuttableWay, cuttableWay } from './tcp-cut.ts';

/** Three nodes and a process, on few cores beside much else. */
export const POOL_MS_MAX = 600_000;
/** One test on it. */
export const TEST_MS_MAX = 240_000;
const TAIL_CHARS = 3_000;
/** Half of the channel is the pool's at the start. */
const CHANNEL_SAT = 4_000_000;
const GIVEN_SAT = 2_000_000;
const LIGHTNING = /^[A-Z]+:asset:ln\./;

export interface LonePool extends Pick<PoolWorld, 'dir' | 'lightning' | 'operator'> {
  /** Between the operator and its node. */
  way: CuttableWay;
  stop(): Promise<void>;
}

/** One for all tests of the `describe` this is called in; there only once the tests run. */
export function sharedLonePool(policy: (text: string) => string = (text) => text): () => LonePool {
  let pool: LonePool | undefined;
  let chain: RegtestNetwork | undefined;
  let dir: string | undefined;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'weir-lone-'));
    chain = await startNetwork({ binary: bitcoindBinary() });
    pool = await started(dir, chain, policy);
  }, POOL_MS_MAX);
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail' || dir === undefined) return;
    const text = await readFile(path.join(dir, 'operator.log'), 'utf8').catch(() => '');
    process.stderr.write(`operator: ${text.slice(-TAIL_CHARS)}\n`);
  });
  afterAll(async () => {
    await pool?.stop();
    await chain?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }, POOL_MS_MAX);
  return () => {
    if (pool === undefined) throw new Error('the pool is there only inside a test');
    return pool;
  };
}

async function started(
  dir: string,
  network: RegtestNetwork,
  operatorPolicy: (text: string) => string,
): Promise<LonePool> {
  const lightning = await startLightning({
    binary: lndBinary(),
    network,
    dir: path.join(dir, 'lightning'),
    nodes: ['pool', 'left', 'payee'],
  });
  const node = lightning.node('pool');
  const way = await cuttableWay(Number(node.socket.split(':')[1]));
  const operator: PoolWorld['operator'] = {
    dir: path.join(dir, 'operator'),
    daemon: null,
    url: '',
    receiptKey: '',
    wordKey: '',
  };
  const pool: LonePool = {
    dir,
    lightning,
    operator,
    way,
    async stop() {
      await operator.daemon?.stop();
      await lightning.stop();
      await way.stop();
    },
  };
  try {
    await joined(lightning);
    const macaroons = path.join(dir, 'macaroons');
    await bake(node, macaroons);
    const socket = `localhost:${way.port}`;
    await initOperator({ dir, network, operatorPolicy }, lightning, {
      operator,
      macaroons,
      socket,
    });
    await startOperator(pool);
    const amountMsat = (await nodeMsat(pool)).toString();
    const capital = { rail: 'ln.local', amountMsat, why: 'what the node brought' } as const;
    await askPool(pool, (client) => client.bringCapital.mutate(capital));
    return pool;
  } catch (cause) {
    await pool.stop();
    throw cause;
  }
}

/** pool — left — payee. */
async function joined(lightning: LightningNetwork): Promise<void> {
  const [node, left, payee] = (['pool', 'left', 'payee'] as const).map((name) =>
    lightning.node(name),
  );
  if (node === undefined || left === undefined || payee === undefined) throw new Error('no nodes');
  await openRing(lightning);
  await fundNode(lightning, node, '0.1');
  await openChannel(lightning, node, left, { sat: CHANNEL_SAT, giveSat: GIVEN_SAT });
  await routeKnown(node, payee.publicKey, 100_000_000n);
  await routeKnown(left, node.publicKey, 100_000_000n);
}

/** What the node's channels hold for us, to the millisatoshi, once no HTLC is left: each costs the opener a fee. */
export function nodeMsat({ lightning }: LonePool): Promise<bigint> {
  const { lnd } = lightning.node('pool');
  return until(
    'the channel to hold no HTLC',
    async () => {
      const { channels } = await called('getChannels', getChannels({ lnd }));
      if (channels.some((each) => each.pending_payments.length > 0)) return null;
      const held = await called('getChannelBalance', getChannelBalance({ lnd }));
      return BigInt(held.channel_balance_mtokens ?? -1);
    },
    STEP_MS_MAX,
  );
}

/** A question or a wish to the operator's socket: asked again where the connection had just been given up. */
export function askPool<T>(
  { operator }: Pick<LonePool, 'operator'>,
  question: (client: AdminClient) => Promise<T>,
): Promise<NonNullable<T>> {
  return until(
    'the operator to answer',
    () =>
      ask(operator, question).catch((cause: unknown) => {
        if (cause instanceof Failure && cause.code === 'OPERATOR_UNREACHABLE') return null;
        throw cause;
      }),
    STEP_MS_MAX,
  ) as Promise<NonNullable<T>>;
}

/** What the books say that Lightning holds. */
export async function booksMsat(pool: LonePool): Promise<bigint> {
  const { json } = await askPool(pool, (client) => client.books.query());
  const { accounts } = json as { accounts: { account: string; balance: string }[] };
  return accounts
    .filter(({ account }) => LIGHTNING.test(account))
    .reduce((sum, { balance }) => sum + BigInt(balance), 0n);
}

/** Waits until books and node are the same to the millisatoshi, but for what a test did behind the pool's back. */
export async function booksAgree(pool: LonePool, lessMsat = 0n): Promise<void> {
  let last: bigint | null = null;
  await until(
    'books and node to agree',
    async () => {
      last = (await booksMsat(pool)) - (await nodeMsat(pool));
      return last === lessMsat;
    },
    STEP_MS_MAX,
  ).catch(() => null);
  expect(last).toBe(lessMsat);
}

/** The payee was paid once, whole, and the pool's node knows one payment of this hash that settled. */
export async function paidOnce(pool: LonePool, id: string, msat: bigint): Promise<void> {
  const { lnd } = pool.lightning.node('payee');
  const { payments: parts } = await called('getInvoice', getInvoice({ lnd, id }));
  const confirmed = parts.filter((part) => part.is_confirmed);
  expect(confirmed.reduce((sum, part) => sum + BigInt(part.mtokens), 0n)).toBe(msat);
  expect(await timesSettled(pool, id)).toBe(1);
}

async function timesSettled({ lightning }: LonePool, id: string): Promise<number> {
  const { lnd } = lightning.node('pool');
  const { payments } = await called('getPayments', getPayments({ lnd, limit: 1_000 }));
  return payments.filter((each) => each.id === id && each.is_confirmed).length;
}

/** No payment of this hash left the pool's node, or none that ended well. */
export async function neverPaid(pool: LonePool, id: string): Promise<void> {
  expect(await timesSettled(pool, id)).toBe(0);
}

/** One agent's way to call. */
export interface Agent {
  id: string;
  token: string;
}

let credentials = 0;

/** A new agent with a token of its own and that balance, topped up over Lightning. */
export async function agentWith(pool: LonePool, msat: bigint, more: string[] = []): Promise<Agent> {
  credentials += 1;
  const id = `agent-${credentials}`;
  const { token } = await callerFor(pool, `credential-${credentials}`, [id], more);
  const agent = { id, token };
  if (msat > 0n) await topUp(pool, agent, msat);
  return agent;
}

export async function topUp(pool: LonePool, { token }: Agent, msat: bigint): Promise<void> {
  const asked = await rawPost(pool, token, '/v1/prepaid/topups', {
    schema: 'weir.prepaid.topup_request.v1',
    idempotency_key: `top-up of ${msat}`,
    amount_msats: Number(msat),
  });
  const { invoice, topup_id: topupId } = JSON.parse(asked.text) as Record<string, string>;
  if (invoice === undefined) throw new Error(asked.text);
  const { lnd } = pool.lightning.node('left');
  await called('top-up', payViaPaymentRequest({ lnd, request: invoice, max_fee: 100 }));
  await until(
    'the top-up to be credited',
    async () => {
      const { body } = await get(pool, token, `/v1/prepaid/topups/${topupId}`);
      return body['state'] === 'credited';
    },
    STEP_MS_MAX,
  );
}

/** A read of the API. */
export async function get(
  { operator }: Pick<LonePool, 'operator'>,
  token: string,
  route: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(`${operator.url}${route}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(STEP_MS_MAX),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

export async function prepaidOf(
  pool: LonePool,
  { token }: Agent,
): Promise<{ available: bigint; held: bigint }> {
  const { body } = await get(pool, token, '/v1/prepaid');
  return {
    available: BigInt(String(body['available_msats'])),
    held: BigInt(String(body['held_msats'])),
  };
}

export function quoteBody(invoice: string, key: string, more: object = {}): object {
  return {
    schema: 'openagents.liquidity.quote_pay_request.v1',
    idempotency_key: key,
    invoice,
    host: 'shop.example',
    max_amount_msats: 400_000_000,
    max_fee_msats: 100_000,
    urgency: null,
    policy_context: { budget: 'tests' },
    ...more,
  };
}

export function payBody(quoteId: string): object {
  return {
    schema: 'openagents.liquidity.pay_request.v1',
    quote_id: quoteId,
    run_id: null,
    trajectory_hash: null,
  };
}

/** A quote's id. @throws Error with the answer where it is refused */
export async function quoted(
  pool: LonePool,
  { token }: Agent,
  invoice: string,
  more: object = {},
): Promise<string> {
  const body = quoteBody(invoice, `of ${invoice.slice(-40)}`, more);
  const answer = await rawPost(pool, token, '/v1/liquidity/quote_pay', body);
  const { quote_id: id } = JSON.parse(answer.text) as { quote_id?: string };
  if (id === undefined) throw new Error(`${answer.status}: ${answer.text}`);
  return id;
}

/** One call of `pay`; null where nobody answered. */
export function pays(pool: LonePool, { token }: Agent, quoteId: string): Promise<ApiAnswer | null> {
  return rawPost(pool, token, '/v1/liquidity/pay', payBody(quoteId)).catch(() => null);
}

/** The identical call again and again until it is final. */
export function settles(pool: LonePool, agent: Agent, quoteId: string): Promise<ApiAnswer> {
  return until(
    `${quoteId} to be final`,
    async () => {
      const answer = await pays(pool, agent, quoteId);
      return answer?.status === 200 ? answer : null;
    },
    STEP_MS_MAX,
  );
}

/** Members of an answer that tests look at. */
export interface Told {
  status?: string;
  quote_id?: string;
  route_fee_msats?: number;
  service_fee_msats?: number;
  error_code?: string;
  error?: { code: string; reason_code: string; retryable: boolean; retry_after_ms?: number };
}

export function told(answer: ApiAnswer | null): Told {
  return answer === null ? {} : (JSON.parse(answer.text) as Told);
}

/** Whole and only once: the answer says so, the balance went down by amount and fees, payee and books agree. */
export async function settledOnce(
  pool: LonePool,
  { agent, before, answer, hash, msat }: Settlement,
): Promise<void> {
  const { status, route_fee_msats: route = -1, service_fee_msats: service = -1 } = told(answer);
  expect(status).toBe('succeeded');
  const cost = msat + BigInt(route) + BigInt(service);
  expect(await prepaidOf(pool, agent)).toEqual({ available: before - cost, held: 0n });
  await paidOnce(pool, hash, msat);
  await booksAgree(pool);
}

/** Nothing of it left: the balance is whole again, the node knows no payment that settled. */
export async function givenBack(
  pool: LonePool,
  { agent, before, hash }: Pick<Settlement, 'agent' | 'before' | 'hash'>,
): Promise<void> {
  expect(await prepaidOf(pool, agent)).toEqual({ available: before, held: 0n });
  await neverPaid(pool, hash);
  await booksAgree(pool);
}

/** Whichever of both the final answer says. */
export function onceOrNotAtAll(pool: LonePool, of: Settlement): Promise<void> {
  return told(of.answer).status === 'succeeded' ? settledOnce(pool, of) : givenBack(pool, of);
}

export interface Settlement {
  agent: Agent;
  /** What was available before. */
  before: bigint;
  answer: ApiAnswer;
  hash: string;
  msat: bigint;
}
