/** Where this agent stands, and what holds its automatic hand back. */
import type { Acknowledgement } from '../../policies/proposal.ts';
import { ceremonyDone } from '../../policies/treasury.ts';
import type { OwnMemory } from '../judgement.ts';
import type { AgentState } from '../memory.ts';
import { wordsOf } from '../word-fingerprint.ts';
import { oneLine, plural, screen, section, tableOrNothing, type View, wrapped } from './wording.ts';

/** Words of a log's head: 44 bits, read aloud in a breath. */
const HEAD_WORDS = 4;
/** The newest alarms are what somebody has to look at. */
const ALARMS_SHOWN_MAX = 10;
const FROZEN_SHOWN_MAX = 20;

export interface StatusQuestion {
  state: AgentState;
  /** What `run` knows of its own node now; `none` without one, `silent` when it does not answer. */
  node: { version: string; tipHeight: number; sync: 'synced' | 'syncing' } | 'none' | 'silent';
  /** As it counts for the next proposal, refusals included. */
  automation: OwnMemory['automation'];
  acknowledgements: readonly Acknowledgement[];
  /** ISO day or time of the last backup, or null. */
  backedUp: string | null;
  /** What does not work right now, by name; empty when all does. */
  troubles: ReadonlyMap<string, string>;
  /** Version of this program. */
  version: string;
}

/** Where this agent stands. */
export function statusView(question: StatusQuestion): View {
  const { state, node, acknowledgements, backedUp, troubles, version } = question;
  const { treasury, invited, frozen, alarms, fork } = state;
  const seatId = invited?.seatId ?? null;
  const head = { seq: treasury.seq, hash: treasury.hash };
  const words = treasury.seq === 0 ? null : wordsOf(treasury.hash, HEAD_WORDS);
  const peers = peerRows(state, seatId, acknowledgements);
  const hand = handText(question);
  const json = {
    version,
    seatId,
    treasuryId: invited?.treasuryId ?? null,
    ceremony: ceremonyDone(treasury) ? 'complete' : 'not-complete',
    head: { ...head, words },
    node,
    automation: { state: question.automation, why: oneLine(state.automation.why), text: hand },
    treasuryBreaker: treasury.breaker,
    peers,
    frozen: [...frozen],
    alarms,
    fork,
    backedUp,
    troubles: Object.fromEntries(troubles),
  };
  const text = screen([
    [
      seatId === null ? 'no seat yet: join with an invite' : `seat ${seatId}`,
      ...(invited === null ? [] : [`treasury ${invited.treasuryId}`]),
      `log entry ${head.seq}${words === null ? '' : `: ${words}`}`,
      nodeText(node),
      `automatic signing: ${hand}`,
      `treasury breaker: ${treasury.breaker}`,
      backedUp === null ? 'NEVER BACKED UP' : `last backup ${oneLine(backedUp)}`,
      `weir ${version}`,
    ].join('\n'),
    fork === null
      ? ''
      : `TWO LOGS: the coordinator signed two heads at entry ${fork.seq}. Nothing is signed any more.`,
    ...section(
      'PEERS',
      tableOrNothing(
        ['seat', 'has the log up to', 'head'],
        peers.map((peer) => [peer.seatId, peer.seq?.toString() ?? 'never seen', peer.agrees]),
      ),
    ),
    ...section('FROZEN COINS', listText([...frozen], FROZEN_SHOWN_MAX)),
    ...section('ALARMS', listText(alarms.map(alarmText).toReversed(), ALARMS_SHOWN_MAX)),
    ...section(
      'NOT WORKING',
      [...troubles].map(([what, why]) => wrapped(`${what}: ${why}`, 96)).join('\n'),
    ),
  ]);
  return { json, text };
}

interface PeerRow {
  seatId: string;
  seq: number | null;
  /** Against this agent's own log. */
  agrees: 'same' | 'ahead of us' | 'ANOTHER LOG' | '-';
}

function peerRows(
  state: AgentState,
  own: string | null,
  acknowledgements: readonly Acknowledgement[],
): PeerRow[] {
  return [...state.treasury.seats.keys()]
    .filter((seatId) => seatId !== own)
    .map((seatId): PeerRow => {
      const newest = acknowledgements.find(({ body }) => body.seatId === seatId)?.body;
      if (newest === undefined) return { seatId, seq: null, agrees: '-' };
      const ours = state.heads[newest.seq - 1];
      const { seq, hash } = newest;
      if (ours === undefined) return { seatId, seq, agrees: 'ahead of us' };
      return { seatId, seq, agrees: ours.hash === hash ? 'same' : 'ANOTHER LOG' };
    });
}

function nodeText(node: StatusQuestion['node']): string {
  if (node === 'none') return 'no node of its own: it never signs by itself';
  if (node === 'silent') return 'OWN NODE DOES NOT ANSWER: nothing is signed';
  const { version, tipHeight, sync } = node;
  return `own node ${oneLine(version)}, height ${tipHeight}, ${sync}`;
}

function handText({ automation, state, node }: StatusQuestion): string {
  const why = oneLine(state.automation.why);
  switch (automation) {
    case 'on':
      return node === 'none' ? 'off without a node of its own' : 'on';
    case 'paused':
      return 'PAUSED after too many refusals; look at `history`, then `unlock`';
    case 'locked':
      return `LOCKED: ${why}; it opens once every peer proved that nothing was forgotten`;
    case 'tripped':
      return `TRIPPED: ${why}; \`unlock\` lets it go on`;
  }
}

function alarmText({ code, detail }: AgentState['alarms'][number]): string {
  return wrapped(`${code} ${detail}`, 96);
}

function listText(lines: readonly string[], max: number): string {
  const more = lines.length - max;
  return [
    ...lines.slice(0, max),
    ...(more > 0 ? [`and ${plural(more, 'more', 'more')}`] : []),
  ].join('\n');
}
