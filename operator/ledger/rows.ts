/**
 * Postings of payments and prepaid balances, by the rows of the accounting table (I2 to I8, E7, R10). Each balances
 * per partition. Whatever an end needs is set aside when it is reserved, so that the end can always be booked. Pure.
 */
import type { Msat } from '../../policies/units.ts';
import type { Expense, Rail } from './account.ts';
import { cr, dr, type Entry, entryOf, type Posting } from './entry.ts';

const LOCAL = 'LLP:asset:ln.local';
const INFLIGHT = 'LLP:asset:ln.inflight';
const SERVICE = 'LLP:inc:service';
const SYS_LOCAL = 'SYS:asset:ln.local';
/** Agents' money that the node may be sending right now. */
const SYS_INFLIGHT = 'SYS:asset:ln.inflight';
/** Agents' money for service fees of payments under way: nothing else may use it up before they end. */
const SYS_SET_ASIDE = 'SYS:asset:ln.ringfence';

function prepaid(agentId: string): string {
  return `SYS:liab:prepaid.${agentId}`;
}

function hold(quoteId: string): string {
  return `SYS:liab:prepaid_hold.${quoteId}`;
}

export interface PayAmounts {
  agentId: string;
  quoteId: string;
  amountMsat: Msat;
  /** Cap of the route fee. */
  maxFeeMsat: Msat;
  serviceFeeMsat: Msat;
}

/**
 * I2, and I8 with a service fee of nothing: the payer's worst case is held and the money behind it set aside, as much
 * as the route may take as in flight. It is agents' own: a pool that spent its capital still pays out what is theirs.
 */
export function payReserved(of: PayAmounts): Entry {
  const { agentId, quoteId, amountMsat: a, maxFeeMsat: m, serviceFeeMsat: v } = of;
  return entryOf(
    dr(prepaid(agentId), a + m + v),
    cr(hold(quoteId), a + m + v),
    dr(SYS_INFLIGHT, a + m),
    dr(SYS_SET_ASIDE, v),
    cr(SYS_LOCAL, a + m + v),
  );
}

/**
 * I3: what the route took is the payer's at cost, what it did not take goes back, and the service fee's money is
 * LLP's. `routeFeeMsat` is at most the cap, else the entry does not balance and is not taken.
 */
export function paySettled(of: PayAmounts & { routeFeeMsat: Msat }): Entry {
  const { agentId, quoteId, amountMsat: a, maxFeeMsat: m, serviceFeeMsat: v, routeFeeMsat: f } = of;
  return entryOf(
    dr(hold(quoteId), a + m + v),
    cr(prepaid(agentId), m - f),
    cr(SYS_INFLIGHT, a + m),
    dr(SYS_LOCAL, m - f),
    cr(SYS_SET_ASIDE, v),
    dr(LOCAL, v),
    cr(SERVICE, v),
  );
}

/** I4: everything goes back. Only for a failure that the node stated; what is unknown (I5) has no posting. */
export function payFailed(of: PayAmounts): Entry {
  return { postings: payReserved(of).postings.map(reversed) };
}

function reversed(posting: Posting): Posting {
  return { ...posting, side: posting.side === 'dr' ? 'cr' : 'dr' };
}

export interface PoolPayAmounts {
  amountMsat: Msat;
  maxFeeMsat: Msat;
}

/** I6, reserved: the pool itself pays; there is nobody to hold from. */
export function poolPayReserved({ amountMsat: a, maxFeeMsat: m }: PoolPayAmounts): Entry {
  return entryOf(dr(INFLIGHT, a + m), cr(LOCAL, a + m));
}

/** I6, settled: the amount is an expense of LLP, by name, and so is the fee. */
export function poolPaySettled(
  of: PoolPayAmounts & { routeFeeMsat: Msat; expense?: Expense },
): Entry {
  const { amountMsat: a, maxFeeMsat: m, routeFeeMsat: f, expense = 'invoice' } = of;
  return entryOf(
    dr(`LLP:exp:${expense}`, a),
    dr('LLP:exp:route', f),
    dr(LOCAL, m - f),
    cr(INFLIGHT, a + m),
  );
}

/** I6, failed. */
export function poolPayFailed(of: PoolPayAmounts): Entry {
  return { postings: poolPayReserved(of).postings.map(reversed) };
}

export interface SelfAmounts {
  payerAgentId: string;
  quoteId: string;
  amountMsat: Msat;
  serviceFeeMsat: Msat;
}

/**
 * I7, held first: the invoice is cancelled at the node between this and the booking, and meanwhile the payer must
 * not spend the same money on something else. The amount stays in SYS, so only the fee's money is set aside.
 */
export function selfReserved(of: SelfAmounts): Entry {
  const { payerAgentId, quoteId, amountMsat: a, serviceFeeMsat: v } = of;
  return entryOf(
    dr(prepaid(payerAgentId), a + v),
    cr(hold(quoteId), a + v),
    dr(SYS_SET_ASIDE, v),
    cr(SYS_LOCAL, v),
  );
}

/** I7: the payee's invoice is ours; only the service fee moves from SYS to LLP. */
export function selfPaid(of: SelfAmounts & { payeeAgentId: string }): Entry {
  const { payeeAgentId, quoteId, amountMsat: a, serviceFeeMsat: v } = of;
  return entryOf(
    dr(hold(quoteId), a + v),
    cr(prepaid(payeeAgentId), a),
    cr(SYS_SET_ASIDE, v),
    dr(LOCAL, v),
    cr(SERVICE, v),
  );
}

/** I7, not cancelled at the node: everything goes back. */
export function selfFailed(of: SelfAmounts): Entry {
  return { postings: selfReserved(of).postings.map(reversed) };
}

/** E7: money of an agent came in. */
export function prepaidCredited(of: { agentId: string; receivedMsat: Msat }): Entry {
  return entryOf(dr(SYS_LOCAL, of.receivedMsat), cr(prepaid(of.agentId), of.receivedMsat));
}

/** Money came in that is nobody's yet; it is never the pool's. */
export function unattributedReceived({ receivedMsat: r }: { receivedMsat: Msat }): Entry {
  return entryOf(dr(SYS_LOCAL, r), cr('SYS:liab:unattributed', r));
}

/**
 * Settled after it was booked as failed (a node restored from a backup, or one that changed its mind). I4 is not
 * edited: what the agent got back is taken again as far as it is still there, without a service fee, and LLP bears
 * the rest, as a difference between books and node, until a person decides.
 *
 * Nothing was set aside for this: where the pool's own payments hold all that LLP has, `checkEntry` refuses until
 * they end.
 */
export function settledLate(of: {
  agentId: string;
  /** What the agent's balance still holds. */
  availableMsat: Msat;
  amountMsat: Msat;
  routeFeeMsat: Msat;
}): Entry {
  const gone = of.amountMsat + of.routeFeeMsat;
  const taken = of.availableMsat < gone ? of.availableMsat : gone;
  return entryOf(
    dr(prepaid(of.agentId), taken),
    cr(SYS_LOCAL, taken),
    dr('LLP:exp:recon', gone - taken),
    cr(LOCAL, gone - taken),
  );
}

/** R10: capital brought by the operator at the start. */
export function capitalBrought({ rail, amountMsat: x }: { rail: Rail; amountMsat: Msat }): Entry {
  return entryOf(dr(`LLP:asset:${rail}`, x), cr('LLP:equity:capital', x));
}
