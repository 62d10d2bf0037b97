/** Attacks on an agent's memory: a trip undone from outside, an unlock without a look, a word it cannot give. */
import { expect, test } from 'vitest';
import { signStatement } from '../policies/statement.ts';
import { memoryFor } from '../signer-agent/decide.ts';
import { refuseHere, tripHere, unlockHere } from '../signer-agent/guardian-acts.ts';
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
