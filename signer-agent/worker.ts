/**
 * One round of work: hear what peers say, judge what is open, act, send what the log does not show yet, tell
 * the guardian. Every part may fail with a code and is tried again in the next round.
 */
import type { Failure } from '../policies/failure.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { ceremonyDone, type ProposalState } from '../policies/treasury.ts';
import { repeatCeremony } from './ceremony.ts';
import { watchChannels } from './channel-watch.ts';
import { channelsOf } from './checks/lightning.ts';
import { act, type Judged, memoryFor, never } from './decide.ts';
import { acknowledgeLog, alarm, exchangeFreshness, hearPeers } from './follower.ts';
import { judge } from './judge.ts';
import type { ChainView } from './judgement.ts';
import { isSettled, mayBeSigned } from './memory.ts';
import { dueNotices } from './notices.ts';
import { unsentPosts } from './outbox.ts';
import type { OwnEvent } from './own-event.ts';
import { requireWallet, type Session } from './session.ts';

/** Tells a guardian; a hook that fails is the guardian's to see in `status`. */
export type Tell = (notice: Extract<OwnEvent, { kind: 'notified' }>) => Promise<void>;

/** Judgements of one round; what is left waits for the next. */
const JUDGEMENTS_MAX = 50;
/** Notices of one round: a hook takes seconds, and a flood of them must not hold up the work. */
const NOTICES_MAX = 5;
/** While nothing is open or new: an acknowledgement that was lost is sent again after this. */
const QUIET_MS = 3_000;
const MS_IN_SECOND = 1_000;

export async function workOnce(session: Session, tell: Tell): Promise<void> {
  const { engine, trying } = session;
  if (engine.state().invited === null) return;
  await exchange(session);
  let chain: ChainView | null = null;
  if (session.pinned() !== null && ceremonyDone(engine.state().treasury)) {
    await trying('own node', async () => {
      chain = await session.chain([]);
      if (chain !== null) await lookAround(session, chain);
    });
    await trying('open channels', () => watchChannels(session, chain));
    // What the device has is its guardian's to import: judging it again would only crowd out others.
    const { exported } = engine.state();
    const open = openProposals(session).filter(({ id }) => !exported.has(id));
    for (const state of open.slice(0, JUDGEMENTS_MAX)) {
      await trying(`proposal ${state.id}`, () => judgeAndAct(session, state.id));
    }
  }
  await trying('outbox', () => post(session));
  await trying('hook', () => tellAll(session, chain, tell));
}

/** What coordinator and peers are told and asked: at once when something is open or new, else now and then. */
async function exchange(session: Session): Promise<void> {
  const { engine, trying, isDue } = session;
  const { treasury, automation } = engine.state();
  const open =
    openProposals(session).length > 0 || undecided(session) || automation.state === 'locked';
  if (isDue('acknowledge', treasury.hash, QUIET_MS)) {
    await trying('coordinator', () => acknowledgeLog(session));
  }
  if (open || isDue('peers', treasury.hash, QUIET_MS)) {
    await trying('peers', () => hearPeers(session));
  }
  await trying('ceremony', () => repeatCeremony(session));
  if (open || isDue('freshness', treasury.hash, QUIET_MS)) {
    await trying('freshness', () => exchangeFreshness(session));
  }
}

function undecided({ engine }: Session): boolean {
  const { authorizations } = engine.state().treasury;
  return [...authorizations.values()].some(({ passedAtSeq }) => passedAtSeq === null);
}

/** Judges one proposal as everything stands now, without acting. */
export async function judged(session: Session, state: ProposalState): Promise<Judged> {
  const { engine } = session;
  const parcel = await session.parcel(state.id);
  const outpoints = state.proposal.prevouts.map(({ outpoint }) => outpoint);
  const chain = await session.chain(outpoints);
  const opens = channelsOf(state).length > 0;
  const lightning = opens ? await session.lightning() : ({ is: 'none' } as const);
  // One moment for everything: the log may have gone on while the parcel and the nodes were asked.
  const { treasury, heads } = engine.state();
  const judgement = judge({
    pinned: requireWallet(session.pinned()),
    deriver: session.deriver(),
    treasury,
    heads,
    state: treasury.proposals.get(state.id) ?? state,
    parcel,
    chain,
    lightning,
    memory: memoryFor(session, state.proposal.initiator, chain?.tipHeight ?? null),
    overlay: engine.parts.overlay,
    acknowledgements: session.heard(),
    now: Math.floor(engine.parts.now() / MS_IN_SECOND),
  });
  return { judgement, parcel };
}

/** Judges and acts in one turn: nothing changes between the two. */
export async function judgeAndAct(session: Session, id: string): Promise<void> {
  const { engine } = session;
  const target = engine.state().treasury.proposals.get(id);
  if (target === undefined) return;
  // Before the turn: a slow coordinator or Lightning node must not hold up this agent's other work.
  await session.parcel(id);
  if (channelsOf(target).length > 0 && (await session.lightning()).is === 'silent') return;
  await engine.inTurn(async () => {
    const state = engine.state().treasury.proposals.get(id);
    if (state === undefined || isSettled(engine.state(), id)) return;
    await act(session, state, await judged(session, state));
  });
}

/** Sends what the log does not show. Answers are not believed: the log is. */
export async function post(session: Session): Promise<void> {
  const { engine } = session;
  let first: Failure | null = null;
  for (const each of unsentPosts(engine.state(), engine.seatId())) {
    const name = `post of a ${each.what}`;
    await session.trying(name, async () => {
      const door = session.door();
      if (each.what === 'contribution') await door.postContribution(each.value);
      else if (each.what === 'verdict') await door.postVerdict(each.value);
      else await door.postApproval(each.value);
      await engine.parts.crashPoint('after-post');
    });
    first ??= session.troubles.get(name) ?? null;
  }
  if (first !== null) throw first;
}

/** Proposals that this agent has no final word on and that could still be signed. */
function openProposals({ engine }: Session): readonly ProposalState[] {
  const state = engine.state();
  return [...state.treasury.proposals.values()].filter(
    ({ id, entrySeq, broadcast, place, withdrawn }) =>
      !isSettled(state, id) &&
      withdrawn === null &&
      entrySeq > state.forgottenUpTo &&
      broadcast === null &&
      (place === null || place.in === 'nowhere'),
  );
}

/** K3 and H3: spends nobody knows of, and proposals that nobody will sign any more. */
async function lookAround(session: Session, chain: ChainView): Promise<void> {
  const { engine } = session;
  await engine.inTurn(async () => {
    await engine.record([...strangeSpends(session, chain), ...newDecisions(session, chain)]);
    for (const state of openProposals(session)) {
      const bound = mayBeSigned(engine.state(), state, chain.tipHeight);
      if (!bound && state.proposal.expiryHeight < chain.tipHeight) await never(session, state.id);
    }
  });
}

function newDecisions({ engine }: Session, { tipHeight: height }: ChainView): OwnEvent[] {
  const { treasury, decisionsSeen } = engine.state();
  return [...treasury.authorizations.keys()]
    .filter((subject) => !decisionsSeen.has(subject))
    .map((subject) => ({ kind: 'decision-seen', subject, height }));
}

function strangeSpends({ engine }: Session, chain: ChainView): OwnEvent[] {
  const state = engine.state();
  const known = new Set(
    [...state.treasury.proposals.values()].map(({ proposal }) => proposalTxid(proposal)),
  );
  return chain.spends
    .filter(({ txid }) => !known.has(txid) && !state.spendsSeen.has(txid))
    .flatMap(({ txid, height }): OwnEvent[] => [
      { kind: 'spend-seen', txid, height },
      alarm('W-BRK-UNKNOWN-SPEND', `${txid} spends treasury coins and is not in the log`),
    ]);
}

async function tellAll(session: Session, chain: ChainView | null, tell: Tell): Promise<void> {
  const { engine } = session;
  for (const notice of dueNotices(engine.state(), chain).slice(0, NOTICES_MAX)) {
    // Written first: told once at most, and never twice after a crash.
    await engine.inTurn(() => engine.record([notice]));
    await tell(notice);
  }
}
