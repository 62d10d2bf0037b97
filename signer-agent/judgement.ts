/**
 * What a judge in the agent is given and what it answers. Everything given is the agent's own: its
 * pinned wallet, its replica of the log, its node, its journal. The parcel is the only thing judged.
 */

import type { Deriver } from '../descriptors/derive.ts';
import type { TreasurySpend } from '../policies/commitments.ts';
import type { SlackRow } from '../policies/evaluate.ts';
import type { SpendFacts } from '../policies/facts.ts';
import type { Overlay } from '../policies/overlay.ts';
import type { Acknowledgement } from '../policies/proposal.ts';
import type { Reason } from '../policies/reason.ts';
import type { ProposalState, Treasury } from '../policies/treasury.ts';
import type { FeeRate, Sat } from '../policies/units.ts';
import type { WalletRecord } from '../policies/wallet-record.ts';
import type { LightningSeen } from './lightning-view.ts';

/** The wallet record this guardian confirmed, checked against its MAC at start. */
export interface PinnedWallet {
  record: WalletRecord;
  recordHash: string;
  seatId: string;
  /** The seat's own account xpub, from its own keystore, never from the record. */
  ownXpub: string;
  /** `mac-ok`, or why the record on disk cannot be believed. */
  integrity: 'mac-ok' | 'mac-wrong';
}

/** One coin as the agent's own node knows it. */
export interface ChainCoin {
  amountSat: Sat;
  script: string;
  confirmations: number;
  coinbase: 'coinbase' | 'ordinary';
}

/** Answers of the agent's own node, gathered before judging. */
export interface ChainView {
  tipHeight: number;
  tipHash: string;
  medianTime: number;
  sync: 'synced' | 'syncing';
  /** Blocks the last reorganisation this agent saw took back; 0 for none. */
  reorgDepth: number;
  /** Outpoint -> coin, for the inputs of the proposal; absent when unknown or spent. */
  coins: ReadonlyMap<string, ChainCoin>;
  /** Every spend of treasury coins, mempool and chain. */
  spends: readonly TreasurySpend[];
  estimate: FeeRate | null;
  treasurySat: Sat;
  /** Highest used index of the change branch, -1 when none. */
  changeIndexUsed: number;
  /** Scripts the treasury paid before, in hex. */
  paidScripts: ReadonlySet<string>;
}

/** What the agent's own journal remembers. */
export interface OwnMemory {
  /** Outpoint -> root proposal id this agent signed it for. */
  signedOutpoints: ReadonlyMap<string, string>;
  /** Proposal ids this agent refused: final. */
  refused: ReadonlySet<string>;
  /** Proposal ids this agent signed. */
  signed: ReadonlySet<string>;
  /** Proposals the guardian at this agent approved in person. */
  approvedHere: ReadonlySet<string>;
  /** Highest locktime this agent ever signed. */
  lockTimeSigned: number;
  frozen: ReadonlySet<string>;
  /** `paused`: too many refusals. `locked`: restored and not proved fresh. `tripped`: by its guardian. */
  automation: 'on' | 'paused' | 'locked' | 'tripped';
  /** A proof that the coordinator signed two logs, or null. */
  fork: { seq: number } | null;
}

/** All that one judgement may read. */
export interface JudgeInput {
  pinned: PinnedWallet;
  /** Of the pinned descriptor; made once, since making one is slow. */
  deriver: Deriver;
  treasury: Treasury;
  /** Of this agent's replica of the log; the place of a head is its seq - 1. */
  heads: readonly { hash: string }[];
  state: ProposalState;
  /** As received; hashed once, so that review and signature are of the same bytes (A8). */
  parcel: { psbt: Uint8Array; previousTxs: readonly Uint8Array[] };
  chain: ChainView | null;
  /** Looked at for a channel_open only. */
  lightning: LightningSeen;
  memory: OwnMemory;
  overlay: Overlay | null;
  acknowledgements: readonly Acknowledgement[];
  /** Unix seconds of the agent's clock: for tip sanity only, never for a limit. */
  now: number;
}

/**
 * One row of the checklist with its outcome. `waiting`: nothing is wrong, something or somebody is missing
 * yet. `not-checked` names what this agent could not see.
 */
export interface CheckedRow {
  row: string;
  outcome: 'passed' | 'failed' | 'waiting' | 'not-checked';
  detail: string;
}

/** An output as a person reads it. */
export interface OutputRow {
  vout: number;
  amountSat: Sat;
  address: string;
  is: 'change' | 'payee' | 'unlisted';
  /** Derivation for change; who authorised it for a payee. */
  because: string;
}

/** A channel of a channel_open as a person reads it. */
export interface ChannelRow {
  /** Null where no output pays its script its capacity. */
  outpoint: string | null;
  peer: string;
  /** The policy's name for the peer; null where it lists none. */
  peerName: string | null;
  capacitySat: Sat;
  announced: 'public' | 'private';
  closeIndex: number;
  /** Derived here. That LND gave it to the peer is a claim until the channel is active. */
  closeAddress: string;
  /** Whether the pool signed that it is pending. */
  attested: 'yes' | 'no';
  /** On the pool's node as this agent sees it: `none` without a look, `silent` when it does not answer. */
  seen: 'pending' | 'active' | 'missing' | 'another' | 'closes-elsewhere' | 'silent' | 'none';
}

/**
 * `sign`: everything holds. `ask`: the guardian at this agent must decide (rows that only a person may
 * pass, or the own overlay says so). `wait`: nothing is wrong, approvals or acknowledgements are
 * missing. `refuse`: at least one row failed; final.
 */
export interface Judgement {
  proposalId: string;
  decision: 'sign' | 'ask' | 'wait' | 'refuse';
  /** Every failed row, and what is waited for. */
  reasons: readonly Reason[];
  rows: readonly CheckedRow[];
  /** SHA-256 of the parcel judged; compared again right before signing (A8). */
  parcelHash: string;
  txid: string | null;
  outputs: readonly OutputRow[];
  /** Of a channel_open, in the intent's order. */
  channels: readonly ChannelRow[];
  inputs: readonly { outpoint: string; amountSat: Sat; branch: 0 | 1; index: number }[];
  feeSat: bigint | null;
  feerate: FeeRate | null;
  vsize: bigint | null;
  facts: SpendFacts | null;
  slack: readonly SlackRow[];
}
