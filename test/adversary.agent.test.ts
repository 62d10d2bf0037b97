/** Attacks on an agent's memory: a trip undone from outside, an unlock without a look, a word it cannot give. */
import { expect, test } from 'vitest';
import { EXIT } from '../console/exit-code.ts';
import { Failure } from '../policies/failure.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { signStatement } from '../policies/statement.ts';
import { memoryFor } from '../signer-agent/decide.ts';
import { followOnce } from '../signer-agent/follower.ts';
import { exportPsbt, refuseHere, tripHere, unlockHere } from '../signer-agent/guardian-acts.ts';
import { localService } from '../signer-agent/local-service.ts';
import { lookAt, lookAtAddress, lookAtPending } from '../signer-agent/looks.ts';
import type { OwnEvent } from '../signer-agent/own-event.ts';
import { agentOfAna, type RunningAgent } from './adversary-agent.ts';
import { validBatch } from './hostile-spend.ts';
import { hashOf, type JudgeScenario, judgeScenario } from './judge-scenario.ts';
import { TIP } from './spend-scenario.ts';
import { secretOf } from './treasury-scenario.ts';

const LOCKED: OwnEvent = {
  kind: 'automation',
  state: 'locked',
  why: 'restored',
  height: null,
  nonce: hashOf('random'),
};
const handOf = ({ session }: RunningAgent, tip = TIP) =>
  memoryFor(session, 'queue', tip).automation;

/** Every peer says which log it has, to this agent's question. */
function fresh({ t }: JudgeScenario) {
  return ['ben', 'cleo'].map((seatId) =>
    signStatement(
      'freshness',
      {
        treasuryId: t.id,
        network: t.params.network,
        seatId,
        askingSeatId: 'ana',
        nonce: hashOf('random'),
        seq: t.treasury.seq,
        hash: t.treasury.hash,
      },
      secretOf(`${seatId} identity`),
      new Uint8Array(32),
    ),
  );
}

/** What a lying coordinator logs: signatures that this seat never made. */
function inventedSignature(s: JudgeScenario): void {
  const batch = validBatch(s);
  const contribution = {
    proposalId: batch.id,
    seatId: 'ana',
    round: 1,
    scheme: 'wsh-ecdsa',
    signatures: ['30'.repeat(9)],
  } as const;
  s.t.append({
    kind: 'contributed',
    contribution: { ...contribution, signatures: [...contribution.signatures] },
  });
}

test('signs a batch that is in order, by itself', async () => {
  const s = judgeScenario();
  const batch = validBatch(s);
  const ana = await agentOfAna(s);
  ana.hands.parcels.set(batch.id, batch);
  await ana.round();
  expect(ana.words()).toEqual(['signed']);
});

test('stays tripped when a lie in the log locks it and peers then prove it fresh', async () => {
  const s = judgeScenario();
  const ana = await agentOfAna(s);
  await ana.round();
  await tripHere(ana.session);
  inventedSignature(s);
  await ana.round();
  expect(handOf(ana)).toBe('locked');
  ana.hands.freshness = fresh(s);
  await ana.round();
  expect(handOf(ana)).toBe('tripped');
});

test('stays locked when its guardian trips it and lets it go on', async () => {
  const s = judgeScenario();
  const ana = await agentOfAna(s, { first: [LOCKED] });
  await tripHere(ana.session);
  await unlockHere(ana.session);
  expect(handOf(ana)).toBe('locked');
});

test('refuses to unlock while its own node does not say at which height', async () => {
  const s = judgeScenario();
  const ana = await agentOfAna(s, { first: [LOCKED] });
  ana.hands.node = 'down';
  await expect(unlockHere(ana.session)).rejects.toMatchObject({ code: 'NOT_READY' });
  expect(handOf(ana)).toBe('locked');
});

test('gives no final word while it may have forgotten what it signed', async () => {
  const s = judgeScenario();
  const batch = validBatch(s);
  const ana = await agentOfAna(s, { first: [LOCKED] });
  ana.hands.parcels.set(batch.id, batch);
  ana.hands.chain = { tipHeight: TIP + 101 };
  await ana.round();
  expect(ana.words()).toEqual([]);
  await expect(refuseHere(ana.session, batch.id, '')).rejects.toMatchObject({ code: 'NOT_READY' });
});

test('promises nothing about a spend that it gave to its device to sign', async () => {
  const s = judgeScenario();
  const batch = validBatch(s);
  const ana = await agentOfAna(s, { holder: 'device' });
  ana.hands.parcels.set(batch.id, batch);
  await ana.round();
  expect((await exportPsbt(ana.session, batch.id)).length).toBeGreaterThan(100);
  // The signed file may lie anywhere: what it binds is free only once the chain says so.
  ana.hands.chain = { tipHeight: TIP + 101 };
  await ana.round();
  expect(ana.words()).not.toContain('never');
  expect(ana.words()).not.toContain('refused');
  s.t.append(s.t.verdict('ben', batch.id, 'never'));
  s.t.append(s.t.verdict('cleo', batch.id, 'never'));
  const { intent } = batch.proposal;
  if (intent.kind !== 'withdrawal_batch') throw new Error('a batch');
  const coin = s.coins[1];
  if (coin === undefined) throw new Error('a treasury of several coins');
  const again = s.batch(intent.orders, { coins: [coin] });
  ana.hands.parcels.set(again.id, again);
  ana.hands.chain = {};
  await ana.round();
  expect(ana.words().at(-1)).toBe('refused');
  await expect(exportPsbt(ana.session, again.id)).rejects.toThrow('W-OUT-PAID-BEFORE');
});

test('shows what waits although the coordinator holds one parcel back', async () => {
  const s = judgeScenario();
  const hidden = validBatch(s);
  const ana = await agentOfAna(s);
  await ana.round();
  const { json } = await lookAtPending(ana.session);
  expect(json).toMatchObject([{ id: hidden.id, decision: 'not-judged' }]);
});

test('shows no address and exports no wallet that its own secret does not vouch for', async () => {
  const s = judgeScenario();
  const { wallet } = s.t;
  const confirmation = s.t.treasury.seats.get('ana')?.confirmation ?? null;
  if (confirmation === null) throw new Error('the ceremony is over');
  const forged: OwnEvent = { kind: 'pinned', record: wallet, mac: hashOf('forged'), confirmation };
  const ana = await agentOfAna(s, { first: [forged] });
  await ana.round();
  await expect(lookAtAddress(ana.session, 0)).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
  const service = localService(ana.session, () => undefined);
  await expect(service.exportWallet('core')).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
});

test('shows no address that is so far out that the policy would never spend from it', async () => {
  const s = judgeScenario();
  const ana = await agentOfAna(s);
  await ana.round();
  expect((await lookAtAddress(ana.session, 150)).exit).toBe(0);
  await expect(lookAtAddress(ana.session, 1_000_000)).rejects.toMatchObject({
    code: 'INPUT_INVALID',
  });
});

test('exports no wallet that not every guardian confirmed', async () => {
  const s = judgeScenario();
  const at = s.t.entries.findIndex(({ body }) => body.kind === 'wallet-recorded');
  s.t.entries.length = at + 1;
  const ana = await agentOfAna(s);
  await ana.round();
  const service = localService(ana.session, () => undefined);
  await expect(service.exportWallet('core')).rejects.toMatchObject({ code: 'NOT_READY' });
});

test('tells its guardian a few things in a round, however many the coordinator logs', async () => {
  const s = judgeScenario();
  const ana = await agentOfAna(s);
  for (let n = 0; n < 30; n += 1) {
    const authorization = {
      schema: 'weir.authorization/v1' as const,
      treasuryId: s.t.id,
      network: s.t.params.network,
      seq: s.t.treasury.seq + 1,
      epoch: 1,
      policyHash: s.t.params.policyHash,
      expiryHeight: TIP + 100,
      initiator: 'olga',
      intent: { kind: 'breaker' as const, action: 'trip' as const },
    };
    s.t.append({ kind: 'authorization-proposed', authorization });
  }
  await ana.round();
  expect(ana.hands.told).toHaveLength(5);
  await ana.round();
  expect(ana.hands.told).toHaveLength(10);
});

test('signs nothing that its guardian approved before stopping it', async () => {
  const s = judgeScenario();
  const ana = await agentOfAna(s);
  const batch = validBatch(s);
  ana.hands.parcels.set(batch.id, batch);
  const subject = { id: batch.id, proposal: batch.proposal, txid: proposalTxid(batch.proposal) };
  const approval = s.t.approval('ana', 'guardian', subject);
  s.t.append({ kind: 'approval', approval });
  await ana.engine.record([{ kind: 'approved-here', approval }]);
  await tripHere(ana.session);
  await ana.round();
  expect(ana.words()).toEqual(['asks']);
  await unlockHere(ana.session);
  await ana.round();
  expect(ana.words()).toContain('signed');
});

test('a review judges one moment, though the log goes on while the node is asked', async () => {
  const s = judgeScenario();
  const ana = await agentOfAna(s);
  const batch = validBatch(s);
  ana.hands.parcels.set(batch.id, batch);
  await followOnce(ana.session, 0);
  const asked = ana.session.chain.bind(ana.session);
  let isFirst = true;
  ana.session.chain = async (outpoints) => {
    const view = await asked(outpoints);
    if (isFirst) {
      isFirst = false;
      s.t.append(s.t.verdict('ben', batch.id, 'asks'));
      await followOnce(ana.session, 0);
    }
    return view;
  };
  const review = await lookAt(ana.session, batch.id);
  expect(ana.engine.state().treasury.seq).toBe(s.t.treasury.seq);
  expect(review.exit).not.toBe(EXIT.refused);
  expect(review.approves).toMatchObject({ subject: batch.id });
});

test('goes on after a node that is away, and stops when its journal does not take what it did', async () => {
  const s = judgeScenario();
  const ana = await agentOfAna(s);
  const batch = validBatch(s);
  ana.hands.parcels.set(batch.id, batch);
  ana.hands.node = 'down';
  await ana.round();
  expect([...ana.session.troubles.keys()]).toContain('own node');
  ana.hands.node = 'up';
  ana.engine.parts.journal.append = () =>
    Promise.reject(new Failure('JOURNAL_LOCKED', 'the disk is full'));
  await expect(ana.round()).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' });
  expect(ana.words()).toEqual([]);
});
