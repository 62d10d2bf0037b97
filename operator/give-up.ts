/**
 * A person ends a payment whose node was lost with its database: nobody else can say any more what became of it.
 * Only while the pool is frozen, so that nothing is on its way to the node, and only of what the node says not to know.
 */
import { Failure } from '../policies/failure.ts';
import type { Engine } from './engine.ts';
import type { Payer } from './lightning.ts';
import type { NodeWatch } from './node-watch.ts';
import { decideOutcome, type Terminal } from './outcome-decision.ts';
import { LOST_AFTER_EXPIRY_MS, outcomeOfThis } from './payment-driver.ts';
import { LATE_BLOCKS } from './stuck-watch.ts';

export interface GiveUpParts {
  engine: Engine;
  payer: Pick<Payer, 'lookUp'>;
  watch: Pick<NodeWatch, 'look'>;
  now: () => number;
}

export interface GiveUpAsk {
  quoteId: string;
  /** What was seen: the old node's channels are closed and nothing of it was claimed. */
  why: string;
  by: string;
}

/**
 * The hold goes back to the agent. Should it have settled after all, the money is the pool's loss.
 *
 * @throws Failure NOT_FOUND, WRONG_STATE naming what must be true first
 */
export async function giveUpPayment(
  { engine, payer, watch, now }: GiveUpParts,
  { quoteId, why, by }: GiveUpAsk,
): Promise<void> {
  const payment = engine.state().payments.get(quoteId);
  if (payment === undefined) throw new Failure('NOT_FOUND', `there is no payment ${quoteId}`);
  const { quote, state } = payment;
  if (state !== 'reserved') throw wrong(`${quoteId} is ${state} already`);
  if (payment.inside !== null) throw wrong('it is paid inside: nothing of it left the node');
  if (engine.state().mode !== 'frozen')
    throw wrong('freeze the pool first: nothing may be on its way');
  if (now() < quote.invoiceExpiresAtMs + LOST_AFTER_EXPIRY_MS) {
    throw wrong('its invoice may still be paid: wait until it ran out a quarter of an hour ago');
  }
  const height = watch.look()?.standing.height ?? 0;
  const lastHeight = payment.maxTimeoutHeight + LATE_BLOCKS;
  if (height < lastHeight) {
    throw wrong(`an HTLC of it may be out until block ${lastHeight}, and the node is at ${height}`);
  }
  const outcome = outcomeOfThis(payment, await payer.lookUp(quote.paymentHash));
  if (outcome.is !== 'unknown' || outcome.why !== 'not_found') {
    throw wrong(`the node knows it: ${outcome.is === 'unknown' ? outcome.why : outcome.is}`);
  }
  const failed: Terminal = { is: 'failed', why: 'error', detail: `given up by ${by}: ${why}` };
  await engine.act((newest, nowMs) => {
    if (newest.mode !== 'frozen') throw wrong('it was unfrozen meanwhile: freeze the pool first');
    return decideOutcome(newest, nowMs, { quoteId, outcome: failed });
  });
}

function wrong(text: string): Failure {
  return new Failure('WRONG_STATE', text);
}
