/** What a guardian looks at: the running agent's state, put into the views. Nothing here changes anything. */
import { base64 } from '@scure/base';
import { EXIT } from '../console/exit-code.ts';
import { everyEntry } from '../journal/journal.ts';
import { Failure } from '../policies/failure.ts';
import type { LogEntry } from '../policies/log-entry.ts';
import { type Approval, proposalTxid } from '../policies/proposal.ts';
import {
  type AuthorizationState,
  ceremonyDone,
  type ProposalState,
  policyAt,
} from '../policies/treasury.ts';
import { walletRecordHash } from '../policies/wallet-record.ts';
import { judgeDecision } from './authorization-act.ts';
import { checkWalletRecord } from './ceremony-check.ts';
import { memoryFor } from './decide.ts';
import { exportPsbt, spendOf } from './guardian-acts.ts';
import type { Judgement, PinnedWallet } from './judgement.ts';
import type { Answer, CeremonyAnswer, ReviewAnswer } from './local-protocol.ts';
import { isSettled } from './memory.ts';
import { ownEvent } from './own-event.ts';
import { proposalFileJson } from './proposal-file.ts';
import { requireWallet, type Session } from './session.ts';
import { ceremonyView } from './views/ceremony.ts';
import { historyView } from './views/history.ts';
import { limitsView } from './views/limits.ts';
import { type NextStep, nextStepOf } from './views/next-step.ts';
import { pendingView, type Judged as Shown } from './views/pending.ts';
import { reviewOf } from './views/review.ts';
import { reviewOfAuthorization } from './views/review-authorization.ts';
import { statusView } from './views/status.ts';
import type { View } from './views/wording.ts';
import { judged } from './worker.ts';

/** Version of the program. */
const VERSION = '0.1.0';
/** An approval that is never used must not lie around for ever: a week beyond the proposal's own end. */
const APPROVAL_BLOCKS = 1_008;
/** Judged for one look; a screen shows no more. */
const JUDGED_MAX = 50;
const MS_IN_SECOND = 1_000;

export function shown(view: View, exit: Answer['exit'] = EXIT.done): Answer {
  return { json: view.json, text: view.text, exit };
}

export async function lookAtStatus(session: Session): Promise<Answer> {
  const { engine, troubles } = session;
  const state = engine.state();
  const node = await nodeNow(session);
  const tipHeight = typeof node === 'string' ? null : node.tipHeight;
  return shown(
    statusView({
      state,
      node,
      automation: memoryFor(session, '', tipHeight).automation,
      acknowledgements: session.acknowledgements(),
      backedUp:
        state.backedUpAt === null
          ? null
          : new Date(state.backedUpAt * MS_IN_SECOND).toISOString().slice(0, 10),
      troubles: new Map([...troubles].map(([name, { message }]) => [name, message])),
      version: VERSION,
    }),
  );
}

export function lookAtCeremony(session: Session): CeremonyAnswer {
  const { engine } = session;
  const { treasury, keyRecord, pinned } = engine.state();
  const { wallet } = treasury;
  const view = ceremonyView({
    treasury,
    seatId: engine.seatId(),
    problems: wallet === null ? [] : checkWalletRecord(wallet, treasury, keyRecord),
    pinnedHash: pinned === null ? null : walletRecordHash(pinned.record),
  });
  const exits = {
    waiting: EXIT.notReady,
    'to-confirm': EXIT.needsPerson,
    confirmed: EXIT.notReady,
    complete: EXIT.done,
  };
  const { recordHash, state } = view;
  return { ...shown(view, exits[state]), recordHash, state };
}

export async function lookAtPending(session: Session): Promise<Answer> {
  const { engine } = session;
  const { treasury } = engine.state();
  const chain = await session.chain([]);
  const found = new Map<string, Shown>();
  for (const state of [...treasury.proposals.values()].slice(-JUDGED_MAX)) {
    if (isSettled(engine.state(), state.id) || state.broadcast !== null) continue;
    const judgement = await judgedOrNull(session, state);
    if (judgement !== null) found.set(state.id, judgement);
  }
  for (const state of [...treasury.authorizations.values()].slice(-JUDGED_MAX)) {
    if (state.passedAtSeq === null) found.set(state.id, await judgeDecision(session, state));
  }
  return shown(pendingView(engine.state(), chain?.tipHeight ?? null, found));
}

/** One parcel that the coordinator holds back must not hide everything else that waits. */
async function judgedOrNull(session: Session, state: ProposalState): Promise<Judgement | null> {
  try {
    return (await judged(session, state)).judgement;
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return null;
  }
}

export async function lookAtLimits(session: Session): Promise<Answer> {
  const { engine } = session;
  const chain = await session.chain([]);
  return shown(limitsView(engine.state().treasury, chain, engine.parts.overlay));
}

export function lookAtHistory({ engine }: Session): Answer {
  return shown(historyView(engine.state()));
}

/** One subject, with the statement that approving it would sign. @throws Failure NOT_FOUND */
export async function lookAt(session: Session, id: string): Promise<ReviewAnswer> {
  const { proposals, authorizations } = session.engine.state().treasury;
  const spend = proposals.get(id);
  if (spend !== undefined) return reviewSpend(session, spend);
  const asked = authorizations.get(id);
  if (asked !== undefined) return reviewDecision(session, asked);
  throw new Failure('NOT_FOUND', `this agent's log holds nothing with the id ${id}`);
}

/**
 * The wallet that may be paid to: pinned under the own MAC, and the one that every guardian confirmed.
 *
 * @throws Failure NOT_READY, SIGNATURE_INVALID, WRONG_STATE
 */
export function confirmedWallet(session: Session): PinnedWallet {
  const { treasury } = session.engine.state();
  const wallet = requireWallet(session.pinned());
  if (wallet.integrity === 'mac-wrong') {
    throw new Failure('SIGNATURE_INVALID', 'the wallet record on this disk fails its MAC');
  }
  if (!ceremonyDone(treasury) || treasury.wallet === null) {
    throw new Failure(
      'NOT_READY',
      'not every guardian confirmed the wallet: pay nothing to it yet',
    );
  }
  if (walletRecordHash(treasury.wallet) !== wallet.recordHash) {
    throw new Failure('WRONG_STATE', 'the log holds another wallet than the one confirmed here');
  }
  return wallet;
}

/** Address of the treasury, derived here: at an index, or the first one after all that hold coins. */
export async function lookAtAddress(session: Session, index: number | null): Promise<Answer> {
  const { engine } = session;
  confirmedWallet(session);
  const { treasury } = engine.state();
  const chain = await session.chain([]).catch(() => null);
  const { gap } = policyAt(treasury, chain?.tipHeight ?? 0).policy.inputs;
  const used = (await engine.parts.node?.coins().catch(() => [])) ?? [];
  const next = used
    .filter(({ branch }) => branch === 0)
    .reduce((highest, coin) => Math.max(highest, coin.index + 1), 0);
  const at = index ?? next;
  // D7: what is paid to further out, no agent signs for until the policy's gap is wider.
  const furthest = gap + (chain?.changeIndexUsed ?? -1) + 1;
  if (at > furthest) {
    throw new Failure('INPUT_INVALID', `index ${at} is beyond ${furthest}, where the gap ends`);
  }
  const address = session.deriver().address(0, at);
  return { json: { index: at, address }, text: address, exit: EXIT.done };
}

/** A proposal as PSBT, and as a file that `verify` reads offline. */
export async function exportOf(session: Session, id: string): Promise<Answer> {
  const { engine } = session;
  const psbt = await exportPsbt(session, id);
  const state = spendOf(session, id);
  const chain = await session.chain(state.proposal.prevouts.map(({ outpoint }) => outpoint));
  const proposalFile = proposalFileJson({
    proposalId: id,
    log: await wholeLog(session),
    parcel: await session.parcel(id),
    acknowledgements: session.acknowledgements(),
    chain,
  });
  const text = `${psbt.length} bytes, ${engine.state().treasury.seq} log entries`;
  return { json: { psbt: base64.encode(psbt), proposalFile }, text, exit: EXIT.done };
}

/** The treasury log as it lies in the own journal. */
async function wholeLog({ engine }: Session): Promise<LogEntry[]> {
  const log: LogEntry[] = [];
  for await (const { body } of everyEntry(engine.parts.journal)) {
    const event = ownEvent.parse(body);
    if (event.kind === 'log') log.push(event.entry);
  }
  return log;
}

async function reviewSpend(session: Session, seen: ProposalState): Promise<ReviewAnswer> {
  const { engine } = session;
  const { keystore, overlay, book } = engine.parts;
  const { judgement } = await judged(session, seen);
  const memory = engine.state();
  const state = spendOf(session, seen.id);
  const given = isSettled(memory, state.id) || memory.approvedHere.has(state.id);
  const step = nextStepOf(judgement, given ? 'given' : 'open');
  const nextStep: NextStep = step === 'signs' && keystore.holder === 'device' ? 'device' : step;
  const view = reviewOf({
    judgement,
    state,
    treasury: memory.treasury,
    overlay,
    book,
    seatId: engine.seatId(),
    network: keystore.network,
    nextStep,
  });
  const isOpen = !given && judgement.decision !== 'refuse';
  const { expiryHeight, policyHash } = state.proposal;
  const approves = isOpen
    ? statementOf(session, {
        subject: state.id,
        txid: proposalTxid(state.proposal),
        policyHash,
        expiryHeight,
      })
    : null;
  return { ...shown(view, exitOf(given ? 'given' : judgement.decision)), approves };
}

async function reviewDecision(session: Session, seen: AuthorizationState): Promise<ReviewAnswer> {
  const { engine } = session;
  const judgement = await judgeDecision(session, seen);
  const chain = await session.chain([]);
  const memory = engine.state();
  const state = memory.treasury.authorizations.get(seen.id) ?? seen;
  const given = isSettled(memory, state.id) || memory.approvedHere.has(state.id);
  const done = given || state.passedAtSeq !== null;
  const step = nextStepOf(judgement, done ? 'given' : 'open');
  const view = reviewOfAuthorization({
    judgement,
    state,
    treasury: memory.treasury,
    seatId: engine.seatId(),
    tipHeight: chain?.tipHeight ?? null,
    addressAt: (index) => session.deriver().address(0, index),
    nextStep: step === 'device' ? 'counts' : step,
  });
  const { expiryHeight, policyHash } = state.authorization;
  const approves =
    !done && judgement.decision !== 'refuse'
      ? statementOf(session, { subject: state.id, txid: null, policyHash, expiryHeight })
      : null;
  return { ...shown(view, exitOf(done ? 'given' : judgement.decision)), approves };
}

function statementOf(
  { engine }: Session,
  subject: { subject: string; txid: string | null; policyHash: string; expiryHeight: number },
): Approval['body'] {
  const { treasuryId, network } = engine.trust();
  const { expiryHeight, ...named } = subject;
  return {
    treasuryId,
    network,
    ...named,
    decision: 'approve',
    role: 'guardian',
    signerId: engine.seatId(),
    expiresHeight: expiryHeight + APPROVAL_BLOCKS,
  };
}

function exitOf(decision: 'sign' | 'ask' | 'wait' | 'refuse' | 'given'): Answer['exit'] {
  if (decision === 'refuse') return EXIT.refused;
  return decision === 'ask' || decision === 'wait' ? EXIT.needsPerson : EXIT.done;
}

async function nodeNow({ engine }: Session) {
  const { node } = engine.parts;
  if (node === null) return 'none' as const;
  try {
    const { version, tipHeight } = await node.identity();
    return { version, tipHeight, sync: 'synced' as const };
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return 'silent' as const;
  }
}
