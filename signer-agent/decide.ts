/**
 * From a judgement to what is written down and sent: refuse, ask, or reserve, sign and release, in that
 * order, each step durable before the next. Called in the agent's turn only.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { firstFault, type SpentCoin } from '../descriptors/signature.ts';
import { taggedHashHex } from '../policies/canonical-json.ts';
import { Failure, invariant } from '../policies/failure.ts';
import type { AgentVerdict, Contribution } from '../policies/proposal.ts';
import { codeClass, type Reason } from '../policies/reason.ts';
import type { ProposalState } from '../policies/treasury.ts';
import { notPendingNow } from './checks/lightning.ts';
import { parcelHashOf } from './judge.ts';
import type { Judgement } from './judgement.ts';
import { mayBeSigned, ownMemory } from './memory.ts';
import { type Parcel, requireWallet, type Session } from './session.ts';

/** Code classes in one verdict (`verdictBody`). */
const CLASSES_MAX = 16;
const CODES_MAX = 200;

/** A proposal judged, with the bytes it was judged by. */
export interface Judged {
  judgement: Judgement;
  parcel: Parcel;
}

/** Writes down and does what a judgement says. Once said, `refused` and `signed` stay. */
export async function act(session: Session, state: ProposalState, judged: Judged): Promise<void> {
  const { judgement } = judged;
  switch (judgement.decision) {
    case 'wait':
      return;
    case 'ask':
      await ask(session, state);
      return;
    case 'refuse':
      // Dead already, and nobody's fault: it counts for no pause.
      if (state.withdrawn !== null) return;
      if (mayBeSigned(session.engine.state(), state, judgement.facts?.tipHeight ?? null)) return;
      await refuse(session, state.id, {
        by: 'agent',
        initiator: state.proposal.initiator,
        codes: failedCodes(judgement),
        note: '',
        tipHeight: judgement.facts?.tipHeight ?? null,
      });
      return;
    case 'sign':
      // A key on a device needs its guardian, whatever the policy says.
      if (session.engine.parts.keystore.holder === 'device') await ask(session, state);
      else await sign(session, state, judged);
  }
}

/** What failed, without what was merely waited for: that says more than the other side needs. */
function failedCodes({ reasons, rows }: Judgement): Reason['code'][] {
  const failed = new Set(rows.filter(({ outcome }) => outcome === 'failed').map(({ row }) => row));
  return reasons.filter(({ row }) => failed.has(row)).map(({ code }) => code);
}

export interface Refusal {
  by: 'agent' | 'guardian';
  initiator: string;
  codes: readonly string[];
  note: string;
  tipHeight: number | null;
}

/** A signed no, final for this id. */
export async function refuse(session: Session, subject: string, refusal: Refusal): Promise<void> {
  const { by, initiator, codes, note, tipHeight } = refusal;
  const classes = codes.map((code) => codeClass(code as Parameters<typeof codeClass>[0]));
  const verdict = said(session, subject, { verdict: 'refused', classes, note });
  await session.engine.record([
    {
      kind: 'refused',
      subject,
      by,
      initiator,
      height: tipHeight,
      codes: codes.slice(0, CODES_MAX),
      verdict,
    },
  ]);
}

/** A promise never to sign this id: enough of them free what it holds (H3). */
export async function never(session: Session, subject: string): Promise<void> {
  const verdict = said(session, subject, { verdict: 'never', classes: [], note: '' });
  await session.engine.record([{ kind: 'never', subject, verdict }]);
}

/** Says on the wire that a person is asked. */
export async function ask(session: Session, { id }: { id: string }): Promise<void> {
  if (session.engine.state().asked.has(id)) return;
  const verdict = said(session, id, { verdict: 'asks', classes: [], note: '' });
  await session.engine.record([{ kind: 'asked', subject: id, verdict }]);
}

/** Reserves, signs with the key that is here, and releases. */
async function sign(session: Session, state: ProposalState, judged: Judged): Promise<void> {
  const { parts } = session.engine;
  await reserve(session, state, judged);
  await parts.crashPoint('before-sign');
  const unsignedTx = hexToBytes(state.proposal.unsignedTx);
  const signatures = parts.keystore.signInputs(unsignedTx, coinsOf(session, judged.judgement));
  if (!(await stillPending(session, judged.judgement))) return;
  await release(session, state, judged.judgement, signatures);
}

/** G9: a signature stays here when a channel is not pending any more at the moment it would leave. */
async function stillPending(session: Session, { channels }: Judgement): Promise<boolean> {
  return channels.length === 0 || notPendingNow(channels, await session.lightning()).length === 0;
}

/** The same for signatures made on this seat's device. @throws Failure SIGNATURE_INVALID naming the input. */
export async function signElsewhere(
  session: Session,
  state: ProposalState,
  judged: Judged,
  signatures: readonly Uint8Array[],
): Promise<void> {
  const fault = faultIn(session, state, judged.judgement, signatures);
  if (fault !== null) {
    throw new Failure('SIGNATURE_INVALID', `input ${fault} is not signed by this seat's key`);
  }
  await reserve(session, state, judged);
  await release(session, state, judged.judgement, signatures);
}

/** Coins are this intent's and no other's before a signature exists (D6, H3). */
async function reserve(session: Session, state: ProposalState, judged: Judged): Promise<void> {
  const { judgement, parcel } = judged;
  // A8: what is signed is what was judged and shown.
  invariant(
    parcelHashOf(parcel) === judgement.parcelHash,
    'the parcel changed after its judgement',
  );
  await session.engine.record([
    {
      kind: 'reserved',
      proposalId: state.id,
      root: state.root,
      outpoints: state.proposal.prevouts.map(({ outpoint }) => outpoint),
      lockTime: state.proposal.intent.plan.lockTime,
      parcelHash: judgement.parcelHash,
    },
  ]);
}

/** Exactly what will be sent is durable before it leaves (A6, K1). */
async function release(
  session: Session,
  state: ProposalState,
  judgement: Judgement,
  signatures: readonly Uint8Array[],
): Promise<void> {
  const { engine } = session;
  // A fault in the signing would leak the key to whoever sees the signature.
  invariant(faultIn(session, state, judgement, signatures) === null, 'a signature does not verify');
  const contribution: Contribution = {
    proposalId: state.id,
    seatId: engine.seatId(),
    round: 1,
    scheme: 'wsh-ecdsa',
    signatures: signatures.map((each) => bytesToHex(each)),
  };
  const verdict = said(session, state.id, { verdict: 'signed', classes: [], note: '' });
  await engine.record([
    {
      kind: 'released',
      proposalId: state.id,
      signaturesHash: taggedHashHex('weir/signatures/v1', contribution.signatures),
      contribution,
      verdict,
    },
  ]);
}

function faultIn(
  session: Session,
  state: ProposalState,
  judgement: Judgement,
  signatures: readonly Uint8Array[],
): number | null {
  const { record, seatId } = requireWallet(session.pinned());
  const seat = record.keyRecords.findIndex(({ body }) => body.seatId === seatId);
  const unsignedTx = hexToBytes(state.proposal.unsignedTx);
  return firstFault(unsignedTx, coinsOf(session, judgement), seat, signatures);
}

function coinsOf(session: Session, { inputs }: Judgement): SpentCoin[] {
  const deriver = session.deriver();
  return inputs.map(({ amountSat, branch, index }) => ({
    amountSat,
    place: deriver.at(branch, index),
  }));
}

function said(
  { engine }: Session,
  subject: string,
  word: Pick<AgentVerdict['body'], 'verdict' | 'classes' | 'note'>,
): AgentVerdict {
  const { treasuryId, network } = engine.trust();
  return engine.parts.keystore.say('verdict', {
    treasuryId,
    network,
    seatId: engine.seatId(),
    subject,
    ...word,
    classes: [...new Set(word.classes)].slice(0, CLASSES_MAX),
    headSeq: engine.state().treasury.seq,
  });
}

/** What the judge is told of this memory. */
export function memoryFor(session: Session, initiator: string, tipHeight: number | null) {
  return ownMemory(session.engine.state(), initiator, tipHeight);
}
