/** A batch of channels on a real coordinator and a node in memory: pending first, then signatures, then the books. */
import { expect, test } from 'vitest';
import { outpointsOf } from '../operator/channels/channel-state.ts';
import { Failure } from '../policies/failure.ts';
import { ALPHA, BETA } from './channel-cases.ts';
import {
  asksToOpen,
  batchOf,
  type ChannelWorld,
  channelWorld,
  differences,
  driven,
  NO_DIFFERENCE,
  TWO,
} from './channel-world.ts';

function kinds(world: ChannelWorld): string[] {
  return world.events().map(({ kind }) => kind);
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'nothing';
  } catch (cause) {
    if (cause instanceof Failure) return cause.code;
    throw cause;
  }
}

test('two channels open in one transaction, and books, node and treasury agree to the msat', async () => {
  const world = await channelWorld();
  const asked = await world.service().open({ initiator: 'olga', channels: TWO });
  expect([asked.exit, batchOf(world).phase]).toEqual([0, 'attested']);
  await world.quorumSigns(batchOf(world).proposal?.proposalId ?? '');
  await world.rounds(1);
  expect(batchOf(world).phase).toBe('broadcast');
  await world.mine(3);
  await world.rounds(3);
  expect([world.trouble(), batchOf(world).phase]).toEqual([null, 'done']);
  expect(await differences(world)).toEqual(NO_DIFFERENCE);
  const closes = [...world.state().channels.open.values()].map((each) => each.closes);
  expect(closes).toEqual(['to_treasury', 'to_treasury']);
  await world.close();
});

test('LN-10 the pool gives its word only when the node lists every channel, and a backup holds them', async () => {
  const world = await channelWorld();
  world.lnd.moods.set(BETA, 'silent');
  await world.service().open({ initiator: 'olga', channels: TWO });
  const { proposalId = '' } = batchOf(world).proposal ?? {};
  const pending = () => world.desk.work.log.treasury().proposals.get(proposalId)?.pending ?? null;
  expect([batchOf(world).phase, pending()]).toEqual(['verified', null]);
  world.lnd.moods.set(BETA, 'signs');
  await world.rounds(1);
  expect(batchOf(world).phase).toBe('attested');
  expect(pending()).not.toBe(null);
  const order = kinds(world).filter((kind) => kind.startsWith('channel-'));
  expect(order.slice(-3)).toEqual([
    'channel-batch-pending',
    'channel-backup-stored',
    'channel-batch-attested',
  ]);
  await world.close();
});

test('LN-13 no word is given while the backup of the node lacks one of the channels', async () => {
  const world = await channelWorld();
  const backup = world.lnd.manager.backup.bind(world.lnd.manager);
  world.lnd.manager.backup = async () => {
    const whole = await backup();
    return { ...whole, outpoints: whole.outpoints.slice(1) };
  };
  await world.service().open({ initiator: 'olga', channels: TWO });
  expect(batchOf(world).phase).toBe('pending');
  expect(world.trouble()).toContain('backup does not hold');
  world.lnd.manager.backup = backup;
  await world.rounds(1);
  expect(batchOf(world).phase).toBe('attested');
  await world.close();
});

test('LN-13 a channel counts as backed up only by a backup made after it was active', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  await driven(world);
  const stored = kinds(world).lastIndexOf('channel-backup-stored');
  expect(stored).toBeGreaterThan(kinds(world).lastIndexOf('channel-opened'));
  expect([...world.state().channels.open.values()].map(({ backedUp }) => backedUp)).toEqual([
    true,
    true,
  ]);
  await world.close();
});

type Verdict = 'done' | 'aborted';
type Moment = Parameters<ChannelWorld['crashAt']>[0];

// What LND was asked without an answer that we kept is let go of; everything else goes on where it was.
test.each<[moment: Moment, verdict: Verdict]>([
  ['after channel-batch-planned', 'done'],
  ['after channel-funding-asking', 'aborted'],
  ['before-open-channels', 'aborted'],
  ['after-open-channels', 'aborted'],
  ['after channel-funding-asked', 'done'],
  ['before-propose', 'done'],
  ['after-propose', 'done'],
  ['after channel-batch-proposed', 'done'],
  ['before-verify', 'done'],
  ['after-verify', 'done'],
  ['after channel-batch-verified', 'done'],
  ['after channel-batch-pending', 'done'],
  ['after channel-backup-stored', 'done'],
  ['after channel-batch-attested', 'done'],
  ['before-word', 'done'],
  ['after-word', 'done'],
  ['after channel-batch-broadcast', 'done'],
  ['after channel-opened', 'done'],
  ['after channel-batch-done', 'done'],
])(
  'a crash %s ends %s, with one transaction or none, and the books right',
  async (moment, verdict) => {
    const world = await channelWorld();
    world.crashAt(moment);
    await asksToOpen(world);
    const batch = await driven(world);
    await world.rounds(2);
    expect(batchOf(world).phase).toBe(verdict);
    expect(world.desk.chain.sent).toEqual(verdict === 'done' ? [batch.proposal?.txid] : []);
    expect(await differences(world)).toEqual(NO_DIFFERENCE);
    await world.close();
  },
);

test('a proposal whose answer was lost is withdrawn before another one is made', async () => {
  const world = await channelWorld();
  world.crashAt('after-propose');
  await asksToOpen(world);
  await driven(world);
  const withdrawn = [...world.desk.work.log.treasury().proposals.values()].map((each) => [
    each.withdrawn !== null,
    each.pending !== null,
  ]);
  expect(withdrawn).toEqual([
    [true, false],
    [false, true],
  ]);
  await world.close();
});

test('LND that restarts before the channels are pending has forgotten them: the batch is let go', async () => {
  const world = await channelWorld();
  world.crashAt('before-verify');
  await asksToOpen(world);
  world.lnd.restart();
  const batch = await driven(world);
  expect([batch.phase, batch.abort?.why]).toEqual(['aborted', 'node_refused']);
  const [proposal] = world.desk.work.log.treasury().proposals.values();
  expect(proposal?.withdrawn).not.toBe(null);
  await world.close();
});

test('a peer that refuses ends it before anything is proposed, and is named', async () => {
  const world = await channelWorld();
  world.lnd.moods.set(BETA, 'refuses');
  const asked = await world.service().open({ initiator: 'olga', channels: TWO });
  expect([asked.exit, batchOf(world).phase]).toEqual([4, 'aborted']);
  expect(asked.text).toContain(BETA);
  expect(world.desk.work.log.treasury().proposals.size).toBe(0);
  await world.close();
});

test('a peer that never signs ends it in time, and what the other one signed is not just dropped', async () => {
  const world = await channelWorld();
  world.lnd.moods.set(BETA, 'silent');
  await asksToOpen(world);
  const alpha = world.lnd.held().map(({ outpoint }) => outpoint);
  expect(alpha).toHaveLength(1);
  world.clock.now += 9 * 60_000;
  await world.rounds(2);
  expect(batchOf(world)).toMatchObject({
    phase: 'conflicting',
    abort: { why: 'not_pending_in_time' },
  });
  expect(world.lnd.held().map(({ outpoint }) => outpoint)).toEqual(alpha);
  const batch = await driven(world);
  expect(batch.phase).toBe('aborted');
  expect(world.lnd.held()).toEqual([]);
  expect(world.desk.chain.sent).not.toContain(batch.proposal?.txid);
  await world.close();
});

test('what was pending is forgotten only when a conflict is six blocks deep by our own node', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  await world.service().abort({ batchId: batchOf(world).batchId, why: 'changed our mind' });
  expect(batchOf(world).phase).toBe('conflicting');
  const { cancelId = '' } = batchOf(world).abort ?? {};
  await world.quorumSigns(cancelId ?? '');
  const forgotten = () => world.lnd.calls.filter((call) => call.startsWith('forget')).length;
  for (let blocks = 1; blocks <= 5; blocks += 1) {
    await world.mine(1);
    await world.rounds(2);
    expect([blocks, forgotten()]).toEqual([blocks, 0]);
  }
  await world.mine(1);
  await world.rounds(2);
  expect([batchOf(world).phase, forgotten()]).toEqual(['aborted', 2]);
  expect(await differences(world)).toEqual(NO_DIFFERENCE);
  await world.close();
});

test('a block that is taken back before the node is told keeps the channels', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  await world.service().abort({ batchId: batchOf(world).batchId, why: 'changed our mind' });
  await world.quorumSigns(batchOf(world).abort?.cancelId ?? '');
  await world.mine(6);
  world.crashAt('after channel-conflict-buried');
  await expect(world.rounds(1)).rejects.toThrow('after channel-conflict-buried');
  world.restart();
  world.desk.chain.takeBack();
  await world.rounds(2);
  expect(world.lnd.calls.filter((call) => call.startsWith('forget'))).toEqual([]);
  await world.mine(2);
  await world.rounds(2);
  expect(batchOf(world).phase).toBe('aborted');
  await world.close();
});

test.each([0, 1, 2, 8])(
  'LN-9 a funding that the node refuses and lists as pending all the same, %s looks later, is not lost',
  async (looks) => {
    const world = await channelWorld();
    world.lnd.refusesAndGoesOn = looks;
    await asksToOpen(world);
    await world.rounds(4);
    expect(batchOf(world)).toMatchObject({ phase: 'conflicting', abort: { why: 'node_refused' } });
    expect(world.lnd.held()).toHaveLength(2);
    const batch = await driven(world);
    expect([batch.phase, world.lnd.held()]).toEqual(['aborted', []]);
    expect(world.desk.chain.sent).not.toContain(batch.proposal?.txid);
    await world.close();
  },
);

test('what somebody signed counts as published: it is not given up', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  const { batchId, proposal } = batchOf(world);
  await world.desk.contribute('ana', proposal?.proposalId ?? '');
  const abort = world.service().abort({ batchId, why: 'changed our mind' });
  expect(await codeOf(abort)).toBe('WRONG_STATE');
  expect(batchOf(world).phase).toBe('attested');
  await world.close();
});

test('the funding that gets out while it is given up is booked, and its channels are kept', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  const { batchId, proposal } = batchOf(world);
  await world.service().abort({ batchId, why: 'changed our mind' });
  // A quorum signed the funding and not the cancel.
  await world.desk.chain.broadcast(await signedBy(world, proposal?.proposalId ?? ''));
  await world.mine(3);
  await world.rounds(3);
  expect(batchOf(world).phase).toBe('done');
  expect(world.lnd.held()).toHaveLength(2);
  expect(await differences(world)).toEqual(NO_DIFFERENCE);
  await world.close();
});

/** The finished transaction, as a coordinator of a thief would have it. */
async function signedBy(world: ChannelWorld, proposalId: string): Promise<string> {
  const { finalizeTx, signaturesFromHex } = await import('../descriptors/signature.ts');
  const { spentCoins } = await import('../coordinator/collect.ts');
  const { spendOf } = await import('../coordinator/facts.ts');
  const { desk } = world;
  const state = desk.work.log.treasury().proposals.get(proposalId);
  if (state === undefined) throw new Error('no proposal');
  const vault = desk.work.vault();
  const { built } = spendOf(state, desk.work.situation());
  const signed = ['ana', 'cleo'].map((seatId) => ({
    seat: vault.seats.indexOf(seatId),
    signatures: signaturesFromHex(desk.signatures(seatId, proposalId)),
  }));
  return finalizeTx(built.unsignedTx, spentCoins(built, vault), signed, 2).rawTx;
}

test('a peer whose slot an earlier batch keeps busy is named when it refuses', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  const first = batchOf(world).batchId;
  await world.service().abort({ batchId: first, why: 'changed our mind' });
  await driven(world);
  world.lnd.moods.set(ALPHA, 'refuses');
  const asked = await world.service().open({ initiator: 'olga', channels: TWO });
  expect(asked.text).toContain(`${ALPHA} may count a channel of batch ${first.slice(0, 8)} still`);
  await world.close();
});

test('a batch that no quorum signs before its height is taken back', async () => {
  const world = await channelWorld();
  await asksToOpen(world);
  await world.mine(200);
  await world.rounds(1);
  expect(batchOf(world)).toMatchObject({ phase: 'conflicting', abort: { why: 'expired' } });
  expect(world.lnd.held().map(({ outpoint }) => outpoint)).toEqual(outpointsOf(batchOf(world)));
  await world.close();
});

test('nothing is concluded while the coordinator, bitcoind or the node is away', async () => {
  const world = await channelWorld();
  world.crashAt('before-propose');
  await asksToOpen(world);
  world.desk.chain.away = new Failure('BITCOIND_UNREACHABLE', 'away');
  await world.rounds(3);
  world.desk.chain.away = null;
  world.lnd.away = new Failure('LND_UNREACHABLE', 'away');
  await world.rounds(3);
  expect(batchOf(world).phase).toBe('funded');
  world.lnd.away = null;
  await driven(world);
  expect(batchOf(world).phase).toBe('done');
  await world.close();
});
