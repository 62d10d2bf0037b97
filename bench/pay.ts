/**
 * Paying one invoice after another, and many at once, over real LND: the pool's `quote_pay` and `pay` over HTTP beside
 * bare ln-service, which asks the same node for a route and pays. Payments take turns, one of each.
 */
import {
  createInvoice,
  getHeight,
  getRouteToDestination,
  parsePaymentRequest,
  payViaPaymentRequest,
} from 'ln-service';
import { request } from 'undici';
import { z } from 'zod';
import { called } from '../regtest/ln-call.ts';
import { until } from '../regtest/wait.ts';
import { quantile } from './load.ts';
import { cpuMsOf } from './operator-cpu.ts';
import { type PayWorld, startPayWorld } from './pay-world.ts';

export interface PayOptions {
  /** Payments one after another, of each. */
  sequential: number;
  /** Payments at once, and how many in all, of each; the blocks take turns. */
  concurrent: number;
  total: number;
}

export interface PayResult {
  /** Milliseconds of one payment after another: ours, and bare ln-service. */
  weir: { p50Ms: number; p90Ms: number; perSecond: number };
  bare: { p50Ms: number; p90Ms: number; perSecond: number };
  /** Of p50: the two calls apart. */
  stages: { quoteMs: number; payMs: number; routeMs: number; sendMs: number };
  /** Of the operator's process, for one payment; null where there is no /proc. */
  cpuMs: { sequential: number | null; concurrent: number | null };
}

const AMOUNT_MSAT = '1000000';
const MAX_FEE_MSAT = 20_000;
const TOPUP_MSAT = 1_900_000_000;
const BLOCKS = 4;
/** Payments of each before anything is counted: what is compiled on the way is nobody's speed. */
const WARM = 60;
/** As long as the pool lets money be locked. */
const TIMEOUT_BLOCKS = 432;
const CREDIT_MS_MAX = 30_000;

/** The library gives its words no type. */
const parsedInvoice = z.object({
  destination: z.string(),
  mtokens: z.string(),
  cltv_delta: z.number(),
});

type Pay = (invoice: string) => Promise<readonly [number, number]>;

export async function benchPay(options: PayOptions): Promise<PayResult | null> {
  const world = await startPayWorld(options.concurrent);
  if (world === null) return null;
  try {
    await topUp(world);
    const pays = { weir: weirPay(world), bare: await barePay(world) };
    for (const pay of [pays.weir, pays.bare]) await atOnce(world, pay, WARM, options.concurrent);
    const one = await inTurns(world, pays, options.sequential);
    const many = await inBlocks(world, pays, options);
    return {
      weir: { ...one.weir, perSecond: many.weir },
      bare: { ...one.bare, perSecond: many.bare },
      stages: one.stages,
      cpuMs: { sequential: one.cpuMs, concurrent: many.cpuMs },
    };
  } finally {
    await world.stop();
  }
}

/** As a client in any language: two calls, connections kept. Gives what each took. */
function weirPay(world: PayWorld): Pay {
  return async (invoice) => {
    const start = performance.now();
    const quote = await post(world, '/v1/liquidity/quote_pay', {
      schema: 'openagents.liquidity.quote_pay_request.v1',
      idempotency_key: invoice.slice(-64),
      invoice,
      host: 'bench.example',
      max_amount_msats: Number.parseInt(AMOUNT_MSAT, 10),
      max_fee_msats: MAX_FEE_MSAT,
    });
    const quoted = performance.now();
    const paid = await post(world, '/v1/liquidity/pay', {
      schema: 'openagents.liquidity.pay_request.v1',
      quote_id: quote['quote_id'],
    });
    if (paid['status'] !== 'succeeded') throw new Error(JSON.stringify(paid));
    return [quoted - start, performance.now() - quoted];
  };
}

async function post(
  { url, token, agent }: PayWorld,
  path: string,
  body: object,
): Promise<Record<string, unknown>> {
  const answer = await request(`${url}${path}`, {
    method: 'POST',
    dispatcher: agent,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`${path} ${answer.statusCode}: ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

/** The same messages to the node: a route within the fee, then the payment with its caps. */
async function barePay({ payer: { lnd } }: PayWorld): Promise<Pay> {
  const { current_block_height } = await called('height', getHeight({ lnd }));
  const max_timeout_height = current_block_height + TIMEOUT_BLOCKS;
  return async (invoice) => {
    const start = performance.now();
    const read = parsePaymentRequest({ request: invoice });
    const { destination, mtokens, cltv_delta } = parsedInvoice.parse(read);
    const of = { lnd, destination, mtokens, max_fee_mtokens: String(MAX_FEE_MSAT) };
    const found = await called('route', getRouteToDestination({ ...of, cltv_delta }));
    if (found.route === undefined) throw new Error('no route');
    const routed = performance.now();
    const caps = { max_fee_mtokens: String(MAX_FEE_MSAT), max_paths: 8, max_timeout_height };
    const wish = { lnd, request: invoice, ...caps, pathfinding_timeout: 30_000 };
    await called('pay', payViaPaymentRequest(wish));
    return [routed - start, performance.now() - routed];
  };
}

async function topUp(world: PayWorld): Promise<void> {
  const topup = await post(world, '/v1/prepaid/topups', {
    schema: 'weir.prepaid.topup_request.v1',
    idempotency_key: 'bench',
    amount_msats: TOPUP_MSAT,
  });
  const wish = { lnd: world.payee.lnd, request: String(topup['invoice']), max_fee: 1_000 };
  await called('top up', payViaPaymentRequest(wish));
  await until('the top-up to be credited', () => isCredited(world), CREDIT_MS_MAX);
}

async function isCredited({ url, token, agent }: PayWorld): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await request(`${url}/v1/prepaid`, { dispatcher: agent, headers });
  const body = (await answer.body.json()) as { available_msats: number };
  return body.available_msats > 0;
}

async function invoices({ payee: { lnd } }: PayWorld, count: number): Promise<string[]> {
  const all: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const wish = { lnd, mtokens: AMOUNT_MSAT, description: 'bench' };
    all.push((await called('invoice', createInvoice(wish))).request);
  }
  return all;
}

interface Both {
  weir: Pay;
  bare: Pay;
}

async function inTurns(world: PayWorld, { weir, bare }: Both, count: number) {
  const asked = await invoices(world, 2 * count);
  const ours: (readonly [number, number])[] = [];
  const theirs: (readonly [number, number])[] = [];
  const before = await cpuMsOf(world.operator.pid);
  for (let n = 0; n < count; n += 1) {
    ours.push(await weir(asked[2 * n] ?? ''));
    theirs.push(await bare(asked[2 * n + 1] ?? ''));
  }
  const after = await cpuMsOf(world.operator.pid);
  return {
    weir: spread(ours),
    bare: spread(theirs),
    stages: {
      quoteMs: middle(ours.map(([first]) => first)),
      payMs: middle(ours.map(([, second]) => second)),
      routeMs: middle(theirs.map(([first]) => first)),
      sendMs: middle(theirs.map(([, second]) => second)),
    },
    cpuMs: after === null || before === null ? null : (after - before) / count,
  };
}

function spread(all: readonly (readonly [number, number])[]): { p50Ms: number; p90Ms: number } {
  const sorted = all.map(([a, b]) => a + b).toSorted((a, b) => a - b);
  return { p50Ms: quantile(sorted, 0.5), p90Ms: quantile(sorted, 0.9) };
}

function middle(all: readonly number[]): number {
  return quantile(
    all.toSorted((a, b) => a - b),
    0.5,
  );
}

async function inBlocks(
  world: PayWorld,
  { weir, bare }: Both,
  { concurrent, total }: PayOptions,
): Promise<{ weir: number; bare: number; cpuMs: number | null }> {
  const count = Math.ceil(total / BLOCKS);
  let cpuMs: number | null = 0;
  let [weirMs, bareMs] = [0, 0];
  for (let block = 0; block < BLOCKS; block += 1) {
    const before = await cpuMsOf(world.operator.pid);
    weirMs += await atOnce(world, weir, count, concurrent);
    const after = await cpuMsOf(world.operator.pid);
    cpuMs = cpuMs === null || before === null || after === null ? null : cpuMs + after - before;
    bareMs += await atOnce(world, bare, count, concurrent);
  }
  const all = count * BLOCKS;
  return {
    weir: (all * 1_000) / weirMs,
    bare: (all * 1_000) / bareMs,
    cpuMs: cpuMs === null ? null : cpuMs / all,
  };
}

/** Milliseconds for so many, so many at once. */
async function atOnce(
  world: PayWorld,
  pay: Pay,
  count: number,
  concurrent: number,
): Promise<number> {
  const asked = await invoices(world, count);
  const start = performance.now();
  const payer = async (): Promise<void> => {
    for (let next = asked.pop(); next !== undefined; next = asked.pop()) await pay(next);
  };
  await Promise.all(Array.from({ length: concurrent }, payer));
  return performance.now() - start;
}
