/** The books beside what the node and the treasury hold, rail by rail, to the millisatoshi. Pure. */
import type { RailTotals } from '../ledger/rail-rows.ts';
import type { Channel, NodeBalance, PendingChannel } from '../lightning.ts';
import { type Channels, outpointsOf } from './channel-state.ts';
import { oursMsat } from './leaving-news.ts';

/** What is there, whatever the books say. */
export interface PhysicalRails {
  lightningMsat: bigint;
  pendingOpenMsat: bigint;
  chainMsat: bigint;
  /** Null where the coordinator was not asked. */
  coldMsat: bigint | null;
}

/** Books less what is there: 0 on every rail, or something is under way or wrong. */
export interface RailDifferences {
  lightningMsat: bigint;
  pendingOpenMsat: bigint;
  chainMsat: bigint;
  coldMsat: bigint | null;
}

/**
 * `balance` and `channels` are of one moment. The node's own sum is exact where each channel is in whole satoshi;
 * fee and anchors of commitments that we pay are ours as well.
 */
export function physicalRails(of: {
  books: Channels;
  balance: NodeBalance;
  channels: readonly Channel[];
  pending: readonly PendingChannel[];
  coldSat: bigint | null;
}): PhysicalRails {
  const { books, balance } = of;
  let paidMsat = 0n;
  for (const channel of of.channels) {
    const known = books.open.get(channel.outpoint);
    if (known === undefined) continue;
    paidMsat += oursMsat(known, channel) - channel.localMsat - channel.unsettledOutMsat;
  }
  const opening = new Set(
    of.pending.filter(({ phase }) => phase === 'opening').map(({ outpoint }) => outpoint),
  );
  let pendingOpenSat = 0n;
  for (const batch of books.batches.values()) {
    if (batch.phase !== 'broadcast') continue;
    for (const [at, outpoint] of outpointsOf(batch).entries()) {
      if (opening.has(outpoint)) pendingOpenSat += batch.channels[at]?.capacitySat ?? 0n;
    }
  }
  return {
    lightningMsat: balance.channelsMsat + balance.unsettledMsat + paidMsat,
    pendingOpenMsat: pendingOpenSat * 1_000n,
    chainMsat: (balance.chainConfirmedSat + balance.chainUnconfirmedSat) * 1_000n,
    coldMsat: of.coldSat === null ? null : of.coldSat * 1_000n,
  };
}

export function railDifferences(totals: RailTotals, physical: PhysicalRails): RailDifferences {
  return {
    lightningMsat: totals.lightningMsat - physical.lightningMsat,
    pendingOpenMsat: totals.pendingOpenMsat - physical.pendingOpenMsat,
    chainMsat: totals.chainMsat - physical.chainMsat,
    coldMsat: physical.coldMsat === null ? null : totals.coldMsat - physical.coldMsat,
  };
}

/**
 * What closes left below a satoshi each: at most that, and only while nothing is under way that could explain
 * more. Null where there is nothing to book.
 */
export function remainderMsat(of: {
  differenceMsat: bigint;
  closes: number;
  quiet: boolean;
}): bigint | null {
  const { differenceMsat, closes, quiet } = of;
  return quiet && differenceMsat > 0n && differenceMsat < BigInt(closes) * 1_000n
    ? differenceMsat
    : null;
}
