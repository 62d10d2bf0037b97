/** One case to judge: the question as asked, and the sums every rule counts with. */
import type { Charge, SpendFacts } from '../facts.ts';
import type { Overlay } from '../overlay.ts';
import type { Policy } from '../policy-schema.ts';
import type { Ppm } from '../units.ts';

/** A spend, the rules it is judged by, and what the treasury already committed. */
export interface SpendCase {
  policy: Policy;
  /** Of the guardian whose agent judges; null where nobody's agent does. */
  overlay: Overlay | null;
  facts: SpendFacts;
  charges: readonly Charge[];
  breaker: 'armed' | 'tripped';
}

/** Sums of a spend in sat. Plain bigints: facts of a lie may add up to more than all money. */
export interface SpendSums {
  inSat: bigint;
  /** To others; change is not among it. */
  outSat: bigint;
  /** What limits of one transaction and escalation weigh: outflow and fee; of a bump the fee. */
  weighedSat: bigint;
  /** What windows gain: outflow and fee; of a bump what its fee adds to the one already counted. */
  addedSat: bigint;
  /** The part of `addedSat` that is fee. */
  addedFeeSat: bigint;
}

export function sumsOf(facts: SpendFacts): SpendSums {
  const outSat = total(facts.payees.map(({ amountSat }) => amountSat));
  const inSat = total(facts.inputs.map(({ amountSat }) => amountSat));
  if (facts.kind !== 'fee_bump') {
    const weighedSat = outSat + facts.feeSat;
    return { inSat, outSat, weighedSat, addedSat: weighedSat, addedFeeSat: facts.feeSat };
  }
  const counted = facts.bump?.feeSat ?? 0n;
  const added = facts.feeSat > counted ? facts.feeSat - counted : 0n;
  return { inSat, outSat, weighedSat: facts.feeSat, addedSat: added, addedFeeSat: added };
}

export function total(values: readonly bigint[]): bigint {
  let sum = 0n;
  for (const value of values) sum += value;
  return sum;
}

/** Charges a window of `blocks` still holds at a tip. Live ones always: nobody's clock frees them. */
export function chargesWithin(
  charges: readonly Charge[],
  blocks: number,
  tipHeight: number,
): readonly Charge[] {
  return charges.filter(({ at }) => at === 'live' || at > tipHeight - blocks);
}

/** What a charge holds: outflow and fee (H2). */
export function chargedSat(charge: Charge): bigint {
  return charge.outflowSat + charge.feeSat;
}

/** A share of an amount, rounded down. */
export function shareOfFloor(amount: bigint, share: Ppm): bigint {
  return (amount * share) / 1_000_000n;
}

/** The kind whose windows a spend adds to: a bump's fee belongs to what it bumps. */
export function countedKind(facts: SpendFacts): SpendFacts['kind'] {
  return facts.kind === 'fee_bump' && facts.bump !== null ? facts.bump.of : facts.kind;
}
