/**
 * Postings of channels and rails: rows R1 to R9 and S3 of the accounting table, exchanges at par, and what must be
 * physically there. Pure.
 */
import type { Msat } from '../../policies/units.ts';
import { PARTITIONS, type Rail } from './account.ts';
import { cr, dr, type Entry, entryOf } from './entry.ts';
import { available, type Ledger, postedOf } from './ledger.ts';

const LOCAL = 'LLP:asset:ln.local';
const RESERVED = 'LLP:asset:ln.reserved';
const OPENING = 'LLP:asset:ln.pending_open';
const CLOSING = 'LLP:asset:ln.pending_close';
const CHAIN = 'LLP:asset:chain.conf';
const COLD = 'LLP:asset:cold';

/** Who holds the keys of on-chain money: the quorum, or LND's own wallet. */
export type Wallet = 'cold' | 'chain.conf';

/** R1: a forward earned its fee. */
export function forwardSettled({ feeMsat: p }: { feeMsat: Msat }): Entry {
  return entryOf(dr(LOCAL, p), cr('LLP:inc:routing', p));
}

/** R2: a circular payment cost this. */
export function rebalanced({ costMsat: c }: { costMsat: Msat }): Entry {
  return entryOf(dr('LLP:exp:rebalance', c), cr(LOCAL, c));
}

/** R3: the treasury, or else LND's wallet, funds channels and pays the fee; `reserveMsat` tops up the latter. */
export function openBroadcast(of: {
  capacityMsat: Msat;
  feeMsat: Msat;
  /** To LND's wallet in the same transaction, for its anchors. */
  reserveMsat: Msat;
  from?: Wallet;
}): Entry {
  const { capacityMsat: c, feeMsat: f, reserveMsat: r, from = 'cold' } = of;
  return entryOf(
    dr(OPENING, c),
    dr('LLP:exp:chain_open', f),
    dr(CHAIN, r),
    cr(`LLP:asset:${from}`, c + f + r),
  );
}

/** R4: the channel is open; reserve, commitment fee and anchors cannot be spent. */
export function openConfirmed(of: { capacityMsat: Msat; reservedMsat: Msat }): Entry {
  const { capacityMsat: c, reservedMsat: e } = of;
  return entryOf(dr(LOCAL, c - e), dr(RESERVED, e), cr(OPENING, c));
}

/** R5: the close is out, cooperative or forced; what it costs is an expense at once. */
export function closeBroadcast(of: { localMsat: Msat; reservedMsat: Msat; feeMsat: Msat }): Entry {
  const { localMsat: l, reservedMsat: e, feeMsat: f } = of;
  return entryOf(
    dr(CLOSING, l + e - f),
    dr('LLP:exp:chain_close', f),
    cr(LOCAL, l),
    cr(RESERVED, e),
  );
}

/** R6: a cooperative close pays the treasury, a force close LND's own wallet. */
export function closeConfirmed(of: { closingMsat: Msat; feeMsat: Msat; to: Wallet }): Entry {
  const { closingMsat: l, feeMsat: f, to } = of;
  return entryOf(dr(`LLP:asset:${to}`, l - f), dr('LLP:exp:chain_sweep', f), cr(CLOSING, l));
}

/** R7: swapped out of Lightning. */
export function swappedOut({ chainMsat: x, costMsat: c }: SwapAmounts): Entry {
  return entryOf(dr(CHAIN, x), dr('LLP:exp:swap', c), cr(LOCAL, x + c));
}

/** R7, reverse: swapped into Lightning; `chainMsat` is what left the chain, its cost included. */
export function swappedIn({ chainMsat: x, costMsat: c }: SwapAmounts): Entry {
  return entryOf(dr(LOCAL, x - c), dr('LLP:exp:swap', c), cr(CHAIN, x));
}

interface SwapAmounts {
  chainMsat: Msat;
  costMsat: Msat;
}

interface MoveAmounts {
  /** What arrives. */
  amountMsat: Msat;
  feeMsat: Msat;
}

/** R8: from LND's wallet to the treasury. */
export function sweptToCold({ amountMsat: x, feeMsat: f }: MoveAmounts): Entry {
  return entryOf(dr(COLD, x), dr('LLP:exp:chain_sweep', f), cr(CHAIN, x + f));
}

/** R9: from the treasury to LND's wallet, by quorum. */
export function toppedUpHot({ amountMsat: x, feeMsat: f }: MoveAmounts): Entry {
  return entryOf(dr(CHAIN, x), dr('LLP:exp:chain_sweep', f), cr(COLD, x + f));
}

/** S3: a rail holds less than the books say. */
export function reconShort({ rail, amountMsat: x }: { rail: Rail; amountMsat: Msat }): Entry {
  return entryOf(dr('LLP:exp:recon', x), cr(`LLP:asset:${rail}`, x));
}

/** S3: a rail holds more; it is nobody's, and never income. */
export function reconOver({ rail, amountMsat: x }: { rail: Rail; amountMsat: Msat }): Entry {
  return entryOf(dr(`SYS:asset:${rail}`, x), cr('SYS:liab:unattributed', x));
}

/**
 * What agents' money lacks on Lightning for `amountMsat`, exchanged at par with LLP for what it has on chain, where
 * channels that closed have taken it; linked before the row that needs it. Whole satoshi, empty where nothing lacks.
 */
export function lightningExchanged(ledger: Ledger, amountMsat: bigint): Entry {
  let lacks = amountMsat - available(ledger, 'SYS:asset:ln.local');
  const postings = [];
  for (const rail of ['chain.conf', 'cold'] satisfies Rail[]) {
    if (lacks <= 0n) break;
    const there = available(ledger, `SYS:asset:${rail}`);
    const wanted = ((lacks + 999n) / 1_000n) * 1_000n;
    const part = wanted < there ? wanted : there;
    postings.push(
      dr('SYS:asset:ln.local', part),
      cr(`SYS:asset:${rail}`, part),
      dr(`LLP:asset:${rail}`, part),
      cr(LOCAL, part),
    );
    lacks -= part;
  }
  return entryOf(...postings);
}

/** What must be there physically, over all partitions, in msat. Holds move nothing and are left alone. */
export interface RailTotals {
  /** All of ours in open channels, whatever it is for: the node's own balance with its outgoing HTLCs. */
  lightningMsat: bigint;
  /** Of it, the amounts and fee caps of payments whose end is not known. */
  inflightMsat: bigint;
  pendingOpenMsat: bigint;
  pendingCloseMsat: bigint;
  /** LND's own wallet. */
  chainMsat: bigint;
  /** The treasury's. */
  coldMsat: bigint;
  sparkMsat: bigint;
}

/** Sums over the partitions: rails are shared, partitions are allocations of them. */
export function railTotals(ledger: Ledger): RailTotals {
  const of = (...rails: readonly Rail[]): bigint =>
    PARTITIONS.flatMap((partition) => rails.map((rail) => `${partition}:asset:${rail}`)).reduce(
      (sum, account) => sum + postedOf(ledger, account),
      0n,
    );
  return {
    lightningMsat: of('ln.local', 'ln.reserved', 'ln.inflight', 'ln.ringfence'),
    inflightMsat: of('ln.inflight'),
    pendingOpenMsat: of('ln.pending_open'),
    pendingCloseMsat: of('ln.pending_close'),
    chainMsat: of('chain.conf', 'chain.inflight', 'chain.ringfence'),
    coldMsat: of('cold'),
    sparkMsat: of('spark'),
  };
}
