/** The adapter on real LNDs: the same promises, what each macaroon may not do, and nodes that freeze or die. */
import { readFile } from 'node:fs/promises';
import { type AuthenticatedLnd, authenticatedLndGrpc } from 'ln-service';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectLnd } from '../operator/adapters/lnd/connect.ts';
import { ROLE_METHODS, ROLES } from '../operator/adapters/lnd/macaroons.ts';
import { openReader } from '../operator/adapters/lnd/reader.ts';
import type { PayOrder, PayOutcome } from '../operator/lightning.ts';
import { msat } from '../policies/units.ts';
import { connectPeers, openRing } from '../regtest/lightning-channels.ts';
import { holdInvoice, invoice, payable } from '../regtest/lightning-payments.ts';
import { until } from '../regtest/wait.ts';
import { describeWithLnd, sharedLightning } from './lnd-available.ts';
import { promised, type RealHands, realHands } from './lnd-hands.ts';
import { promisesOf } from './lnd-promises.ts';
import { cuttableWay } from './tcp-cut.ts';

const WAIT_MS = 90_000;
const AMOUNT = msat(50_000_000n);
const BLOCKS = 200;
const SHORT_MS = 2_000;
/** A stream that waits for something to happen is let in: a refusal comes at once, on a busy machine, too. */
const LET_IN_MS = 10_000;

/** What no role may do, beside all that other roles may. */
const NOBODY = [
  '/lnrpc.Lightning/SendCoins',
  '/lnrpc.Lightning/SendMany',
  '/lnrpc.Lightning/SendPaymentSync',
  '/lnrpc.Lightning/OpenChannelSync',
  '/lnrpc.Lightning/BatchOpenChannel',
  '/lnrpc.Lightning/DeletePayment',
  '/lnrpc.Lightning/DeleteAllPayments',
  '/lnrpc.Lightning/BakeMacaroon',
  '/lnrpc.Lightning/SignMessage',
  '/lnrpc.Lightning/RestoreChannelBackups',
  '/routerrpc.Router/SendToRouteV2',
  '/routerrpc.Router/EstimateRouteFee',
  '/walletrpc.WalletKit/SendOutputs',
  '/walletrpc.WalletKit/FundPsbt',
  '/walletrpc.WalletKit/SignPsbt',
  '/walletrpc.WalletKit/PublishTransaction',
  '/walletrpc.WalletKit/BumpFee',
];

describeWithLnd('the adapter on real LNDs', () => {
  const lightning = sharedLightning({
    nodes: ['left', 'right', 'hidden'],
    prepare: async (fresh) => {
      await openRing(fresh);
    },
  });
  const node = (name: 'left' | 'right' | 'hidden') => lightning().node(name);
  let hands: RealHands;
  beforeAll(async () => {
    hands = await realHands(node('left'));
  });
  afterAll(() => hands.close());

  promisesOf('keeps the promises', () =>
    promised(hands, { us: node('left'), payee: node('hidden'), payer: node('right') }),
  );

  test('LN-24 the macaroon of a role is let in where it should be, and nowhere else', {
    timeout: 2 * WAIT_MS,
  }, async () => {
    const cert = await readFile(node('left').certPath, 'base64');
    const { socket } = node('left');
    const methods = [...new Set([...Object.values(ROLE_METHODS).flat(), ...NOBODY])];
    const letIn: [string, string[]][] = [];
    for (const role of ROLES) {
      const { lnd } = authenticatedLndGrpc({ cert, socket, macaroon: hands.macaroons[role] });
      const tried = await Promise.all(methods.map((method) => isLetIn(lnd, method)));
      for (const client of Object.values(lnd) as { close(): void }[]) client.close();
      letIn.push([role, methods.filter((_, at) => tried[at]).toSorted()]);
    }
    expect(Object.fromEntries(letIn)).toEqual(
      Object.fromEntries(ROLES.map((role) => [role, [...ROLE_METHODS[role]].toSorted()])),
    );
  });

  test('another macaroon than the node made says nothing, and may be asked again', async () => {
    const { socket, certPath } = node('left');
    const admin = await readFile(node('right').macaroonPath('admin'), 'base64');
    const connection = await connectLnd({ socket, certPath, macaroon: admin });
    await expect(openReader(connection).standing()).rejects.toMatchObject({
      code: 'LND_UNREACHABLE',
    });
    connection.close();
  });

  async function orderTo(request: string, paymentHash: string): Promise<PayOrder> {
    await payable(node('left'), request);
    return {
      request,
      paymentHash,
      maxFeeMsat: msat(50_000n),
      partsMax: 4,
      pathfindingMs: 20_000,
      maxTimeoutHeight: (await hands.reader.standing()).height + BLOCKS,
      outgoingChannels: [],
      deadlineMs: WAIT_MS,
    };
  }

  function ended(paymentHash: string): Promise<PayOutcome> {
    return until(
      `${paymentHash} to end`,
      async () => {
        const outcome = await hands.payer.lookUp(paymentHash);
        return outcome.is === 'unknown' ? null : outcome;
      },
      WAIT_MS,
    );
  }

  async function timesPaid(paymentHash: string): Promise<number> {
    let times = 0;
    for await (const page of hands.payer.payments(0)) {
      times += page.filter((each) => each.paymentHash === paymentHash).length;
    }
    return times;
  }

  test('LN-29 a payment leaves by the channel that is allowed, or not at all', async () => {
    const toRight = (await hands.reader.channels()).map(({ id }) => id);
    const one = await invoice(node('hidden'), { msat: AMOUNT, isPrivate: true });
    const order = { ...(await orderTo(one.request, one.hash)), outgoingChannels: toRight };
    expect(await hands.payer.pay(order)).toMatchObject({ is: 'settled', firstChannels: toRight });
    const other = await invoice(node('hidden'), { msat: AMOUNT, isPrivate: true });
    const nowhere = { ...(await orderTo(other.request, other.hash)), outgoingChannels: ['1x1x1'] };
    expect(await hands.payer.pay(nowhere)).toMatchObject({ is: 'failed' });
  });

  test('LN-2 cut off while a payment is held: unknown, then in flight, then settled', async () => {
    const held = await holdInvoice(node('hidden'), { msat: AMOUNT, isPrivate: true });
    const order = await orderTo(held.request, held.hash);
    const way = await cuttableWay(Number(node('left').socket.split(':')[1]));
    const cuttable = await realHands(node('left'), `localhost:${way.port}`);
    const paying = cuttable.payer.pay(order);
    await held.untilHeld();
    way.cut();
    expect(await paying).toMatchObject({ is: 'unknown', why: 'unreachable' });
    const look = () => cuttable.payer.lookUp(held.hash);
    expect(
      await until(
        'the connection to come back',
        async () => {
          const outcome = await look();
          return outcome.is === 'unknown' && outcome.why === 'unreachable' ? null : outcome;
        },
        WAIT_MS,
      ),
    ).toMatchObject({ is: 'unknown', why: 'in_flight' });
    await held.settle();
    expect(await ended(held.hash)).toMatchObject({ is: 'settled', preimage: held.preimage });
    cuttable.close();
    await way.stop();
  });

  test('LN-1 frozen while it is asked: unknown, and the same order then settles once', async () => {
    const { request, hash } = await invoice(node('hidden'), { msat: AMOUNT, isPrivate: true });
    const order = await orderTo(request, hash);
    node('left').pause();
    const first = await hands.payer.pay({ ...order, deadlineMs: SHORT_MS });
    node('left').resume();
    expect(first).toMatchObject({ is: 'unknown', why: 'deadline' });
    expect(await hands.payer.pay(order)).toMatchObject({ is: 'settled' });
    expect(await timesPaid(hash)).toBe(1);
  });

  test('LN-2 killed with a payment in flight: unknown until the node is back and it settles', async () => {
    const held = await holdInvoice(node('hidden'), { msat: AMOUNT, isPrivate: true });
    const paying = hands.payer.pay(await orderTo(held.request, held.hash));
    await held.untilHeld();
    await node('left').kill();
    expect(await paying).toMatchObject({ is: 'unknown' });
    expect(await hands.payer.lookUp(held.hash)).toMatchObject({ why: 'unreachable' });
    await node('left').restart();
    await connectPeers(node('left'), node('right'));
    const after = await until(
      'the node to answer',
      async () => {
        const outcome = await hands.payer.lookUp(held.hash);
        return outcome.is === 'unknown' && outcome.why !== 'in_flight' ? null : outcome;
      },
      WAIT_MS,
    );
    expect(after).toMatchObject({ is: 'unknown', why: 'in_flight' });
    await held.settle();
    expect(await ended(held.hash)).toMatchObject({ is: 'settled', preimage: held.preimage });
  });
});

type Client = Record<string, { path?: string; responseStream?: boolean; requestStream?: boolean }>;

/** Whether LND looks at the message at all; it judges the macaroon first. */
function isLetIn(lnd: AuthenticatedLnd, method: string): Promise<boolean> {
  const clients = Object.values(lnd) as Client[];
  const client = clients.find((each) => named(each, method) !== undefined);
  const name = client === undefined ? undefined : named(client, method);
  if (client === undefined || name === undefined) throw new Error(`there is no ${method}`);
  return new Promise((resolve) => {
    const judge = (cause: { details?: string } | null): void =>
      resolve(!/permission denied/i.test(cause?.details ?? ''));
    const call = client[name] as never as (...args: unknown[]) => NodeJS.EventEmitter;
    const { requestStream = false, responseStream = false } = client[name] ?? {};
    const ms = responseStream ? LET_IN_MS : WAIT_MS;
    const options = { deadline: Date.now() + ms };
    if (!responseStream) {
      call.call(client, {}, options, judge);
      return;
    }
    const stream = requestStream ? call.call(client, options) : call.call(client, {}, options);
    stream.on('error', judge);
    stream.on('data', () => judge(null));
    stream.on('end', () => judge(null));
  });
}

function named(client: Client, method: string): string | undefined {
  for (const name in client) if (client[name]?.path === method) return name;
  return undefined;
}
