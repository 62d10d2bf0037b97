/**
 * Whether what a coordinator serves continues the log this agent has: every entry hashed, every head's
 * signature checked against the pinned key, the first entry against the invitation. Pure.
 */
import { NETWORKS } from '../descriptors/network.ts';
import { Failure } from '../policies/failure.ts';
import type { NetworkName } from '../policies/intent.ts';
import { type HeadBody, headHolds, type LogEntry, logEntryHash } from '../policies/log-entry.ts';
import type { Acknowledgement } from '../policies/proposal.ts';
import { statementHolds } from '../policies/statement.ts';
import { applyEntry } from '../policies/treasury-fold.ts';
import { PROTOCOL_MAX, PROTOCOL_MIN } from '../policies/wallet-record.ts';
import type { AgentState, KnownHead } from './memory.ts';
import type { OwnEventOf } from './own-event.ts';

/** Whom this agent believes, as its invitation says. */
export interface Trust {
  treasuryId: string;
  network: NetworkName;
  coordinatorKey: string;
}

/** Entries that continue the log, and why the next one does not. */
export interface Followed {
  entries: readonly LogEntry[];
  /** `parts`: signed, but another log than ours: two heads may prove it. */
  stop: null | { why: 'unsigned' | 'parts' | 'unfoldable'; detail: string };
}

/** Reads a page of the log as far as it can be believed. */
export function follow(state: AgentState, page: readonly LogEntry[], trust: Trust): Followed {
  let { treasury } = state;
  const entries: LogEntry[] = [];
  for (const entry of page) {
    const { seq, hash, signature } = entry;
    const head: HeadBody = { treasuryId: trust.treasuryId, network: trust.network, seq, hash };
    if (logEntryHash(entry) !== hash || !headHolds(head, trust.coordinatorKey, signature)) {
      return stopped(entries, 'unsigned', `entry ${seq} is not signed by the pinned coordinator`);
    }
    if (seq !== treasury.seq + 1 || entry.previous !== treasury.hash) {
      return stopped(entries, 'parts', `entry ${seq} does not continue entry ${treasury.seq}`);
    }
    const wrong = seq === 1 ? wrongTreasury(entry, trust) : null;
    if (wrong !== null) return stopped(entries, 'unfoldable', wrong);
    try {
      treasury = applyEntry(treasury, entry);
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause;
      return stopped(entries, 'unfoldable', `entry ${seq}: ${cause.message}`);
    }
    if (treasury.id !== trust.treasuryId) {
      return stopped(entries, 'unfoldable', 'the log is of another treasury than the invitation');
    }
    entries.push(entry);
  }
  return { entries, stop: null };
}

/** A proof that the coordinator signed two logs, from an entry at a place this agent holds (A5). */
export function forkFromEntry(
  state: AgentState,
  entry: LogEntry,
  trust: Trust,
): OwnEventOf<'fork-proof'> | null {
  const theirs = { hash: entry.hash, signature: entry.signature };
  return forkAt(state, { seq: entry.seq, theirs, from: null }, trust);
}

/** The same from what a peer acknowledged. */
export function forkFromAcknowledgement(
  state: AgentState,
  { body }: Acknowledgement,
  trust: Trust,
): OwnEventOf<'fork-proof'> | null {
  const theirs = { hash: body.hash, signature: body.headSignature };
  return forkAt(state, { seq: body.seq, theirs, from: body.seatId }, trust);
}

/** Acknowledgements by seats of this very log: of a head this agent holds, each signed by its seat (A4). */
export function acknowledgementsHere(
  state: AgentState,
  values: readonly Acknowledgement[],
): readonly Acknowledgement[] {
  const { treasury, heads } = state;
  return values.filter((value) => {
    const { body, key } = value;
    return (
      body.treasuryId === treasury.id &&
      body.network === treasury.params?.network &&
      treasury.seats.get(body.seatId)?.claim?.body.identityKey === key &&
      heads[body.seq - 1]?.hash === body.hash &&
      statementHolds('acknowledgement', value)
    );
  });
}

function stopped(
  entries: readonly LogEntry[],
  why: NonNullable<Followed['stop']>['why'],
  detail: string,
): Followed {
  return { entries, stop: { why, detail } };
}

/** What the first entry must say, before a key of this seat is made. */
function wrongTreasury({ body }: LogEntry, trust: Trust): string | null {
  if (body.kind !== 'ceremony-opened') return 'a log begins with its ceremony';
  const { params } = body;
  if (params.network !== trust.network) return `the treasury is on ${params.network}`;
  if (params.genesisHash !== NETWORKS[params.network].genesisHash) {
    return 'the genesis hash is not the one of this network';
  }
  if (params.coordinatorKey !== trust.coordinatorKey) return 'another coordinator than invited by';
  if (params.protocol.min > PROTOCOL_MAX || params.protocol.max < PROTOCOL_MIN) {
    return `the treasury speaks protocol ${params.protocol.min} to ${params.protocol.max}`;
  }
  return null;
}

interface OtherHead {
  seq: number;
  theirs: KnownHead;
  from: string | null;
}

function forkAt(
  state: AgentState,
  { seq, theirs, from }: OtherHead,
  trust: Trust,
): OwnEventOf<'fork-proof'> | null {
  const ours = state.heads[seq - 1];
  if (ours === undefined || ours.hash === theirs.hash) return null;
  const { treasuryId, network, coordinatorKey } = trust;
  const head: HeadBody = { treasuryId, network, seq, hash: theirs.hash };
  if (!headHolds(head, coordinatorKey, theirs.signature)) return null;
  return { kind: 'fork-proof', seq, ours, theirs, from };
}
