/** Coin selection: enough, never too many, the least waste, and the same answer every time. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { branchAndBound } from '../coordinator/branch-and-bound.ts';
import {
  type SelectableCoin,
  type SelectionRequest,
  selectCoins,
  selectForConsolidation,
} from '../coordinator/coin-selection.ts';
import { spendSizes } from '../coordinator/spend-sizes.ts';
import { buildUnsignedTx } from '../descriptors/build.ts';
import { Failure } from '../policies/failure.ts';
import { feeCeil, feerate, sat, sumSat, type VBytes } from '../policies/units.ts';
import { spendScenario, strangerScript } from './spend-scenario.ts';

type Request = SelectionRequest<SelectableCoin>;

const coinOf = (amount: bigint, place: number): SelectableCoin => ({
  outpoint: `${(place + 1).toString(16).padStart(64, '0')}:${place}`,
  amountSat: sat(amount),
  confirmations: 1 + (place % 3),
  branch: 0,
  index: place,
});

/** 2-of-3 `wsh` figures. */
function requestOf(amounts: readonly bigint[], change: Partial<Request> = {}): Request {
  return {
    coins: amounts.map(coinOf),
    targetSat: sat(100_000n),
    feerate: feerate(10_000n),
    longTermFeerate: feerate(5_000n),
    inputVbytes: 105n as VBytes,
    baseVbytes: 54n as VBytes,
    changeVbytes: 43n as VBytes,
    minChangeSat: sat(20_000n),
    maxInputs: 100,
    seed: 'seed',
    ...change,
  };
}

const smallRequest = fc
  .record({
    amounts: fc.array(fc.bigInt({ min: 2_000n, max: 300_000n }), { minLength: 1, maxLength: 12 }),
    target: fc.bigInt({ min: 1_000n, max: 900_000n }),
    rate: fc.bigInt({ min: 1_000n, max: 20_000n }),
    later: fc.bigInt({ min: 1_000n, max: 15_000n }),
    maxInputs: fc.integer({ min: 1, max: 12 }),
    seed: fc.string({ maxLength: 8 }),
  })
  .map(({ amounts, target, rate, later, maxInputs, seed }) =>
    requestOf(amounts, {
      targetSat: sat(target),
      feerate: feerate(rate),
      longTermFeerate: feerate(later),
      maxInputs,
      seed,
    }),
  );

interface Judged {
  coins: readonly SelectableCoin[];
  /** Effective values beyond target and base fee. */
  beyond: bigint;
  size: number;
}

/** Every subset of the coins worth spending, judged by definition. */
function subsetsOf(request: Request): Judged[] {
  const fee = feeCeil(request.feerate, request.inputVbytes);
  const base = request.targetSat + feeCeil(request.feerate, request.baseVbytes);
  const coins = request.coins.filter(({ amountSat }) => amountSat > fee);
  return Array.from({ length: 2 ** coins.length }, (_, mask) => {
    const subset = coins.filter((_coin, place) => (mask >> place) & 1);
    const value = subset.reduce((sum, { amountSat }) => sum + amountSat - fee, 0n);
    return { coins: subset, beyond: value - base, size: subset.length };
  }).filter(({ size }) => size > 0 && size <= request.maxInputs);
}

/** The two kinds of spend worth making, with their waste, from the definition in Core's comments. */
function wasteOfAll(request: Request): { changeless: bigint[]; changing: bigint[] } {
  const { feerate: rate, longTermFeerate, inputVbytes, changeVbytes } = request;
  const later = feeCeil(longTermFeerate, inputVbytes);
  const changeFee = feeCeil(rate, changeVbytes);
  const perInput = feeCeil(rate, inputVbytes) - later;
  const subsets = subsetsOf(request);
  return {
    changeless: subsets
      .filter(({ beyond }) => beyond >= 0n && beyond <= changeFee + later)
      .map(({ beyond, size }) => BigInt(size) * perInput + beyond),
    changing: subsets
      .filter(({ beyond }) => beyond >= changeFee + request.minChangeSat)
      .map(({ size }) => BigInt(size) * perInput + changeFee + later),
  };
}

const least = (values: readonly bigint[]): bigint | null =>
  values.reduce<bigint | null>((a, b) => (a === null || b < a ? b : a), null);

function outcomeOf(request: Request) {
  try {
    return selectCoins(request);
  } catch (cause) {
    if (cause instanceof Failure && cause.code === 'INSUFFICIENT_FUNDS') return null;
    throw cause;
  }
}

test('what is selected pays target, fee and change, with no more inputs than allowed', () => {
  fc.assert(
    fc.property(smallRequest, (request) => {
      const found = outcomeOf(request);
      if (found === null) return;
      const { coins, change } = found;
      const size = request.baseVbytes + BigInt(coins.length) * request.inputVbytes;
      const fee = feeCeil(request.feerate, (size + (change === 'change' ? 43n : 0n)) as VBytes);
      const rest = sumSat(coins.map(({ amountSat }) => amountSat)) - request.targetSat - fee;
      expect(rest).toBeGreaterThanOrEqual(change === 'change' ? request.minChangeSat : 0n);
      expect(coins.length).toBeLessThanOrEqual(request.maxInputs);
      expect(new Set(coins).size).toBe(coins.length);
      expect(request.coins).toEqual(expect.arrayContaining([...coins]));
    }),
    { numRuns: 1_000 },
  );
});

test('fails only when no allowed set of coins worth spending is enough', () => {
  fc.assert(
    fc.property(smallRequest, (request) => {
      const enough = subsetsOf(request).some(({ beyond }) => beyond >= 0n);
      expect(outcomeOf(request) !== null).toBe(enough);
    }),
    { numRuns: 400 },
  );
});

test('wastes no more than the best of all subsets, changeless or with change', () => {
  fc.assert(
    fc.property(smallRequest, (request) => {
      const worth = feeCeil(request.longTermFeerate, request.inputVbytes);
      // A coin worth less than its later fee is better burnt: the search does not look for that.
      const coins = request.coins.filter(({ amountSat }) => amountSat >= worth);
      const found = outcomeOf({ ...request, coins });
      const all = wasteOfAll({ ...request, coins });
      const best = least([...all.changeless, ...all.changing]);
      expect(best === null ? null : found?.wasteSat).toBe(best);
    }),
    { numRuns: 600 },
  );
});

test('branch and bound finds an exact match where brute force finds one, and the least wasteful', () => {
  let matches = 0;
  fc.assert(
    fc.property(
      fc.array(fc.bigInt({ min: 1n, max: 60n }), { minLength: 1, maxLength: 12 }),
      fc.bigInt({ min: 1n, max: 200n }),
      fc.bigInt({ min: 0n, max: 4n }),
      fc.record({ coinsMax: fc.integer({ min: 1, max: 12 }), wastePerCoin: fc.bigInt(0n, 9n) }),
      (values, atLeast, window, { coinsMax, wastePerCoin }) => {
        const sorted = values.toSorted((a, b) => (a < b ? 1 : a > b ? -1 : 0));
        const goal = { atLeast, atMost: atLeast + window, coinsMax, wastePerCoin };
        const wastes = Array.from({ length: 2 ** sorted.length }, (_, mask) =>
          sorted.filter((_value, place) => (mask >> place) & 1),
        ).flatMap((subset) => {
          const sum = subset.reduce((a, b) => a + b, 0n);
          const fits = sum >= goal.atLeast && sum <= goal.atMost && subset.length <= coinsMax;
          return fits ? [BigInt(subset.length) * wastePerCoin + sum - atLeast] : [];
        });
        const places = branchAndBound(sorted, goal);
        const sum = places?.reduce((a, place) => a + (sorted[place] ?? 0n), 0n) ?? 0n;
        const waste = BigInt(places?.length ?? 0) * wastePerCoin + sum - atLeast;
        expect(places === null ? null : waste).toBe(least(wastes));
        if (places !== null) matches += 1;
      },
    ),
    { numRuns: 1_500 },
  );
  expect(matches).toBeGreaterThan(100);
});

test('a search without an answer ends at its bound', () => {
  // Even values and an odd target: no subset fits, and nearly nothing can be cut off early.
  const values = Array.from({ length: 60 }, (_, place) => 2_000n - 2n * BigInt(place));
  const goal = { atLeast: 58_231n, atMost: 58_231n, coinsMax: 60, wastePerCoin: 0n };
  expect(branchAndBound(values, goal)).toBeNull();
});

test('neither the order of the coins nor asking twice changes the answer', () => {
  fc.assert(
    fc.property(
      smallRequest.chain((request) =>
        fc.tuple(
          fc.constant(request),
          fc.shuffledSubarray([...request.coins], { minLength: request.coins.length }),
        ),
      ),
      ([request, shuffled]) => {
        const a = outcomeOf(request);
        const b = outcomeOf({ ...request, coins: shuffled });
        expect(b).toEqual(a);
      },
    ),
    { numRuns: 400 },
  );
});

const equal = Array.from({ length: 8 }, () => 500_000n);
test('the seed decides between equal coins, and only between them', () => {
  const chosen = (seed: string): string =>
    selectCoins({
      ...requestOf(equal),
      coins: equal.map((amount, place) => ({ ...coinOf(amount, place), confirmations: 6 })),
      seed,
    })
      .coins.map(({ outpoint }) => outpoint)
      .join();
  expect(new Set(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(chosen)).size).toBeGreaterThan(2);
  const [old] = selectCoins(requestOf(equal)).coins;
  expect(old?.confirmations).toBe(3);
});

interface Choice {
  chooses: string;
  from: readonly bigint[];
  terms?: Partial<Request>;
  verdict: readonly [algorithm: string, change: string, taken: readonly bigint[]];
}

// One input costs 1050 sat now, the rest of the transaction 540, change 430.
const choices: Choice[] = [
  {
    chooses: 'an exact match',
    from: [101_590n, 900_000n],
    verdict: ['branch-and-bound', 'none', [101_590n]],
  },
  {
    chooses: 'a match of two',
    from: [60_000n, 42_640n, 900_000n],
    terms: { longTermFeerate: feerate(10_000n) },
    verdict: ['branch-and-bound', 'none', [60_000n, 42_640n]],
  },
  {
    chooses: 'a rest cheaper than change and its spend',
    from: [102_545n],
    verdict: ['branch-and-bound', 'none', [102_545n]],
  },
  {
    chooses: 'the smallest coin that is enough',
    from: [900_000n, 150_000n],
    verdict: ['largest-first', 'change', [150_000n]],
  },
  {
    chooses: 'few coins at a high feerate',
    from: [30_000n, 30_000n, 30_000n, 30_000n, 30_000n, 200_000n],
    verdict: ['largest-first', 'change', [200_000n]],
  },
  {
    chooses: 'many coins at a low feerate',
    from: [30_000n, 31_000n, 900_000n, 200_000n],
    terms: { feerate: feerate(1_000n), maxInputs: 3 },
    verdict: ['consolidation', 'change', [200_000n, 30_000n, 31_000n]],
  },
  {
    chooses: 'to burn a rest too small for change when nothing else is there',
    from: [121_000n],
    verdict: ['largest-first', 'none', [121_000n]],
  },
  {
    chooses: 'no coin that costs more than it is worth',
    from: [1_000n, 1_050n, 150_000n],
    verdict: ['largest-first', 'change', [150_000n]],
  },
];

test.each(choices)('chooses $chooses', ({ from, terms, verdict }) => {
  const { algorithm, change, coins } = selectCoins(requestOf(from, terms));
  expect([algorithm, change, coins.map(({ amountSat }) => amountSat)]).toEqual(verdict);
});

test.each([
  ['none at all', [], {}],
  ['too little', [101_589n], {}],
  ['enough only in too many', [60_000n, 60_000n], { maxInputs: 1 }],
  ['only dust', [1_050n, 1_050n, 1_000n], { targetSat: sat(1n) }],
])('refuses coins: %s', (_, amounts, terms) => {
  expect(() => selectCoins(requestOf(amounts, terms))).toThrow(/are needed/);
});

test('a coin offered twice is our own mistake', () => {
  const { coins } = requestOf([500_000n]);
  expect(() => selectCoins({ ...requestOf([]), coins: [...coins, ...coins] })).toThrow(/twice/);
});

test('a consolidation takes the smallest coins that are worth it, up to the bound', () => {
  const { coins, change } = selectForConsolidation(
    requestOf([900_000n, 40_000n, 500n, 50_000n, 60_000n], { maxInputs: 3 }),
  );
  expect(coins.map(({ amountSat }) => amountSat)).toEqual([40_000n, 50_000n, 60_000n]);
  expect(change).toBe('change');
});

test.each([
  ['a single coin', [900_000n]],
  ['coins that leave too little', [11_000n, 11_000n]],
])('refuses to consolidate %s', (_, amounts) => {
  expect(() => selectForConsolidation(requestOf(amounts))).toThrow(/of change$/);
});

test('what is selected can be built: the sizes are never below the builder’s own', () => {
  const scenario = spendScenario({
    threshold: 2,
    of: 3,
    amounts: Array.from({ length: 30 }, (_, n) => 50_000n + BigInt(n * 7_919)),
  });
  const coins = scenario.coins.map((coin) => ({ ...coin, confirmations: 6 }));
  fc.assert(
    fc.property(
      fc.array(fc.bigInt({ min: 1_000n, max: 200_000n }), { minLength: 1, maxLength: 8 }),
      fc.bigInt({ min: 1_000n, max: 9_000n }),
      (amounts, rate) => {
        const payees = amounts.map((amount, n) => ({
          script: strangerScript(n + 1),
          amountSat: sat(amount),
        }));
        const sizes = spendSizes(
          scenario.deriver,
          payees.map(({ script }) => script),
          30,
        );
        const found = selectCoins({
          ...requestOf([], sizes),
          coins,
          targetSat: sumSat(payees.map(({ amountSat }) => amountSat)),
          feerate: feerate(rate),
        });
        const plan = scenario.plan({
          coins: found.coins.map(({ outpoint, amountSat, branch, index }) => ({
            outpoint,
            amountSat,
            branch,
            index,
          })),
          feerateSatPerKvb: feerate(rate),
          change: found.change === 'change' ? { index: 0 } : null,
        });
        const built = buildUnsignedTx(plan, payees, scenario.deriver);
        expect(built.changeSat ?? 20_000n).toBeGreaterThanOrEqual(20_000n);
        expect(built.feeSat).toBeGreaterThanOrEqual(feeCeil(feerate(rate), built.vsize));
      },
    ),
    { numRuns: 100 },
  );
});
