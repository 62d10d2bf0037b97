/** Channels at a scripted LND: opened all or none, never published by the node, closed and accepted by rules. */
import { expect, test, vi } from 'vitest';
import { openChannelManager } from '../operator/adapters/lnd/channel-manager.ts';
import type { ChannelManager, ChannelOrder } from '../operator/lightning.ts';
import { feerate, msat, sat } from '../policies/units.ts';
import { NODE_KEY } from './lnd-messages.ts';
import { arrived, scriptedHands } from './scripted-hands.ts';
import { METHOD, type Message, type Script, type ScriptedCall } from './scripted-lnd.ts';

const hands = scriptedHands();
const UNKNOWN = 2;
const UNAVAILABLE = 14;
const PEERS = ['02', '03'].map((first) => `${first}${'22'.repeat(32)}`) as [string, string];
const TXID = 'ab'.repeat(32);
const POINT = `${TXID}:1`;
const ABANDON = '/lnrpc.Lightning/AbandonChannel';

function manager(): ChannelManager {
  const connection = hands.connection();
  return openChannelManager({ channels: connection, closer: connection, backup: connection });
}

function order(peer: string, capacity = 1_000_000n): ChannelOrder {
  return {
    peer,
    capacitySat: sat(capacity),
    closeAddress: `bcrt1q${peer.slice(0, 4)}`,
    announced: 'public',
  };
}

function hexOf(value: unknown): string {
  return Buffer.from(value as Uint8Array).toString('hex');
}

function shimOf(message: Message): Message {
  return (message['funding_shim'] as { psbt_shim: Message }).psbt_shim;
}

/** Answers each peer with what the table says: an address, a refusal, or nothing. */
function peers(says: Readonly<Record<string, Script>>): void {
  hands.lnd().on(METHOD.openChannel, (call) => says[hexOf(call.message['node_pubkey'])]?.(call));
}

const funded: Script = (call) =>
  call.send({
    psbt_fund: {
      funding_address: `bcrt1q${hexOf(call.message['node_pubkey']).slice(0, 6)}`,
      funding_amount: String(call.message['local_funding_amount']),
      psbt: Buffer.alloc(0),
    },
    pending_chan_id: shimOf(call.message)['pending_chan_id'],
  });

const refused =
  (details: string): Script =>
  (call) =>
    call.fail(UNKNOWN, details);

test('LN-10 a batch is asked for in its order, and the node is to publish none of it', async () => {
  peers({ [PEERS[0]]: funded, [PEERS[1]]: funded });
  const before = hands.lnd().requests(METHOD.openChannel).length;
  const asked = await manager().openChannels([order(PEERS[0]), order(PEERS[1], 30_000n)]);
  const sent = hands.lnd().requests(METHOD.openChannel).slice(before);
  expect(sent.map((each) => shimOf(each)['no_publish'])).toEqual([true, true]);
  expect(sent.map((each) => each['close_address'])).toEqual(['bcrt1q0222', 'bcrt1q0322']);
  expect(sent.map((each) => each['push_sat'])).toEqual(['0', '0']);
  expect(asked).toEqual([
    {
      pendingId: hexOf(shimOf(sent[0] ?? {})['pending_chan_id']),
      address: 'bcrt1q022222',
      amountSat: 1_000_000n,
      peer: PEERS[0],
    },
    {
      pendingId: hexOf(shimOf(sent[1] ?? {})['pending_chan_id']),
      address: 'bcrt1q032222',
      amountSat: 30_000n,
      peer: PEERS[1],
    },
  ]);
});

test.each([
  [
    'received funding error from 03: Number of pending channels exceed maximum',
    'holds a pending channel of ours',
  ],
  ['peer 03 is not online', 'is not connected'],
  [
    'reserved wallet balance invalidated: transaction would leave insufficient funds',
    'anchor reserve',
  ],
  ['peer does not support option upfront shutdown script', 'does not fix a close address'],
  ['chan size of 0.01 BTC exceeds maximum chan size', 'exceeds maximum chan size'],
])(
  'LN-9 where one peer refuses (%s), all requests are taken back and it is named',
  async (details, why) => {
    let waiting: ScriptedCall | undefined;
    peers({
      [PEERS[0]]: (call) => {
        waiting = call;
        funded(call);
      },
      [PEERS[1]]: refused(details),
    });
    const cancelled: string[] = [];
    hands.lnd().on(METHOD.funding, (call) => {
      const cancel = call.message['shim_cancel'] as Message;
      cancelled.push(hexOf(cancel['pending_chan_id']));
      // LND then ends the request of the peer that said yes, with an error, too.
      waiting?.fail(UNKNOWN, 'user canceled funding');
      call.send({});
    });
    const before = hands.lnd().requests(METHOD.openChannel).length;
    const opening = manager().openChannels([order(PEERS[0]), order(PEERS[1])]);
    await expect(opening).rejects.toMatchObject({ code: 'LND_REFUSED', retry: 'never' });
    await expect(opening).rejects.toThrow(PEERS[1]);
    await expect(opening).rejects.toThrow(why);
    const ids = hands
      .lnd()
      .requests(METHOD.openChannel)
      .slice(before)
      .map((each) => hexOf(shimOf(each)['pending_chan_id']));
    expect([...new Set(cancelled)].toSorted()).toEqual(ids.toSorted());
  },
);

test('where one peer is silent, all requests are taken back in time', async () => {
  peers({ [PEERS[0]]: funded, [PEERS[1]]: () => undefined });
  const taken = hands.lnd().requests(METHOD.funding).length;
  hands.lnd().on(METHOD.funding, (call) => call.send({}));
  const before = hands.lnd().requests(METHOD.openChannel).length;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  try {
    const opening = manager()
      .openChannels([order(PEERS[0]), order(PEERS[1])])
      .catch((cause: unknown) => cause);
    await arrived(hands.lnd(), METHOD.openChannel, before + 2);
    await vi.advanceTimersByTimeAsync(60_000);
    await arrived(hands.lnd(), METHOD.funding, taken + 2);
    expect(await opening).toMatchObject({ code: 'LND_UNREACHABLE' });
  } finally {
    vi.useRealTimers();
  }
});

test('a node that goes away while it opens is not a refusal of the peer', async () => {
  peers({ [PEERS[0]]: (call) => call.fail(UNAVAILABLE, 'gone') });
  hands.lnd().on(METHOD.funding, (call) => call.send({}));
  await expect(manager().openChannels([order(PEERS[0])])).rejects.toMatchObject({
    code: 'LND_UNREACHABLE',
  });
});

test('LN-10 a funding is verified for each channel, and no step that finalizes follows', async () => {
  const ids = ['11'.repeat(32), '22'.repeat(32)];
  const before = hands.lnd().requests(METHOD.funding).length;
  hands.lnd().on(METHOD.funding, (call) => call.send({}));
  await manager().verifyFunding(ids, Buffer.from('70736274', 'hex'));
  const sent = hands.lnd().requests(METHOD.funding).slice(before);
  expect(sent.map((each) => each['trigger'])).toEqual(['psbt_verify', 'psbt_verify']);
  expect(sent.map((each) => each['psbt_verify'])).toEqual(
    ids.map((id) => ({
      funded_psbt: Buffer.from('70736274', 'hex'),
      pending_chan_id: Buffer.from(id, 'hex'),
      skip_finalize: true,
    })),
  );
});

test.each<[string, string, Script, string, string]>([
  [
    'LN-9',
    'the anchor reserve is short',
    refused('reserved wallet balance invalidated: transaction would leave insufficient funds'),
    'LND_REFUSED',
    'anchor reserve',
  ],
  [
    'LN-11',
    'it does not fund the channel',
    refused('error verifying PSBT: output amount not found'),
    'LND_REFUSED',
    'output amount not found',
  ],
  [
    'LN-10',
    'the node is away',
    (call) => call.fail(UNAVAILABLE, 'gone'),
    'LND_UNREACHABLE',
    'gone',
  ],
])('%s a funding is not verified where %s', async (...[, , script, code, why]) => {
  hands.lnd().on(METHOD.funding, script);
  const verifying = manager().verifyFunding(['11'.repeat(32)], Buffer.alloc(5));
  await expect(verifying).rejects.toMatchObject({ code });
  await expect(verifying).rejects.toThrow(why);
});

test('a request that is not there any more is taken back already', async () => {
  hands.lnd().on(METHOD.funding, refused('no funding intent found for pendingChannelID(11)'));
  await manager().cancelPending('11'.repeat(32));
  hands.lnd().on(METHOD.funding, refused('something else'));
  await expect(manager().cancelPending('11'.repeat(32))).rejects.toMatchObject({
    code: 'LND_REFUSED',
  });
});

/** One input and one output, by hand: version, coin, amount. */
function rawTx(coin: string, amount: string): string {
  const payee = `160014${'33'.repeat(20)}`;
  return ['0200000001', coin, '0000000000fdffffff01', amount, payee, '00000000'].join('');
}

test('LN-12 a channel is forgotten only beside a transaction that spends its coin', async () => {
  hands.lnd().on(ABANDON, (call) => call.send({}));
  const before = hands.lnd().requests(ABANDON).length;
  const pendingTx = rawTx('aa'.repeat(32), '1027000000000000');
  const ask = { outpoint: POINT, pendingTx };
  const unrelated = rawTx('bb'.repeat(32), '1127000000000000');
  const forget = (confirmedTx: string) => manager().forgetConflicted({ ...ask, confirmedTx });
  await expect(forget(unrelated)).rejects.toMatchObject({ code: 'LND_REFUSED' });
  await expect(forget(pendingTx)).rejects.toMatchObject({ code: 'LND_REFUSED' });
  expect(hands.lnd().requests(ABANDON)).toHaveLength(before);
  await forget(rawTx('aa'.repeat(32), '1127000000000000'));
  expect(hands.lnd().requests(ABANDON)).toHaveLength(before + 1);
});

const closing: Script = (call) =>
  call.send({
    close_pending: { txid: Buffer.from('01'.repeat(31) + '02', 'hex'), output_index: 0 },
  });

test.each<[string, Script, object]>([
  ['it closes', closing, { is: 'closing', txid: `02${'01'.repeat(31)}` }],
  [
    'HTLCs linger',
    refused('cannot coop close channel with active htlcs (number of active htlcs: 1)'),
    { is: 'refused', why: 'htlcs_active' },
  ],
  [
    'the peer is away',
    refused('unable to gracefully close channel while peer is offline: channel link not found'),
    { is: 'refused', why: 'peer_offline' },
  ],
  [
    'they do not agree on a fee',
    refused('latest fee proposal exceeds max fee: 100 sat'),
    { is: 'refused', why: 'fee_disagreed' },
  ],
  ['it is not there', refused('channel not found'), { is: 'refused', why: 'not_found' }],
  ['something else', refused('frozen until height'), { is: 'refused', why: 'error' }],
  [
    'the node goes away',
    (call) => call.fail(UNAVAILABLE, 'gone'),
    { is: 'unknown', detail: 'gone' },
  ],
])('a close that is asked for, and %s', async (_, script, outcome) => {
  hands.lnd().on(METHOD.close, script);
  const close = { outpoint: POINT, how: 'cooperative' as const, feerate: feerate(2_999n) };
  expect(await manager().close(close)).toMatchObject(outcome);
});

test.each([
  ['cooperative', 2_999n, { sat_per_vbyte: '2', max_fee_per_vbyte: '2', force: false }],
  ['cooperative', 200n, { sat_per_vbyte: '1', max_fee_per_vbyte: '1', force: false }],
  ['cooperative', null, { sat_per_vbyte: '0', target_conf: 6, force: false }],
  ['force', 2_999n, { sat_per_vbyte: '0', target_conf: 0, force: true }],
] as const)(
  'LN-27 a %s close at %s sat/kvB never says where the coins go',
  async (how, rate, sent) => {
    hands.lnd().on(METHOD.close, closing);
    await manager().close({ outpoint: POINT, how, feerate: rate === null ? null : feerate(rate) });
    expect(hands.lnd().requests(METHOD.close).at(-1)).toMatchObject({
      ...sent,
      delivery_address: '',
      no_wait: false,
      channel_point: { output_index: 1 },
    });
  },
);

test.each<[string, Script, readonly string[], boolean]>([
  ['all of them', (call) => call.send({ chan_points: [POINT] }), [POINT], true],
  ['none where one should be', (call) => call.send({ chan_points: [] }), [POINT], false],
  ['another', (call) => call.send({ chan_points: [`${TXID}:2`] }), [POINT], false],
  ['one too many', (call) => call.send({ chan_points: [POINT, `${TXID}:2`] }), [POINT], false],
  ['nothing it can read', refused('invalid multi channel backup'), [POINT], false],
])(
  'LN-13 a backup is good only where the node finds inside %s',
  async (_, script, outpoints, good) => {
    hands.lnd().on(METHOD.verifyBackup, script);
    expect(await manager().verifyBackup({ multiHex: 'ab', outpoints })).toBe(good);
  },
);

test('LN-13 a backup that nobody could look at is not a bad one', async () => {
  hands.lnd().on(METHOD.verifyBackup, (call) => call.fail(UNAVAILABLE, 'gone'));
  await expect(manager().verifyBackup({ multiHex: 'ab', outpoints: [] })).rejects.toMatchObject({
    code: 'LND_UNREACHABLE',
  });
});

const POLICY = {
  time_lock_delta: 40,
  min_htlc: '1000',
  fee_base_msat: '1',
  fee_rate_milli_msat: '1',
  disabled: false,
  max_htlc_msat: '990000000',
  last_update: 1_700_000_000,
  inbound_fee_base_msat: -5,
  inbound_fee_rate_milli_msat: -7,
};

test('a channel that is not in the graph yet has no fees to set yet', async () => {
  hands.lnd().on('/lnrpc.Lightning/GetChanInfo', refused('edge not found'));
  await expect(
    manager().setChannelFees({ outpoint: POINT, baseMsat: msat(0n), ratePpm: 1 }),
  ).rejects.toMatchObject({ code: 'NOT_READY', retry: 'later' });
});

test('fees are set with all the rest of the policy as it was', async () => {
  hands.lnd().on('/lnrpc.Lightning/GetChanInfo', (call) =>
    call.send({
      channel_id: '1',
      chan_point: POINT,
      node1_pub: PEERS[0],
      node2_pub: NODE_KEY,
      capacity: '1000000',
      node1_policy: { ...POLICY, time_lock_delta: 144 },
      node2_policy: POLICY,
    }),
  );
  hands
    .lnd()
    .on('/lnrpc.Lightning/UpdateChannelPolicy', (call) => call.send({ failed_updates: [] }));
  await manager().setChannelFees({ outpoint: POINT, baseMsat: msat(0n), ratePpm: 250 });
  expect(hands.lnd().requests('/lnrpc.Lightning/UpdateChannelPolicy').at(-1)).toMatchObject({
    chan_point: { funding_txid_str: TXID, output_index: 1 },
    base_fee_msat: '0',
    fee_rate: 0.00025,
    time_lock_delta: 40,
    max_htlc_msat: '990000000',
    min_htlc_msat: '1000',
    min_htlc_msat_specified: true,
    inbound_fee: { base_fee_msat: -5, fee_rate_ppm: -7 },
  });
});
