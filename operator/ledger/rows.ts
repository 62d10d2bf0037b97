/** Postings of payments and prepaid balances, by the rows of the accounting table. Each balances per partition. Pure. */
import type { Msat } from '../../policies/units.ts';
import { cr, dr, type Entry, entryOf } from './entry.ts';

const LOCAL = 'LLP:asset:ln.local';
const INFLIGHT = 'LLP:asset:ln.inflight';
const SERVICE = 'LLP:inc:service';
const SYS_LOCAL = 'SYS:asset:ln.local';

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

/** I2, and I8 with a service fee of nothing: the payer's worst case is held, and as much may leave the node. */
export function payReserved({
  agentId,
  quoteId,
  amountMsat: a,
  maxFeeMsat: m,
  serviceFeeMsat: v,
}: PayAmounts): Entry {
  return entryOf(
    dr(prepaid(agentId), a + m + v),
    cr(hold(quoteId), a + m + v),
    dr(INFLIGHT, a + m),
    cr(LOCAL, a + m),
  );
}

/** I3: what the route took is the payer's, what it did not take goes back; the rail moves from SYS to LLP. */
export function paySettled(of: PayAmounts & { routeFeeMsat: Msat }): Entry {
  const { agentId, quoteId, amountMsat: a, maxFeeMsat: m, serviceFeeMsat: v, routeFeeMsat: f } = of;
  return entryOf(
    dr(hold(quoteId), a + m + v),
    cr(prepaid(agentId), m - f),
    cr(SYS_LOCAL, a + f + v),
    dr(LOCAL, m - f),
    cr(INFLIGHT, a + m),
    dr(LOCAL, a + f + v),
    cr(SERVICE, v),
  );
}

/** I4: everything goes back. Only for a failure that the node stated. */
export function payFailed({
  agentId,
  quoteId,
  amountMsat: a,
  maxFeeMsat: m,
  serviceFeeMsat: v,
}: PayAmounts): Entry {
  return entryOf(
    dr(hold(quoteId), a + m + v),
    cr(prepaid(agentId), a + m + v),
    dr(LOCAL, a + m),
    cr(INFLIGHT, a + m),
  );
}

export interface PoolPayAmounts {
  amountMsat: Msat;
  maxFeeMsat: Msat;
}

/** I6, reserve: the pool itself pays; there is nobody to hold from. */
export function poolPayReserved({ amountMsat: a, maxFeeMsat: m }: PoolPayAmounts): Entry {
  return entryOf(dr(INFLIGHT, a + m), cr(LOCAL, a + m));
}

/** I6, settled: amount and fee are expenses of LLP. */
export function poolPaySettled({
  amountMsat: a,
  maxFeeMsat: m,
  routeFeeMsat: f,
}: PoolPayAmounts & { routeFeeMsat: Msat }): Entry {
  return entryOf(
    dr('LLP:exp:invoice', a),
    dr('LLP:exp:route', f),
    dr(LOCAL, m - f),
    cr(INFLIGHT, a + m),
  );
}

/** I6, failed. */
export function poolPayFailed({ amountMsat: a, maxFeeMsat: m }: PoolPayAmounts): Entry {
  return entryOf(dr(LOCAL, a + m), cr(INFLIGHT, a + m));
}

export interface SelfAmounts {
  payerAgentId: string;
  quoteId: string;
  amountMsat: Msat;
  serviceFeeMsat: Msat;
}

/** I7, held first: between here and the booking the invoice is cancelled at the node. */
export function selfReserved({
  payerAgentId,
  quoteId,
  amountMsat: a,
  serviceFeeMsat: v,
}: SelfAmounts): Entry {
  return entryOf(dr(prepaid(payerAgentId), a + v), cr(hold(quoteId), a + v));
}

/** I7: payee's invoice is ours; only the service fee moves from SYS to LLP. */
export function selfPaid(of: SelfAmounts & { payeeAgentId: string }): Entry {
  const { payeeAgentId, quoteId, amountMsat: a, serviceFeeMsat: v } = of;
  return entryOf(
    dr(hold(quoteId), a + v),
    cr(prepaid(payeeAgentId), a),
    cr(SYS_LOCAL, v),
    dr(LOCAL, v),
    cr(SERVICE, v),
  );
}

export function selfFailed({
  payerAgentId,
  quoteId,
  amountMsat: a,
  serviceFeeMsat: v,
}: SelfAmounts): Entry {
  return entryOf(dr(hold(quoteId), a + v), cr(prepaid(payerAgentId), a + v));
}

/** E7: money of an agent came in. */
export function prepaidCredited({
  agentId,
  receivedMsat: r,
}: {
  agentId: string;
  receivedMsat: Msat;
}): Entry {
  return entryOf(dr(SYS_LOCAL, r), cr(prepaid(agentId), r));
}

/** Money came in that is nobody's yet; it is never the pool's. */
export function unattributedReceived({ receivedMsat: r }: { receivedMsat: Msat }): Entry {
  return entryOf(dr(SYS_LOCAL, r), cr('SYS:liab:unattributed', r));
}

/**
 * Settled after it was booked as failed (a node restored from a backup, or one that changed its mind): what the
 * agent got back is taken again as far as it is still there; the pool bears the rest until a person decides.
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
export function capitalBrought({ rail, amountMsat: x }: { rail: string; amountMsat: Msat }): Entry {
  return entryOf(dr(`LLP:asset:${rail}`, x), cr('LLP:equity:capital', x));
}
