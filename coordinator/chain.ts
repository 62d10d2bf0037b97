/**
 * What the coordinator asks of a bitcoind, in its own words. An adapter answers (`adapters/bitcoind.ts`);
 * the rest of the coordinator decides on the answers and never speaks to a node.
 */
import type { TreasurySpend } from '../policies/commitments.ts';
import type { FeeRate, Sat } from '../policies/units.ts';

/** One unspent coin of the treasury. */
export interface TreasuryCoin {
  outpoint: string;
  amountSat: Sat;
  /** scriptPubKey, hex. */
  script: string;
  branch: 0 | 1;
  index: number;
  /** 0 while it is in the mempool only. */
  confirmations: number;
  coinbase: 'coinbase' | 'ordinary';
}

/** A spend of treasury coins with the block it is in, or null while unconfirmed. */
export interface SeenSpend extends TreasurySpend {
  blockHash: string | null;
}

/** One look at the chain: everything in it was read at one tip. */
export interface ChainView {
  tipHeight: number;
  tipHash: string;
  sync: 'synced' | 'syncing';
  /** Unspent by chain and mempool. */
  coins: readonly TreasuryCoin[];
  /** Every spend of treasury coins, mempool and chain. */
  spends: readonly SeenSpend[];
  /** The node's 6-block estimate, or the configured value where it has none; null where neither is. */
  estimate: FeeRate | null;
  /** Highest used index of the change branch, -1 when none. */
  changeIndexUsed: number;
}

/** A coin as the chain alone knows it, whatever the mempool does with it. */
export interface ConfirmedCoin {
  amountSat: Sat;
  script: string;
  confirmations: number;
  coinbase: 'coinbase' | 'ordinary';
}

/** What a node says of a transaction offered to it. */
export type Acceptance = { outcome: 'accepted' } | { outcome: 'refused'; reason: string };

export interface Chain {
  /** Hash of block 0, and the tip: for the check that this is the right network. */
  identity(): Promise<{ genesisHash: string; tipHeight: number; version: string }>;
  /** Makes the watch-only wallet of these two branches, or checks the one that is there. Idempotent. */
  watch(branches: { receive: string; change: string }): Promise<void>;
  view(): Promise<ChainView>;
  /** Coins that are unspent in the chain, the mempool left aside; those it does not know are missing. */
  confirmedCoins(outpoints: readonly string[]): Promise<ReadonlyMap<string, ConfirmedCoin>>;
  /** Raw transactions in hex by txid. @throws Failure NOT_FOUND naming the one that is not there. */
  previousTxs(txids: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** `testmempoolaccept`. One that is in the mempool or the chain already is accepted. */
  test(rawTx: string): Promise<Acceptance>;
  /** `sendrawtransaction`. One that is in the mempool or the chain already is accepted. */
  broadcast(rawTx: string): Promise<Acceptance>;
}
