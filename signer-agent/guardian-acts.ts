/** What a guardian does through the own agent: yes, no, a device's signatures, stop and go, freeze. */
import { parsePreviousTx, txidOf } from '../descriptors/previous-tx.ts';
import { standardPsbt } from '../descriptors/proposal-psbt.ts';
import {
  decodePsbt,
  PREVIOUS_TXS_BYTES_MAX,
  PSBT_BYTES_MAX,
  psbtBytes,
} from '../descriptors/psbt.ts';
import { seatSignaturesIn } from '../descriptors/signature.ts';
import { Failure } from '../policies/failure.ts';
import { type Approval, proposalTxid } from '../policies/proposal.ts';
import type { Reason } from '../policies/reason.ts';
import { requireStatement } from '../policies/statement.ts';
import type { ProposalState } from '../policies/treasury.ts';
import { judgeDecision } from './authorization-act.ts';
import { act, type Judged, refuse, signElsewhere } from './decide.ts';
import type { Judgement } from './judgement.ts';
import { isSettled, mayHaveForgotten } from './memory.ts';
import { requireWallet, type Session } from './session.ts';
import { judged } from './worker.ts';

/**
 * Takes a guardian's yes: checked against the own approval key and judged once more, so that nobody can
 * approve what this agent refuses.
 *
 * @throws Failure SIGNATURE_INVALID, WRONG_STATE, NOT_FOUND, REQUEST_REFUSED naming the failed rows.
 */
export async function approveHere(session: Session, value: Approval): Promise<void> {
  const { engine } = session;
  const { body } = value;
  const state = engine.state();
  const { treasuryId, network } = engine.trust();
  requireStatement('approval', value, state.keyRecord?.body.approvalKey ?? '');
  const here = body.treasuryId === treasuryId && body.network === network;
  if (!here || body.role !== 'guardian' || body.signerId !== engine.seatId()) {
    throw new Failure('SIGNATURE_INVALID', 'the approval is not this guardian’s, or not for here');
  }
  if (body.decision !== 'approve') {
    throw new Failure('WRONG_STATE', 'say no with refuse: it is final');
  }
  if (state.refused.has(body.subject) || state.never.has(body.subject)) {
    throw new Failure('WRONG_STATE', 'this agent refused that id, for good');
  }
  const proposal = state.treasury.proposals.get(body.subject);
  if (proposal === undefined) await approveDecision(session, value);
  else await approveSpend(session, value, proposal);
}

/** A guardian's no: final for this id. @throws Failure WRONG_STATE when this agent's word is given. */
export async function refuseHere(session: Session, id: string, note: string): Promise<void> {
  const { engine } = session;
  await engine.inTurn(async () => {
    const state = engine.state();
    if (state.refused.has(id)) return;
    if (isSettled(state, id)) {
      throw new Failure('WRONG_STATE', 'this agent signed that already: ask for a cancel instead');
    }
    const { proposals, authorizations } = state.treasury;
    const subject = proposals.get(id)?.proposal ?? authorizations.get(id)?.authorization;
    if (subject === undefined) throw new Failure('NOT_FOUND', `nothing has the id ${id}`);
    const tipHeight = (await session.chain([]).catch(() => null))?.tipHeight ?? null;
    const spend = proposals.get(id);
    if (spend !== undefined && mayHaveForgotten(state, spend.entrySeq, tipHeight)) {
      throw new Failure('NOT_READY', 'this agent may have signed that before it was restored');
    }
    const { initiator } = subject;
    await refuse(session, id, {
      by: 'guardian',
      initiator,
      codes: ['W-APP-REJECTED'],
      note,
      tipHeight,
    });
  });
}

/**
 * The proposal as any standard signer reads it (BIP-174), previous transactions embedded. On a device's seat
 * its coins are bound from here on: once the file is out, a signature may exist.
 *
 * @throws Failure NOT_FOUND, REQUEST_REFUSED, NOT_READY for channels that are not pending yet.
 */
export async function exportPsbt(session: Session, id: string): Promise<Uint8Array> {
  const state = spendOf(session, id);
  const { judgement, parcel } = await judged(session, state);
  if (judgement.decision === 'refuse') throw refusedBy(judgement.reasons);
  if (session.engine.parts.keystore.holder === 'device') {
    requirePending(judgement);
    await bindExported(session, id);
  }
  const deriver = session.deriver();
  const places = judgement.inputs.map(({ branch, index }) => deriver.at(branch, index));
  const previous = parcel.previousTxs.map((raw) => parsePreviousTx(raw));
  return standardPsbt(
    decodePsbt(parcel.psbt),
    new Map(previous.map((each) => [each.txid, each])),
    deriver,
    places,
  );
}

/** G9: a device signs whatever it is given, so nothing is given to it before its channels are pending. */
function requirePending({ reasons }: Judgement): void {
  const missing = reasons.find(
    ({ code }) => code === 'W-LN-ATTESTATION' || code === 'W-LN-NOT-PENDING',
  );
  if (missing === undefined) return;
  throw new Failure('NOT_READY', `not yet: ${missing.code} ${missing.detail}`);
}

async function bindExported({ engine }: Session, id: string): Promise<void> {
  await engine.inTurn(async () => {
    const state = engine.state();
    const target = state.treasury.proposals.get(id);
    if (target === undefined || state.exported.has(id)) return;
    if (state.refused.has(id) || state.never.has(id)) {
      throw new Failure('WRONG_STATE', 'this agent refused that id, for good');
    }
    const outpoints = target.proposal.prevouts.map(({ outpoint }) => outpoint);
    await engine.record([{ kind: 'exported', proposalId: id, root: target.root, outpoints }]);
  });
}

/**
 * Signatures that this seat's device made. The proposal is found by its transaction and judged again.
 *
 * @throws Failure NOT_FOUND, SIGNATURE_INVALID, NOT_READY while approvals are missing, REQUEST_REFUSED
 */
export async function importPsbtFile(session: Session, base64: string): Promise<string> {
  const { engine } = session;
  const psbt = decodePsbt(psbtBytes(base64), PSBT_BYTES_MAX + PREVIOUS_TXS_BYTES_MAX);
  const txid = txidOf(psbt.unsignedTx);
  const target = [...engine.state().treasury.proposals.values()].find(
    ({ proposal }) => proposalTxid(proposal) === txid,
  );
  if (target === undefined) throw new Failure('NOT_FOUND', `no proposal makes transaction ${txid}`);
  await session.parcel(target.id);
  await engine.inTurn(async () => {
    if (isSettled(engine.state(), target.id)) {
      throw new Failure('WRONG_STATE', 'this agent’s word on that proposal is given');
    }
    const state = spendOf(session, target.id);
    const found = await judged(session, state);
    const { decision, reasons, inputs } = found.judgement;
    if (decision === 'refuse') throw refusedBy(reasons);
    if (decision !== 'sign') {
      const first = reasons[0];
      throw new Failure('NOT_READY', `not yet: ${first?.code ?? ''} ${first?.detail ?? ''}`);
    }
    const deriver = session.deriver();
    const coins = inputs.map(({ amountSat, branch, index }) => ({
      amountSat,
      place: deriver.at(branch, index),
    }));
    const { record, seatId } = requireWallet(session.pinned());
    const seat = record.keyRecords.findIndex(({ body }) => body.seatId === seatId);
    const signatures = seatSignaturesIn(psbt.inputs, coins, seat);
    if (signatures === null) {
      throw new Failure('SIGNATURE_INVALID', 'not every input is signed by this seat’s key');
    }
    await signElsewhere(session, state, found, signatures);
  });
  return target.id;
}

/** Stops this agent's automatic hand at once. */
export async function tripHere(session: Session): Promise<void> {
  const { engine } = session;
  const tipHeight = (await session.chain([]).catch(() => null))?.tipHeight ?? null;
  await engine.inTurn(() =>
    engine.record([
      {
        kind: 'automation',
        state: 'tripped',
        why: 'tripped by its guardian',
        height: tipHeight,
        nonce: null,
      },
    ]),
  );
}

/**
 * Lets the automatic hand go on: after a trip at once, after refusals from here on, after a restore late.
 *
 * @throws Failure NOT_READY for a locked agent whose node does not answer.
 */
export async function unlockHere(session: Session): Promise<void> {
  const { engine } = session;
  const tip = (await session.chain([]).catch(() => null))?.tipHeight ?? null;
  await engine.inTurn(async () => {
    const { automation } = engine.state();
    if (automation.state === 'locked') {
      // From which height all windows count as full: without one they would be over at once.
      if (tip === null) throw new Failure('NOT_READY', 'the own node does not say the height now');
      await engine.record([{ kind: 'unlocked-here', height: tip }]);
      return;
    }
    const tipHeight = tip ?? 0;
    const on = {
      kind: 'automation',
      state: 'on',
      why: 'by its guardian',
      height: tipHeight,
      nonce: null,
    } as const;
    await engine.record([on, { kind: 'pause-cleared', height: tipHeight }]);
  });
}

/** @throws Failure NOT_FOUND */
export function spendOf(session: Session, id: string): ProposalState {
  const state = session.engine.state().treasury.proposals.get(id);
  if (state === undefined) throw new Failure('NOT_FOUND', `there is no proposal ${id}`);
  return state;
}

async function approveSpend(
  session: Session,
  value: Approval,
  state: ProposalState,
): Promise<void> {
  const { engine } = session;
  const { body } = value;
  const { proposal, id } = state;
  if (body.txid !== proposalTxid(proposal) || body.policyHash !== proposal.policyHash) {
    throw new Failure('SIGNATURE_INVALID', 'the approval names another transaction or policy');
  }
  await session.parcel(id);
  await engine.inTurn(async () => {
    const before = await judged(session, spendOf(session, id));
    if (before.judgement.decision === 'refuse' && !isSettled(engine.state(), id)) {
      await act(session, state, before);
      throw refusedBy(before.judgement.reasons);
    }
    await engine.record([{ kind: 'approved-here', approval: value }]);
    if (isSettled(engine.state(), id)) return;
    const after: Judged = await judged(session, spendOf(session, id));
    await act(session, spendOf(session, id), after);
  });
}

async function approveDecision(session: Session, value: Approval): Promise<void> {
  const { engine } = session;
  const { body } = value;
  const asked = engine.state().treasury.authorizations.get(body.subject);
  if (asked === undefined) throw new Failure('NOT_FOUND', `nothing has the id ${body.subject}`);
  if (body.txid !== null || body.policyHash !== asked.authorization.policyHash) {
    throw new Failure('SIGNATURE_INVALID', 'the approval names a transaction or another policy');
  }
  await engine.inTurn(async () => {
    const { decision, reasons } = await judgeDecision(session, asked);
    if (decision === 'refuse') throw refusedBy(reasons);
    await engine.record([{ kind: 'approved-here', approval: value }]);
  });
}

function refusedBy(reasons: readonly Reason[]): Failure {
  const rows = reasons.map(({ code, detail }) => `${code} ${detail}`).join('; ');
  return new Failure('REQUEST_REFUSED', `this agent refuses it: ${rows}`);
}
