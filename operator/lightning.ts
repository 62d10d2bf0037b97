/**
 * What the operator asks of its Lightning node, in the field's own words, and nothing of any vendor's. Every
 * call ends within its deadline. An outcome is `settled` or `failed` only by the node's explicit terminal answer;
 * everything else, a time-out, a dropped stream, a look-up that finds nothing, is `unknown`.
 */
import type { NetworkName } from '../policies/intent.ts';
import type { FeeRate, Msat, Sat } from '../policies/units.ts';

/** A BOLT 11 invoice, its signature checked and its payee recovered, without asking a node. */
export interface Invoice {
  /** The text as it was given, trimmed, lower case. */
  request: string;
  paymentHash: string;
  payee: string;
  /** Null where the invoice names none. */
  amountMsat: Msat | null;
  createdAtMs: number;
  expiresAtMs: number;
  network: NetworkName;
  /** Blocks the last hop wants (BOLT 11, field c). */
  minFinalCltv: number;
  /** The least that the cheapest of its private routes charges for its amount; 0 without routes. */
  hintFeeMsat: Msat;
  /** Last public node of each private route. */
  hintNodes: readonly string[];
}

/** Refusals of a text as an invoice, by the field and the rule. */
export interface InvoiceRefused {
  field: 'invoice';
  rule: string;
}

export interface NodeStanding {
  publicKey: string;
  alias: string;
  version: string;
  network: NetworkName;
  height: number;
  syncedToChain: boolean;
  /** Unix milliseconds of the node's newest block. */
  latestBlockAtMs: number;
}

/** How a payment ended, or that it did not end in sight. */
export type PayOutcome =
  | {
      is: 'settled';
      preimage: string;
      /** What left, without the fee. */
      amountMsat: Msat;
      feeMsat: Msat;
      settledAtMs: number;
      attempts: number;
      /** First channels of the parts that settled; compared with what was allowed, never published. */
      firstChannels: readonly string[];
      /** What the node did beside the order; absent where nothing: the money is gone, and dispatch should stop. */
      violations?: readonly string[];
    }
  | {
      is: 'failed';
      why: PayFailure;
      detail: string;
      /** When the node began it, by its own clock: one hash may have failed before. Absent where it does not say. */
      begunAtMs?: number;
    }
  | {
      is: 'unknown';
      /** `in_flight`: parts are out. `not_found`: the node knows no such payment, which proves nothing. */
      why: 'in_flight' | 'not_found' | 'deadline' | 'stream_ended' | 'unreachable' | 'unrecognised';
      /** Height at which the last part times out, where the node says so. */
      timeoutHeight: number | null;
      detail: string;
    };

export const PAY_FAILURES = [
  /** The payee refuses: wrong details, expired, or paid already. */
  'refused_by_payee',
  /** Of the pool's channels. */
  'insufficient_balance',
  'no_route',
  'pathfinding_timeout',
  'cancelled',
  'error',
] as const;
export type PayFailure = (typeof PAY_FAILURES)[number];

/** No order and no question has a route fee above this, whatever anybody allows: 0.01 BTC. */
export const ROUTE_FEE_MSAT_MAX = 1_000_000_000n;

/** One order to pay. All bounds are set by the caller: there is no default for money. */
export interface PayOrder {
  request: string;
  paymentHash: string;
  maxFeeMsat: Msat;
  partsMax: number;
  /** Starts no new attempt after this; what is in flight stays so. */
  pathfindingMs: number;
  /** Absolute height after which no part may be locked. */
  maxTimeoutHeight: number;
  /** Channel ids (`800000x1x0`) that parts may leave by; empty: any. */
  outgoingChannels: readonly string[];
  /** How long the caller waits for a terminal answer. */
  deadlineMs: number;
}

/** A payment as the node lists it. */
export interface ListedPayment {
  paymentHash: string;
  outcome: PayOutcome;
  createdAtMs: number;
  amountMsat: Msat;
}

export interface RouteEstimate {
  feeMsat: Msat;
  /** The node's own estimate of success, parts per million. */
  successPpm: number;
}

export interface RouteQuestion {
  invoice: Invoice;
  amountMsat: Msat;
  maxFeeMsat: Msat;
}

export type InvoiceStanding =
  | { is: 'open' | 'held' | 'cancelled' }
  | { is: 'settled'; receivedMsat: Msat; settledAtMs: number; settleIndex: number }
  | { is: 'unknown'; why: 'not_found' | 'deadline' | 'unreachable' | 'unrecognised' };

export interface ReceivedPayment {
  paymentHash: string;
  receivedMsat: Msat;
  settledAtMs: number;
  settleIndex: number;
}

/** One channel as the node lists it. */
export interface Channel {
  /** `txid:vout` of the funding output. */
  outpoint: string;
  /** Short channel id, `800000x1x0`. */
  id: string;
  peer: string;
  capacitySat: Sat;
  localMsat: Msat;
  remoteMsat: Msat;
  /** Locked in HTLCs that go out. */
  unsettledOutMsat: Msat;
  /** What may not be spent: our reserve. */
  reserveSat: Sat;
  commitFeeSat: Sat;
  openedBy: 'us' | 'peer';
  usable: 'active' | 'inactive';
  announced: 'public' | 'private';
  /** Upfront shutdown address, where one was set. */
  closeAddress: string | null;
  /** Commitment updates so far: a node that shows fewer than before runs on an old database. */
  updates: bigint;
  pendingHashes: readonly string[];
  /** HTLCs that come in and are not settled: their amounts are nobody's yet. */
  incomingHtlcs: number;
}

export interface PendingChannel {
  outpoint: string;
  peer: string;
  capacitySat: Sat;
  localSat: Sat;
  phase: 'opening' | 'closing' | 'force_closing' | 'waiting_close';
  closeTxid: string | null;
  /** Blocks until what is timelocked can be swept. */
  blocksLeft: number | null;
}

export interface ClosedChannel {
  outpoint: string;
  peer: string;
  closeTxid: string | null;
  closeHeight: number | null;
  settledSat: Sat;
  how:
    | 'cooperative'
    | 'local_force'
    | 'remote_force'
    | 'breach'
    | 'funding_cancelled'
    | 'abandoned';
}

/** A payment of others that went through us and settled. */
export interface Forward {
  /** What tells it from every other, the same in each answer. */
  id: string;
  /** By the node's clock. */
  atMs: number;
  feeMsat: Msat;
}

/** Forwards in one answer at most. */
export const FORWARDS_PAGE = 1_000;

/** What the node's own totals say, to the msat where it tells. */
export interface NodeBalance {
  /** Ours in channels that are open, outgoing HTLCs not included. */
  channelsMsat: Msat;
  unsettledMsat: Msat;
  pendingOpenMsat: Msat;
  chainConfirmedSat: Sat;
  chainUnconfirmedSat: Sat;
}

/** One channel asked for. Nothing is ever given to the peer, and the node never publishes. */
export interface ChannelOrder {
  peer: string;
  capacitySat: Sat;
  /** The treasury's, as upfront shutdown script (BOLT 2). */
  closeAddress: string;
  announced: 'public' | 'private';
}

export interface FundingAsked {
  /** The node's pending channel id, 32 bytes hex: what an abort names. */
  pendingId: string;
  address: string;
  amountSat: Sat;
  peer: string;
}

/** The rules by which peers may open to us. */
export interface InboundRules {
  peers: readonly { node: string; minSat: Sat; maxSat: Sat }[];
  /** A fresh treasury address for the upfront shutdown script; null refuses the channel. */
  closeAddressFor(peer: string): Promise<string | null>;
}

/** An order to close that the quorum approved. */
export interface CloseOrder {
  outpoint: string;
  how: 'cooperative' | 'force';
  feerate: FeeRate | null;
}

/** `refused`: nothing happens, and a retry later may help or not. `unknown`: look at the channel. */
export type CloseOutcome =
  | { is: 'closing'; txid: string }
  | {
      is: 'refused';
      why: 'htlcs_active' | 'peer_offline' | 'fee_disagreed' | 'not_found' | 'error';
      detail: string;
    }
  | { is: 'unknown'; detail: string };

export interface Backup {
  /** All channels, encrypted by the node's seed. */
  multiHex: string;
  outpoints: readonly string[];
}

/** Read and decoded without a node. */
export interface InvoiceReader {
  readInvoice(text: string): Invoice | InvoiceRefused;
}

/** Reads of any role. @throws Failure LND_UNREACHABLE when a call does not end in time */
export interface NodeReader extends InvoiceReader {
  standing(): Promise<NodeStanding>;
  channels(): Promise<readonly Channel[]>;
  /**
   * Outpoints of channels whose state at the node is older than its peer's, as the peer proved when they met again
   * (BOLT 2, `option_data_loss_protect`): they are in no list of channels any more, and their peer closes them.
   */
  lostChannels(): Promise<readonly string[]>;
  pendingChannels(): Promise<readonly PendingChannel[]>;
  closedChannels(): Promise<readonly ClosedChannel[]>;
  balance(): Promise<NodeBalance>;
  /**
   * Forwards that settled since, from the second in which that is, oldest first and without the first `skip`: at most
   * `FORWARDS_PAGE`. Their places may change where the node's clock went back, or it wrote one down late.
   */
  forwards(ask: { sinceMs: number; skip: number }): Promise<readonly Forward[]>;
}

/** Pays and looks up payments. Never throws for an outcome: what cannot be known is `unknown`. */
export interface Payer {
  /** Dispatches, or follows a payment of this hash that the node has already. */
  pay(order: PayOrder): Promise<PayOutcome>;
  lookUp(paymentHash: string): Promise<PayOutcome>;
  /** Every payment the node knows that was made since, newest first, page by page, bounded. */
  payments(sinceMs: number): AsyncIterable<readonly ListedPayment[]>;
  /** Null where the node finds no route within the fee. */
  estimate(question: RouteQuestion): Promise<RouteEstimate | null>;
}

export interface Receiver {
  /** The same preimage gives the same invoice: made once, however often it is asked. */
  createInvoice(ask: {
    preimage: string;
    amountMsat: Msat;
    description: string;
    expiresInMs: number;
    announced: 'public' | 'private';
  }): Promise<{ request: string; paymentHash: string; expiresAtMs: number }>;
  invoice(paymentHash: string): Promise<InvoiceStanding>;
  /** Cancelling twice is fine; a settled one cannot be. */
  cancelInvoice(paymentHash: string): Promise<'cancelled' | 'settled' | 'unknown'>;
  /** Settlements after an index (from 1), until the signal. Ends on any fault: begin again from what is durable. */
  receive(afterSettleIndex: number, signal: AbortSignal): AsyncIterable<ReceivedPayment>;
}

/** Opens, closes and backs up channels; its credential cannot pay, and a payer's cannot do this. */
export interface ChannelManager {
  connect(peer: string, socket: string): Promise<void>;
  openChannels(orders: readonly ChannelOrder[]): Promise<readonly FundingAsked[]>;
  /** Has the node check the unsigned transaction; from then on the peers' signatures are awaited. */
  verifyFunding(pendingIds: readonly string[], psbt: Uint8Array): Promise<void>;
  /** Forgets a channel that is not pending yet. Idempotent. */
  cancelPending(pendingId: string): Promise<void>;
  /** Only after a conflicting spend that we saw six blocks deep ourselves. */
  forgetConflicted(ask: {
    outpoint: string;
    pendingTx: string;
    confirmedTx: string;
  }): Promise<void>;
  close(order: CloseOrder): Promise<CloseOutcome>;
  accept(rules: InboundRules, signal: AbortSignal): Promise<void>;
  backup(): Promise<Backup>;
  /** Whether the node itself can read it back, and for these channels. */
  verifyBackup(backup: Backup): Promise<boolean>;
  /** Fresh address of the node's own wallet, for the anchor reserve. */
  walletAddress(): Promise<string>;
  setChannelFees(ask: { outpoint: string; baseMsat: Msat; ratePpm: number }): Promise<void>;
  addWatchtower(publicKey: string, socket: string): Promise<void>;
}
