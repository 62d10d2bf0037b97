/** What one agent and one payee may have in flight and in a day: hold invoices tie up what they please. Pure. */
import { type OperatorPolicy, rulesOf } from './operator-policy.ts';
import type { ApiRefusal, Caller } from './pool-api.ts';
import type { Quote } from './pool-event.ts';
import { DAY_MS, type PoolState, payeeUsageOf, usageOf, usedInDay } from './pool-state.ts';
import { refuse } from './reasons.ts';

interface Outgoing {
  caller: Caller;
  policy: OperatorPolicy;
  purpose: Quote['purpose'];
  amountMsat: bigint;
  worst: bigint;
}

/**
 * The tighter of the agent's rules and the credential's own caps. The rules' caps on one payment and on a day do not
 * hold an agent's own money back from it once the pool winds down; what a credential is capped to bounds its thief.
 */
export function agentLimits(
  state: PoolState,
  nowMs: number,
  { caller, policy, purpose, amountMsat, worst }: Outgoing,
): ApiRefusal | null {
  const rules = rulesOf(policy, caller.agentId);
  const leaving = purpose === 'withdraw' && state.windDownWhy !== null;
  const perPayment = least(leaving ? null : rules.perPaymentMsat, caller.perPaymentMsat);
  if (perPayment !== null && worst > perPayment) {
    return refuse(
      'agent_cap_exceeded',
      `amount and fees may take ${worst} msat, at most ${perPayment} at once`,
    );
  }
  const usage = usageOf(state, caller.agentId);
  const { msat: spent, oldestAtMs } = usedInDay(usage, nowMs);
  const perDay = least(leaving ? null : rules.perDayMsat, caller.perDayMsat);
  if (perDay !== null && spent + amountMsat > perDay) {
    const oldest = oldestAtMs ?? nowMs;
    return refuse('day_cap_exceeded', `${spent} msat of ${perDay} are used in this sliding day`, {
      retryAfterMs: Math.max(1, oldest + DAY_MS - nowMs),
    });
  }
  if (usage.inFlight >= rules.inFlightMax) {
    return refuse(
      'in_flight_exceeded',
      `${usage.inFlight} payments in flight, at most ${rules.inFlightMax}`,
    );
  }
  if (usage.inFlightMsat + worst > rules.inFlightMsat) {
    return refuse(
      'in_flight_exceeded',
      `${usage.inFlightMsat} msat in flight, at most ${rules.inFlightMsat}`,
    );
  }
  return null;
}

export function payeeLimits(
  state: PoolState,
  policy: OperatorPolicy,
  payee: string,
  worst: bigint,
): ApiRefusal | null {
  const { perPayeeInFlightMax, perPayeeInFlightMsat } = policy.pay;
  const usage = payeeUsageOf(state, payee);
  const over =
    usage.inFlight >= perPayeeInFlightMax || usage.inFlightMsat + worst > perPayeeInFlightMsat;
  if (!over) return null;
  return refuse(
    'payee_in_flight_exceeded',
    `${usage.inFlight} payments are in flight to this payee`,
  );
}

/** Null bounds nothing. */
function least(rule: bigint | null, cap: bigint | null): bigint | null {
  if (rule === null || cap === null) return rule ?? cap;
  return cap < rule ? cap : rule;
}
