/**
 * What the pool asks of its own bitcoind: few things, each to check what somebody else claims. No wallet, no
 * transaction index, and nothing is sent.
 */
import type { FeeRate, Sat } from '../policies/units.ts';

export interface ChainTip {
  height: number;
  sync: 'synced' | 'syncing';
}

/** An output that nobody spent, mempool included. */
export interface ChainOutput {
  amountSat: Sat;
  /** scriptPubKey, hex. */
  script: string;
  /** 0 while it is in the mempool only. */
  confirmations: number;
}

/** A transaction in a block of the best chain. */
export interface MinedTx {
  rawTx: string;
  confirmations: number;
}

/** @throws Failure BITCOIND_UNREACHABLE, BITCOIND_REFUSED, INPUT_INVALID; every method */
export interface ChainPort {
  tip(): Promise<ChainTip>;
  /** Null where it is spent or was never there. */
  output(outpoint: string): Promise<ChainOutput | null>;
  /** Null where the block of the best chain at this height does not hold it. */
  minedAt(txid: string, height: number): Promise<MinedTx | null>;
  /** In hex; null where the mempool does not hold it. */
  inMempool(txid: string): Promise<string | null>;
  /** For a confirmation within the hour; null where the node has seen too little. */
  feeEstimate(): Promise<FeeRate | null>;
}
