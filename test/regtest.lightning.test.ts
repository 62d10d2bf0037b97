/** The Lightning network itself, on five real nodes: what every Lightning test stands on. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { PayViaPaymentRequestResult } from 'ln-service';
import {
  getChainFeeRate,
  getChannels,
  getInvoice,
  getPayment,
  getWalletInfo,
  openChannel as lnOpenChannel,
  payViaPaymentRequest,
} from 'ln-service';
import { expect, test } from 'vitest';
import { QUIET_FEERATES } from '../regtest/fee-source.ts';
import type { NodeName } from '../regtest/lightning.ts';
import { fundNode, fundNodes, mineSynced, synced } from '../regtest/lightning.ts';
import type { OpenedChannel } from '../regtest/lightning-channels.ts';
import { connectPeers, openChannel, openRing, untilActive } from '../regtest/lightning-channels.ts';
import { holdInvoice, invoice, payable, routeKnown } from '../regtest/lightning-payments.ts';
import { called } from '../regtest/ln-call.ts';
import type { LndNode } from '../regtest/lnd.ts';
import { startLnd } from '../regtest/lnd.ts';
import { seedWords } from '../regtest/lnd-wallet.ts';
import { until } from '../regtest/wait.ts';
import { describeWithLnd, lndBinary, sharedLightning } from './lnd-available.ts';

const MAX_FEE_SAT = 100;
/** One hop over a channel of this world: 1,000 msat and 100 ppm of 50,000 sat. */
const SENT_MSAT = 50_000_000n;
const HOP_FEE_MSAT = 6_000n;
const SETTLED_TIMEOUT_MS = 60_000;
const FEERATE_TIMEOUT_MS = 60_000;

function paid(from: LndNode, request: string): Promise<PayViaPaymentRequestResult> {
  return payViaPaymentRequest({ lnd: from.lnd, request, max_fee: MAX_FEE_SAT });
}

describeWithLnd('five LNDs on regtest', () => {
  let ring: OpenedChannel[] = [];
  const lightning = sharedLightning({
    async prepare(fresh) {
      ring = await openRing(fresh);
    },
  });

  const nodes = (...names: [NodeName, NodeName, NodeName]): [LndNode, LndNode, LndNode] => {
    const [one, two, three] = names;
    return [lightning().node(one), lightning().node(two), lightning().node(three)];
  };

  test('the ring is open: the routing peers, the payee, and one behind a private channel', async () => {
    const joined = ring.map(({ from, to }) => `${from.alias}-${to.alias}`);
    expect(joined).toEqual(['left-right', 'left-payee', 'right-payee', 'right-hidden']);
    const { lnd } = lightning().node('hidden');
    const { channels } = await getChannels({ lnd });
    expect(channels.map((each) => [each.is_private, each.is_active])).toEqual([[true, true]]);
  });

  test('a payment to a neighbour costs nothing, one over a hop what the world charges', async () => {
    const [left, payee] = [lightning().node('left'), lightning().node('payee')];
    const direct = await invoice(payee, { msat: SENT_MSAT });
    await payable(left, direct.request);
    expect((await paid(left, direct.request)).fee_mtokens).toBe('0');
    const hidden = await invoice(lightning().node('hidden'), { msat: SENT_MSAT, isPrivate: true });
    expect(await payable(left, hidden.request)).toEqual({ feeMsat: HOP_FEE_MSAT });
    const payment = await paid(left, hidden.request);
    expect(payment.fee_mtokens).toBe(HOP_FEE_MSAT.toString());
    const { lnd } = lightning().node('hidden');
    expect(await getInvoice({ lnd, id: hidden.hash })).toMatchObject({
      is_confirmed: true,
      received_mtokens: SENT_MSAT.toString(),
    });
  });

  test.each([
    ['settle', 'is_confirmed'],
    ['cancel', 'is_failed'],
  ] as const)('a held payment waits until the payee says %s', async (verb, outcome) => {
    const left = lightning().node('left');
    const held = await holdInvoice(lightning().node('hidden'), {
      msat: SENT_MSAT,
      isPrivate: true,
    });
    await payable(left, held.request);
    const payment = paid(left, held.request).catch((cause: unknown) => cause);
    await held.untilHeld();
    expect(await getPayment({ lnd: left.lnd, id: held.hash })).toMatchObject({ is_pending: true });
    await held[verb]();
    await payment;
    const after = await getPayment({ lnd: left.lnd, id: held.hash });
    expect(after).toMatchObject({ [outcome]: true });
    expect(after.payment?.secret).toBe(verb === 'settle' ? held.preimage : undefined);
  });

  test('a peer takes a channel from the pool, and the pool pays through it', async () => {
    const [pool, left, payee] = nodes('pool', 'left', 'payee');
    await fundNode(lightning(), pool, '0.05');
    await openChannel(lightning(), pool, left, { sat: 1_000_000 });
    const { request } = await invoice(payee, { msat: SENT_MSAT });
    await payable(pool, request);
    expect((await paid(pool, request)).fee_mtokens).toBe(HOP_FEE_MSAT.toString());
  });

  test('a peer opens a channel to the pool, and the pool is paid through it', async () => {
    const [pool, left, payee] = nodes('pool', 'left', 'payee');
    await fundNode(lightning(), left, '0.05');
    await openChannel(lightning(), left, pool, { sat: 1_000_000 });
    await routeKnown(payee, pool.publicKey, SENT_MSAT);
    const { request, hash } = await invoice(pool, { msat: SENT_MSAT });
    await paid(payee, request);
    expect(await getInvoice({ lnd: pool.lnd, id: hash })).toMatchObject({ is_confirmed: true });
  });

  test('right takes one pending channel at a time, payee takes several', async () => {
    const [left, right, payee] = nodes('left', 'right', 'payee');
    await fundNodes(lightning(), [left], '0.01', 4);
    const ask = ({ publicKey }: LndNode): Promise<unknown> =>
      lnOpenChannel({ lnd: left.lnd, partner_public_key: publicKey, local_tokens: 100_000 });
    await ask(right);
    await expect(called('openChannel', ask(right))).rejects.toThrow(
      'PeerPendingChannelsExceedMaximumAllowable',
    );
    await ask(payee);
    await ask(payee);
    await mineSynced(lightning(), 1);
  });

  test('killed with a payment held, a node with a real seed comes back with its channels', async () => {
    const [pool, left, hidden] = nodes('pool', 'left', 'hidden');
    const held = await holdInvoice(hidden, { msat: SENT_MSAT, isPrivate: true });
    await payable(pool, held.request);
    const cutOff = paid(pool, held.request).catch((cause: unknown) => cause);
    await held.untilHeld();
    const { pid, socket, publicKey } = pool;
    await pool.kill();
    expect([pool.pid, await cutOff]).toEqual([null, expect.anything()]);
    await pool.restart();
    expect([pool.socket, pool.publicKey]).toEqual([socket, publicKey]);
    expect(pool.pid).not.toBe(pid);
    expect(await getWalletInfo({ lnd: pool.lnd })).toMatchObject({ public_key: publicKey });
    await connectPeers(pool, left);
    await held.settle();
    const secret = await until(
      'the payment to be settled',
      async () => (await getPayment({ lnd: pool.lnd, id: held.hash })).payment?.secret,
      SETTLED_TIMEOUT_MS,
    );
    expect(secret).toBe(held.preimage);
  });

  test('a paused node answers nothing until it is resumed', async () => {
    const right = lightning().node('right');
    right.pause();
    const asked = called('getWalletInfo', getWalletInfo({ lnd: right.lnd }), 300);
    await expect(asked).rejects.toThrow('no answer in 300 ms');
    await mineSynced(lightning(), 1);
    right.resume();
    await synced(lightning());
    await Promise.all(ring.map(untilActive));
  });

  test('the words of a lost node make the same node', async () => {
    const pool = lightning().node('pool');
    const words = await seedWords(pool.dir);
    expect(words.split(' ')).toHaveLength(24);
    expect((await stat(path.join(pool.dir, 'seed-words'))).mode & 0o077).toBe(0);
    await pool.stop();
    const again = await startLnd({
      binary: lndBinary(),
      dir: path.join(lightning().dir, 'again'),
      alias: 'again',
      bitcoind: lightning().network.first,
      feeUrl: lightning().fees.url,
      seed: { words },
    });
    expect(again.publicKey).toBe(pool.publicKey);
    await again.stop();
    await pool.restart();
  });

  test('nodes estimate by what the fee source says now', async () => {
    const { fees } = lightning();
    // It asks every second or two: what it believes before the change is no answer.
    const believed = async (not: number): Promise<number> => {
      const { lnd } = lightning().node('left');
      return until(
        `an estimate other than ${not} sat/vB`,
        async () => {
          const wish = getChainFeeRate({ lnd, confirmation_target: 1 });
          const { tokens_per_vbyte: now } = await called('getChainFeeRate', wish);
          return now === not ? null : now;
        },
        FEERATE_TIMEOUT_MS,
      );
    };
    fees.set({ 1: 50_000, 144: 20_000 });
    expect(await believed(5)).toBe(50);
    fees.set(QUIET_FEERATES);
    expect(await believed(50)).toBe(5);
  });

  test('LND that cannot start says why, and ps shows no password', async () => {
    const { first } = lightning().network;
    const start = startLnd({
      binary: lndBinary(),
      dir: path.join(lightning().dir, 'wrong'),
      alias: 'wrong',
      bitcoind: first,
      feeUrl: lightning().fees.url,
      extraArgs: ['--nosuchflag=1'],
    });
    await expect(start).rejects.toThrow(/nosuchflag/);
    const words = await readFile(`/proc/${lightning().node('left').pid}/cmdline`, 'utf8');
    expect(words).toContain(lightning().node('left').dir);
    expect(words).not.toContain(first.rpcPassword);
  });
});
