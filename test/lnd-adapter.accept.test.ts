/** Peers that open to us, at a scripted LND: accepted by rules, with an address of the treasury, or refused. */
import { expect, test } from 'vitest';
import { openChannelManager } from '../operator/adapters/lnd/channel-manager.ts';
import type { ChannelManager, InboundRules } from '../operator/lightning.ts';
import { sat } from '../policies/units.ts';
import { until } from '../regtest/wait.ts';
import { scriptedHands } from './scripted-hands.ts';
import { METHOD, type Message, type ScriptedCall } from './scripted-lnd.ts';

const hands = scriptedHands();
const WAIT_MS = 10_000;
const PEERS = ['02', '03'].map((first) => `${first}${'22'.repeat(32)}`) as [string, string];

function manager(): ChannelManager {
  const connection = hands.connection();
  return openChannelManager({ channels: connection, closer: connection, backup: connection });
}

const RULES: InboundRules = {
  peers: [{ node: PEERS[0], minSat: sat(100_000n), maxSat: sat(500_000n) }],
  closeAddressFor: () => Promise.resolve('bcrt1qtreasury'),
};

function openRequest(more: Message = {}): Message {
  return {
    node_pubkey: Buffer.from(PEERS[0], 'hex'),
    chain_hash: Buffer.alloc(32),
    pending_chan_id: Buffer.alloc(32, 9),
    funding_amt: '200000',
    push_amt: '0',
    channel_flags: 1,
    wants_zero_conf: false,
    ...more,
  };
}

/** What a peer is told. */
async function answerTo(request: Message, rules: InboundRules = RULES): Promise<Message> {
  const stop = new AbortController();
  const told = new Promise<Message>((resolve) => {
    hands.lnd().on(METHOD.acceptor, (call) => {
      call.onWord(resolve);
      call.send(request);
    });
  });
  const accepting = manager().accept(rules, stop.signal);
  const answer = await told;
  stop.abort();
  await accepting;
  return answer;
}

test('LN-25 a listed peer opens, and closes to an address of the treasury', async () => {
  expect(await answerTo(openRequest())).toMatchObject({
    accept: true,
    pending_chan_id: Buffer.alloc(32, 9),
    upfront_shutdown: 'bcrt1qtreasury',
    zero_conf: false,
  });
});

test.each<[string, Message, Partial<InboundRules>, string]>([
  ['not listed', { node_pubkey: Buffer.from(PEERS[1], 'hex') }, {}, 'listed peers'],
  ['too small', { funding_amt: '99999' }, {}, 'below'],
  ['too large', { funding_amt: '500001' }, {}, 'above'],
  ['with a gift of a millisatoshi', { push_amt: '1' }, {}, 'gifts'],
  ['on trust', { wants_zero_conf: true }, {}, 'confirmations'],
  ['private', { channel_flags: 0 }, {}, 'announced'],
  ['while there is no address', {}, { closeAddressFor: () => Promise.resolve(null) }, 'now'],
])('LN-25 a channel that is %s is refused', async (_, request, rules, why) => {
  const answer = await answerTo(openRequest(request), { ...RULES, ...rules });
  expect(answer).toMatchObject({ accept: false, error: expect.stringContaining(why) });
});

test('an acceptor whose connection breaks says so, and one that is stopped just ends', async () => {
  let open: ScriptedCall | undefined;
  hands.lnd().on(METHOD.acceptor, (call) => {
    open = call;
  });
  const accepting = manager()
    .accept(RULES, new AbortController().signal)
    .catch((cause: unknown) => cause);
  await until('somebody to listen', () => open, WAIT_MS);
  hands.lnd().cut();
  expect(await accepting).toMatchObject({ code: 'LND_UNREACHABLE' });
  const stop = new AbortController();
  stop.abort();
  await manager().accept(RULES, stop.signal);
});

test('an address that cannot be put on record accepts nothing and is told to who listens', async () => {
  const broken = new Error('journal');
  const rules = { ...RULES, closeAddressFor: () => Promise.reject(broken) };
  hands.lnd().on(METHOD.acceptor, (call) => call.send(openRequest()));
  await expect(manager().accept(rules, new AbortController().signal)).rejects.toBe(broken);
});
