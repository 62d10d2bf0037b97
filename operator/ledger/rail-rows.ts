/** Postings of channels and rails: rows R1 to R9 and S3 of the accounting table. Pure. */
import type { Msat } from '../../policies/units.ts';
import { cr, dr, type Entry, entryOf } from './entry.ts';
import { available, type Ledger } from './ledger.ts';

const LOCAL = 'LLP:asset:ln.local';
const RESERVED = 'LLP:asset:ln.reserved';
const OPENING = 'LLP:asset:ln.pending_open';
const CLOSING = 'LLP:asset:ln.pending_close';
const CHAIN = 'LLP:asset:chain.conf';
const COLD = 'LLP:asset:cold';

/** R1: a forward earned its fee. */
export function forwardSettled({ feeMsat: p }: { feeMsat: Msat }): Entry {
  return entryOf(dr(LOCAL, p), cr('LLP:inc:routing', p));
}

/** R2: a circular payment cost this. */
export function rebalanced({ costMsat: c }: { costMsat: Msat }): Entry {
  return entryOf(dr('LLP:exp:rebalance', c), cr(LOCAL, c));
}

/** R3: the treasury funds channels, pays the fee, and tops up LND's own wallet for its anchors. */
export function openBroadcast(of: { capacityMsat: Msat; feeMsat: Msat; reserveMsat: Msat }): Entry {
  const { capacityMsat: c, feeMsat: f, reserveMsat: r } = of;
  return entryOf(dr(OPENING, c), dr('LLP:exp:chain_open', f), dr(CHAIN, r), cr(COLD, c + f + r));
}

/** R4: the channel is open; reserve, commitment fee and anchors cannot be spent. */
export function openConfirmed(of: { capacityMsat: Msat; reservedMsat: Msat }): Entry {
  const { capacityMsat: c, reservedMsat: e } = of;
  return entryOf(dr(LOCAL, c - e), dr(RESERVED, e), cr(OPENING, c));
}

/** R5: the close is out; its fee is known to be an expense. */
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
export function closeConfirmed(of: {
  closingMsat: Msat;
  feeMsat: Msat;
  to: 'cold' | 'chain.conf';
}): Entry {
  const { closingMsat: l, feeMsat: f, to } = of;
  return entryOf(dr(`LLP:asset:${to}`, l - f), dr('LLP:exp:chain_sweep', f), cr(CLOSING, l));
}

/** R7: swapped out of Lightning. */
export function swappedOut({
  chainMsat: x,
  costMsat: c,
}: {
  chainMsat: Msat;
  costMsat: Msat;
}): Entry {
  return entryOf(dr(CHAIN, x), dr('LLP:exp:swap', c), cr(LOCAL, x + c));
}

/** R8: from LND's wallet to the treasury. */
export function sweptToCold({
  amountMsat: x,
  feeMsat: f,
}: {
  amountMsat: Msat;
  feeMsat: Msat;
}): Entry {
  return entryOf(dr(COLD, x), dr('LLP:exp:chain_sweep', f), cr(CHAIN, x + f));
}

/** R9: from the treasury to LND's wallet, by quorum. */
export function toppedUpHot({
  amountMsat: x,
  feeMsat: f,
}: {
  amountMsat: Msat;
  feeMsat: Msat;
}): Entry {
  return entryOf(dr(CHAIN, x), dr('LLP:exp:chain_sweep', f), cr(COLD, x + f));
}

/** S3: a rail holds less than the books say. */
export function reconShort({ rail, amountMsat: x }: { rail: string; amountMsat: Msat }): Entry {
  return entryOf(dr('LLP:exp:recon', x), cr(`LLP:asset:${rail}`, x));
}

/** S3: a rail holds more; it is nobody's, and never income. */
export function reconOver({ rail, amountMsat: x }: { rail: string; amountMsat: Msat }): Entry {
  return entryOf(dr(`SYS:asset:${rail}`, x), cr('SYS:liab:unattributed', x));
}

export interface RailTotals {
  /** All of ours in open channels, whatever it is for: what the node must show. */
  lightningMsat: bigint;
  pendingOpenMsat: bigint;
  pendingCloseMsat: bigint;
  chainMsat: bigint;
  coldMsat: bigint;
}

/** Sums over the partitions: rails are shared, partitions are allocations of them. */
export function railTotals(ledger: Ledger): RailTotals {
  const of = (...rails: readonly string[]): bigint =>
    ['SYS', 'LLP', 'CEP', 'RRP']
      .flatMap((partition) => rails.map((rail) => `${partition}:asset:${rail}`))
      .reduce((sum, account) => sum + available(ledger, account), 0n);
  return {
    lightningMsat: of('ln.local', 'ln.reserved', 'ln.inflight', 'ln.ringfence'),
    pendingOpenMsat: of('ln.pending_open'),
    pendingCloseMsat: of('ln.pending_close'),
    chainMsat: of('chain.conf', 'chain.inflight', 'chain.ringfence'),
    coldMsat: of('cold'),
  };
}
