/**
 * The agent's memory and its one hand: events are appended to the own journal, then folded, and only then
 * acted on. Everything that changes state goes through one queue, so that no two judgements race.
 */
import { everyEntry, type Journal } from '../journal/journal.ts';
import { BrokenInvariant, Failure } from '../policies/failure.ts';
import type { LogEntry } from '../policies/log-entry.ts';
import type { Overlay } from '../policies/overlay.ts';
import type { AddressBook } from './address-book.ts';
import type { AgentConfig } from './config.ts';
import type { Keystore } from './keystore.ts';
import type { LightningView } from './lightning-view.ts';
import type { Trust } from './log-follow.ts';
import { type AgentState, EMPTY_STATE, remember } from './memory.ts';
import { type OwnEvent, ownEvent } from './own-event.ts';
import type { OwnNode } from './own-node.ts';

/** Moments between two effects of an agent, so that a test can stop it at each of them. */
export type AgentMoment =
  | `before-record-${OwnEvent['kind']}`
  | `after-record-${OwnEvent['kind']}`
  | 'before-sign'
  | 'after-post';

/** Everything an agent is made of that is not its own memory. */
export interface AgentParts {
  dir: string;
  config: AgentConfig;
  journal: Journal;
  keystore: Keystore;
  /** Null: no chain view of its own, so it never signs by itself. */
  node: OwnNode | null;
  /** Null: no look at the pool's Lightning node, so channels are for its guardian alone to judge. */
  lightning: LightningView | null;
  overlay: Overlay | null;
  book: AddressBook;
  /** Unix milliseconds: for the tip's sanity and request times, never for a limit. */
  now: () => number;
  /** 32 fresh random bytes in hex. */
  random32: () => string;
  crashPoint: (moment: AgentMoment) => void | Promise<void>;
}

export interface Engine {
  parts: AgentParts;
  state: () => AgentState;
  /** Whom this agent believes. @throws Failure NOT_READY before it was invited. */
  trust: () => Trust;
  seatId: () => string;
  /** Durable when it resolves. */
  record(events: readonly OwnEvent[]): Promise<void>;
  /** Runs after everything that was asked before it. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** Works waiting for their turn; more is a caller that floods its own agent. */
const WAITING_MAX = 256;

/** @throws Failure JOURNAL_CORRUPT when an event in the journal is none. */
export async function openEngine(parts: AgentParts): Promise<Engine> {
  let state = EMPTY_STATE;
  for await (const { seq, body } of everyEntry(parts.journal)) {
    state = remember(state, eventAt(seq, body));
  }
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const engine: Engine = {
    parts,
    state: () => state,
    trust() {
      const { invited } = state;
      if (invited === null) throw new Failure('NOT_READY', 'this agent belongs to no treasury yet');
      const { treasuryId, coordinatorKey } = invited;
      return { treasuryId, coordinatorKey, network: parts.keystore.network };
    },
    seatId() {
      if (state.invited === null) throw new Failure('NOT_READY', 'this agent has no seat yet');
      return state.invited.seatId;
    },
    async record(events) {
      const kind = events[0]?.kind;
      if (kind === undefined) return;
      let next = state;
      for (const event of events) next = remember(next, event);
      await parts.crashPoint(`before-record-${kind}`);
      await parts.journal.append(events);
      state = next;
      await parts.crashPoint(`after-record-${kind}`);
    },
    inTurn(work) {
      if (waiting >= WAITING_MAX) {
        return Promise.reject(new Failure('NOT_READY', 'too many calls wait for this agent'));
      }
      waiting += 1;
      const mine = last.then(work).finally(() => (waiting -= 1));
      last = mine.catch(() => undefined);
      return mine;
    },
  };
  return engine;
}

/**
 * Whether a log entry holds something this seat said that its own journal does not: an agent on an old
 * disk has forgotten signatures (H5).
 */
export function forgotten(state: AgentState, seatId: string, { body }: LogEntry): string | null {
  if (body.kind === 'contributed' && body.contribution.seatId === seatId) {
    const { proposalId } = body.contribution;
    return state.released.has(proposalId) ? null : `signatures for ${proposalId}`;
  }
  if (body.kind !== 'verdict' || body.verdict.body.seatId !== seatId) return null;
  const { subject, verdict } = body.verdict.body;
  const known = {
    signed: state.released,
    refused: state.refused,
    never: state.never,
    asks: state.asked,
  }[verdict];
  return known.has(subject) ? null : `the word "${verdict}" on ${subject}`;
}

function eventAt(seq: number, body: unknown): OwnEvent {
  const parsed = ownEvent.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new Failure('JOURNAL_CORRUPT', `entry ${seq} is no event of an agent`, {
    cause: parsed.error,
  });
}

/** What a loop may survive: a failure with a code. Anything else stops the process. */
export function failureOnly(cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  throw cause instanceof Error
    ? cause
    : new BrokenInvariant('something was thrown that is no error');
}
