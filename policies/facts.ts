/**
 * What a judge is told about a spend, in words a policy understands. Facts come from whoever judges:
 * the coordinator from its node, each agent from its own; counters come from the log and the chain.
 */
import type { NetworkName, SpendKind } from './intent.ts';
import type { FeeRate, Sat, VBytes } from './units.ts';

/** One coin that goes in. */
export interface InputFact {
  outpoint: string;
  amountSat: Sat;
  confirmations: number;
  /** Change of our own earlier proposal: `own_change_min_conf` applies instead of `min_conf`. */
  origin: 'own-change' | 'received';
  branch: 0 | 1;
  index: number;
}

/** One output that leaves, with the authority it is paid on. */
export interface PayeeFact {
  /** scriptPubKey in hex: what limits per payee are counted by. */
  script: string;
  amountSat: Sat;
  authority:
    | { kind: 'lp-order'; lpId: string; orderId: string; expiryHeight: number }
    | {
        kind: 'allowlist';
        list: string;
        entry: string;
        index: number | null;
        /** The highest index of this entry that was ever paid; absent when none was. */
        usedIndex?: number | null;
      }
    | {
        /** Funds a channel: that the script is its 2-of-2 with this peer is the pool's word. */
        kind: 'channel';
        /** The peer's node key. */
        peer: string;
        /** On the treasury's receive branch: where a cooperative close pays. */
        closeIndex: number;
        announced: 'public' | 'private';
      };
  /** No charge of the treasury ever paid this script before; of a channel: nothing was opened to the peer. */
  firstPayment: 'first' | 'known';
}

/** A whole spend. Amounts are computed from coins, never taken from a claim. */
export interface SpendFacts {
  kind: SpendKind;
  /**
   * For a fee_bump: the kind of what it bumps, fee and feerate of its highest variant so far (the fee
   * the charges hold), and how many bumps there were before.
   */
  bump: { of: SpendKind; feeSat: Sat; feerate: FeeRate; earlierBumps: number } | null;
  network: NetworkName;
  tipHeight: number;
  lockTime: number;
  expiryHeight: number;
  inputs: readonly InputFact[];
  payees: readonly PayeeFact[];
  /** Absent when nothing comes back. */
  changeSat: Sat | null;
  feeSat: Sat;
  vsize: VBytes;
  /** The judge's own 6-block estimate; null where its node has none and none is configured. */
  estimate: FeeRate | null;
  /** All coins of the treasury before this spend, the judge's own view; reserved ones are among them. */
  treasurySat: Sat;
}

/**
 * What the treasury already committed. A live proposal counts in every window until it is dead; a
 * confirmed one counts at its confirmation height: no clock and no claim of anybody moves it.
 */
export interface Charge {
  proposalId: string;
  kind: SpendKind;
  at: number | 'live';
  outflowSat: Sat;
  /** The highest fee of all live variants until one is buried (F6). */
  feeSat: Sat;
  payees: readonly {
    script: string;
    amountSat: Sat;
    lpId: string | null;
    entry: string | null;
    /** Of a channel: the node key it was opened to. */
    peer?: string;
  }[];
}

/** Who said yes so far; distinctness is counted by `owner`, which defaults to the id. */
export interface ApprovalFacts {
  initiator: string;
  guardians: readonly { id: string; owner: string }[];
  operators: readonly { id: string; owner: string }[];
}
