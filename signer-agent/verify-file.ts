/**
 * Judges a proposal file by what one agent's folder holds: its pinned wallet, its own memory, its overlay.
 * The same judge as in the running agent, and nothing that could sign. Pure.
 */
import { EXIT, type Exit } from '../console/exit-code.ts';
import type { Deriver } from '../descriptors/derive.ts';
import { Failure } from '../policies/failure.ts';
import type { Overlay } from '../policies/overlay.ts';
import { type Reason, type ReasonCode, reason } from '../policies/reason.ts';
import { applyEntry } from '../policies/treasury-fold.ts';
import type { AddressBook } from './address-book.ts';
import { judge } from './judge.ts';
import type { Judgement, PinnedWallet } from './judgement.ts';
import type { Answer } from './local-protocol.ts';
import { acknowledgementsHere, follow, type Trust } from './log-follow.ts';
import { type AgentState, EMPTY_STATE, isSettled, ownMemory } from './memory.ts';
import type { ProposalFile } from './proposal-file.ts';
import { nextStepOf } from './views/next-step.ts';
import { ID_WORDS, reviewOf } from './views/review.ts';
import { reasonsTable, screen } from './views/wording.ts';
import { wordsOf } from './word-fingerprint.ts';

/** What the folder holds. */
export interface OwnFolder {
  pinned: PinnedWallet;
  /** Of the pinned descriptor. */
  deriver: Deriver;
  trust: Trust;
  state: AgentState;
  overlay: Overlay | null;
  book: AddressBook;
  /** Unix seconds. */
  now: number;
}

export interface VerifyAnswer extends Answer {
  /** Null where the log itself can not be believed: then nothing was judged. */
  judgement: Judgement | null;
}

const EXITS: Record<Judgement['decision'], Exit> = {
  sign: EXIT.done,
  ask: EXIT.needsPerson,
  wait: EXIT.needsPerson,
  refuse: EXIT.refused,
};

/**
 * The verdict on a file: exit 0 where the agent would sign, 3 where it would ask or wait, 4 where it
 * refuses, with all codes.
 *
 * @throws Failure NOT_FOUND when the log in the file holds no such proposal.
 */
export function verifyFile(file: ProposalFile, folder: OwnFolder): VerifyAnswer {
  const { pinned, trust, state, overlay, book, now } = folder;
  const followed = follow(EMPTY_STATE, file.log, trust);
  if (followed.stop !== null) return unbelievable(file, followed.stop);
  const seen = withLog(state, file);
  const { treasury } = seen;
  const proposal = treasury.proposals.get(file.proposalId);
  if (proposal === undefined) {
    throw new Failure('NOT_FOUND', `the log in the file holds no proposal ${file.proposalId}`);
  }
  const { chain } = file;
  const memory = ownMemory(seen, proposal.proposal.initiator, chain?.tipHeight ?? null);
  const fork = memory.fork ?? forkBetween(state, file);
  const judgement = judge({
    pinned,
    deriver: folder.deriver,
    treasury,
    heads: seen.heads,
    state: proposal,
    parcel: file.parcel,
    chain,
    // Whoever verifies offline looks at nothing.
    lightning: { is: 'none' },
    memory: { ...memory, fork },
    overlay,
    acknowledgements: acknowledgementsHere(seen, file.acknowledgements),
    now,
  });
  const word = isSettled(state, proposal.id) ? 'given' : 'open';
  const review = reviewOf({
    judgement,
    state: proposal,
    treasury,
    overlay,
    book,
    seatId: pinned.seatId,
    network: trust.network,
    nextStep: nextStepOf(judgement, word),
  });
  const { decision } = judgement;
  return {
    judgement,
    exit: EXITS[decision],
    json: {
      decision,
      ...verdictJson(file, judgement.reasons),
      txid: judgement.txid,
      chainFrom: chain === null ? null : 'the file',
      review: review.json,
    },
    text: screen([review.text, chainNote(file), verdictText(file, decision)]),
  };
}

/** The longer of the two logs: what came after the file was made counts, too. */
function withLog(state: AgentState, { log }: ProposalFile): AgentState {
  const ours = state.treasury.seq;
  if (ours >= log.length && state.heads[log.length - 1]?.hash === log.at(-1)?.hash) return state;
  let { treasury } = EMPTY_STATE;
  for (const entry of log) treasury = applyEntry(treasury, entry);
  return {
    ...state,
    treasury,
    heads: log.map(({ hash, signature }) => ({ hash, signature })),
  };
}

/** Two heads at one place: what this folder holds and what the file says (A5). */
function forkBetween({ heads }: AgentState, { log }: ProposalFile): { seq: number } | null {
  const other = log.find(({ seq, hash }) => (heads[seq - 1]?.hash ?? hash) !== hash);
  return other === undefined ? null : { seq: other.seq };
}

const STOPS: Record<'unsigned' | 'parts' | 'unfoldable', ReasonCode> = {
  unsigned: 'W-ENV-SIGNATURE',
  parts: 'W-ENV-PREV',
  unfoldable: 'W-ENV-SEQ',
};

function unbelievable(
  file: ProposalFile,
  stop: { why: keyof typeof STOPS; detail: string },
): VerifyAnswer {
  const reasons = [reason(STOPS[stop.why], stop.detail)];
  return {
    judgement: null,
    exit: EXIT.refused,
    json: { decision: 'refuse', ...verdictJson(file, reasons), txid: null },
    text: screen([
      'the log in this file can not be believed, so nothing in it was judged',
      reasonsTable(reasons),
      verdictText(file, 'refuse'),
    ]),
  };
}

function verdictJson(file: ProposalFile, reasons: readonly Reason[]) {
  return {
    proposalId: file.proposalId,
    words: wordsOf(file.proposalId, ID_WORDS),
    codes: [...new Set(reasons.map(({ code }) => code))],
    reasons,
  };
}

function chainNote({ chain }: ProposalFile): string {
  return chain === null
    ? 'No view of the chain is in the file: rows that need one were not checked.'
    : `The view of the chain (height ${chain.tipHeight}) is the file’s, not of a node here.`;
}

const VERDICTS: Record<Judgement['decision'], string> = {
  sign: 'would sign',
  ask: 'would ask its guardian',
  wait: 'would wait',
  refuse: 'REFUSES',
};

function verdictText(file: ProposalFile, decision: Judgement['decision']): string {
  return `This agent ${VERDICTS[decision]}. In words: ${wordsOf(file.proposalId, ID_WORDS)}`;
}
