/** What an agent asks of its own bitcoind, in its own words; `adapters/bitcoind.ts` answers. */
import type { Sat } from '../policies/units.ts';
import type { ChainView } from './judgement.ts';

/** One unspent coin of the treasury as the own wallet shows it. */
export interface OwnCoin {
  outpoint: string;
  amountSat: Sat;
  /** scriptPubKey, hex. */
  script: string;
  branch: 0 | 1;
  index: number;
  /** 0 while it is in the mempool only. */
  confirmations: number;
}

export interface OwnNode {
  /** Hash of block 0, and the tip: for the check that this is the right network (B2, preflight). */
  identity(): Promise<{ genesisHash: string; tipHeight: number; version: string }>;
  /** Makes the agent's own watch-only wallet of these two branches, or checks the one there. Idempotent. */
  watch(branches: { receive: string; change: string }): Promise<void>;
  /** All that a judgement reads of the chain, at one tip; `coins` for the outpoints asked about. */
  view(outpoints: readonly string[]): Promise<ChainView>;
  coins(): Promise<readonly OwnCoin[]>;
  /** In hex; null where the node does not know it. */
  rawTx(txid: string): Promise<string | null>;
}
