/**
 * The treasury as its log tells it: state and what can be read off it. `treasury-fold.ts` makes it;
 * what the chain says comes from each party's own node (`commitments.ts`).
 */
import { Failure } from './failure.ts';
import type { LpOrder, LpRegistration } from './intent.ts';
import type { LogEventOf } from './log-entry.ts';
import type { Policy } from './policy.ts';
import type {
  AgentVerdict,
  Approval,
  Authorization,
  ChannelsPending,
  Contribution,
  Proposal,
} from './proposal.ts';
import type {
  CeremonyParams,
  KeyRecord,
  SeatClaim,
  SeatConfirmation,
  WalletRecord,
} from './wallet-record.ts';

export interface Seat {
  id: string;
  claim: SeatClaim | null;
  record: KeyRecord | null;
  confirmation: SeatConfirmation | null;
}

type Place = LogEventOf<'tx-seen'>['place'];

/** A spend and all that was said about it. */
export interface ProposalState {
  id: string;
  entrySeq: number;
  proposal: Proposal;
  /** First proposal of the intent: itself, or what a bump or a cancel names. */
  root: string;
  approvals: readonly Approval[];
  verdicts: ReadonlyMap<string, AgentVerdict>;
  contributions: ReadonlyMap<string, Contribution>;
  faults: ReadonlyMap<string, number>;
  /** Of a channel_open: the pool's word, verified here. Nobody's signature is in the log before it. */
  pending: ChannelsPending | null;
  /** Why it was dropped before that word; null while it stands. */
  withdrawn: string | null;
  broadcast: {
    txid: string;
    rawTx: string;
    answer: LogEventOf<'broadcast-answered'> | null;
  } | null;
  /** The coordinator's claim; null before it looked. */
  place: Place | null;
}

export interface AuthorizationState {
  id: string;
  entrySeq: number;
  authorization: Authorization;
  approvals: readonly Approval[];
  verdicts: ReadonlyMap<string, AgentVerdict>;
  /** Set once threshold distinct guardians approved, at that entry. */
  passedAtSeq: number | null;
}

export interface Treasury {
  seq: number;
  hash: string;
  id: string | null;
  params: CeremonyParams | null;
  seats: ReadonlyMap<string, Seat>;
  wallet: WalletRecord | null;
  /** Of the last wallet record, also while a redo took it back; 0 before the first. */
  epoch: number;
  /** Adopted policies, oldest first; `policyAt` says which one rules. */
  policies: readonly { policy: Policy; hash: string; activeFromHeight: number }[];
  registry: ReadonlyMap<string, readonly LpRegistration[]>;
  queue: ReadonlyMap<string, LpOrder>;
  proposals: ReadonlyMap<string, ProposalState>;
  authorizations: ReadonlyMap<string, AuthorizationState>;
  breaker: 'armed' | 'tripped';
}

export const EMPTY_TREASURY: Treasury = {
  seq: 0,
  hash: '0'.repeat(64),
  id: null,
  params: null,
  seats: new Map(),
  wallet: null,
  epoch: 0,
  policies: [],
  registry: new Map(),
  queue: new Map(),
  proposals: new Map(),
  authorizations: new Map(),
  breaker: 'armed',
};

/** Whether every seat confirmed the wallet record that stands. Nothing is signed before. */
export function ceremonyDone(treasury: Treasury): boolean {
  return (
    treasury.wallet !== null &&
    [...treasury.seats.values()].every((seat) => seat.confirmation !== null)
  );
}

/** The policy that rules at a height: the newest whose activation height is reached. */
export function policyAt(treasury: Treasury, height: number): { policy: Policy; hash: string } {
  const ruling = treasury.policies.findLast((each) => each.activeFromHeight <= height);
  const first = treasury.policies[0];
  if (ruling === undefined && first === undefined) {
    throw new Failure('NOT_READY', 'this treasury has no policy yet');
  }
  return (ruling ?? first) as { policy: Policy; hash: string };
}

/** An LP's registration at a height, or null before its activation. */
export function registrationAt(
  treasury: Treasury,
  lpId: string,
  height: number,
): LpRegistration | null {
  const known = treasury.registry.get(lpId) ?? [];
  return known.findLast((each) => each.activeFromHeight <= height) ?? null;
}
