/**
 * What an agent asks of the pool's Lightning node (LND), in its own words; `adapters/lnd.ts` answers. It only
 * ever looks: nothing here opens, closes or pays.
 */
import type { Sat } from '../policies/units.ts';

/** A channel that waits for its funding transaction: the peer's signature of our first commitment is held. */
export interface PendingChannelSeen {
  /** `txid:vout` of its funding. */
  outpoint: string;
  /** The peer's node key, compressed, hex. */
  peer: string;
  capacitySat: Sat;
  /** What the other side would get of it: nothing, unless it is gifted or the channel is not ours at all. */
  peerSat: Sat;
}

/** A channel whose funding is confirmed, whether its peer is there now or not. */
export interface ActiveChannelSeen {
  outpoint: string;
  peer: string;
  capacitySat: Sat;
  /** Where a cooperative close must pay our side (BOLT 2, upfront shutdown script); null: anywhere. */
  closeAddress: string | null;
}

/** Every call rejects with Failure LND_UNREACHABLE when the node does not answer in time, or not to us. */
export interface LightningView {
  /** Which node this is; hash of block 0 of its chain, null where the node's chain has no known one. */
  identity(): Promise<{ publicKey: string; genesisHash: string | null }>;
  pendingChannels(): Promise<readonly PendingChannelSeen[]>;
  activeChannels(): Promise<readonly ActiveChannelSeen[]>;
}

/**
 * What the node showed right before a judgement, by outpoint. `none`: this agent has no such node. `silent`: it
 * has one that did not answer.
 */
export type LightningSeen =
  | { is: 'none' | 'silent' }
  | {
      is: 'seen';
      pending: ReadonlyMap<string, PendingChannelSeen>;
      active: ReadonlyMap<string, ActiveChannelSeen>;
    };
