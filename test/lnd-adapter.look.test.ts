/** Looking at a scripted LND: payments by hash and page by page, routes, standing; and calls that hang. */
import { expect, test, vi } from 'vitest';
import { openChannelManager } from '../operator/adapters/lnd/channel-manager.ts';
import { readInvoice } from '../operator/adapters/lnd/invoice.ts';
import { openPayer } from '../operator/adapters/lnd/payer.ts';
import { openReader } from '../operator/adapters/lnd/reader.ts';
import { openReceiver } from '../operator/adapters/lnd/receiver.ts';
import type { ListedPayment, Payer } from '../operator/lightning.ts';
import { msat } from '../policies/units.ts';
import { madeInvoice } from './bolt11.ts';
import { CREATED_MS, HEIGHT, NODE_KEY, pair, part, payment } from './lnd-messages.ts';
import { arrived, scriptedHands } from './scripted-hands.ts';
import { METHOD, type Script } from './scripted-lnd.ts';
import { channel } from './scripted-node.ts';

const hands = scriptedHands();
const NOT_FOUND = 5;
const UNAVAILABLE = 14;
const UNKNOWN = 2;

function payer(): Payer {
  return openPayer(hands.connection(), hands.connection());
}

const { preimage, hash } = pair();
const settledParts = [part({ status: 'SUCCEEDED', settledAtMs: CREATED_MS + 1 })];

test.each<[string, string, Script, object]>([
  [
    'LN-5',
    'in flight without a part: at once, where the library never answers',
    (call) => call.send(payment({ hash, status: 'IN_FLIGHT' })),
    { is: 'unknown', why: 'in_flight', timeoutHeight: null },
  ],
  [
    'LN-5',
    'initiated',
    (call) => call.send(payment({ hash, status: 'INITIATED' })),
    { is: 'unknown', why: 'in_flight' },
  ],
  [
    'LN-4',
    'in flight, and until when',
    (call) => call.send(payment({ hash, status: 'IN_FLIGHT', parts: [part({ timeout: 99 })] })),
    { is: 'unknown', why: 'in_flight', timeoutHeight: 99 },
  ],
  [
    'LN-2',
    'no such payment: which proves nothing',
    (call) => call.fail(NOT_FOUND, "payment isn't initiated"),
    { is: 'unknown', why: 'not_found' },
  ],
  ['LN-2', 'a stream that ends', (call) => call.end(), { is: 'unknown', why: 'stream_ended' }],
  [
    'LN-2',
    'a node that is away',
    (call) => call.fail(UNAVAILABLE, 'connection refused'),
    { is: 'unknown', why: 'unreachable' },
  ],
  [
    'LN-2',
    'a node that starts',
    (call) => call.fail(UNKNOWN, 'the RPC server is in the process of starting up'),
    { is: 'unknown', why: 'unreachable' },
  ],
  [
    'LN-2',
    'another shape',
    (call) => call.send({ ...payment({ hash, status: 'SUCCEEDED' }), value_msat: '-1' }),
    { is: 'unknown', why: 'unrecognised' },
  ],
  [
    'LN-2',
    'another status',
    (call) => call.send(payment({ hash, status: 99 })),
    { is: 'unknown', why: 'unrecognised' },
  ],
  [
    'LN-2',
    'failed, with a part that settled',
    (call) =>
      call.send(
        payment({
          hash,
          preimage,
          status: 'FAILED',
          reason: 'FAILURE_REASON_TIMEOUT',
          parts: settledParts,
        }),
      ),
    { is: 'settled', preimage },
  ],
  [
    'LN-3',
    'settled',
    (call) =>
      call.send(payment({ hash, preimage, status: 'SUCCEEDED', parts: settledParts, feeMsat: 7n })),
    { is: 'settled', preimage, feeMsat: 7n, amountMsat: 1_000n },
  ],
  [
    'LN-2',
    'failed',
    (call) =>
      call.send(
        payment({ hash, status: 'FAILED', reason: 'FAILURE_REASON_INCORRECT_PAYMENT_DETAILS' }),
      ),
    { is: 'failed', why: 'refused_by_payee' },
  ],
])('%s a look-up says %s', async (_, _title, script, outcome) => {
  hands.lnd().on(METHOD.track, script);
  expect(await payer().lookUp(hash)).toMatchObject(outcome);
});

test('a look-up leaves no stream open', async () => {
  const ends = new Promise<string>((resolve) => {
    hands.lnd().on(METHOD.track, (call) => {
      call.onCancelled(() => resolve('cancelled'));
      call.send(payment({ hash, status: 'IN_FLIGHT' }));
    });
  });
  await payer().lookUp(hash);
  expect(await ends).toBe('cancelled');
});

async function all(pages: AsyncIterable<readonly ListedPayment[]>): Promise<ListedPayment[]> {
  const found: ListedPayment[] = [];
  for await (const page of pages) found.push(...page);
  return found;
}

test('payments come page by page, newest first, with what each came to', async () => {
  const PAGE = 500;
  const known = Array.from({ length: PAGE + 2 }, (_, at) =>
    payment({
      hash: (at + 1).toString(16).padStart(64, '0'),
      status: at % 2 === 0 ? 'FAILED' : 'IN_FLIGHT',
      index: at + 1,
    }),
  );
  hands.lnd().on(METHOD.list, (call) => {
    const { index_offset, max_payments, reversed, include_incomplete } = call.message;
    expect([reversed, include_incomplete]).toEqual([true, true]);
    const before = index_offset === '0' ? known.length + 1 : Number(index_offset);
    const from = Math.max(0, before - 1 - Number(max_payments));
    const payments = known.slice(from, before - 1);
    call.send({ payments, first_index_offset: payments[0]?.payment_index ?? '0' });
  });
  const found = await all(payer().payments(1_699_999_999_500));
  expect(found).toHaveLength(PAGE + 2);
  expect(found.map((each) => each.paymentHash)).toEqual(
    known.map((each) => each.payment_hash).toReversed(),
  );
  expect(found.slice(0, 2).map((each) => each.outcome.is)).toEqual(['unknown', 'failed']);
  expect(found[0]).toMatchObject({ createdAtMs: CREATED_MS, amountMsat: 1_000n });
  expect(hands.lnd().requests(METHOD.list).at(-1)).toMatchObject({
    creation_date_start: '1699999999',
  });
});

test('a list that does not get shorter is not read for ever', async () => {
  const payments = Array.from({ length: 500 }, () => payment({ hash, status: 'FAILED' }));
  hands.lnd().on(METHOD.list, (call) => call.send({ payments, first_index_offset: '77' }));
  await expect(all(payer().payments(0))).rejects.toMatchObject({ code: 'LND_UNREACHABLE' });
});

const HOP = {
  chan_id: '1',
  chan_capacity: '1000000',
  amt_to_forward: '1',
  amt_to_forward_msat: '1000',
  fee: '0',
  fee_msat: '0',
  expiry: HEIGHT + 40,
  pub_key: NODE_KEY,
  tlv_payload: true,
};

function route(feeMsat: string) {
  return {
    routes: [
      {
        total_time_lock: HEIGHT + 80,
        total_amt: '1',
        total_amt_msat: '1000',
        total_fees: '0',
        total_fees_msat: feeMsat,
        hops: [HOP],
      },
    ],
    success_prob: 0.9,
  };
}

function estimate() {
  const invoice = readInvoice(madeInvoice({ msat: 1_000n }).request);
  if ('rule' in invoice) throw new Error(invoice.rule);
  return payer().estimate({ invoice, amountMsat: msat(1_000n), maxFeeMsat: msat(8n) });
}

test('LN-6 a route is asked for with the fee cap, and answered with fee and chance', async () => {
  hands.lnd().on(METHOD.routes, (call) => call.send(route('5')));
  expect(await estimate()).toEqual({ feeMsat: 5n, successPpm: 900_000 });
  expect(hands.lnd().requests(METHOD.routes).at(-1)).toMatchObject({
    fee_limit: { fixed_msat: '8' },
    amt_msat: '1000',
  });
});

test('where no single route carries it, four that carry a quarter each are asked for', async () => {
  hands
    .lnd()
    .on(METHOD.routes, (call) =>
      call.message['amt_msat'] === '250'
        ? call.send(route('2'))
        : call.fail(UNKNOWN, 'unable to find a path to destination'),
    );
  expect(await estimate()).toEqual({ feeMsat: 8n, successPpm: 656_100 });
});

test.each([
  'unable to find a path to destination',
  'target not found',
  'insufficient local balance',
])('there is no route where the node says: %s', async (details) => {
  hands.lnd().on(METHOD.routes, (call) => call.fail(UNKNOWN, details));
  expect(await estimate()).toBe(null);
});

test('that the node is away is not that there is no route', async () => {
  hands.lnd().on(METHOD.routes, (call) => call.fail(UNAVAILABLE, 'gone'));
  await expect(estimate()).rejects.toMatchObject({ code: 'LND_UNREACHABLE', retry: 'later' });
});

test('the standing of a node has its key, its network and its height', async () => {
  expect(await openReader(hands.connection()).standing()).toEqual({
    publicKey: NODE_KEY,
    alias: 'scripted',
    version: '0.20.1-beta commit=',
    network: 'regtest',
    height: HEIGHT,
    syncedToChain: true,
    latestBlockAtMs: 1_700_000_000_000,
  });
});

function htlc(incoming: boolean, fill: number): object {
  const hash_lock = Buffer.alloc(32, fill);
  return { incoming, amount: '0', hash_lock, expiration_height: HEIGHT + 40 };
}

test('a channel shows HTLCs of either direction, however small', async () => {
  hands.lnd().on(METHOD.channels, (call) =>
    call.send({
      channels: [
        { ...channel(), pending_htlcs: [htlc(true, 1), htlc(false, 2), htlc(true, 3)] },
        channel(),
      ],
    }),
  );
  const found = await openReader(hands.connection()).channels();
  expect(found.map(({ incomingHtlcs, pendingHashes }) => [incomingHtlcs, pendingHashes])).toEqual([
    [2, ['02'.repeat(32)]],
    [0, []],
  ]);
});

function waiting(channel_point: string, chan_status_flags: string) {
  return { channel: { channel_point, chan_status_flags } };
}

test('LN-14 a channel that its peer proved to be old is lost, one that only closes is not', async () => {
  hands.lnd().on(METHOD.pending, (call) =>
    call.send({
      waiting_close_channels: [
        waiting('aa:0', 'ChanStatusCoopBroadcasted|ChanStatusLocalCloseInitiator'),
        waiting('bb:1', 'ChanStatusBorked|ChanStatusLocalDataLoss'),
      ],
    }),
  );
  expect(await openReader(hands.connection()).lostChannels()).toEqual(['bb:1']);
});

test('calls that hang end with their deadline, leave nothing open, and nobody hears of them later', async () => {
  const connection = hands.connection();
  const reader = openReader(connection);
  const manager = openChannelManager({
    channels: connection,
    closer: connection,
    backup: connection,
  });
  const unary = [
    METHOD.info,
    METHOD.channels,
    METHOD.list,
    METHOD.forwards,
    METHOD.lookupInvoice,
    METHOD.verifyBackup,
    METHOD.funding,
  ];
  const before = unary.map((method) => hands.lnd().requests(method).length);
  for (const method of unary) hands.lnd().on(method, () => undefined);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  try {
    const calls = [
      reader.standing(),
      reader.channels(),
      payer().payments(0)[Symbol.asyncIterator]().next(),
      reader.forwards({ sinceMs: 0, skip: 0 }),
      openReceiver(connection).invoice(hash),
      manager.verifyBackup({ multiHex: '00', outpoints: [] }),
      manager.cancelPending('11'.repeat(32)),
    ];
    const ended = Promise.allSettled(calls);
    for (const [at, method] of unary.entries()) {
      await arrived(hands.lnd(), method, (before[at] ?? 0) + 1);
    }
    await vi.advanceTimersByTimeAsync(60_000);
    const ends = await ended;
    const said = ends.map((end) => (end.status === 'rejected' ? end.reason : end.value));
    const unreachable = expect.objectContaining({ code: 'LND_UNREACHABLE' });
    expect(said).toEqual([
      unreachable,
      unreachable,
      unreachable,
      unreachable,
      { is: 'unknown', why: 'deadline' },
      unreachable,
      unreachable,
    ]);
  } finally {
    vi.useRealTimers();
  }
  for (const method of unary) {
    await vi.waitUntil(() => hands.lnd().open(method) === 0, { timeout: 10_000 });
  }
});
