/**
 * Branch and Bound: the set of coins that pays a target without change and wastes the least. Depth first,
 * each coin with before without, as in Bitcoin Core (wallet/coinselection.cpp, SelectCoinsBnB).
 */

/** Steps of the search, as in Core: an ordinary wallet is searched whole, a large one stops in time. */
const TRIES_MAX = 100_000;

export interface ExactGoal {
  /** Least sum of effective values, in sat. */
  atLeast: bigint;
  /** Greatest: above it, making change is cheaper than giving the rest to miners. */
  atMost: bigint;
  coinsMax: number;
  /** What one more input costs now beyond what it would cost later; negative at a low feerate. */
  wastePerCoin: bigint;
}

/** Where the search stands: places taken so far, and what lies before and behind them. */
interface Search {
  taken: number[];
  value: bigint;
  /** Sum of the effective values not yet decided about. */
  ahead: bigint;
  best: { places: readonly number[]; waste: bigint } | null;
}

/**
 * Places, in ascending order, of the coins of the least wasteful exact match; null when there is none or
 * none was found in TRIES_MAX steps. `effectiveValues` in sat, each above zero, in descending order.
 */
export function branchAndBound(
  effectiveValues: readonly bigint[],
  goal: ExactGoal,
): readonly number[] | null {
  const search: Search = {
    taken: [],
    value: 0n,
    ahead: effectiveValues.reduce((sum, each) => sum + each, 0n),
    best: null,
  };
  let place = 0;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    if (isSettled(search, goal)) {
      const last = search.taken.pop();
      if (last === undefined) break;
      // Everything after the last one taken is undecided again; that one is now left out.
      for (place -= 1; place > last; place -= 1) search.ahead += effectiveValues[place] ?? 0n;
      search.value -= effectiveValues[last] ?? 0n;
    } else {
      const value = effectiveValues[place] ?? 0n;
      search.ahead -= value;
      // Taking a coin after its equal was left out repeats a search already made.
      const repeats = effectiveValues[place - 1] === value && search.taken.at(-1) !== place - 1;
      if (!repeats) {
        search.taken.push(place);
        search.value += value;
      }
    }
    place += 1;
  }
  return search.best?.places ?? null;
}

/** Whether nothing is to be gained further down; keeps the match when this is one. */
function isSettled(search: Search, goal: ExactGoal): boolean {
  const { taken, value, ahead, best } = search;
  if (value + ahead < goal.atLeast || value > goal.atMost) return true;
  if (taken.length > goal.coinsMax) return true;
  const waste = BigInt(taken.length) * goal.wastePerCoin;
  if (best !== null && goal.wastePerCoin > 0n && waste > best.waste) return true;
  if (value < goal.atLeast) return false;
  const whole = waste + value - goal.atLeast;
  if (best === null || whole < best.waste) search.best = { places: [...taken], waste: whole };
  return true;
}
