/**
 * Rules about fees (checklist F). A bump and a cancel have fee limits of their own, which hold instead
 * of the global caps, so that they can outbid what they replace; the floor holds for all, the fee
 * windows for all but cancels.
 */
import type { FeeWindow } from '../policy-limits.ts';
import { type FeeRate, feeCeil, feerate, type Ppm, type Sat } from '../units.ts';
import { chargesWithin, type SpendCase, shareOfFloor, sumsOf, total } from './case.ts';
import { atLeast, atMost, type Finding, failed } from './finding.ts';

/** What a replacement pays per 1,000 vbytes on top: policy/policy.h DEFAULT_INCREMENTAL_RELAY_FEE. */
const INCREMENTAL_RELAY = feerate(1_000n);

interface FeeBounds {
  path: string;
  minRate?: FeeRate | undefined;
  maxRate?: FeeRate | undefined;
  /** Of the estimate: 2,000,000 is twice. */
  maxOverEstimate?: Ppm | undefined;
  maxAbs?: Sat | undefined;
  maxShare?: Ppm | undefined;
  shareKey?: string;
  windows?: readonly FeeWindow[] | undefined;
}

/** The fee is what the coins leave over, and there is one. */
export function feeSumRules({ facts }: SpendCase): Finding[] {
  const { inSat, outSat } = sumsOf(facts);
  const left = inSat - outSat - (facts.changeSat ?? 0n);
  if (left <= 0n || facts.feeSat <= 0n)
    return [failed('W-FEE-NEGATIVE', `leaves ${left} sat over`)];
  if (left === facts.feeSat) return [];
  return [failed('W-FEE-MISMATCH', `leaves ${left} sat over, not ${facts.feeSat}`)];
}

export function feeBoundRules(spend: SpendCase): Finding[] {
  return boundsOf(spend).flatMap((bounds) => [
    ...rateFindings(bounds, spend),
    ...amountFindings(bounds, spend),
    ...windowFindings(bounds, spend),
  ]);
}

/** What fee windows say of a spend, also of one that passes outside them. */
export function feeWindowFindings(spend: SpendCase): Finding[] {
  const { policy, overlay } = spend;
  return [
    ...windowFindings({ path: 'fees', windows: policy.fees.windows }, spend),
    ...windowFindings({ path: 'overlay.fees', windows: overlay?.fees.windows }, spend),
  ];
}

/** BIP-125 rules 3, 4 and 6 as Core applies them: more fee by the relay's increment, and a better rate. */
export function bumpRules({ policy, facts }: SpendCase): Finding[] {
  const { bump } = facts;
  if (facts.kind !== 'fee_bump' || bump === null) return [];
  const { max_bumps } = policy.intents.fee_bump;
  const sameRate = feeCeil(bump.feerate, facts.vsize);
  const replaces = bump.feeSat + feeCeil(INCREMENTAL_RELAY, facts.vsize);
  const least = replaces > sameRate ? replaces : sameRate + 1n;
  return [
    atLeast({
      code: 'W-FEE-BUMP-LOW',
      rule: 'intents.fee_bump',
      limit: least,
      used: facts.feeSat,
      unit: 'sat',
    }),
    atMost({
      code: 'W-FEE-BUMP-COUNT',
      rule: 'intents.fee_bump.max_bumps',
      limit: max_bumps,
      used: bump.earlierBumps + 1,
      unit: 'count',
    }),
  ];
}

function boundsOf({ policy, overlay, facts }: SpendCase): FeeBounds[] {
  const { intents, fees } = policy;
  const own = overlay === null ? [] : [globalBounds('overlay.fees', overlay.fees)];
  switch (facts.kind) {
    case 'fee_bump':
      return [
        ownBounds('intents.fee_bump', intents.fee_bump),
        { path: 'fees', minRate: fees.min_rate, windows: fees.windows },
        ...own,
      ];
    case 'cancel':
      return [
        ownBounds('intents.cancel', intents.cancel),
        { path: 'fees', minRate: fees.min_rate },
        // A cancel passes outside windows (K4), a guardian's own included.
        ...own.map((bounds) => ({ ...bounds, windows: [] })),
      ];
    case 'consolidate':
      return [
        globalBounds('fees', fees),
        { path: 'intents.consolidate', maxRate: intents.consolidate.max_rate },
        ...own,
      ];
    case 'withdrawal_batch':
    case 'treasury_move':
    case 'hot_topup':
    case 'channel_open':
      return [globalBounds('fees', fees), ...own];
  }
}

type PartialFees = {
  [K in keyof SpendCase['policy']['fees']]?: SpendCase['policy']['fees'][K] | undefined;
};

function globalBounds(path: string, fees: PartialFees): FeeBounds {
  return {
    path,
    minRate: fees.min_rate,
    maxRate: fees.max_rate,
    maxOverEstimate: fees.max_over_estimate_ppm,
    maxAbs: fees.max_abs,
    maxShare: fees.max_ppm_of_amount,
    shareKey: 'max_ppm_of_amount',
    windows: fees.windows,
  };
}

function ownBounds(
  path: string,
  own: { max_rate: FeeRate; max_abs: Sat; max_ppm_of_inputs: Ppm },
): FeeBounds {
  return {
    path,
    maxRate: own.max_rate,
    maxAbs: own.max_abs,
    maxShare: own.max_ppm_of_inputs,
    shareKey: 'max_ppm_of_inputs',
  };
}

/**
 * Feerates compared as fees for this size, rounded up as a builder rounds. Where the node knows no
 * estimate, only the fixed cap holds.
 */
function rateFindings(bounds: FeeBounds, { facts }: SpendCase): Finding[] {
  const { path, minRate, maxRate, maxOverEstimate } = bounds;
  const used = facts.feeSat;
  const findings: Finding[] = [];
  if (minRate !== undefined) {
    const limit = feeCeil(minRate, facts.vsize);
    findings.push(
      atLeast({ code: 'W-FEE-LOW', rule: `${path}.min_rate`, limit, used, unit: 'sat' }),
    );
  }
  const caps: [string, FeeRate | undefined][] = [['max_rate', maxRate]];
  if (maxOverEstimate !== undefined && facts.estimate !== null) {
    const rate = shareOfFloor(facts.estimate, maxOverEstimate);
    caps.push(['max_over_estimate_ppm', rate as FeeRate]);
  }
  for (const [key, cap] of caps) {
    if (cap === undefined) continue;
    const limit = feeCeil(cap, facts.vsize);
    findings.push(atMost({ code: 'W-FEE-RATE', rule: `${path}.${key}`, limit, used, unit: 'sat' }));
  }
  return findings;
}

/** Two caps, both hold. Where nothing leaves, or left before, the share is one of the inputs (F3). */
function amountFindings(bounds: FeeBounds, { facts }: SpendCase): Finding[] {
  const { path, maxAbs, maxShare, shareKey } = bounds;
  const used = facts.feeSat;
  const findings: Finding[] = [];
  if (maxAbs !== undefined) {
    const rule = `${path}.max_abs`;
    findings.push(atMost({ code: 'W-FEE-ABS', rule, limit: maxAbs, used, unit: 'sat' }));
  }
  if (maxShare !== undefined) {
    const { inSat, outSat } = sumsOf(facts);
    const ofInputs = ['consolidate', 'cancel', 'fee_bump'].includes(facts.kind);
    const limit = shareOfFloor(ofInputs ? inSat : outSat, maxShare);
    const rule = `${path}.${shareKey}`;
    findings.push(atMost({ code: 'W-FEE-SHARE', rule, limit, used, unit: 'sat' }));
  }
  return findings;
}

function windowFindings({ path, windows }: FeeBounds, { facts, charges }: SpendCase): Finding[] {
  const { addedFeeSat } = sumsOf(facts);
  return (windows ?? []).map(({ blocks, max }) => {
    const before = chargesWithin(charges, blocks, facts.tipHeight);
    const used = total(before.map(({ feeSat }) => feeSat)) + addedFeeSat;
    const rule = `${path}.windows.${blocks}`;
    return atMost({ code: 'W-FEE-WINDOW', rule, limit: max, used, unit: 'sat' });
  });
}
