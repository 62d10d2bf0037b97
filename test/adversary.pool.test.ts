/** Attacks on the pool: one request that stops it, money that moves twice or back, limits that are walked around. */
import { describe, expect, test } from 'vitest';
import { ROUTE_FEE_MSAT_MAX } from '../operator/lightning.ts';
import { payRequest, quotePayRequest, topupRequest } from '../operator/protocol.ts';
import { textUpTo } from '../policies/text.ts';
import { outsideInvoice } from './fake-node.ts';
import { poolDesk } from './pool-desk.ts';
import { agent } from './pool-scenario.ts';

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

/** As they travel: JSON integers. */
function amountsOf(body: object): object {
  const amounts = Object.entries(body).filter(([, value]) => typeof value === 'bigint');
  return Object.fromEntries(
    amounts.map(([key, value]) => [key, Number.parseInt(String(value), 10)]),
  );
}
