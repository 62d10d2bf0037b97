/** Follows the treasury log: what continues it is written down, what parts from it freezes this agent. */
import type { Acknowledgement } from '../policies/proposal.ts';
import { statementHolds } from '../policies/statement.ts';
import { ceremonyDone } from '../policies/treasury.ts';
import { forgotten } from './engine.ts';
import { follow, forkFromAcknowledgement, forkFromEntry } from './log-follow.ts';
import type { OwnEvent } from './own-event.ts';
import type { Session } from './session.ts';

/** Entries asked for at once. */
const PAGE_ENTRIES = 200;

/** `stopped`: something came that does not continue this log; asking again at once would only ask again. */
export type News = 'more' | 'nothing' | 'stopped';

/** Reads one page, waiting up to `waitMs` for the first entry. */
export async function followOnce(session: Session, waitMs: number): Promise<News> {
  const { engine } = session;
  const after = engine.state().treasury.seq;
  const page = await session.door().log(after, PAGE_ENTRIES, waitMs);
  if (page.length === 0) return 'nothing';
  const stop = await engine.inTurn(async () => {
    const state = engine.state();
    // Another turn may have read on meanwhile.
    if (state.treasury.seq !== after) return null;
    const followed = follow(state, page, engine.trust());
    const events: OwnEvent[] = followed.entries.flatMap((entry): OwnEvent[] => {
      const lost = forgotten(state, engine.seatId(), entry);
      const log: OwnEvent = { kind: 'log', entry };
      return lost === null || state.automation.state === 'locked'
        ? [log]
        : [log, lockEvent(`the log holds ${lost}, which this journal does not`, session)];
    });
    await engine.record(onlyFirstLock(events));
    return followed.stop;
  });
  if (stop === null) return 'more';
  await stopped(session, stop);
  return 'stopped';
}

/** Says that this log is here, so that peers may sign. */
export async function acknowledgeLog(session: Session): Promise<void> {
  const { engine } = session;
  const { treasury, heads } = engine.state();
  const head = heads.at(-1);
  if (head === undefined || treasury.params === null) return;
  const { treasuryId, network } = engine.trust();
  const body = {
    treasuryId,
    network,
    seatId: engine.seatId(),
    seq: treasury.seq,
    hash: head.hash,
    headSignature: head.signature,
  };
  const mine: Acknowledgement = engine.parts.keystore.say('acknowledgement', body);
  await session.door().acknowledge(mine);
}

/**
 * Hears what peers said, and whether they hold another log. Not less when the own word was not taken: a
 * coordinator that serves another log refuses it, and that is when peers' heads are the proof.
 */
export async function hearPeers(session: Session): Promise<void> {
  const { engine } = session;
  if (engine.state().treasury.params === null) return;
  const values = await session.door().acknowledgements();
  const proofs = values.flatMap((each) => {
    const proof = forkFromAcknowledgement(engine.state(), each, engine.trust());
    return proof === null ? [] : [proof];
  });
  const [proof] = proofs;
  if (proof !== undefined && engine.state().fork === null) {
    const told = alarm('W-ENV-FORK', `${proof.from ?? 'a peer'} holds another entry ${proof.seq}`);
    await engine.inTurn(() => engine.record([proof, told]));
  }
  session.hear(values);
}

/** Answers peers who were restored, and asks when this agent is (H5). */
export async function exchangeFreshness(session: Session): Promise<void> {
  const { engine } = session;
  const { treasury, automation } = engine.state();
  if (!ceremonyDone(treasury)) return;
  const seatId = engine.seatId();
  const { treasuryId, network } = engine.trust();
  for (const question of await session.door().freshnessQuestions()) {
    if (question.askingSeatId === seatId) continue;
    const { seq, hash } = engine.state().treasury;
    const body = { treasuryId, network, seatId, ...question, seq, hash };
    await session.door().answerFreshness(engine.parts.keystore.say('freshness', body));
  }
  const { nonce } = automation;
  if (automation.state !== 'locked' || nonce === null) return;
  await session.door().askFreshness({ askingSeatId: seatId, nonce });
  const answers = await session.door().freshnessAnswers(nonce);
  const good = session.engine.state().treasury.seats;
  const fresh = answers.filter((each) => holds(session, each, nonce));
  const peers = [...good.keys()].filter((id) => id !== seatId);
  const latest = peers.flatMap((id) => fresh.find(({ body }) => body.seatId === id) ?? []);
  if (latest.length === peers.length) {
    await engine.inTurn(() => engine.record([{ kind: 'proved-fresh', nonce, answers: latest }]));
  }
}

export function alarm(code: string, detail: string): OwnEvent {
  return { kind: 'alarm', code, detail: detail.slice(0, 400) };
}

/** A lock with a new question to peers. */
export function lockEvent(why: string, { engine }: Session): OwnEvent {
  const nonce = engine.parts.random32();
  return { kind: 'automation', state: 'locked', why: why.slice(0, 200), height: null, nonce };
}

function onlyFirstLock(events: readonly OwnEvent[]): OwnEvent[] {
  const first = events.findIndex((each) => each.kind === 'automation');
  return events.filter((each, place) => each.kind !== 'automation' || place === first);
}

async function stopped(
  session: Session,
  stop: { why: 'unsigned' | 'parts' | 'unfoldable'; detail: string },
): Promise<void> {
  const { engine } = session;
  const state = engine.state();
  const { seq } = state.treasury;
  if (stop.why === 'parts' && seq > 0 && state.fork === null) {
    const [theirs] = await session.door().log(seq - 1, 1, 0);
    const proof = theirs === undefined ? null : forkFromEntry(state, theirs, engine.trust());
    if (proof !== null) {
      const told = alarm('W-ENV-FORK', `another entry ${seq} is signed`);
      await engine.inTurn(() => engine.record([proof, told]));
      return;
    }
  }
  const code = { unsigned: 'W-ENV-SIGNATURE', parts: 'W-ENV-PREV', unfoldable: 'W-ENV-SEQ' }[
    stop.why
  ];
  const known = state.alarms.some((each) => each.detail === stop.detail);
  if (!known) await engine.inTurn(() => engine.record([alarm(code, stop.detail)]));
}

function holds(
  { engine }: Session,
  value: Awaited<ReturnType<ReturnType<Session['door']>['freshnessAnswers']>>[number],
  nonce: string,
): boolean {
  const { treasury, heads } = engine.state();
  const { body, key } = value;
  const { treasuryId, network } = engine.trust();
  return (
    body.treasuryId === treasuryId &&
    body.network === network &&
    body.nonce === nonce &&
    body.askingSeatId === engine.seatId() &&
    treasury.seats.get(body.seatId)?.claim?.body.identityKey === key &&
    statementHolds('freshness', value) &&
    // The peer's log is part of this one: nothing that it saw is missing here.
    (body.seq === 0 || heads[body.seq - 1]?.hash === body.hash)
  );
}
