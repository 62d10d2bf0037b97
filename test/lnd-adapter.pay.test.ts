/** Paying at a scripted LND: what counts as an outcome, and that nothing else does. */
import { beforeEach, expect, test } from 'vitest';
import { openPayer } from '../operator/adapters/lnd/payer.ts';
import type { PayOrder, PayOutcome } from '../operator/lightning.ts';
import { msat } from '../policies/units.ts';
import { madeInvoice } from './bolt11.ts';
import {
  CHANNEL,
  CREATED_MS,
  HEIGHT,
  OTHER_CHANNEL,
  OTHER_CHANNEL_NUMBER,
  part,
  payment,
} from './lnd-messages.ts';
import { arrived, orderOf, scriptedHands } from './scripted-hands.ts';
import { METHOD, type ScriptedCall } from './scripted-lnd.ts';

const hands = scriptedHands();
const ALREADY_EXISTS = 6;
const UNAVAILABLE = 14;
const UNKNOWN = 2;
const INTERNAL = 13;
/** Of calls that never end by themselves: long enough for everything scripted to arrive first. */
const SHORT_MS = 1_000;
const SETTLED_MS = CREATED_MS + 5_000;

type Order = ReturnType<typeof orderOf>;
type Says = (call: ScriptedCall, order: Order) => void;

const inFlight = (hash: string, ...parts: object[]) =>
  payment({ hash, status: 'IN_FLIGHT', parts });
const done = ({ paymentHash: hash, preimage }: Order, feeMsat = 3n) => {
  const parts = [
    part({ status: 'FAILED' }),
    part({ status: 'SUCCEEDED', settledAtMs: SETTLED_MS }),
  ];
  return payment({ hash, preimage, status: 'SUCCEEDED', feeMsat, parts });
};
const failed = (hash: string, reason: string | number, ...parts: object[]) =>
  payment({ hash, status: 'FAILED', reason, parts });

function pay(order: PayOrder): Promise<PayOutcome> {
  return openPayer(hands.connection(), hands.connection()).pay(order);
}

/** Scripts what the node says to an order, and to a look-up of it. */
function scripted(order: Order, send: Says, track?: Says): void {
  hands.lnd().on(METHOD.send, (call) => send(call, order));
  hands.lnd().on(METHOD.track, (call) => track?.(call, order));
}

beforeEach(() => scripted(orderOf(), () => undefined));

test('a settlement has its preimage, the amount without the fee, the fee, and where it left', async () => {
  const order = orderOf();
  scripted(order, (call) => {
    call.send(inFlight(order.paymentHash, part()));
    call.send(done(order));
    call.end();
  });
  expect(await pay(order)).toEqual({
    is: 'settled',
    preimage: order.preimage,
    amountMsat: 1_000n,
    feeMsat: 3n,
    settledAtMs: SETTLED_MS,
    attempts: 2,
    firstChannels: [CHANNEL],
  });
});

test('LN-6 LN-18 LN-4 an order goes out with its fee cap, its parts, its time and its height', async () => {
  const order = orderOf({ outgoingChannels: [CHANNEL, OTHER_CHANNEL], maxFeeMsat: msat(1_234n) });
  scripted(order, (call) => call.send(done(order)));
  await pay(order);
  expect(hands.lnd().requests(METHOD.send).at(-1)).toMatchObject({
    payment_request: order.request,
    fee_limit_msat: '1234',
    fee_limit_sat: '0',
    max_parts: 8,
    timeout_seconds: 5,
    cltv_limit: 432,
    outgoing_chan_id: '0',
    outgoing_chan_ids: [expect.any(String), OTHER_CHANNEL_NUMBER],
    amt: '0',
    amt_msat: '0',
  });
});

test('LN-6 a cap of nothing is a cap, and not the lack of one', async () => {
  const order = orderOf({ maxFeeMsat: msat(0n) });
  scripted(order, (call) => call.send(done(order, 0n)));
  await pay(order);
  expect(hands.lnd().requests(METHOD.send).at(-1)).toMatchObject({
    fee_limit_msat: '0',
    fee_limit_sat: '0',
  });
});

test.each<[string, string, string, Says, Says?]>([
  ['LN-2', 'a stream ends without a word', 'stream_ended', (call) => call.end()],
  [
    'LN-2',
    'a stream ends while a part is out',
    'stream_ended',
    (call, { paymentHash }) => {
      call.send(inFlight(paymentHash, part()));
      call.end();
    },
  ],
  [
    'LN-2',
    'the node goes away after an HTLC was added',
    'unreachable',
    (call, { paymentHash }) => {
      call.send(inFlight(paymentHash, part()));
      call.fail(UNAVAILABLE, 'transport is closing');
    },
  ],
  ['LN-2', 'an error', 'unrecognised', (call) => call.fail(INTERNAL, 'oops')],
  [
    'LN-2',
    'a macaroon of another role',
    'unreachable',
    (call) => call.fail(UNKNOWN, 'permission denied'),
  ],
  [
    'LN-17',
    'a refusal of the invoice, since an earlier order may be under way',
    'unrecognised',
    (call) => call.fail(UNKNOWN, 'invoice expired. Valid until yesterday'),
  ],
  [
    'LN-2',
    'a height too near, which the library calls a failure',
    'unrecognised',
    (call) => call.fail(UNKNOWN, 'cltv limit 5 should be greater than 40'),
  ],
  ['LN-4', 'silence', 'deadline', () => undefined],
  [
    'LN-2',
    'a status that nobody knows',
    'deadline',
    (call, { paymentHash }) => call.send(payment({ hash: paymentHash, status: 99 })),
  ],
  [
    'LN-2',
    'a part of unknown status',
    'deadline',
    (call, { paymentHash }) => call.send(inFlight(paymentHash, part({ status: 99 }))),
  ],
  [
    'LN-2',
    'a failure while a part is out',
    'in_flight',
    (call, { paymentHash }) =>
      call.send(failed(paymentHash, 'FAILURE_REASON_ERROR', part({ status: 'IN_FLIGHT' }))),
  ],
  [
    'LN-2',
    'a settlement while a part is out',
    'in_flight',
    (call, order) => call.send({ ...done(order), htlcs: [part(), part({ status: 'SUCCEEDED' })] }),
  ],
  [
    'LN-5',
    'in flight without a part',
    'in_flight',
    (call, { paymentHash }) => call.send(inFlight(paymentHash)),
  ],
  [
    'LN-2',
    'the failure of another payment',
    'deadline',
    (call) => call.send(failed('ab'.repeat(32), 'FAILURE_REASON_NO_ROUTE')),
  ],
  [
    'LN-1',
    'an order that is under way already and goes on',
    'in_flight',
    (call) => call.fail(ALREADY_EXISTS, 'payment is in transition'),
    (call, { paymentHash }) => call.send(inFlight(paymentHash, part())),
  ],
  [
    'LN-1',
    'an order that was paid already, and a look-up that hangs',
    'deadline',
    (call) => call.fail(ALREADY_EXISTS, 'invoice is already paid'),
    () => undefined,
  ],
])('%s unknown, never failed: %s, %s', async (...[, , why, send, track]) => {
  const order = orderOf({ deadlineMs: SHORT_MS });
  scripted(order, send, track);
  expect(await pay(order)).toMatchObject({ is: 'unknown', why });
});

test('LN-1 an order that is under way already is followed to its settlement', async () => {
  const order = orderOf();
  scripted(
    order,
    (call) => call.fail(ALREADY_EXISTS, 'payment is in transition'),
    (call) => {
      call.send(inFlight(order.paymentHash, part()));
      call.send(done(order));
    },
  );
  expect(await pay(order)).toMatchObject({ is: 'settled', preimage: order.preimage });
});

test('a word that the library stumbles over ends nothing', async () => {
  const order = orderOf();
  scripted(order, (call) => {
    call.send({ ...inFlight(order.paymentHash, part()), value_sat: '77' });
    call.send(done(order));
  });
  expect(await pay(order)).toMatchObject({ is: 'settled' });
});

test('in flight names the height at which the last part comes back', async () => {
  const order = orderOf({ deadlineMs: SHORT_MS });
  const parts = [part({ timeout: HEIGHT + 40 }), part({ timeout: HEIGHT + 90 })];
  scripted(order, (call) => call.send(inFlight(order.paymentHash, ...parts)));
  expect(await pay(order)).toMatchObject({ why: 'in_flight', timeoutHeight: HEIGHT + 90 });
});

test.each([
  ['FAILURE_REASON_TIMEOUT', 'pathfinding_timeout'],
  ['FAILURE_REASON_NO_ROUTE', 'no_route'],
  ['FAILURE_REASON_INCORRECT_PAYMENT_DETAILS', 'refused_by_payee'],
  ['FAILURE_REASON_INSUFFICIENT_BALANCE', 'insufficient_balance'],
  ['FAILURE_REASON_CANCELED', 'cancelled'],
  ['FAILURE_REASON_ERROR', 'error'],
  [99, 'error'],
])('a terminal failure is one: %s is %s', async (reason, why) => {
  const order = orderOf();
  const parts = [part({ status: 'FAILED' })];
  scripted(order, (call) => call.send(failed(order.paymentHash, reason, ...parts)));
  expect(await pay(order)).toMatchObject({ is: 'failed', why });
});

test('LN-2 a part that settled settles it, whatever failure stands beside', async () => {
  const order = orderOf();
  const parts = [
    part({ status: 'FAILED' }),
    part({ status: 'SUCCEEDED', settledAtMs: SETTLED_MS }),
  ];
  scripted(order, (call) =>
    call.send({
      ...done(order),
      status: 'FAILED',
      failure_reason: 'FAILURE_REASON_TIMEOUT',
      htlcs: parts,
    }),
  );
  expect(await pay(order)).toMatchObject({ is: 'settled', preimage: order.preimage });
});

test('a node that takes its failure back is told of: it settled, by look-up and by list', async () => {
  const order = orderOf();
  scripted(
    order,
    (call) => call.send(failed(order.paymentHash, 'FAILURE_REASON_ERROR')),
    (call) => call.send(done(order)),
  );
  hands
    .lnd()
    .on(METHOD.list, (call) => call.send({ payments: [done(order)], first_index_offset: '1' }));
  const payer = openPayer(hands.connection(), hands.connection());
  expect(await payer.pay(order)).toMatchObject({ is: 'failed' });
  const settled = { is: 'settled', preimage: order.preimage, feeMsat: 3n };
  expect(await payer.lookUp(order.paymentHash)).toMatchObject(settled);
  const { value: page } = (await payer.payments(0)[Symbol.asyncIterator]().next()) as {
    value: unknown;
  };
  expect(page).toMatchObject([{ paymentHash: order.paymentHash, outcome: settled }]);
});

test('the first terminal word counts, whatever follows it', async () => {
  const order = orderOf();
  scripted(order, (call) => {
    call.send(inFlight(order.paymentHash, part()));
    call.send(done(order));
    call.send(inFlight(order.paymentHash, part()));
    call.send(failed(order.paymentHash, 'FAILURE_REASON_ERROR'));
    call.fail(INTERNAL, 'too late');
  });
  expect(await pay(order)).toMatchObject({ is: 'settled' });
});

test.each<[string, string, Partial<PayOrder>, (order: Order) => object]>([
  ['LN-6', 'its fee is above the cap', {}, (order) => done(order, 11n)],
  ['LN-16', 'another amount', {}, (order) => ({ ...done(order), value_msat: '2000' })],
  ['LN-29', 'a channel not allowed', { outgoingChannels: [OTHER_CHANNEL] }, (order) => done(order)],
  ['LN-2', 'no preimage', {}, (order) => ({ ...done(order), payment_preimage: 'ab'.repeat(32) })],
  ['LN-2', 'no preimage', {}, (order) => ({ ...done(order), payment_preimage: 'x' })],
])(
  '%s money that is gone is reported as gone, and says what it broke: %s',
  async (_, broken, wish, says) => {
    const order = orderOf(wish);
    scripted(order, (call) => call.send(says(order)));
    expect(await pay(order)).toMatchObject({
      is: 'settled',
      violations: [expect.stringContaining(broken)],
    });
  },
);

test('LN-29 a settlement by a channel that was allowed breaks nothing', async () => {
  const order = orderOf({ outgoingChannels: [OTHER_CHANNEL, CHANNEL] });
  scripted(order, (call) => call.send(done(order)));
  expect(await pay(order)).not.toHaveProperty('violations');
});

test('a deadline of ours leaves the payment to the node: nothing is cancelled', async () => {
  const order = orderOf({ deadlineMs: SHORT_MS });
  let later: ScriptedCall | undefined;
  scripted(order, (call) => {
    later = call;
    call.send(inFlight(order.paymentHash, part()));
  });
  expect(await pay(order)).toMatchObject({ is: 'unknown', why: 'in_flight' });
  expect(later?.isCancelled()).toBe(false);
  // What comes after is nobody's, and harms nobody.
  later?.send(done(order));
  later?.fail(INTERNAL, 'late');
  const next = orderOf();
  scripted(next, (call) => call.send(done(next)));
  expect(await pay(next)).toMatchObject({ is: 'settled' });
});

test('a connection that is cut while a part is out is unknown', async () => {
  const order = orderOf();
  const before = hands.lnd().requests(METHOD.send).length;
  scripted(order, (call) => call.send(inFlight(order.paymentHash, part())));
  const paying = pay(order);
  await arrived(hands.lnd(), METHOD.send, before + 1);
  hands.lnd().cut();
  expect(await paying).toMatchObject({ is: 'unknown', why: 'unreachable' });
});

test('LN-4 a height that has passed meanwhile is no limit, and nothing is sent', async () => {
  const before = hands.lnd().requests(METHOD.send).length;
  const outcome = await pay(orderOf({ maxTimeoutHeight: HEIGHT }));
  expect(outcome).toMatchObject({ is: 'unknown', why: 'unrecognised' });
  expect(hands.lnd().requests(METHOD.send)).toHaveLength(before);
});

test('a height too near for the payee is refused before anything is sent', async () => {
  const before = hands.lnd().requests(METHOD.send).length;
  const outcome = await pay(orderOf({ maxTimeoutHeight: HEIGHT + 5 }));
  expect(outcome).toMatchObject({ is: 'unknown', why: 'unrecognised' });
  expect(hands.lnd().requests(METHOD.send)).toHaveLength(before);
});

test('a node that does not say its height is waited for until the deadline', async () => {
  const before = hands.lnd().requests(METHOD.send).length;
  hands.lnd().on(METHOD.blocks, () => undefined);
  expect(await pay(orderOf({ deadlineMs: SHORT_MS }))).toMatchObject({ why: 'deadline' });
  expect(hands.lnd().requests(METHOD.send)).toHaveLength(before);
});

test.each([
  ['LN-16', 'an invoice without an amount', madeInvoice({ msat: null }), {}],
  [
    'LN-1',
    'another hash than its invoice',
    madeInvoice({ msat: 1n }),
    { paymentHash: '00'.repeat(32) },
  ],
  ['LN-1', 'no invoice', madeInvoice({ msat: 1n }), { request: 'lnbcrt1' }],
])('%s an order for %s is a bug, and nothing is sent', async (_, _title, invoice, wish) => {
  const before = hands.lnd().requests(METHOD.send).length;
  await expect(pay(orderOf(wish, invoice))).rejects.toThrow('an order names');
  expect(hands.lnd().requests(METHOD.send)).toHaveLength(before);
});
