/** An agent that looks at the pool's Lightning node, as it runs: it waits, signs once, and stops when it was lied to. */
import { expect, test } from 'vitest';
import { Failure } from '../policies/failure.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { openEngine } from '../signer-agent/engine.ts';
import { exportPsbt, unlockHere } from '../signer-agent/guardian-acts.ts';
import type { ActiveChannelSeen, PendingChannelSeen } from '../signer-agent/lightning-view.ts';
import { lookAt, lookAtStatus } from '../signer-agent/looks.ts';
import { agentOfAna, type RunningAgent } from './adversary-agent.ts';
import { pend } from './channel-cases.ts';
import {
  type Opened,
  openScenario,
  pendingChannels,
  pendingOpen,
  proposedOpen,
} from './hostile-channel.ts';
import type { JudgeScenario } from './judge-scenario.ts';
import { TIP } from './spend-scenario.ts';

/** The pool's node in a test's hand. */
interface Node {
  is: 'up' | 'silent';
  pending: PendingChannelSeen[];
  active: ActiveChannelSeen[];
  looks: number;
}

const SILENT = new Failure('LND_UNREACHABLE', 'the Lightning node does not answer');

async function agentThatLooks(
  s: JudgeScenario,
  opened: Opened,
  holder: 'here' | 'device' = 'here',
) {
  const ana = await agentOfAna(s, { holder });
  ana.hands.parcels.set(opened.id, opened);
  const node: Node = { is: 'up', pending: [], active: [], looks: 0 };
  const answer = <T>(value: () => T): Promise<T> =>
    node.is === 'silent' ? Promise.reject(SILENT) : Promise.resolve(value());
  ana.engine.parts.lightning = {
    identity: () => answer(() => ({ publicKey: `02${'ab'.repeat(32)}`, genesisHash: null })),
    pendingChannels: () => answer(() => node.pending),
    activeChannels() {
      node.looks += 1;
      return answer(() => node.active);
    },
  };
  return { ana, node };
}

/** The transaction is in a block, and the log says so. */
function confirmed(s: JudgeScenario, { ana }: { ana: RunningAgent }, opened: Opened): void {
  const txid = proposalTxid(opened.proposal);
  const outpoints = opened.proposal.prevouts.map(({ outpoint }) => outpoint);
  ana.hands.chain = { spends: [{ txid, height: TIP, outpoints }] };
  const place = { in: 'block', height: TIP, blockHash: 'aa'.repeat(32) } as const;
  s.t.append({ kind: 'tx-seen', proposalId: opened.id, place });
}

function activeOf(s: JudgeScenario, opened: Opened, closeAddress?: string): ActiveChannelSeen[] {
  return pendingChannels(opened).map(({ outpoint, peer, capacitySat }, at) => ({
    outpoint,
    peer,
    capacitySat,
    closeAddress:
      at === 0 && closeAddress !== undefined ? closeAddress : s.deriver.address(0, 10 + at),
  }));
}

/** The same journal, read from its beginning as at a start. */
async function restarted({ engine }: RunningAgent) {
  return (await openEngine(engine.parts)).state();
}

test('G1 waits for the pool’s word and for its own look, and signs when both are there', async () => {
  const s = openScenario();
  const opened = proposedOpen(s);
  const { ana, node } = await agentThatLooks(s, opened);
  await ana.round();
  node.pending = pendingChannels(opened);
  await ana.round();
  expect(ana.words()).toEqual([]);
  pend(s, opened);
  node.pending = [];
  await ana.round();
  node.is = 'silent';
  await ana.round();
  expect(ana.words()).toEqual([]);
  expect([...ana.session.troubles]).toMatchObject([
    ['Lightning node', { code: 'LND_UNREACHABLE' }],
  ]);
  node.is = 'up';
  node.pending = pendingChannels(opened);
  await ana.round();
  expect(ana.words()).toEqual(['signed']);
  expect(ana.session.troubles.size).toBe(0);
});

test('G1 without a look asks its guardian, whose screen says that it is a claim', async () => {
  const s = openScenario();
  const opened = pendingOpen(s);
  const { ana } = await agentThatLooks(s, opened);
  ana.engine.parts.lightning = null;
  await ana.round();
  expect(ana.words()).toEqual(['asks']);
  const { text } = await lookAt(ana.session, opened.id);
  expect(text).toContain('This agent looks at no Lightning node');
  expect(text).toContain('W-LN-UNSEEN');
});

test('G9 keeps a signature that is made when a channel is gone before it leaves', async () => {
  const s = openScenario();
  const opened = pendingOpen(s);
  const { ana, node } = await agentThatLooks(s, opened);
  node.pending = pendingChannels(opened);
  ana.engine.parts.crashPoint = (moment) => {
    if (moment === 'before-sign') node.pending = [];
  };
  await ana.round();
  expect(ana.words()).toEqual([]);
  expect(ana.engine.state().released.size).toBe(0);
  ana.engine.parts.crashPoint = () => undefined;
  node.pending = pendingChannels(opened);
  await ana.round();
  expect(ana.words()).toEqual(['signed']);
});

test('G9 gives a device nothing to sign before every channel is pending', async () => {
  const s = openScenario();
  const opened = proposedOpen(s);
  const { ana, node } = await agentThatLooks(s, opened, 'device');
  node.pending = pendingChannels(opened);
  await ana.round();
  const early = exportPsbt(ana.session, opened.id);
  await expect(early).rejects.toMatchObject({ code: 'NOT_READY' });
  expect(ana.engine.state().exported.size).toBe(0);
  pend(s, opened);
  node.pending = [];
  await ana.round();
  await expect(exportPsbt(ana.session, opened.id)).rejects.toMatchObject({ code: 'NOT_READY' });
  node.pending = pendingChannels(opened);
  expect((await exportPsbt(ana.session, opened.id)).length).toBeGreaterThan(0);
  expect([...ana.engine.state().exported]).toEqual([opened.id]);
});

test('a withdrawn open is neither signed nor held against who asked for it', async () => {
  const s = openScenario();
  const opened = proposedOpen(s);
  const { ana, node } = await agentThatLooks(s, opened);
  node.pending = pendingChannels(opened);
  s.t.append({ kind: 'withdrawn', proposalId: opened.id, why: 'a peer said no' });
  // Nor looked at: what nobody gives out any more troubles nobody.
  ana.hands.parcels.clear();
  await ana.round();
  expect(ana.session.troubles.size).toBe(0);
  expect(ana.words()).toEqual([]);
  expect(ana.engine.state().refused.size).toBe(0);
});

test('G4 looks once at a channel that closes as approved, and goes on', async () => {
  const s = openScenario();
  const opened = pendingOpen(s);
  const { ana, node } = await agentThatLooks(s, opened);
  confirmed(s, { ana }, opened);
  await ana.round();
  expect(ana.engine.state().channelsChecked.size).toBe(0);
  node.active = activeOf(s, opened);
  ana.hands.chain = { ...ana.hands.chain, tipHash: 'bb'.repeat(32) };
  await ana.round();
  expect([...ana.engine.state().channelsChecked.values()]).toEqual(['as-approved', 'as-approved']);
  const { looks } = node;
  ana.hands.chain = { ...ana.hands.chain, tipHash: 'cc'.repeat(32) };
  await ana.round();
  expect(node.looks).toBe(looks);
  expect(ana.engine.state().automation.state).toBe('on');
});

test('G4 freezes when an active channel closes elsewhere, tells, stays frozen, and lets its guardian go on', async () => {
  const s = openScenario();
  const opened = pendingOpen(s);
  const { ana, node } = await agentThatLooks(s, opened);
  confirmed(s, { ana }, opened);
  node.active = activeOf(s, opened, 'bcrt1qsomebodyelse');
  await ana.round();
  expect(ana.hands.told).toContain('alarm');
  const { text } = await lookAtStatus(ana.session);
  expect(text).toContain('TRIPPED: W-LN-SHUTDOWN');
  expect(text).toContain('bcrt1qsomebodyelse');
  const kept = await restarted(ana);
  expect(kept.automation).toMatchObject({ state: 'tripped', tripped: 'yes' });
  expect([...kept.channelsChecked.values()]).toEqual(['another', 'as-approved']);
  const batch = s.batch(s.orders(100_000n), { coins: s.coins.slice(1, 2), change: { index: 1 } });
  ana.hands.parcels.set(batch.id, batch);
  await ana.round();
  expect(ana.engine.state().released.has(batch.id)).toBe(false);
  await unlockHere(ana.session);
  await ana.round();
  expect(ana.engine.state().automation.state).toBe('on');
  expect(ana.engine.state().released.has(batch.id)).toBe(true);
});

test('G4 freezes when an active channel may close to any address', async () => {
  const s = openScenario();
  const opened = pendingOpen(s);
  const { ana, node } = await agentThatLooks(s, opened);
  confirmed(s, { ana }, opened);
  node.active = activeOf(s, opened).map((each) => ({ ...each, closeAddress: null }));
  await ana.round();
  expect(ana.engine.state().automation).toMatchObject({ state: 'tripped' });
  expect(ana.engine.state().alarms.map(({ code }) => code)).toContain('W-LN-SHUTDOWN');
});

test('G4 finds a channel by its own node when the coordinator keeps quiet about the transaction', async () => {
  const s = openScenario();
  const opened = pendingOpen(s);
  const { ana, node } = await agentThatLooks(s, opened);
  const outpoints = opened.proposal.prevouts.map(({ outpoint }) => outpoint);
  const txid = proposalTxid(opened.proposal);
  ana.hands.chain = { spends: [{ txid, height: TIP, outpoints }] };
  node.active = activeOf(s, opened, 'bcrt1qsomebodyelse');
  await ana.round();
  expect(ana.engine.state().automation.state).toBe('tripped');
});
