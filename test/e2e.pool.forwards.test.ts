/**
 * A pool's node between two others on real LNDs: what they pay through it earns a fee that is booked once, to the
 * millisatoshi, that of a time when the operator was away as well.
 */
import { getChannels, getForwards, payViaPaymentRequest } from 'ln-service';
import { beforeAll, expect, test } from 'vitest';
import { startOperator } from '../demo/lightning-world.ts';
import { STEP_MS_MAX } from '../demo/world.ts';
import { fundNode } from '../regtest/lightning.ts';
import { openChannel } from '../regtest/lightning-channels.ts';
import { holdInvoice, invoice } from '../regtest/lightning-payments.ts';
import { called } from '../regtest/ln-call.ts';
import type { LndNode } from '../regtest/lnd.ts';
import { until } from '../regtest/wait.ts';
import { describeWithLnd } from './lnd-available.ts';
import { askPool, booksAgree, POOL_MS_MAX, sharedLonePool, TEST_MS_MAX } from './pool-world.ts';

/** Each ends in parts of a satoshi, and so do its fees. */
const FROM_PAYEE = 300_000_777n;
const FROM_LEFT = 120_345_678n;
const CHANNEL_SAT = 3_000_000;
const FEE_MSAT_MAX = 1_000_000;

describeWithLnd('a pool that others pay through', () => {
  const pool = sharedLonePool();
  const nodes = () => {
    const { lightning } = pool();
    const [node, left, payee] = (['pool', 'left', 'payee'] as const).map((name) =>
      lightning.node(name),
    );
    if (node === undefined || left === undefined || payee === undefined) throw new Error('none');
    return { node, left, payee };
  };
  let earned = 0n;

  // pool — left — payee — pool: by either channel of the pool in, and by the other out.
  beforeAll(async () => {
    const { node, payee } = nodes();
    await fundNode(pool().lightning, payee, '0.1');
    await openChannel(pool().lightning, payee, node, { sat: CHANNEL_SAT });
  }, POOL_MS_MAX);

  async function channelToPool({ lnd }: LndNode): Promise<string> {
    const { channels } = await called('getChannels', getChannels({ lnd }));
    const { publicKey } = nodes().node;
    return channels.find((each) => each.partner_public_key === publicKey)?.id ?? '';
  }

  /** Through the pool, though there is a way without it; again until the payer knows the pool's fees. */
  async function pays(payer: LndNode, request: string): Promise<void> {
    const { lnd } = payer;
    const outgoing_channel = await channelToPool(payer);
    const payment = await until(
      `${payer.alias} to pay through the pool`,
      () =>
        payViaPaymentRequest({ lnd, request, outgoing_channel, max_fee: FEE_MSAT_MAX }).catch(
          () => null,
        ),
      STEP_MS_MAX,
    );
    expect(payment.hops.map(({ public_key: key }) => key)[0]).toBe(nodes().node.publicKey);
    earned += BigInt(payment.fee_mtokens);
  }

  async function paid(payer: LndNode, to: LndNode, msat: bigint): Promise<void> {
    const { request } = await invoice(to, { msat });
    await pays(payer, request);
  }

  async function income(): Promise<bigint> {
    const { json } = await askPool(pool(), (client) => client.books.query());
    const { accounts } = json as { accounts: { account: string; balance: string }[] };
    const row = accounts.find(({ account }) => account === 'LLP:inc:routing');
    return BigInt(row?.balance ?? '0');
  }

  /** The income once books and node are the same. */
  async function booked(): Promise<bigint> {
    await askPool(pool(), (client) => client.reconcile.mutate());
    await booksAgree(pool());
    return income();
  }

  test(
    'earns what each payer paid on top, in both directions: the books are the node’s',
    async () => {
      const { left, payee } = nodes();
      await paid(payee, left, FROM_PAYEE);
      expect(earned).toBeGreaterThan(0n);
      expect(await booked()).toBe(earned);
      await paid(left, payee, FROM_LEFT);
      await paid(payee, left, 1_001n);
      expect(await booked()).toBe(earned);
    },
    TEST_MS_MAX,
  );

  test(
    'books what went through while the operator was killed, once, and again nothing after another start',
    async () => {
      const { left, payee } = nodes();
      await pool().operator.daemon?.kill();
      await paid(payee, left, FROM_PAYEE);
      await paid(left, payee, FROM_LEFT);
      await startOperator(pool());
      expect(await booked()).toBe(earned);
      await pool().operator.daemon?.kill();
      await startOperator(pool());
      await paid(payee, left, 2_002n);
      expect(await booked()).toBe(earned);
    },
    TEST_MS_MAX,
  );

  test(
    'earns nothing by a payment that is held, until it settles',
    async () => {
      const { node, left, payee } = nodes();
      const before = earned;
      const held = await holdInvoice(payee, { msat: FROM_LEFT });
      const paying = pays(left, held.request);
      await held.untilHeld();
      const { forwards } = await called('getForwards', getForwards({ lnd: node.lnd, limit: 100 }));
      expect(await income()).toBe(before);
      await held.settle();
      await paying;
      expect(await booked()).toBe(earned);
      const now = await called('getForwards', getForwards({ lnd: node.lnd, limit: 100 }));
      expect(now.forwards).toHaveLength(forwards.length + 1);
    },
    TEST_MS_MAX,
  );
});
