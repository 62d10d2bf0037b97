/**
 * What LND's own wallet must hold so that it can pay for a commitment that has to be mined: 10,000 sat for
 * each public channel with anchors, 100,000 at most (lnwallet/wallet.go). It refuses a channel that would break
 * that, whoever funds it.
 */
import { type Sat, sat } from '../../policies/units.ts';
import type { Channel, NodeBalance, PendingChannel } from '../lightning.ts';

export const ANCHOR_RESERVE_SAT = 10_000n;
export const ANCHOR_RESERVE_MAX_SAT = 100_000n;

/**
 * What is missing with these channels added, in steps of one channel's share: a smaller output would cost
 * more to spend than it helps. What is pending may be private; it counts, since a node does not say.
 */
export function missingReserveSat(of: {
  balance: Pick<NodeBalance, 'chainConfirmedSat' | 'chainUnconfirmedSat'>;
  channels: readonly Pick<Channel, 'announced'>[];
  pending: readonly Pick<PendingChannel, 'phase'>[];
  adding: readonly { announced: 'public' | 'private' }[];
}): Sat {
  const added = of.adding.filter(({ announced }) => announced === 'public').length;
  if (added === 0) return sat(0n);
  const held = of.channels.filter(({ announced }) => announced === 'public').length;
  const count = BigInt(held + of.pending.length + added);
  const needed = least(count * ANCHOR_RESERVE_SAT, ANCHOR_RESERVE_MAX_SAT);
  const { chainConfirmedSat, chainUnconfirmedSat } = of.balance;
  const missing = needed - chainConfirmedSat - chainUnconfirmedSat;
  if (missing <= 0n) return sat(0n);
  const shares = (missing + ANCHOR_RESERVE_SAT - 1n) / ANCHOR_RESERVE_SAT;
  return sat(shares * ANCHOR_RESERVE_SAT);
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
