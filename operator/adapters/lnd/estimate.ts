/** What a payment would cost, by the node's own map of the network. No HTLC is sent. */
import { getRouteToDestination } from 'ln-service';
import { z } from 'zod';
import { invariant } from '../../../policies/failure.ts';
import { msat } from '../../../policies/units.ts';
import type { RouteEstimate, RouteQuestion } from '../../lightning.ts';
import { failureOf, readAnswer } from './answers.ts';
import { digits, type LndConnection, shaped } from './connect.ts';
import { within } from './deadline.ts';
import { readDetails } from './invoice.ts';

/** The library asks up to nine times where the node is busy. */
const ESTIMATE_MS = 8_000;
/** Shares of an amount that are tried where no single route carries it; the node splits as it likes. */
const SHARES = 4n;
const MILLION = 1_000_000;

type Lnd = LndConnection['lnd'];

const routeAnswer = z.object({
  fee_mtokens: digits,
  /** The node's estimate of success, parts per million. */
  confidence: z.int().min(0).max(MILLION).optional(),
});

/** One route, or four that carry a quarter each. Null where there is none within the fee. */
export async function estimated(lnd: Lnd, question: RouteQuestion): Promise<RouteEstimate | null> {
  const whole = await routeFor(lnd, question, 1n);
  if (whole !== null) return whole;
  const share = await routeFor(lnd, question, SHARES);
  if (share === null) return null;
  const success = (share.successPpm / MILLION) ** 4;
  return {
    ...share,
    feeMsat: msat(share.feeMsat * SHARES),
    successPpm: Math.floor(success * MILLION),
  };
}

async function routeFor(
  lnd: Lnd,
  { invoice, amountMsat, maxFeeMsat }: RouteQuestion,
  shares: bigint,
): Promise<RouteEstimate | null> {
  const details = readDetails(invoice.request);
  invariant(!('rule' in details), 'a route is asked for to a text that is no invoice');
  const { routes } = details;
  const call = getRouteToDestination({
    lnd,
    destination: invoice.payee,
    mtokens: ((amountMsat + shares - 1n) / shares).toString(),
    // Left out it would be without a limit.
    max_fee_mtokens: (maxFeeMsat / shares).toString(),
    cltv_delta: invoice.minFinalCltv,
    features: details.features,
    ...(routes === undefined ? {} : { routes }),
  });
  let route: unknown;
  try {
    route = (await within(ESTIMATE_MS, call)).route;
  } catch (cause) {
    // LND says no to a payee that it does not know as to one that it cannot reach, or to more than it has.
    const { kind } = readAnswer(cause);
    if (kind === 'refused' || kind === 'not_found') return null;
    if (isUnknownTarget(cause)) return null;
    throw failureOf('QueryRoutes', cause);
  }
  if (route === undefined) return null;
  const read = shaped('route', routeAnswer, route);
  return {
    feeMsat: msat(BigInt(read.fee_mtokens)),
    successPpm: read.confidence ?? MILLION / 2,
  };
}

/** ln-service drops the node's sentence here and keeps a name of its own. */
function isUnknownTarget(cause: unknown): boolean {
  return Array.isArray(cause) && cause[1] === 'TargetNotFoundError';
}
