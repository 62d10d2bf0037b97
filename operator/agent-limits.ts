/** What one agent and one payee may have in flight and in a day: hold invoices tie up what they please. Pure. */
import { type OperatorPolicy, rulesOf } from './operator-policy.ts';
import type { ApiRefusal, Caller } from './pool-api.ts';
import { DAY_MS, type PoolState, payeeUsageOf, usageOf, usedInDay } from './pool-state.ts';
import { refuse } from './reasons.ts';

/** The tighter of the agent's rules and the credential's own caps. */
export function agentLimits(
  state: PoolState,
  nowMs: number,
  {
    caller,
    policy,
    amountMsat,
    worst,
  }: { caller: Caller; policy: OperatorPolicy; amountMsat: bigint; worst: bigint },
): ApiRefusal | null {
  const rules = rulesOf(policy, caller.agentId);
  const perPayment = least(rules.perPaymentMsat, caller.perPaymentMsat);
  if (worst > perPayment) {
    return refuse(
      'agent_cap_exceeded',
      `amount and fees may take ${worst} msat, at most ${perPayment} at once`,
    );
  }
  const usage = usageOf(state, caller.agentId);
  const { msat: spent, oldestAtMs } = usedInDay(usage, nowMs);
  const perDay = least(rules.perDayMsat, caller.perDayMsat);
  if (spent + amountMsat > perDay) {
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

function least(rule: bigint, cap: bigint | null): bigint {
  return cap !== null && cap < rule ? cap : rule;
}
