/** What the coordinator does for its operator. */
import { EXIT } from '../console/exit-code.ts';
import { satText } from '../console/print.ts';
import { reservedCoins, takenOrders } from '../policies/commitments.ts';
import { evaluate, type SpendQuestion, type Verdict } from '../policies/evaluate.ts';
import { Failure } from '../policies/failure.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { ceremonyDone, type ProposalState, policyAt, type Seat } from '../policies/treasury.ts';
import { type FeeRate, sumSat } from '../policies/units.ts';
import { authorize } from './authorize.ts';
import { nextReceiveIndex } from './close-index.ts';
import type { Situation } from './facts.ts';
import type { Loop } from './loop.ts';
import { decide } from './machine.ts';
import type { Answer, OperatorService } from './operator-protocol.ts';
import {
  authorizationRow,
  authorizationText,
  listText,
  type StatusView,
  statusText,
} from './operator-views.ts';
import { detailText, proposalDetail, questionNow, verdictText } from './proposal-detail.ts';
import { type ProposalRow, proposalRow, standingOf } from './proposal-row.ts';
import { type Outcome, propose } from './propose.ts';
import type { RequestGate } from './request-auth.ts';
import type { Workplace } from './workplace.ts';

/** Who proposes when no operator gives a name. */
const NOBODY = 'coordinator';

export interface OperatorOptions {
  work: Workplace;
  loop: Loop;
  gate: RequestGate;
  longTermFeerate: FeeRate;
  /** Printed, never used. */
  places: { journal: string; bitcoindUrl: string };
}

export function operatorService(options: OperatorOptions): OperatorService {
  const { work, longTermFeerate } = options;
  const { log } = work;
  return {
    async status() {
      const status = await statusOf(options);
      return { json: status, text: statusText(status), exit: EXIT.done };
    },
    async address(index) {
      if (!ceremonyDone(log.treasury())) {
        throw new Failure('NOT_READY', 'not every guardian confirmed the wallet');
      }
      const now = situationSeen(work);
      const at = index ?? (now === null ? 0 : nextReceiveIndex(now));
      const address = work.vault().deriver.address(0, at);
      return { json: { address, index: at }, text: address, exit: EXIT.done };
    },
    async queueOrder(order) {
      const { tipHeight } = work.view();
      await log.act((treasury) => decide(treasury, { kind: 'queue-order', order, tipHeight }));
      const { orderId, amountSat, lpId } = order.body;
      return {
        json: { orderId, state: 'queued' },
        text: `queued ${satText(amountSat)} of ${lpId}, order ${orderId}`,
        exit: EXIT.done,
      };
    },
    async proposeSpend(request, initiator) {
      const settings = { longTermFeerate, initiator: initiator ?? NOBODY };
      return spendAnswer(await propose(work, request, settings));
    },
    async proposeAuthorization(intent, initiator) {
      const { id, verdict } = await authorize(work, intent, initiator ?? NOBODY);
      const json = { id, txid: null, ...verdictJson(verdict) };
      const text = `${id === null ? 'refused' : `proposed ${id}`}\n${verdictText(verdict)}`;
      return { json, text, exit: id === null ? EXIT.refused : EXIT.done };
    },
    proposals: () => listAnswer(work),
    show: (id) => showAnswer(options, id),
    async approvable(id) {
      const { id: treasuryId, params, proposals, authorizations } = log.treasury();
      if (treasuryId === null || params === null) throw new Failure('NOT_READY', 'no treasury yet');
      const state = proposals.get(id);
      const asked = state?.proposal ?? authorizations.get(id)?.authorization;
      if (asked === undefined) throw new Failure('NOT_FOUND', `nothing has the id ${id}`);
      return {
        treasuryId,
        network: params.network,
        subject: id,
        txid: state === undefined ? null : proposalTxid(state.proposal),
        policyHash: asked.policyHash,
        expiresHeight: asked.expiryHeight,
      };
    },
    async decide(approval) {
      const { tipHeight } = work.view();
      await log.act((treasury) => decide(treasury, { kind: 'approve', approval, tipHeight }));
      const { subject, decision, signerId } = approval.body;
      return {
        json: { id: subject, decision, operator: signerId },
        text: `${signerId}: ${decision} ${subject}`,
        exit: EXIT.done,
      };
    },
  };
}

function verdictJson({ kind, reasons, requirement }: Verdict) {
  return { verdict: kind, reasons, requirement };
}

function spendAnswer({ id, txid, verdict, draft, leftOut }: Outcome): Answer {
  const { built, intent } = draft;
  const json = {
    id,
    txid,
    kind: intent.kind,
    ...verdictJson(verdict),
    feeSat: built.feeSat,
    payees: built.outputs.length - (built.changeSat === null ? 0 : 1),
    leftOut,
  };
  const words = [
    id === null ? `refused: ${intent.kind}` : `proposed ${intent.kind} ${id}`,
    ...(txid === null ? [] : [`txid ${txid}`]),
    `fee ${satText(built.feeSat)}`,
    ...leftOut.map(({ orderId, why }) => `left out ${orderId.slice(0, 16)}: ${why}`),
    verdictText(verdict),
  ];
  return { json, text: words.join('\n'), exit: id === null ? EXIT.refused : EXIT.done };
}

/** The log and the chain as one, or null before the first look. */
function situationSeen(work: Workplace): Situation | null {
  return work.seen() === null ? null : work.situation();
}

/** The question as things are now; null while the node cannot be asked. */
async function questionSeen(work: Workplace, state: ProposalState): Promise<SpendQuestion | null> {
  if (work.seen() === null) return null;
  try {
    const outpoints = state.proposal.prevouts.map(({ outpoint }) => outpoint);
    const hidden = await work.hiddenCoins(outpoints);
    const situations = { now: work.situation(), without: work.situation(state.id) };
    return questionNow(state, situations, hidden);
  } catch (cause) {
    if (cause instanceof Failure && cause.retry === 'later') return null;
    throw cause;
  }
}

async function rowOf(
  work: Workplace,
  state: ProposalState,
  situation: Situation | null,
): Promise<ProposalRow> {
  const treasury = work.log.treasury();
  const standing = standingOf(state, treasury, situation, 'given');
  // Only one that waits for signatures can wait for people: the others need no judging.
  if (standing !== 'collecting') return proposalRow(state, treasury, standing);
  const question = await questionSeen(work, state);
  const consent = question !== null && evaluate(question).kind === 'needs' ? 'missing' : 'given';
  return proposalRow(state, treasury, standingOf(state, treasury, situation, consent));
}

async function listAnswer(work: Workplace): Promise<Answer> {
  const treasury = work.log.treasury();
  const situation = situationSeen(work);
  const proposals: ProposalRow[] = [];
  for (const state of treasury.proposals.values()) {
    proposals.push(await rowOf(work, state, situation));
  }
  const tip = work.seen()?.tipHeight ?? null;
  const authorizations = [...treasury.authorizations.values()].map((each) =>
    authorizationRow(each, treasury, tip),
  );
  return {
    json: { proposals, authorizations },
    text: listText(proposals, authorizations),
    exit: EXIT.done,
  };
}

async function showAnswer({ work, loop }: OperatorOptions, id: string): Promise<Answer> {
  const treasury = work.log.treasury();
  const asked = treasury.authorizations.get(id);
  if (asked !== undefined) {
    const row = authorizationRow(asked, treasury, work.seen()?.tipHeight ?? null);
    const json = { ...row, intent: asked.authorization.intent };
    return { json, text: authorizationText(row), exit: EXIT.done };
  }
  const state = treasury.proposals.get(id);
  if (state === undefined) throw new Failure('NOT_FOUND', `nothing has the id ${id}`);
  const now = situationSeen(work);
  const row = await rowOf(work, state, now);
  if (now === null) return { json: row, text: listText([row], []), exit: EXIT.done };
  const isOpen = row.state === 'waiting-approval' || row.state === 'collecting';
  const question = isOpen ? await questionSeen(work, state) : null;
  const held = loop.held().get(id) ?? null;
  const detail = proposalDetail(row, state, { now, question, held });
  return { json: detail, text: detailText(detail), exit: EXIT.done };
}

async function statusOf({ work, loop, gate, places }: OperatorOptions): Promise<StatusView> {
  const treasury = work.log.treasury();
  const { id, params, seats } = treasury;
  if (id === null || params === null) throw new Failure('NOT_READY', 'no treasury yet');
  const version = await work.chain.identity().then(
    (identity) => identity.version,
    () => null,
  );
  const view = work.seen();
  const situation = situationSeen(work);
  const lastSeen = gate.lastSeen();
  return {
    network: params.network,
    treasuryId: id,
    name: params.name,
    quorum: `${params.threshold}-of-${seats.size}`,
    ceremony: ceremonyDone(treasury) ? 'done' : treasury.wallet === null ? 'open' : 'to-confirm',
    seats: [...seats.values()].map((seat) => ({
      seatId: seat.id,
      state: seatState(seat),
      lastSeenMs: lastSeen.get(seat.id) ?? null,
    })),
    log: { seq: treasury.seq, hash: treasury.hash, folder: places.journal },
    bitcoind: { url: places.bitcoindUrl, version, trouble: loop.trouble() },
    tipHeight: view?.tipHeight ?? null,
    estimateSatPerKvb: view?.estimate ?? null,
    balance: situation === null ? null : balanceOf(situation),
    queued: situation === null ? treasury.queue.size : waitingOrders(situation),
    live: situation === null ? [] : liveRoots(situation),
    breaker: treasury.breaker,
    policyVersion: policyAt(treasury, view?.tipHeight ?? 0).policy.version,
  };
}

function seatState({ claim, record, confirmation }: Seat): StatusView['seats'][number]['state'] {
  if (confirmation !== null) return 'confirmed';
  if (record !== null) return 'joined';
  return claim === null ? 'free' : 'claimed';
}

function liveRoots({ all }: Situation): string[] {
  return all.filter(({ fate }) => fate.is === 'live').map(({ root }) => root.id);
}

function balanceOf({ view, all, treasury }: Situation): StatusView['balance'] {
  const reserved = reservedCoins(all, treasury);
  const sumOf = (coins: typeof view.coins) => sumSat(coins.map(({ amountSat }) => amountSat));
  return {
    confirmedSat: sumOf(view.coins.filter(({ confirmations }) => confirmations > 0)),
    unconfirmedSat: sumOf(view.coins.filter(({ confirmations }) => confirmations === 0)),
    reservedSat: sumOf(view.coins.filter(({ outpoint }) => reserved.has(outpoint))),
  };
}

function waitingOrders({ treasury, all }: Situation): number {
  const taken = takenOrders(all);
  return [...treasury.queue.keys()].filter((id) => !taken.has(id)).length;
}
