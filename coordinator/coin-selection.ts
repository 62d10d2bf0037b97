/**
 * Which coins pay a spend. Pure and deterministic: the same coins in any order, with the same seed, give
 * the same answer. Of three candidates the one that wastes the least wins, as in Bitcoin Core
 * (wallet/coinselection.cpp, RecalculateWaste).
 */
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { taggedHashOfBytes } from '../policies/canonical-json.ts';
import { Failure, invariant } from '../policies/failure.ts';
import { type FeeRate, feeCeil, type Sat, type VBytes } from '../policies/units.ts';
import { branchAndBound } from './branch-and-bound.ts';

/** A coin that may be spent now: the caller has left out what is reserved, frozen or too young. */
export interface SelectableCoin {
  outpoint: string;
  amountSat: Sat;
  confirmations: number;
  branch: 0 | 1;
  index: number;
}

/** Sizes and prices that every selection needs. */
export interface SelectionTerms<Coin extends SelectableCoin> {
  coins: readonly Coin[];
  feerate: FeeRate;
  /** What spending is expected to cost later; below it more inputs are wanted, above it fewer. */
  longTermFeerate: FeeRate;
  /** Of one signed input. */
  inputVbytes: VBytes;
  /** Everything but inputs and change, with room for a count of `maxInputs` inputs. */
  baseVbytes: VBytes;
  /** Of the change output. */
  changeVbytes: VBytes;
  /** Least change worth making; never below the dust limit. */
  minChangeSat: Sat;
  maxInputs: number;
  /** Decides between coins of the same amount and age. */
  seed: string;
}

export interface SelectionRequest<Coin extends SelectableCoin> extends SelectionTerms<Coin> {
  /** Sum of the payees. */
  targetSat: Sat;
}

export interface Selection<Coin extends SelectableCoin> {
  coins: readonly Coin[];
  /** `none`: what is left over goes to the fee. */
  change: 'change' | 'none';
  /** Exactly fitting coins; the fewest and then the smallest that are enough; or as many as allowed. */
  algorithm: 'branch-and-bound' | 'largest-first' | 'consolidation';
  /** In sat; negative when spending these coins now saves fees later. */
  wasteSat: bigint;
}

/** A coin and what it adds after paying for its own input. */
interface Candidate<Coin> {
  coin: Coin;
  value: bigint;
}

interface Costs {
  perInput: bigint;
  wastePerInput: bigint;
  base: bigint;
  change: bigint;
  /** Of making change and of spending it some day. */
  changeAndItsSpend: bigint;
}

/**
 * The least wasteful coins that pay the target and their own fee.
 *
 * @throws Failure INSUFFICIENT_FUNDS when no `maxInputs` coins are enough.
 */
export function selectCoins<Coin extends SelectableCoin>(
  request: SelectionRequest<Coin>,
): Selection<Coin> {
  const costs = costsOf(request);
  const candidates = candidatesOf(request, costs);
  const need = request.targetSat + costs.base;
  const found = [
    exactly(candidates, need, request, costs),
    withChange(candidates, need, request, costs),
    consolidating(candidates, need, request, costs),
  ].filter((each) => each !== null);
  // Only when the treasury is nearly empty: a rest too small for change, given to miners.
  const last = found.length === 0 ? withoutChange(candidates, need, request, costs) : null;
  const best = found.toSorted((a, b) => compare(a.wasteSat, b.wasteSat))[0] ?? last;
  if (best !== null) return best;
  const have = sumOf(candidates.slice(0, request.maxInputs));
  throw new Failure(
    'INSUFFICIENT_FUNDS',
    `${candidates.length} coins, at most ${request.maxInputs} at a time, are worth ${have} sat ` +
      `after their fees, ${need} sat are needed`,
  );
}

/**
 * The smallest coins worth more than their fee, as many as allowed, into one output of change.
 *
 * @throws Failure INSUFFICIENT_FUNDS for fewer than two coins, or a rest below `minChangeSat`.
 */
export function selectForConsolidation<Coin extends SelectableCoin>(
  terms: SelectionTerms<Coin>,
): Selection<Coin> {
  const costs = costsOf(terms);
  const taken = smallestFirst(candidatesOf(terms, costs)).slice(0, terms.maxInputs);
  const rest = sumOf(taken) - costs.base - costs.change;
  if (taken.length < 2 || rest < terms.minChangeSat) {
    throw new Failure('INSUFFICIENT_FUNDS', `${taken.length} coins leave ${rest} sat of change`);
  }
  return selection(taken, 'change', 'consolidation', { costs, need: costs.base });
}

function exactly<Coin>(
  candidates: readonly Candidate<Coin>[],
  need: bigint,
  request: { maxInputs: number },
  costs: Costs,
): Found<Coin> | null {
  const places = branchAndBound(
    candidates.map(({ value }) => value),
    {
      atLeast: need,
      atMost: need + costs.changeAndItsSpend,
      coinsMax: request.maxInputs,
      wastePerCoin: costs.wastePerInput,
    },
  );
  if (places === null || places.length === 0) return null;
  const taken = candidates.filter((_, place) => places.includes(place));
  return selection(taken, 'none', 'branch-and-bound', { costs, need });
}

function withChange<Coin>(
  candidates: readonly Candidate<Coin>[],
  need: bigint,
  request: { maxInputs: number; minChangeSat: Sat },
  costs: Costs,
): Found<Coin> | null {
  const whole = need + costs.change + request.minChangeSat;
  const taken = fewest(candidates, whole, request.maxInputs);
  return taken === null ? null : selection(taken, 'change', 'largest-first', { costs, need });
}

function withoutChange<Coin>(
  candidates: readonly Candidate<Coin>[],
  need: bigint,
  request: { maxInputs: number },
  costs: Costs,
): Found<Coin> | null {
  const taken = fewest(candidates, need, request.maxInputs);
  return taken === null ? null : selection(taken, 'none', 'largest-first', { costs, need });
}

/** Below the long-term feerate: what is enough, and then the smallest coins up to the bound. */
function consolidating<Coin>(
  candidates: readonly Candidate<Coin>[],
  need: bigint,
  request: { maxInputs: number; minChangeSat: Sat },
  costs: Costs,
): Found<Coin> | null {
  if (costs.wastePerInput >= 0n) return null;
  const whole = need + costs.change + request.minChangeSat;
  const enough = fewest(candidates, whole, request.maxInputs);
  if (enough === null) return null;
  const room = request.maxInputs - enough.length;
  const small = smallestFirst(candidates)
    .filter((each) => !enough.includes(each))
    .slice(0, room);
  if (small.length === 0) return null;
  return selection([...enough, ...small], 'change', 'consolidation', { costs, need });
}

/**
 * As few as can be: the largest first until they are enough, then each exchanged for the smallest that
 * still is, so that a small payout does not reserve the treasury's largest coin.
 */
function fewest<Coin>(
  candidates: readonly Candidate<Coin>[],
  whole: bigint,
  coinsMax: number,
): readonly Candidate<Coin>[] | null {
  const taken: Candidate<Coin>[] = [];
  let sum = 0n;
  for (const each of candidates) {
    if (sum >= whole && taken.length > 0) break;
    taken.push(each);
    sum += each.value;
  }
  if (sum < whole || taken.length === 0 || taken.length > coinsMax) return null;
  const spare = smallestFirst(candidates.slice(taken.length));
  return taken.map((each) => {
    const place = spare.findIndex(({ value }) => sum - each.value + value >= whole);
    const smaller = spare[place];
    if (smaller === undefined || smaller.value >= each.value) return each;
    spare.splice(place, 1);
    sum += smaller.value - each.value;
    return smaller;
  });
}

/** Among equal ones the order stays: the oldest first. */
function smallestFirst<Coin>(candidates: readonly Candidate<Coin>[]): Candidate<Coin>[] {
  return candidates.toSorted((a, b) => compare(a.value, b.value));
}

type Found<Coin> = Omit<Selection<SelectableCoin>, 'coins'> & { coins: readonly Coin[] };

function selection<Coin>(
  taken: readonly Candidate<Coin>[],
  change: 'change' | 'none',
  algorithm: Found<Coin>['algorithm'],
  { costs, need }: { costs: Costs; need: bigint },
): Found<Coin> {
  const beyond = change === 'change' ? costs.changeAndItsSpend : sumOf(taken) - need;
  const wasteSat = BigInt(taken.length) * costs.wastePerInput + beyond;
  return { coins: taken.map(({ coin }) => coin), change, algorithm, wasteSat };
}

/** Coins worth more than their input, the largest first; equal ones by age and then by the seed. */
function candidatesOf<Coin extends SelectableCoin>(
  { coins, seed }: { coins: readonly Coin[]; seed: string },
  costs: Costs,
): readonly Candidate<Coin>[] {
  const distinct = new Set(coins.map(({ outpoint }) => outpoint));
  invariant(distinct.size === coins.length, 'a coin is offered twice');
  return coins
    .map((coin) => ({ coin, value: coin.amountSat - costs.perInput, lot: lotOf(seed, coin) }))
    .filter(({ value }) => value > 0n)
    .toSorted(
      (a, b) =>
        compare(b.value, a.value) ||
        compare(b.coin.confirmations, a.coin.confirmations) ||
        compare(a.lot, b.lot),
    );
}

function lotOf(seed: string, { outpoint }: SelectableCoin): string {
  return bytesToHex(taggedHashOfBytes('weir/coin-lot/v1', utf8ToBytes(`${seed}:${outpoint}`)));
}

function compare<T extends bigint | number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Each part is rounded up by itself, so the sum is never short of the fee of the whole. */
function costsOf(terms: SelectionTerms<SelectableCoin>): Costs {
  const { feerate, longTermFeerate, inputVbytes } = terms;
  const perInput = feeCeil(feerate, inputVbytes);
  const perInputLater = feeCeil(longTermFeerate, inputVbytes);
  const change = feeCeil(feerate, terms.changeVbytes);
  return {
    perInput,
    wastePerInput: perInput - perInputLater,
    base: feeCeil(feerate, terms.baseVbytes),
    change,
    changeAndItsSpend: change + perInputLater,
  };
}

function sumOf(taken: readonly Candidate<unknown>[]): bigint {
  return taken.reduce((sum, { value }) => sum + value, 0n);
}
