/** Which feerate a spend pays: the node's estimate, within what the policy allows. Pure. */
import type { SpendKind } from '../policies/intent.ts';
import type { Policy } from '../policies/policy.ts';
import { type FeeRate, feerate, type Sat, type VBytes } from '../policies/units.ts';

/**
 * What a replacement pays beyond what it replaces, per 1,000 vbytes: the relay's increment
 * (policy/policy.h DEFAULT_INCREMENTAL_RELAY_FEE, 1,000) and a half as margin for nodes that ask more.
 */
export const REPLACEMENT_STEP = feerate(1_500n);
const WHOLE_PPM = 1_000_000n;

/** The estimate within floor and cap; the floor where nothing is estimated. */
export function feerateFor(kind: SpendKind, policy: Policy, estimate: FeeRate | null): FeeRate {
  const floor = policy.fees.min_rate;
  const cap = feerateCap(kind, policy, estimate);
  const wanted = estimate ?? floor;
  if (wanted < floor) return floor;
  return wanted > cap ? cap : wanted;
}

/** The highest feerate that the policy lets this kind pay. */
export function feerateCap(kind: SpendKind, policy: Policy, estimate: FeeRate | null): FeeRate {
  const { fees, intents } = policy;
  if (kind === 'fee_bump') return intents.fee_bump.max_rate;
  if (kind === 'cancel') return intents.cancel.max_rate;
  const caps = [fees.max_rate];
  if (kind === 'consolidate') caps.push(intents.consolidate.max_rate);
  if (estimate !== null) caps.push(feerate((estimate * fees.max_over_estimate_ppm) / WHOLE_PPM));
  return caps.reduce((a, b) => (b < a ? b : a));
}

/** The least feerate for this size that replaces what paid `feeSat` for `vsize`, with margin (BIP-125). */
export function replacingFeerate(replaced: { feeSat: Sat; vsize: VBytes }, vsize: VBytes): FeeRate {
  const more = (replaced.feeSat * 1_000n + vsize - 1n) / vsize;
  const sameRate = (replaced.feeSat * 1_000n + replaced.vsize - 1n) / replaced.vsize;
  return feerate((more > sameRate ? more : sameRate) + REPLACEMENT_STEP);
}
