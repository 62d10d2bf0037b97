/**
 * What a policy lets go while nobody watches: upper bounds of what can leave in a number of blocks, when
 * no person is asked, and when those who give operator approvals are hacked too. The agents keep these
 * limits; whoever holds the keys of k seats is held by none of them.
 */
import type { Policy } from '../policies/policy.ts';
import { BLOCKS_PER_DAY } from '../policies/rules/payees.ts';
import {
  approvalsOf,
  asksOtherwise,
  bumpCapSat,
  bumpedCapSat,
  cancelCapSat,
  firstAskedAbove,
  highest,
  listedPerDaySat,
  lowest,
  PAYING,
  type PayingKind,
  shareCapPpm,
  spendCapSat,
  type Unasked,
  windowCapSat,
  windowsOf,
} from './policy-unasked.ts';

/** One bound for each of the two answers to "who is not there to say no". */
export interface Bounds {
  nobodyAskedSat: bigint;
  operatorsGivenSat: bigint;
}

/** Upper bounds in sat of everything that leaves, fees included. */
export interface BreachBound extends Bounds {
  blocks: number;
  /** What names this number of blocks: windows of the policy, and the day. */
  names: readonly string[];
  /** How much of it cancels can burn as fees: no window holds it. */
  cancelFees: Bounds;
}

export interface Breach {
  automatic: readonly string[];
  guardians: number;
  threshold: number;
  /** `none`: fewer automatic seats than keys needed, so that a person is at every spend. */
  unattended: 'some' | 'none';
  /** The amount of one transaction above which a person is asked; null where no amount asks. */
  askedAboveSat: bigint | null;
  /** Whether a step of the escalation asks for another reason: a new destination, a used window. */
  askedOtherwise: 'yes' | 'no';
  /** Kinds of spend that ask a guardian whatever their amount. */
  alwaysAsked: readonly string[];
  /** Largest loss by one transaction, with its fee and all bumps of it. */
  perTx: Bounds;
  bounds: readonly BreachBound[];
  /** Beside the bounds: shares depend on what the treasury holds. */
  shares: readonly { name: string; blocks: number; ppm: bigint }[];
  floorSat: bigint;
}

const KINDS = [...PAYING, 'fee_bump', 'cancel'] as const;

/** Computes the bounds for a quorum that needs `threshold` keys. */
export function breachOf(policy: Policy, threshold: number): Breach {
  const automatic = policy.guardians.flatMap(({ id, automatic: by }) => (by === 'yes' ? [id] : []));
  const unattended = automatic.length >= threshold ? 'some' : 'none';
  const both = (bound: (unasked: Unasked) => bigint): Bounds => ({
    nobodyAskedSat: unattended === 'none' ? 0n : bound('nobody-asked'),
    operatorsGivenSat: unattended === 'none' ? 0n : bound('operators-given'),
  });
  return {
    automatic,
    guardians: policy.guardians.length,
    threshold,
    unattended,
    askedAboveSat: firstAskedAbove(policy),
    askedOtherwise: asksOtherwise(policy) ? 'yes' : 'no',
    alwaysAsked: KINDS.filter((kind) => approvalsOf(policy, kind) > 0),
    perTx: both((unasked) => perTxSat(policy, unasked)),
    bounds: [...periodsOf(policy)]
      .toSorted(([a], [b]) => a - b)
      .map(([blocks, names]) => ({
        blocks,
        names,
        ...both((unasked) => boundSat(policy, blocks, unasked)),
        cancelFees: both((unasked) => cancelFeesSat(policy, blocks, unasked)),
      })),
    shares: policy.limits.windows.flatMap((window) => {
      const ppm = shareCapPpm(policy, window);
      return ppm === null ? [] : [{ name: window.name, blocks: window.blocks, ppm }];
    }),
    floorSat: policy.limits.floor_balance,
  };
}

function periodsOf(policy: Policy): Map<number, readonly string[]> {
  const periods = new Map<number, readonly string[]>([[BLOCKS_PER_DAY, ['day']]]);
  for (const window of policy.limits.windows) {
    if (!('max' in window)) continue;
    const named = periods.get(window.blocks) ?? [];
    periods.set(window.blocks, [...named, `limits.windows.${window.name}`]);
  }
  return periods;
}

function perTxSat(policy: Policy, unasked: Unasked): bigint {
  const spends = PAYING.map((kind) => bumpedCapSat(policy, kind, unasked));
  return highest([...spends, cancelCapSat(policy, unasked)]);
}

/** A spend ends paid or cancelled, never both: what the windows hold, and cancels beside them. */
function boundSat(policy: Policy, blocks: number, unasked: Unasked): bigint {
  const cancels = cancelFeesSat(policy, blocks, unasked);
  return lowest([
    perTxSat(policy, unasked) * spendsWithin(policy, blocks),
    withinWindowsSat(policy, blocks, unasked) + cancels,
  ]);
}

/**
 * The tightest of the global windows and of all kinds together, cancels apart.
 * A window counts what is live and what was confirmed within it, so any stretch as long holds at most
 * its limit, and a longer one at most once more for each window that covers it.
 */
function withinWindowsSat(policy: Policy, blocks: number, unasked: Unasked): bigint {
  const perKind = PAYING.map((kind) => kindSat(policy, kind, { blocks, unasked }));
  const windows = policy.limits.windows.flatMap((window) => {
    const cap = windowCapSat(policy, window);
    return cap === null ? [] : [cap * times(blocks, window.blocks)];
  });
  return lowest([total(perKind), ...windows]);
}

/** A spend is cancelled once at most, so there are no more cancels than spends. */
function cancelFeesSat(policy: Policy, blocks: number, unasked: Unasked): bigint {
  return cancelCapSat(policy, unasked) * spendsWithin(policy, blocks);
}

function kindSat(
  policy: Policy,
  kind: PayingKind,
  over: { blocks: number; unasked: Unasked },
): bigint {
  const { blocks, unasked } = over;
  const windows = windowsOf(policy, kind);
  const often = lowest([
    spendsWithin(policy, blocks),
    ...windows.flatMap(({ blocks: length, max_count }) =>
      max_count === undefined ? [] : [BigInt(max_count) * times(blocks, length)],
    ),
  ]);
  const spend = spendCapSat(policy, kind, unasked);
  const highestFee = highest([
    bumpCapSat(policy, kind, unasked),
    spend > 0n ? policy.fees.max_abs : 0n,
  ]);
  const fees = lowest([
    highestFee * often,
    ...policy.fees.windows.map(({ blocks: length, max }) => max * times(blocks, length)),
  ]);
  return lowest([
    bumpedCapSat(policy, kind, unasked) * often,
    ...windows.map(({ blocks: length, max }) => max * times(blocks, length)),
    ...outflowCaps(policy, kind, { blocks, spend }).map((outflow) => outflow + fees),
  ]);
}

/** Where a kind, or whoever is not asked, pays nobody, only fees go; a list may have a cap of the day. */
function outflowCaps(
  policy: Policy,
  kind: PayingKind,
  over: { blocks: number; spend: bigint },
): bigint[] {
  if (kind === 'consolidate' || over.spend === 0n) return [0n];
  const listed = listedPerDaySat(policy, kind);
  return listed === null ? [] : [listed * times(over.blocks, BLOCKS_PER_DAY)];
}

/** Spends that can confirm in so many blocks. */
function spendsWithin({ limits }: Policy, blocks: number): bigint {
  return BigInt(limits.count.max_tx) * times(blocks, limits.count.blocks);
}

/** How many windows of `window` blocks cover `blocks`. */
function times(blocks: number, window: number): bigint {
  return BigInt(Math.ceil(blocks / window));
}

function total(values: readonly bigint[]): bigint {
  return values.reduce((sum, value) => sum + value, 0n);
}
