/**
 * Rules about how much leaves (checklist H2 to H4): outflow and fee together, over everything and per
 * kind, in sliding windows of exact entries. A cancel passes outside windows (K4).
 */
import type { Charge } from '../facts.ts';
import type { LimitWindow } from '../policy-limits.ts';
import {
  chargedSat,
  chargesWithin,
  countedKind,
  type SpendCase,
  shareOfFloor,
  sumsOf,
  total,
} from './case.ts';
import { atLeast, atMost, type Finding } from './finding.ts';

export function perTxRules({ policy, overlay, facts }: SpendCase): Finding[] {
  const { weighedSat, outSat } = sumsOf(facts);
  const bounds: [string, bigint | undefined, bigint][] = [
    ['limits.per_tx', policy.limits.per_tx, weighedSat],
    ['overlay.limits.per_tx', overlay?.limits.per_tx, weighedSat],
  ];
  if (facts.kind === 'hot_topup') {
    bounds.push(['intents.hot_topup.max', policy.intents.hot_topup.max, outSat]);
  }
  return bounds.flatMap(([rule, limit, used]) =>
    limit === undefined ? [] : [atMost({ code: 'W-LIM-PER-TX', rule, limit, used, unit: 'sat' })],
  );
}

export function windowRules(spend: SpendCase): Finding[] {
  if (spend.facts.kind === 'cancel') return [];
  const { policy, overlay } = spend;
  const windows: [string, LimitWindow][] = [
    ...policy.limits.windows.map((each): [string, LimitWindow] => ['limits', each]),
    ...(overlay?.limits.windows ?? []).map((each): [string, LimitWindow] => [
      'overlay.limits',
      each,
    ]),
  ];
  return windows.map(([path, window]) => {
    const { limit, used } = windowUse(window, spend);
    const code = 'max' in window ? 'W-LIM-WINDOW' : 'W-LIM-SHARE';
    return atMost({ code, rule: `${path}.windows.${window.name}`, limit, used, unit: 'sat' });
  });
}

/**
 * What a window allows and holds with this spend in it. A share is of the treasury as the window began:
 * its coins now and what left within; deposits meanwhile count too, as nobody here knows them.
 */
export function windowUse(
  window: LimitWindow,
  { facts, charges }: SpendCase,
): { limit: bigint; used: bigint } {
  const held = chargesWithin(charges, window.blocks, facts.tipHeight);
  const used = total(held.map(chargedSat)) + sumsOf(facts).addedSat;
  if ('max' in window) return { limit: window.max, used };
  // A live charge's coins are still among the treasury's, or count as gone: the stricter of both.
  const gone = total(held.filter(({ at }) => at !== 'live').map(chargedSat));
  return { limit: shareOfFloor(facts.treasurySat + gone, window.max_ppm_of_treasury), used };
}

export function countRules({ policy, overlay, facts, charges }: SpendCase): Finding[] {
  if (facts.kind === 'cancel') return [];
  const bounds: [string, { blocks: number; max_tx: number } | undefined][] = [
    ['limits.count', policy.limits.count],
    ['overlay.limits.count', overlay?.limits.count],
  ];
  return bounds.flatMap(([rule, bound]) => {
    if (bound === undefined) return [];
    const used =
      chargesWithin(charges, bound.blocks, facts.tipHeight).length + newSpends(facts.kind);
    return [atMost({ code: 'W-LIM-COUNT', rule, limit: bound.max_tx, used, unit: 'count' })];
  });
}

/** What stays once this and everything live has left. */
export function floorRules({ policy, overlay, facts, charges }: SpendCase): Finding[] {
  if (facts.kind === 'cancel') return [];
  const live = total(charges.filter(({ at }) => at === 'live').map(chargedSat));
  const used = facts.treasurySat - live - sumsOf(facts).addedSat;
  const bounds: [string, bigint | undefined][] = [
    ['limits.floor_balance', policy.limits.floor_balance],
    ['overlay.limits.floor_balance', overlay?.limits.floor_balance],
  ];
  return bounds.flatMap(([rule, limit]) =>
    limit === undefined ? [] : [atLeast({ code: 'W-LIM-FLOOR', rule, limit, used, unit: 'sat' })],
  );
}

/** Windows of one kind; a bump's fee adds to the windows of what it bumps. */
export function intentWindowRules({ policy, facts, charges }: SpendCase): Finding[] {
  const kind = countedKind(facts);
  if (kind === 'consolidate' || kind === 'fee_bump' || kind === 'cancel') return [];
  const rules = policy.intents[kind];
  if (rules === 'not_yet') return [];
  const ofKind = charges.filter((charge) => charge.kind === kind);
  const code = 'W-LIM-INTENT-WINDOW';
  return rules.windows.flatMap(({ blocks, max, max_count }) => {
    const held: readonly Charge[] = chargesWithin(ofKind, blocks, facts.tipHeight);
    const rule = `intents.${kind}.windows.${blocks}`;
    const used = total(held.map(chargedSat)) + sumsOf(facts).addedSat;
    const amount = atMost({ code, rule, limit: max, used, unit: 'sat' });
    if (max_count === undefined) return [amount];
    const count = held.length + newSpends(facts.kind);
    return [
      amount,
      atMost({ code, rule: `${rule}.max_count`, limit: max_count, used: count, unit: 'count' }),
    ];
  });
}

/** Blocks between two top-ups; one that is not final yet was just now. */
export function intervalRule({ policy, facts, charges }: SpendCase): Finding[] {
  if (facts.kind !== 'hot_topup') return [];
  const { min_interval: limit } = policy.intents.hot_topup;
  const rule = 'intents.hot_topup.min_interval';
  const ages = charges
    .filter(({ kind }) => kind === 'hot_topup')
    .map(({ at }) => (at === 'live' ? 0 : facts.tipHeight - at));
  if (ages.length === 0) return [];
  const used = Math.min(...ages);
  return [atLeast({ code: 'W-LIM-INTERVAL', rule, limit, used, unit: 'blocks' })];
}

/** A bump replaces a spend that is counted already. */
function newSpends(kind: SpendCase['facts']['kind']): number {
  return kind === 'fee_bump' ? 0 : 1;
}
