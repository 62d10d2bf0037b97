/**
 * Postings of channels: rows R3 to R6, with what is not the pool's kept apart. Agents' prepaid money lies in the
 * same channels: a close takes the pool's part first and gives theirs back first. Pure.
 */
import { invariant } from '../../policies/failure.ts';
import { type Msat, msat, msatOfSat, type Sat, sat } from '../../policies/units.ts';
import { cr, dr, type Entry, entryOf } from '../ledger/entry.ts';
import { available, type Ledger } from '../ledger/ledger.ts';
import { openBroadcast, openConfirmed } from '../ledger/rail-rows.ts';
import type { Batch } from './channel-state.ts';
import { sumOf } from './open-decision.ts';

/** R3. */
export function broadcastEntry({ channels, reserve, proposal }: Batch): Entry {
  invariant(proposal !== null, 'a batch is broadcast and was never proposed');
  return openBroadcast({
    capacityMsat: msatOfSat(sat(sumOf(channels))),
    feeMsat: msatOfSat(proposal.feeSat),
    reserveMsat: msatOfSat(reserve?.amountSat ?? sat(0n)),
  });
}

/** What it cost to take a funding back; nothing where somebody else paid. */
export function cancelledEntry(feeSat: Sat): Entry {
  const fee = msatOfSat(feeSat);
  return entryOf(dr('LLP:exp:chain_fee', fee), cr('LLP:asset:cold', fee));
}

/** R4. */
export function openedEntry(of: { capacitySat: Sat; reservedSat: Sat }): Entry {
  return openConfirmed({
    capacityMsat: msatOfSat(of.capacitySat),
    reservedMsat: msatOfSat(of.reservedSat),
  });
}

/** What a close takes out of the channels, and where it is until it confirms. */
export interface ClosingPostings {
  entry: Entry;
  poolMsat: Msat;
  othersMsat: Msat;
}

/**
 * R5. `totalMsat` is all of ours in the channel, `reservedMsat` what the books hold back of it, `feeMsat` what is
 * known to be lost by closing. Where the books have less than the node, only what they have is moved.
 */
export function closingEntry(
  ledger: Ledger,
  of: { totalMsat: bigint; reservedMsat: bigint; feeMsat: bigint },
): ClosingPostings {
  const free = of.totalMsat - of.reservedMsat;
  // The commitment fee fell since the channel was opened: part of what was held back is free now.
  const freed = free < 0n ? -free : 0n;
  const pool = least(positive(free), available(ledger, 'LLP:asset:ln.local'));
  const others = least(positive(free) - pool, available(ledger, 'SYS:asset:ln.local'));
  const inPool = pool + of.reservedMsat - freed;
  const poolFee = least(of.feeMsat, inPool);
  const othersFee = least(of.feeMsat - poolFee, others);
  return {
    poolMsat: msat(inPool - poolFee),
    othersMsat: msat(others - othersFee),
    entry: entryOf(
      dr('LLP:asset:ln.pending_close', inPool - poolFee),
      dr('LLP:asset:ln.local', freed),
      dr('LLP:exp:chain_close', poolFee),
      cr('LLP:asset:ln.local', pool),
      cr('LLP:asset:ln.reserved', of.reservedMsat),
      dr('SYS:asset:ln.pending_close', others - othersFee),
      dr('SYS:exp:chain_close', othersFee),
      cr('SYS:asset:ln.local', others),
    ),
  };
}

/**
 * R6. What came is less than expected by fees that were not known, or more where they were booked too high; more
 * than both is nobody's.
 */
export function closedEntry(
  ledger: Ledger,
  of: { poolMsat: Msat; othersMsat: Msat; paidMsat: bigint; to: 'cold' | 'chain.conf' },
): Entry {
  const others = least(of.othersMsat, of.paidMsat);
  const came = of.paidMsat - others;
  const lost = positive(of.poolMsat - came);
  const over = positive(came - of.poolMsat);
  const feeBack = least(over, available(ledger, 'LLP:exp:chain_close'));
  const nobodys = over - feeBack;
  return entryOf(
    dr(`LLP:asset:${of.to}`, came - nobodys),
    dr('LLP:exp:chain_sweep', lost),
    cr('LLP:asset:ln.pending_close', of.poolMsat),
    cr('LLP:exp:chain_close', feeBack),
    dr(`SYS:asset:${of.to}`, others + nobodys),
    dr('SYS:exp:chain_sweep', of.othersMsat - others),
    cr('SYS:asset:ln.pending_close', of.othersMsat),
    cr('SYS:liab:unattributed', nobodys),
  );
}

/** Parts of satoshis that closes did not pay. */
export function remainderEntry(amountMsat: Msat): Entry {
  return entryOf(dr('LLP:exp:chain_close', amountMsat), cr('LLP:asset:ln.local', amountMsat));
}

function positive(value: bigint): bigint {
  return value > 0n ? value : 0n;
}

function least(a: bigint, b: bigint): bigint {
  const floor = b > 0n ? b : 0n;
  return a < floor ? a : floor;
}
