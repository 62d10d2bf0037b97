/**
 * Money and measures. Every amount is a bigint that wears its unit; a sum loses the brand and must
 * pass the constructor again, and the constructor checks the range.
 */
import { Failure } from './failure.ts';

declare const unit: unique symbol;
type Branded<T, U extends string> = T & { readonly [unit]: U };

/** Satoshi, 0 to MAX_MONEY. */
export type Sat = Branded<bigint, 'sat'>;
/** Millisatoshi, 0 to MAX_MONEY: what Lightning counts in (BOLT 2). */
export type Msat = Branded<bigint, 'msat'>;
/** Virtual bytes: weight / 4 rounded up (BIP-141). */
export type VBytes = Branded<bigint, 'vB'>;
/** Weight units (BIP-141). */
export type Weight = Branded<bigint, 'WU'>;
/** Feerate in sat per 1,000 vbytes, the integer Bitcoin Core computes with. 1 sat/vB = 1,000. */
export type FeeRate = Branded<bigint, 'sat/kvB'>;
/** Parts per million, 0 and up; 1,000,000 is the whole. */
export type Ppm = Branded<bigint, 'ppm'>;

/** No valid amount is larger: consensus/amount.h, MAX_MONEY. */
export const MAX_MONEY_SAT = 2_100_000_000_000_000n;
export const MAX_MONEY_MSAT = MAX_MONEY_SAT * 1_000n;
/** A nLockTime below this is a height, from here on a time (BIP-65, script.h LOCKTIME_THRESHOLD). */
export const LOCKTIME_THRESHOLD = 500_000_000;

/** @throws Failure AMOUNT_OUT_OF_RANGE below zero or above MAX_MONEY. */
export function sat(value: bigint): Sat {
  if (value < 0n || value > MAX_MONEY_SAT) {
    throw new Failure('AMOUNT_OUT_OF_RANGE', `${value} sat is not between 0 and ${MAX_MONEY_SAT}`);
  }
  return value as Sat;
}

/** @throws Failure AMOUNT_OUT_OF_RANGE below zero or above MAX_MONEY. */
export function msat(value: bigint): Msat {
  if (value < 0n || value > MAX_MONEY_MSAT) {
    throw new Failure(
      'AMOUNT_OUT_OF_RANGE',
      `${value} msat is not between 0 and ${MAX_MONEY_MSAT}`,
    );
  }
  return value as Msat;
}

/** @throws Failure AMOUNT_OUT_OF_RANGE below zero. */
export function ppm(value: bigint): Ppm {
  return notNegative(value, 'ppm') as Ppm;
}

/** @throws Failure AMOUNT_OUT_OF_RANGE below zero. */
export function vbytes(value: bigint): VBytes {
  return notNegative(value, 'vB') as VBytes;
}

/** @throws Failure AMOUNT_OUT_OF_RANGE below zero. */
export function weight(value: bigint): Weight {
  return notNegative(value, 'WU') as Weight;
}

/** @throws Failure AMOUNT_OUT_OF_RANGE below zero or above MAX_MONEY. */
export function feerate(value: bigint): FeeRate {
  return sat(value) as bigint as FeeRate;
}

/** Sum of amounts, checked. */
export function sumSat(values: Iterable<Sat>): Sat {
  let total = 0n;
  for (const value of values) total += value;
  return sat(total);
}

/** Sum of amounts, checked. */
export function sumMsat(values: Iterable<Msat>): Msat {
  let total = 0n;
  for (const value of values) total += value;
  return msat(total);
}

export function msatOfSat(value: Sat): Msat {
  return msat(value * 1_000n);
}

/** Whole satoshi in an amount; the rest is left. */
export function satFloor(value: Msat): Sat {
  return sat(value / 1_000n);
}

/** Whole satoshi that are enough for an amount. */
export function satCeil(value: Msat): Sat {
  return sat((value + 999n) / 1_000n);
}

/** A share of an amount, rounded up: fees are never a millisatoshi short. */
export function ppmOfCeil(amount: Msat, rate: Ppm): Msat {
  return msat((amount * rate + 999_999n) / 1_000_000n);
}

/** Weight to virtual size, rounded up (BIP-141). */
export function vsizeCeil(value: Weight): VBytes {
  return vbytes((value + 3n) / 4n);
}

/** Fee for a size, rounded up, so that it is never a satoshi short. */
export function feeCeil(rate: FeeRate, size: VBytes): Sat {
  return sat((rate * size + 999n) / 1_000n);
}

/** Feerate that a fee pays for a size, rounded down, so that a floor is never met by rounding. */
export function feerateFloor(fee: Sat, size: VBytes): FeeRate {
  return feerate((fee * 1_000n) / size);
}

function notNegative(value: bigint, name: string): bigint {
  if (value < 0n) throw new Failure('AMOUNT_OUT_OF_RANGE', `${value} ${name} is below zero`);
  return value;
}
