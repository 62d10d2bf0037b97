/**
 * What the operator is promised of a Lightning node, in one suite for any node behind the adapter: one that is
 * scripted, and real LNDs.
 */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { readInvoice } from '../operator/adapters/lnd/invoice.ts';
import type {
  Invoice,
  ListedPayment,
  NodeReader,
  Payer,
  PayOrder,
  PayOutcome,
  ReceivedPayment,
  Receiver,
} from '../operator/lightning.ts';
import { type Msat, msat } from '../policies/units.ts';
import { until } from '../regtest/wait.ts';

/** An invoice of somebody else's, and what that somebody does with its payment. */
export interface Payee {
  request: string;
  /** Waits until the payment is there and held; resolves at once for one that takes it. */
  untilHeld(): Promise<void>;
  settle(): Promise<void>;
  cancel(): Promise<void>;
}

export interface PromisedNode {
  payer: Payer;
  receiver: Receiver;
  reader: NodeReader;
  /** Of a payee that takes what comes, behind one hop. */
  taken(amountMsat: Msat): Promise<Payee>;
  /** Of one that waits to be told. */
  held(amountMsat: Msat): Promise<Payee>;
  /** Of one that nobody has a channel with. */
  unroutable(amountMsat: Msat): Promise<Payee>;
  /** Has somebody pay an invoice of ours. */
  payUs(request: string): Promise<void>;
}

/** Time for a real node on a busy machine; nothing here waits for it to pass. */
const WAIT_MS = 60_000;
/** Of a payment that is held: the call is to end before the payment does. */
const HELD_MS = 3_000;
const AMOUNT = msat(50_000_000n);
const FEE_CAP = msat(50_000n);
const BLOCKS = 200;

export function promisesOf(title: string, node: () => PromisedNode): void {
  const order = (payee: Payee, wish: Partial<PayOrder> = {}) => orderTo(node(), payee, wish);
  const ended = (paymentHash: string) => endOf(node(), paymentHash);
  const payments = (paymentHash: string) => listedOf(node(), paymentHash);

  describe(`promises ${title}`, () => {
    test('a payment settles: preimage, amount, fee within the cap, the channel it left by', async () => {
      const payee = await node().taken(AMOUNT);
      const asked = await order(payee);
      const outcome = await node().payer.pay(asked);
      const channels = await node().reader.channels();
      expect(outcome).toMatchObject({ is: 'settled', amountMsat: AMOUNT });
      if (outcome.is !== 'settled') throw new Error(outcome.detail);
      expect(outcome.feeMsat).toBeGreaterThan(0n);
      expect(outcome.feeMsat).toBeLessThanOrEqual(FEE_CAP);
      expect(channels.map(({ id }) => id)).toEqual(
        expect.arrayContaining([...outcome.firstChannels]),
      );
      expect(outcome).not.toHaveProperty('violations');
      expect(await node().payer.lookUp(asked.paymentHash)).toEqual(outcome);
    });

    test('LN-1 the same order again pays nothing and says the same', async () => {
      const payee = await node().taken(AMOUNT);
      const asked = await order(payee);
      const first = await node().payer.pay(asked);
      expect(first).toMatchObject({ is: 'settled' });
      expect(await node().payer.pay(asked)).toEqual(first);
    });

    test('LN-1 the same order many times at once settles once', async () => {
      const payee = await node().taken(AMOUNT);
      const asked = await order(payee);
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => node().payer.pay(asked)));
      expect(outcomes.map(({ is }) => is)).toEqual(outcomes.map(() => 'settled'));
      expect(new Set(outcomes.map((each) => JSON.stringify(each, text))).size).toBe(1);
      const listed = await payments(asked.paymentHash);
      expect(listed).toHaveLength(1);
    });

    test('LN-2 a payment that is held is unknown, until its payee settles it', async () => {
      const payee = await node().held(AMOUNT);
      const asked = await order(payee, { deadlineMs: HELD_MS });
      const paying = node().payer.pay(asked);
      await payee.untilHeld();
      expect(await node().payer.lookUp(asked.paymentHash)).toMatchObject({
        is: 'unknown',
        why: 'in_flight',
        timeoutHeight: expect.any(Number),
      });
      expect(await paying).toMatchObject({ is: 'unknown' });
      await payee.settle();
      expect(await ended(asked.paymentHash)).toMatchObject({ is: 'settled', amountMsat: AMOUNT });
    });

    test('LN-1 the same order while it is held is followed, and ends when it does', async () => {
      const payee = await node().held(AMOUNT);
      const asked = await order(payee, { deadlineMs: HELD_MS });
      const first = node().payer.pay(asked);
      await payee.untilHeld();
      const second = node().payer.pay({ ...asked, deadlineMs: WAIT_MS });
      expect(await first).toMatchObject({ is: 'unknown' });
      await payee.settle();
      expect(await second).toMatchObject({ is: 'settled' });
    });

    test('a payment that is held and let go is failed by the payee', async () => {
      const payee = await node().held(AMOUNT);
      const asked = await order(payee);
      const paying = node().payer.pay(asked);
      await payee.untilHeld();
      await payee.cancel();
      expect(await paying).toMatchObject({ is: 'failed', why: 'refused_by_payee' });
      expect(await node().payer.lookUp(asked.paymentHash)).toMatchObject({ is: 'failed' });
    });

    test('LN-6 no route within the cap is a failure of that, and costs nothing', async () => {
      const payee = await node().taken(AMOUNT);
      const asked = await order(payee, { maxFeeMsat: msat(1n) });
      expect(await node().payer.pay(asked)).toMatchObject({ is: 'failed', why: 'no_route' });
    });

    test('nobody knows a way to a payee without channels', async () => {
      const payee = await node().unroutable(AMOUNT);
      expect(await node().payer.pay(await order(payee))).toMatchObject({ is: 'failed' });
      const invoice = read(payee.request);
      const question = { invoice, amountMsat: AMOUNT, maxFeeMsat: FEE_CAP };
      expect(await node().payer.estimate(question)).toBe(null);
    });

    test('an estimate is what the payment then costs, and within its cap', async () => {
      const payee = await node().taken(AMOUNT);
      const invoice = read(payee.request);
      const question = { invoice, amountMsat: AMOUNT, maxFeeMsat: FEE_CAP };
      const estimate = await node().payer.estimate(question);
      expect(estimate?.feeMsat).toBeGreaterThanOrEqual(0n);
      expect(await node().payer.pay(await order(payee))).toMatchObject({
        feeMsat: estimate?.feeMsat,
      });
      expect(await node().payer.estimate({ ...question, maxFeeMsat: msat(1n) })).toBe(null);
    });

    test('LN-2 a payment that was never made is not found, which is no failure', async () => {
      const outcome = await node().payer.lookUp(randomBytes(32).toString('hex'));
      expect(outcome).toMatchObject({ is: 'unknown', why: 'not_found' });
    });

    test('the list of payments has each with its outcome', async () => {
      const settled = await order(await node().taken(AMOUNT));
      const failed = await order(await node().taken(AMOUNT), { maxFeeMsat: msat(1n) });
      const outcomes = [await node().payer.pay(settled), await node().payer.pay(failed)];
      const listed = await Promise.all(
        [settled, failed].map(({ paymentHash }) => payments(paymentHash)),
      );
      expect(listed.map((each) => each.map(({ outcome }) => outcome))).toEqual(
        outcomes.map((each) => [each]),
      );
      expect(listed[0]?.[0]?.amountMsat).toBe(AMOUNT);
    });

    test('LN-3 the same preimage gives the same invoice', async () => {
      const { receiver } = node();
      const asked = ask();
      const made = await receiver.createInvoice(asked);
      expect(await receiver.createInvoice(asked)).toEqual(made);
      expect(read(made.request)).toMatchObject({
        paymentHash: made.paymentHash,
        amountMsat: 2_000n,
        expiresAtMs: made.expiresAtMs,
      });
      expect(await receiver.invoice(made.paymentHash)).toEqual({ is: 'open' });
    });

    test('LN-20 an invoice is cancelled once or twice, and not after it was paid', async () => {
      const { receiver } = node();
      const gone = await receiver.createInvoice(ask());
      expect(await receiver.cancelInvoice(gone.paymentHash)).toBe('cancelled');
      expect(await receiver.cancelInvoice(gone.paymentHash)).toBe('cancelled');
      expect(await receiver.invoice(gone.paymentHash)).toEqual({ is: 'cancelled' });
      const paid = await receiver.createInvoice(ask());
      await node().payUs(paid.request);
      expect(await receiver.cancelInvoice(paid.paymentHash)).toBe('settled');
    });

    test('LN-21 settlements are heard as they happen and again from a cursor', async () => {
      const { receiver } = node();
      const heard = async (after: number, count: number, act: () => Promise<void>) => {
        const stop = new AbortController();
        const found: ReceivedPayment[] = [];
        const reading = (async () => {
          for await (const each of receiver.receive(after, stop.signal)) found.push(each);
        })();
        await act();
        await until(`${count} settlements`, () => found.length >= count, WAIT_MS);
        stop.abort();
        await reading;
        return found;
      };
      const [one, other] = [
        await receiver.createInvoice(ask()),
        await receiver.createInvoice(ask()),
      ];
      await node().payUs(one.request);
      const first = await receiver.invoice(one.paymentHash);
      if (first.is !== 'settled') throw new Error(`it is ${first.is}`);
      expect(first.receivedMsat).toBe(2_000n);
      const live = await heard(first.settleIndex, 1, () => node().payUs(other.request));
      expect(live.map((each) => each.paymentHash)).toEqual([other.paymentHash]);
      const again = await heard(first.settleIndex, 1, () => Promise.resolve());
      expect(again).toEqual(live);
      const both = await heard(first.settleIndex - 1, 1, () => Promise.resolve());
      // The first settlement of a node has no index before it that LND would begin after.
      expect(both.map((each) => each.settleIndex).at(-1)).toBe(live[0]?.settleIndex);
    });

    test('LN-2 an invoice that was never made is not found', async () => {
      const paymentHash = randomBytes(32).toString('hex');
      expect(await node().receiver.invoice(paymentHash)).toEqual({
        is: 'unknown',
        why: 'not_found',
      });
      expect(await node().receiver.cancelInvoice(paymentHash)).toBe('unknown');
    });
  });
}

async function orderTo(
  { reader }: PromisedNode,
  payee: Payee,
  wish: Partial<PayOrder>,
): Promise<PayOrder> {
  return {
    request: payee.request,
    paymentHash: read(payee.request).paymentHash,
    maxFeeMsat: FEE_CAP,
    partsMax: 4,
    pathfindingMs: 20_000,
    maxTimeoutHeight: (await reader.standing()).height + BLOCKS,
    outgoingChannels: [],
    deadlineMs: WAIT_MS,
    ...wish,
  };
}

function endOf({ payer }: PromisedNode, paymentHash: string): Promise<PayOutcome> {
  return until(
    `${paymentHash} to end`,
    async () => {
      const outcome = await payer.lookUp(paymentHash);
      return outcome.is === 'unknown' ? null : outcome;
    },
    WAIT_MS,
  );
}

async function listedOf({ payer }: PromisedNode, paymentHash: string): Promise<ListedPayment[]> {
  const found: ListedPayment[] = [];
  for await (const page of payer.payments(0)) found.push(...page);
  return found.filter((each) => each.paymentHash === paymentHash);
}

/** A fresh one each time. */
function ask() {
  return {
    preimage: randomBytes(32).toString('hex'),
    amountMsat: msat(2_000n),
    description: 'prepaid',
    expiresInMs: 600_000,
    announced: 'private' as const,
  };
}

function read(request: string): Invoice {
  const invoice = readInvoice(request);
  if ('rule' in invoice) throw new Error(invoice.rule);
  return invoice;
}

function text(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
