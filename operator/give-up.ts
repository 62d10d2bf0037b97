/**
 * A person ends a payment whose node was lost with its database: nobody else can say any more what became of it.
 * Only while the pool is frozen, so that nothing is on its way to the node, and only of what the node says not to know.
 */
import { Failure } from '../policies/failure.ts';
import type { Engine } from './engine.ts';
import type { Payer } from './lightning.ts';
import { decideOutcome, type Terminal } from './outcome-decision.ts';
import { LOST_AFTER_EXPIRY_MS } from './payment-driver.ts';

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
  { engine, payer, now }: { engine: Engine; payer: Pick<Payer, 'lookUp'>; now: () => number },
  { quoteId, why, by }: GiveUpAsk,
): Promise<void> {
  const payment = engine.state().payments.get(quoteId);
  if (payment === undefined) throw new Failure('NOT_FOUND', `there is no payment ${quoteId}`);
  const { quote, state } = payment;
  if (state !== 'reserved') throw wrong(`${quoteId} is ${state} already`);
  if (engine.state().mode !== 'frozen')
    throw wrong('freeze the pool first: nothing may be on its way');
  if (now() < quote.invoiceExpiresAtMs + LOST_AFTER_EXPIRY_MS) {
    throw wrong('its invoice may still be paid: wait until it ran out a quarter of an hour ago');
  }
  const outcome = await payer.lookUp(quote.paymentHash);
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
