/**
 * Payments in flight that a person should look at. Nothing is refunded by a clock: money whose end is not known stays
 * held, and so it must be said aloud when its end does not come by itself.
 */
import { type News, plainNews } from './decision.ts';
import type { Engine } from './engine.ts';
import { type NodeWatch, outgoingHashes } from './node-watch.ts';
import type { OperatorPolicy } from './operator-policy.ts';
import { DISPATCH_GRACE_MS } from './payment-driver.ts';
import type { Payment, PoolState } from './pool-state.ts';

/** Without an HTLC for this long, after the last attempt could have begun. Its end is looked up far more often. */
const BARE_MS = 60_000;
/** A part that timed out is taken back on the chain, by LND, and that takes blocks. */
export const LATE_BLOCKS = 18;

interface Look {
  /** Payment hashes that channels show HTLCs of. */
  outgoing: ReadonlySet<string>;
  height: number;
  nowMs: number;
}

/** What one look at the node tells of one payment. Null: nothing is wrong. Pure. */
function stuckHow(
  payment: Payment,
  of: Look & { pathfindingMs: number },
): 'no_htlc' | 'timed_out' | null {
  if (payment.state !== 'reserved' || payment.inside !== null) return null;
  const { maxTimeoutHeight, quote, reservedAtMs } = payment;
  if (of.height >= maxTimeoutHeight + LATE_BLOCKS) return 'timed_out';
  const attemptsEndMs = reservedAtMs + of.pathfindingMs + DISPATCH_GRACE_MS;
  const bare = of.nowMs > attemptsEndMs && !of.outgoing.has(quote.paymentHash);
  return bare ? 'no_htlc' : null;
}

function alarmFor(how: 'no_htlc' | 'timed_out', id: string): News {
  if (how === 'timed_out') {
    const detail = `${id} has no end ${LATE_BLOCKS} blocks after its last timeout; its money stays held. Look at LND's pending channels`;
    return plainNews({ kind: 'alarm', code: 'payment_past_timeout', detail });
  }
  const detail = `${id} has no end and no channel shows an HTLC of it; its money stays held. Restart LND, which looks at its payments anew`;
  return plainNews({ kind: 'alarm', code: 'payment_without_htlc', detail });
}

/** Says each once for as long as it stays so. Alarms change no books. */
export function watchStuck(of: {
  engine: Engine;
  watch: Pick<NodeWatch, 'onLook'>;
  policy: Pick<OperatorPolicy, 'pay'>;
}): void {
  const { engine, watch, policy } = of;
  /** Since when each is without an HTLC. */
  let bare = new Map<string, number>();
  let told = new Set<string>();

  interface Seen {
    news: News[];
    bare: Map<string, number>;
    told: Set<string>;
  }

  function seenIn(state: PoolState, look: Look): Seen {
    const news: News[] = [];
    const [nextBare, nextTold] = [new Map<string, number>(), new Set<string>()];
    for (const id of state.unresolved) {
      const payment = state.payments.get(id);
      if (payment === undefined) continue;
      const { pathfindingMs } = policy.pay.urgency[payment.quote.urgency];
      const how = stuckHow(payment, { ...look, pathfindingMs });
      if (how === null) continue;
      // What waits for a person to unfreeze may never have been sent.
      if (how === 'no_htlc' && state.mode === 'frozen') continue;
      const key = `${how} ${id}`;
      const sinceMs = bare.get(key) ?? look.nowMs;
      nextBare.set(key, sinceMs);
      if (how === 'no_htlc' && look.nowMs - sinceMs < BARE_MS) continue;
      nextTold.add(key);
      if (!told.has(key)) news.push(alarmFor(how, id));
    }
    return { news, bare: nextBare, told: nextTold };
  }

  watch.onLook(async ({ channels, standing, atMs }) => {
    const outgoing = outgoingHashes(channels);
    const look = { outgoing, height: standing.height, nowMs: atMs };
    const seen = seenIn(engine.state(), look);
    bare = seen.bare;
    const { news } = seen;
    if (news.length > 0) await engine.act(() => ({ news, answer: null }));
    told = seen.told;
  });
}
