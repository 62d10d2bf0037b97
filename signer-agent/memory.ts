/**
 * The fold of an agent's own journal: the treasury as its log tells it, what this agent did, and the
 * heads it holds. Pure: a restart, and every test, gets the same memory from the same events.
 */
import { EMPTY_TREASURY, type Treasury } from '../policies/treasury.ts';
import { applyEntry } from '../policies/treasury-fold.ts';
import type { OwnMemory } from './judgement.ts';
import type { OwnEvent, OwnEventOf } from './own-event.ts';

/** A head this agent verified; its place in the list is seq - 1. */
export interface KnownHead {
  hash: string;
  signature: string;
}

/** Everything an agent knows after its journal. */
export interface AgentState {
  treasury: Treasury;
  heads: readonly KnownHead[];
  invited: OwnEventOf<'invited'> | null;
  keyRecord: OwnEventOf<'key-made'>['record'] | null;
  pinned: OwnEventOf<'pinned'> | null;
  /** Outpoint -> root of the intent this agent reserved it for. */
  reserved: ReadonlyMap<string, string>;
  /** Proposals given to this seat's device: their signatures may exist, whatever is imported. */
  exported: ReadonlySet<string>;
  lockTimeSigned: number;
  released: ReadonlyMap<string, OwnEventOf<'released'>>;
  refused: ReadonlyMap<string, OwnEventOf<'refused'>>;
  never: ReadonlyMap<string, OwnEventOf<'never'>>;
  asked: ReadonlyMap<string, OwnEventOf<'asked'>>;
  approvedHere: ReadonlyMap<string, OwnEventOf<'approved-here'>>;
  /** What its guardian had approved before stopping it: a trip stops that, too. */
  approvedBeforeTrip: ReadonlySet<string>;
  automation: Automation;
  pauseClearedAt: number;
  /** Of a restored agent: what it said on entries up to here it may have forgotten, so it signs none of them. */
  forgottenUpTo: number;
  frozen: ReadonlySet<string>;
  /** Decision without a transaction -> own tip when it first came here. */
  decisionsSeen: ReadonlyMap<string, number>;
  backedUpAt: number | null;
  fork: OwnEventOf<'fork-proof'> | null;
  spendsSeen: ReadonlySet<string>;
  /** Channels by outpoint whose close address was looked at once they were active. */
  channelsChecked: ReadonlyMap<string, OwnEventOf<'channel-checked'>['found']>;
  alarms: readonly OwnEventOf<'alarm'>[];
  notified: ReadonlySet<string>;
}

/** What holds the automatic hand back, beside refusals, which are counted (`pausedFor`). */
export interface Automation {
  state: 'on' | 'locked' | 'tripped';
  why: string;
  height: number | null;
  nonce: string | null;
  /** Height at which the guardian unlocked without all peers' answers. */
  unlockedAt: number | null;
  /** Whether its guardian stopped it, beside a lock too: no answer of a peer takes that back. */
  tripped: 'yes' | 'no';
}

/** An agent before its first event. */
export const EMPTY_STATE: AgentState = {
  treasury: EMPTY_TREASURY,
  heads: [],
  invited: null,
  keyRecord: null,
  pinned: null,
  reserved: new Map(),
  exported: new Set(),
  lockTimeSigned: 0,
  released: new Map(),
  refused: new Map(),
  never: new Map(),
  asked: new Map(),
  approvedHere: new Map(),
  approvedBeforeTrip: new Set(),
  automation: {
    state: 'on',
    why: '',
    height: null,
    nonce: null,
    unlockedAt: null,
    tripped: 'no',
  },
  pauseClearedAt: -1,
  forgottenUpTo: 0,
  frozen: new Set(),
  decisionsSeen: new Map(),
  backedUpAt: null,
  fork: null,
  spendsSeen: new Set(),
  channelsChecked: new Map(),
  alarms: [],
  notified: new Set(),
};

/** Alarms kept in memory; the journal keeps all. */
const ALARMS_KEPT_MAX = 50;

/**
 * The state after one more event of the own journal.
 *
 * @throws Failure INPUT_INVALID or SIGNATURE_INVALID for a log entry that does not fold.
 */
export function remember(state: AgentState, event: OwnEvent): AgentState {
  switch (event.kind) {
    case 'invited':
      return { ...state, invited: event };
    case 'log':
      return {
        ...state,
        treasury: applyEntry(state.treasury, event.entry),
        heads: [...state.heads, { hash: event.entry.hash, signature: event.entry.signature }],
      };
    case 'key-made':
      return { ...state, keyRecord: event.record };
    case 'pinned':
      return { ...state, pinned: event };
    case 'reserved':
    case 'exported':
    case 'released':
    case 'refused':
    case 'never':
    case 'asked':
    case 'approved-here':
      return decided(state, event);
    case 'automation':
    case 'proved-fresh':
    case 'unlocked-here':
    case 'pause-cleared':
      return held(state, event);
    case 'frozen':
      return { ...state, frozen: frozenAfter(state.frozen, event) };
    case 'fork-proof':
      return { ...state, fork: state.fork ?? event };
    case 'decision-seen':
      return {
        ...state,
        decisionsSeen: new Map(state.decisionsSeen).set(event.subject, event.height),
      };
    case 'backed-up':
      return { ...state, backedUpAt: event.unixTime };
    case 'spend-seen':
      return { ...state, spendsSeen: new Set(state.spendsSeen).add(event.txid) };
    case 'channel-checked':
      return {
        ...state,
        channelsChecked: new Map(state.channelsChecked).set(event.outpoint, event.found),
      };
    case 'alarm':
      return { ...state, alarms: [...state.alarms, event].slice(-ALARMS_KEPT_MAX) };
    case 'notified':
      return { ...state, notified: new Set(state.notified).add(noticeKey(event)) };
  }
}

type Decided = OwnEventOf<
  'reserved' | 'exported' | 'released' | 'refused' | 'never' | 'asked' | 'approved-here'
>;

function decided(state: AgentState, event: Decided): AgentState {
  switch (event.kind) {
    case 'reserved': {
      const lockTimeSigned = Math.max(state.lockTimeSigned, event.lockTime);
      return { ...state, reserved: reservedAfter(state, event), lockTimeSigned };
    }
    case 'exported': {
      const exported = new Set(state.exported).add(event.proposalId);
      return { ...state, reserved: reservedAfter(state, event), exported };
    }
    case 'released':
      return { ...state, released: new Map(state.released).set(event.proposalId, event) };
    case 'refused':
      return { ...state, refused: new Map(state.refused).set(event.subject, event) };
    case 'never':
      return { ...state, never: new Map(state.never).set(event.subject, event) };
    case 'asked':
      return { ...state, asked: new Map(state.asked).set(event.subject, event) };
    case 'approved-here': {
      const { subject } = event.approval.body;
      return { ...state, approvedHere: new Map(state.approvedHere).set(subject, event) };
    }
  }
}

function reservedAfter(
  { reserved }: AgentState,
  { outpoints, root }: OwnEventOf<'reserved' | 'exported'>,
): ReadonlyMap<string, string> {
  const next = new Map(reserved);
  for (const outpoint of outpoints) next.set(outpoint, root);
  return next;
}

type Held = OwnEventOf<'automation' | 'proved-fresh' | 'unlocked-here' | 'pause-cleared'>;

function held(state: AgentState, event: Held): AgentState {
  const { automation } = state;
  switch (event.kind) {
    case 'automation':
      return {
        ...state,
        automation: automationAfter(automation, event),
        ...(event.state === 'tripped' && {
          approvedBeforeTrip: new Set(state.approvedHere.keys()),
        }),
      };
    case 'proved-fresh':
      return automation.state === 'locked' && automation.nonce === event.nonce
        ? {
            ...state,
            automation:
              automation.tripped === 'yes'
                ? {
                    ...automation,
                    state: 'tripped',
                    why: 'tripped before it was locked',
                    nonce: null,
                  }
                : EMPTY_STATE.automation,
            forgottenUpTo: Math.max(
              state.forgottenUpTo,
              ...event.answers.map(({ body }) => body.seq),
            ),
          }
        : state;
    case 'unlocked-here':
      return automation.state === 'locked'
        ? {
            ...state,
            automation: { ...automation, unlockedAt: event.height, tripped: 'no' },
            forgottenUpTo: state.treasury.seq,
          }
        : state;
    case 'pause-cleared':
      return { ...state, pauseClearedAt: event.height };
  }
}

/** A trip and a lock stand beside each other: only a proof, or its guardian's risk, opens a lock. */
function automationAfter(
  before: Automation,
  { state, why, height, nonce }: OwnEventOf<'automation'>,
): Automation {
  const tripped = state === 'locked' ? before.tripped : state === 'tripped' ? 'yes' : 'no';
  return before.state === 'locked' && state !== 'locked'
    ? { ...before, tripped }
    : { state, why, height, nonce, unlockedAt: null, tripped };
}

/** Names one notice, so that a person is told once. */
export function noticeKey(
  event: Pick<OwnEventOf<'notified'>, 'notice' | 'about' | 'count'>,
): string {
  return `${event.notice} ${event.about ?? ''} ${event.count}`;
}

/** Whether this agent's word on a subject is final: it signed it, refused it or never will. */
export function isSettled(state: AgentState, subject: string): boolean {
  return state.released.has(subject) || state.refused.has(subject) || state.never.has(subject);
}

/**
 * Whether refusals pause automatic signing for one initiator (A9): at least `max` of its proposals were
 * refused by the agent within the window of the policy. Without a height every refusal counts.
 */
export function pausedFor(
  state: AgentState,
  initiator: string,
  window: { blocks: number; max: number },
  tipHeight: number | null,
): boolean {
  const from = Math.max(tipHeight === null ? -1 : tipHeight - window.blocks, state.pauseClearedAt);
  const counted = [...state.refused.values()].filter(
    (each) =>
      each.by === 'agent' &&
      each.initiator === initiator &&
      (each.height === null ? state.pauseClearedAt < 0 : each.height > from),
  );
  return counted.length >= window.max;
}

/** Longest window of the ruling policy: how long a restored agent counts all windows as full (H5). */
export function longestWindow(treasury: Treasury): number {
  const blocks = treasury.policies.flatMap(({ policy }) => [
    ...policy.limits.windows.map((each) => each.blocks),
    ...policy.fees.windows.map((each) => each.blocks),
    policy.limits.count.blocks,
    ...policy.intents.withdrawal_batch.windows.map((each) => each.blocks),
    ...policy.intents.treasury_move.windows.map((each) => each.blocks),
    ...policy.intents.hot_topup.windows.map((each) => each.blocks),
    ...(policy.intents.channel_open === 'not_yet' ? [] : policy.intents.channel_open.windows).map(
      (each) => each.blocks,
    ),
  ]);
  return Math.max(0, ...blocks);
}

/** What the judge is told of this memory, for a proposal of one initiator. */
export function ownMemory(
  state: AgentState,
  initiator: string,
  tipHeight: number | null,
): OwnMemory {
  return {
    signedOutpoints: state.reserved,
    refused: new Set([...state.refused.keys(), ...state.never.keys()]),
    signed: new Set(state.released.keys()),
    approvedHere: new Set(
      [...state.approvedHere.keys()].filter(
        (subject) => state.automation.tripped === 'no' || !state.approvedBeforeTrip.has(subject),
      ),
    ),
    lockTimeSigned: state.lockTimeSigned,
    frozen: state.frozen,
    automation: automationFor(state, initiator, tipHeight),
    fork: state.fork === null ? null : { seq: state.fork.seq },
  };
}

function automationFor(
  state: AgentState,
  initiator: string,
  tipHeight: number | null,
): OwnMemory['automation'] {
  const { automation, treasury } = state;
  if (isLocked(state, tipHeight)) return 'locked';
  if (automation.tripped === 'yes') return 'tripped';
  const window = treasury.policies.at(-1)?.policy.breaker.pause_after_refusals;
  if (window !== undefined && pausedFor(state, initiator, window, tipHeight)) return 'paused';
  return 'on';
}

function isLocked({ automation, treasury }: AgentState, tipHeight: number | null): boolean {
  if (automation.state !== 'locked') return false;
  const { unlockedAt } = automation;
  const open =
    unlockedAt !== null && tipHeight !== null && tipHeight > unlockedAt + longestWindow(treasury);
  return !open;
}

/**
 * Whether a signature of this seat may exist that its journal does not show, forgotten or made by its device:
 * then its no would free coins and orders that the signature still binds (H3, H5).
 */
export function mayBeSigned(
  state: AgentState,
  { id, entrySeq }: { id: string; entrySeq: number },
  tipHeight: number | null,
): boolean {
  return mayHaveForgotten(state, entrySeq, tipHeight) || state.exported.has(id);
}

/** Whether this agent may have forgotten what it said on the entry (H5). */
export function mayHaveForgotten(
  state: AgentState,
  entrySeq: number,
  tipHeight: number | null,
): boolean {
  return entrySeq <= state.forgottenUpTo || isLocked(state, tipHeight);
}

function frozenAfter(
  frozen: ReadonlySet<string>,
  { outpoint, change }: OwnEventOf<'frozen'>,
): ReadonlySet<string> {
  const next = new Set(frozen);
  if (change === 'freeze') next.add(outpoint);
  else next.delete(outpoint);
  return next;
}
