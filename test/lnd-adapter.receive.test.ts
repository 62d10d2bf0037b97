/** Receiving at a scripted LND: an invoice is made once, and no settlement is missed or told twice. */
import { expect, test } from 'vitest';
import { openReceiver } from '../operator/adapters/lnd/receiver.ts';
import { NO_ADDS_INDEX } from '../operator/adapters/lnd/request-lint.ts';
import type { ReceivedPayment, Receiver } from '../operator/lightning.ts';
import { msat } from '../policies/units.ts';
import { until } from '../regtest/wait.ts';
import { type MadeInvoice, madeInvoice } from './bolt11.ts';
import { invoiceMessage, pair } from './lnd-messages.ts';
import { scriptedHands } from './scripted-hands.ts';
import { METHOD, type Script, type ScriptedCall } from './scripted-lnd.ts';

const hands = scriptedHands();
const NOT_FOUND = 5;
const UNAVAILABLE = 14;
const UNKNOWN = 2;
const EXISTS = 'invoice with payment hash already exists';
const WAIT_MS = 10_000;

function receiver(): Receiver {
  return openReceiver(hands.connection());
}

const made = madeInvoice({ msat: 5_000n });

function ask(of: MadeInvoice = made) {
  return {
    preimage: of.preimage,
    amountMsat: msat(5_000n),
    description: 'prepaid',
    expiresInMs: 600_000,
    announced: 'private' as const,
  };
}

function known(of: MadeInvoice, state: string | number, more: object = {}): Script {
  const { paymentHash: hash, request } = of;
  return (call) => call.send({ ...invoiceMessage({ hash, request, state }), ...more });
}

test('LN-3 an invoice is made of the preimage it is given', async () => {
  hands.lnd().on(METHOD.addInvoice, (call) =>
    call.send({
      r_hash: Buffer.from(made.paymentHash, 'hex'),
      payment_request: made.request,
      payment_addr: Buffer.alloc(32, 3),
      add_index: '1',
    }),
  );
  hands.lnd().on(METHOD.lookupInvoice, known(made, 'OPEN'));
  expect(await receiver().createInvoice(ask())).toEqual({
    request: made.request,
    paymentHash: made.paymentHash,
    expiresAtMs: expect.any(Number),
  });
  expect(hands.lnd().requests(METHOD.addInvoice).at(-1)).toMatchObject({
    r_preimage: Buffer.from(made.preimage, 'hex'),
    value_msat: '5000',
    expiry: '600',
    private: true,
    memo: 'prepaid',
  });
});

test('LN-3 one that is there already, by a call whose answer was lost, is the same one', async () => {
  hands.lnd().on(METHOD.addInvoice, (call) => call.fail(UNKNOWN, EXISTS));
  hands.lnd().on(METHOD.lookupInvoice, known(made, 'OPEN'));
  expect(await receiver().createInvoice(ask())).toMatchObject({ request: made.request });
});

test('one that is there of another amount is a bug, not an invoice', async () => {
  const dearer = madeInvoice({ preimage: made.preimage, msat: 6_000n });
  hands.lnd().on(METHOD.addInvoice, (call) => call.fail(UNKNOWN, EXISTS));
  hands.lnd().on(METHOD.lookupInvoice, known(dearer, 'OPEN'));
  await expect(receiver().createInvoice(ask())).rejects.toThrow('another amount');
});

test('a node that is away makes none, and may be asked again', async () => {
  hands.lnd().on(METHOD.addInvoice, (call) => call.fail(UNAVAILABLE, 'gone'));
  await expect(receiver().createInvoice(ask())).rejects.toMatchObject({
    code: 'LND_UNREACHABLE',
    retry: 'later',
  });
});

test.each<[string, Script, object]>([
  ['open', known(made, 'OPEN'), { is: 'open' }],
  ['held', known(made, 'ACCEPTED'), { is: 'held' }],
  ['cancelled', known(made, 'CANCELED'), { is: 'cancelled' }],
  [
    'settled, with more than was asked',
    known(made, 'SETTLED', { amt_paid_msat: '5001', settle_index: '9', settle_date: '1700000060' }),
    { is: 'settled', receivedMsat: 5_001n, settleIndex: 9, settledAtMs: 1_700_000_060_000 },
  ],
  [
    'settled without an index',
    known(made, 'SETTLED', { amt_paid_msat: '5000', settle_date: '1700000060' }),
    { is: 'unknown', why: 'unrecognised' },
  ],
  [
    'not there',
    (call) => call.fail(NOT_FOUND, 'unable to locate invoice'),
    { is: 'unknown', why: 'not_found' },
  ],
  [
    'not there, in the words of a node without any',
    (call) => call.fail(UNKNOWN, 'there are no existing invoices'),
    { is: 'unknown', why: 'not_found' },
  ],
  ['away', (call) => call.fail(UNAVAILABLE, 'gone'), { is: 'unknown', why: 'unreachable' }],
])('an invoice is looked up: %s', async (_, script, standing) => {
  hands.lnd().on(METHOD.lookupInvoice, script);
  expect(await receiver().invoice(made.paymentHash)).toEqual(standing);
});

const settledNow = known(made, 'SETTLED', {
  amt_paid_msat: '1',
  settle_index: '1',
  settle_date: '1',
});

test.each<[string, Script, Script, string]>([
  ['it is open', (call) => call.send({}), known(made, 'CANCELED'), 'cancelled'],
  [
    'its answer is lost and it arrived',
    (call) => call.fail(UNAVAILABLE, 'gone'),
    known(made, 'CANCELED'),
    'cancelled',
  ],
  ['it was paid', (call) => call.fail(UNKNOWN, 'invoice already settled'), settledNow, 'settled'],
  ['it was paid while the answer came', (call) => call.send({}), settledNow, 'settled'],
  [
    'the node does not know it',
    (call) => call.fail(NOT_FOUND, 'unable to locate invoice'),
    (call) => call.fail(NOT_FOUND, 'unable to locate invoice'),
    'unknown',
  ],
  [
    'the node is away',
    (call) => call.fail(UNAVAILABLE, 'gone'),
    (call) => call.fail(UNAVAILABLE, 'gone'),
    'unknown',
  ],
])('LN-20 an invoice is cancelled where %s', async (_, cancel, look, answer) => {
  hands.lnd().on(METHOD.cancelInvoice, cancel);
  hands.lnd().on(METHOD.lookupInvoice, look);
  expect(await receiver().cancelInvoice(made.paymentHash)).toBe(answer);
});

function word({ hash, index }: { hash: string; index: number }) {
  const { request } = made;
  return invoiceMessage({ hash, request, state: 'SETTLED', settleIndex: index, paidMsat: 7n });
}

/** Invoices of a node that sends as LND does: what lies after the cursor, then what comes. */
function settlingNode() {
  const settled: { hash: string; index: number }[] = [];
  const streams: { call: ScriptedCall; from: number }[] = [];
  hands.lnd().on(METHOD.invoices, (call) => {
    const from = Number(call.message['settle_index']);
    // Index 0 gives nothing from before (lnd#2469).
    const backlog = from === 0 ? [] : settled.filter(({ index }) => index > from);
    for (const each of backlog) call.send(word(each));
    streams.push({ call, from });
  });
  return {
    settle(index: number): string {
      const { hash } = pair();
      settled.push({ hash, index });
      for (const { call, from } of streams) if (index > from) call.send(word({ hash, index }));
      return hash;
    },
    say: (what: object) => streams.forEach(({ call }) => call.send(what)),
    end: () => streams.forEach(({ call }) => call.end()),
    fail: () => streams.forEach(({ call }) => call.fail(UNAVAILABLE, 'gone')),
    listening: (count: number) =>
      until('somebody to listen', () => streams.length >= count, WAIT_MS),
    streams: () => streams.filter(({ call }) => !call.isCancelled()).length,
  };
}

/** Reads on in the background; `next` waits for one more. */
function reading(after: number, signal = new AbortController().signal) {
  const found: ReceivedPayment[] = [];
  const over = (async () => {
    for await (const each of receiver().receive(after, signal)) found.push(each);
    return 'stopped';
  })().catch((cause: unknown) => cause);
  return {
    found,
    over,
    indexes: (count: number) =>
      until(
        `${count} settlements`,
        () => found.length >= count && found.map((each) => each.settleIndex),
        WAIT_MS,
      ),
  };
}

test('LN-21 settlements come after the cursor, from before and as they happen', async () => {
  const node = settlingNode();
  for (const index of [1, 2, 3, 4]) node.settle(index);
  const stop = new AbortController();
  const reader = reading(2, stop.signal);
  await node.listening(1);
  const hash = node.settle(5);
  expect(await reader.indexes(3)).toEqual([3, 4, 5]);
  expect(reader.found.at(-1)).toEqual({
    paymentHash: hash,
    receivedMsat: 7n,
    settledAtMs: 1_700_000_060_000,
    settleIndex: 5,
  });
  stop.abort();
  expect(await reader.over).toBe('stopped');
});

test('LN-21 the very first settlement of a node is heard while it happens', async () => {
  const node = settlingNode();
  const stop = new AbortController();
  const reader = reading(0, stop.signal);
  await node.listening(2);
  node.settle(1);
  await reader.indexes(1);
  node.settle(2);
  expect(await reader.indexes(2)).toEqual([1, 2]);
  stop.abort();
  expect(await reader.over).toBe('stopped');
});

test('LN-21 who has no cursor yet is told what was settled before', async () => {
  const node = settlingNode();
  for (const index of [1, 2, 3]) node.settle(index);
  const reader = reading(0);
  // What has the very first index was settled before anybody listened: it is found by looking it up.
  expect(await reader.indexes(2)).toEqual([2, 3]);
  node.end();
  await reader.over;
});

test('LN-21 a cursor never goes back: an invoice that opens carries none', async () => {
  const node = settlingNode();
  const reader = reading(1);
  await node.listening(1);
  node.settle(77);
  await reader.indexes(1);
  // ln-service takes this one for the newest and would start again from nothing.
  node.say(invoiceMessage({ hash: made.paymentHash, request: made.request, state: 'OPEN' }));
  node.fail();
  expect(await reader.over).toMatchObject({ code: 'LND_UNREACHABLE' });
  node.settle(78);
  const again = reading(reader.found.at(-1)?.settleIndex ?? 0);
  expect(await again.indexes(1)).toEqual([78]);
  expect(hands.lnd().requests(METHOD.invoices).at(-1)).toMatchObject({
    settle_index: '77',
    add_index: NO_ADDS_INDEX,
  });
  node.fail();
  await again.over;
});

const EVENTS: readonly (readonly [string, (node: ReturnType<typeof settlingNode>) => void])[] = [
  ['nothing', () => undefined],
  ['a settlement', (node) => void node.settle(3)],
  ['an invoice that opens', (node) => node.say(other('OPEN'))],
  ['an invoice that is held', (node) => node.say(other('ACCEPTED'))],
  ['an invoice that is cancelled', (node) => node.say(other('CANCELED'))],
  ['an invoice of a state that nobody knows', (node) => node.say(other(99))],
];

function other(state: string | number) {
  return invoiceMessage({ hash: pair().hash, request: made.request, state, addIndex: 42 });
}

test.each(
  EVENTS.flatMap(([title, say]) =>
    (['end', 'fail', 'cut'] as const).map((how) => [title, how, say] as const),
  ),
)(
  'LN-21 killed after %s (%s), the stream is begun again and misses nothing',
  async (_, how, say) => {
    const node = settlingNode();
    node.settle(1);
    const first = reading(1);
    await node.listening(1);
    node.settle(2);
    await first.indexes(1);
    say(node);
    // The connection tells of one event after another: what came before the end was heard.
    if (how === 'cut') hands.lnd().cut();
    else node[how]();
    expect(await first.over).toMatchObject({ code: 'LND_UNREACHABLE', retry: 'later' });
    node.settle(4);
    const cursor = first.found.at(-1)?.settleIndex ?? 1;
    const again = reading(cursor);
    const all = () => [...first.found, ...again.found].map(({ settleIndex }) => settleIndex);
    await until('the last one', () => all().includes(4), WAIT_MS);
    expect(all()).toEqual(say === EVENTS[1]?.[1] ? [2, 3, 4] : [2, 4]);
    node.end();
    await again.over;
  },
);

test('LN-22 a gap between two indexes is no end', async () => {
  const node = settlingNode();
  node.settle(9);
  const reader = reading(3);
  await node.listening(1);
  node.settle(20);
  expect(await reader.indexes(2)).toEqual([9, 20]);
  node.end();
  await reader.over;
});

test('what is told twice is heard once', async () => {
  const node = settlingNode();
  const reader = reading(1);
  await node.listening(1);
  node.settle(5);
  node.settle(5);
  node.settle(4);
  node.settle(6);
  await until('the last', () => reader.found.at(-1)?.settleIndex === 6, WAIT_MS);
  expect(reader.found.map(({ settleIndex }) => settleIndex)).toEqual([5, 6]);
  node.end();
  await reader.over;
});

test('a settlement of another shape ends the stream aloud', async () => {
  const node = settlingNode();
  const reader = reading(1);
  await node.listening(1);
  node.say({ ...other('SETTLED'), settle_index: '5', r_hash: Buffer.alloc(5) });
  expect(await reader.over).toMatchObject({ code: 'LND_UNREACHABLE' });
});

test.each(['before', 'while'])(
  'stopped %s it listens, it ends and leaves no stream',
  async (when) => {
    const node = settlingNode();
    const stop = new AbortController();
    if (when === 'before') stop.abort();
    const reader = reading(0, stop.signal);
    if (when === 'while') await node.listening(2);
    stop.abort();
    expect(await reader.over).toBe('stopped');
    await until('no stream', () => node.streams() === 0, WAIT_MS);
  },
);
