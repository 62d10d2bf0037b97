/**
 * What changes from one policy to the next, field by field, and whether it tightens or loosens. What
 * this file does not know how to order counts as loosening.
 */
import { escalationChanges } from './escalation-diff.ts';
import type { Policy } from './policy-schema.ts';
import { amountShown } from './scalar.ts';

export type Direction = 'tighten' | 'loosen' | 'neutral';

export interface FieldChange {
  /** Path in the policy; items of a list by their name, e.g. `limits.windows.day.max`. */
  path: string;
  change: Direction;
  /** As printed in a policy; null where there was, or will be, nothing. */
  from: string | null;
  to: string | null;
  /** Of a new allowlist entry: the height from which on it counts. */
  activeFrom?: number;
}

export interface PolicyDiff {
  /** `loosen` if one field loosens, else `tighten` if one tightens. */
  overall: Direction;
  changes: readonly FieldChange[];
}

/** Which way a value tightens. `any`: no change of it matters. */
type Tighter = 'lower' | 'higher' | 'yes' | 'no' | 'not_yet' | 'subset' | 'any';

/** `*` is one step. What is not here, and what comes or goes without `added`, loosens. */
const FIELDS: readonly [pattern: string, tighter: Tighter][] = [
  ['schema', 'any'],
  ['version', 'any'],
  ['previous', 'any'],
  ['activates_at_height', 'any'],
  ['guardians.*.automatic', 'no'],
  ['tip.*', 'lower'],
  ['limits.per_tx', 'lower'],
  ['limits.windows.*.blocks', 'higher'],
  ['limits.windows.*.max', 'lower'],
  ['limits.windows.*.max_ppm_of_treasury', 'lower'],
  ['limits.count.blocks', 'higher'],
  ['limits.count.max_tx', 'lower'],
  ['limits.floor_balance', 'higher'],
  ['fees.min_rate', 'higher'],
  ['fees.max_rate', 'lower'],
  ['fees.max_over_estimate_ppm', 'lower'],
  ['fees.max_abs', 'lower'],
  ['fees.max_ppm_of_amount', 'lower'],
  ['fees.windows.*.max', 'lower'],
  ['inputs.min_conf', 'higher'],
  ['inputs.own_change_min_conf', 'higher'],
  ['inputs.max', 'lower'],
  ['inputs.types', 'subset'],
  ['inputs.gap', 'lower'],
  ['outputs.max', 'lower'],
  ['outputs.min_change', 'higher'],
  ['allowlists.*.*.active_from', 'higher'],
  ['allowlists.*.*.per_day', 'lower'],
  ['allowlists.*.*.max_index_gap', 'lower'],
  ['delays.loosen', 'higher'],
  ['delays.expire_after', 'lower'],
  ['no_self_approval', 'yes'],
  ['breaker.*.blocks', 'higher'],
  ['breaker.*.max', 'lower'],
  ['intents.withdrawal_batch.per_payee.*', 'lower'],
  ['intents.withdrawal_batch.max_payees', 'lower'],
  ['intents.*.windows.*.max', 'lower'],
  ['intents.*.windows.*.max_count', 'lower'],
  ['intents.hot_topup.max', 'lower'],
  ['intents.hot_topup.min_interval', 'higher'],
  ['intents.*.max_rate', 'lower'],
  ['intents.*.max_abs', 'lower'],
  ['intents.*.max_ppm_of_inputs', 'lower'],
  ['intents.consolidate.max_inputs', 'lower'],
  ['intents.fee_bump.of', 'subset'],
  ['intents.fee_bump.max_bumps', 'lower'],
  ['intents.channel_open', 'not_yet'],
  ['intents.channel_open.peers.*.max_capacity', 'lower'],
  ['intents.channel_open.min_channel', 'higher'],
  ['intents.channel_open.max_channel', 'lower'],
  ['intents.channel_open.max_channels', 'lower'],
  ['intents.channel_open.reserve.max', 'lower'],
  ['intents.channel_open.min_change', 'higher'],
  ['intents.*.approvals', 'higher'],
  ['intents.policy_change.*.approvals', 'higher'],
  ['intents.channel_close.*.approvals', 'higher'],
  ['intents.breaker.reset.approvals', 'higher'],
  // Money stops sooner when fewer can stop it.
  ['intents.breaker.trip.approvals', 'lower'],
  ['intents.large_ln_payout.over', 'lower'],
  ['intents.large_ln_payout.max', 'lower'],
  ['intents.channel_close.force.reasons', 'subset'],
];

/** Things that may come and go. A list of places is nothing by itself: its entries are. */
const COMES_AND_GOES: readonly [pattern: string, added: Direction, removed: Direction][] = [
  ['limits.windows.*', 'tighten', 'loosen'],
  ['fees.windows.*', 'tighten', 'loosen'],
  ['intents.*.windows.*', 'tighten', 'loosen'],
  ['intents.*.windows.*.max_count', 'tighten', 'loosen'],
  ['intents.channel_open.peers.*', 'loosen', 'tighten'],
  ['allowlists.*.*', 'loosen', 'tighten'],
  ['allowlists.*.*.per_day', 'tighten', 'loosen'],
  ['operators.*', 'loosen', 'tighten'],
];

/** Compares two policies. Pure; nothing is said about whether the change is allowed. */
export function diffPolicies(from: Policy, to: Policy): PolicyDiff {
  const { escalation: stepsFrom, ...restFrom } = from;
  const { escalation: stepsTo, ...restTo } = to;
  const changes = [
    ...changesOf(keyed(restFrom), keyed(restTo), ''),
    ...escalationChanges(stepsFrom, stepsTo),
  ];
  const directions = new Set(changes.map(({ change }) => change));
  const overall = (['loosen', 'tighten'] as const).find((each) => directions.has(each));
  return { overall: overall ?? 'neutral', changes };
}

type Leaf = bigint | number | string | null | readonly string[];
type Tree = Leaf | { readonly [key: string]: Tree };

/** Lists of things become maps by name, so that a place in a list means nothing. */
function keyed(value: unknown): Tree {
  if (Array.isArray(value)) {
    const items: unknown[] = value;
    if (items.every((item) => typeof item === 'string')) return items;
    return Object.fromEntries(items.map((item) => [nameOf(item), keyed(item)]));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, keyed(member)]));
  }
  return value as Leaf;
}

function nameOf(item: unknown): string {
  const named = item as { name?: string; id?: string; blocks?: number };
  return named.name ?? named.id ?? `${named.blocks ?? ''}`;
}

function changesOf(from: Tree | undefined, to: Tree | undefined, path: string): FieldChange[] {
  // An empty list has no items to tell what it is a list of: the other side tells. A list of places
  // that comes or goes is as many changes as it has entries.
  const listOfPlaces = /^allowlists\.[^.]+$/.test(path);
  const nothing = (side: Tree | undefined): boolean =>
    side === undefined ? listOfPlaces : isNames(side) && side.length === 0;
  if (isMap(from) && (isMap(to) || nothing(to))) return within(from, isMap(to) ? to : {}, path);
  if (isMap(to) && nothing(from)) return within({}, to, path);
  const shownFrom = shown(from);
  const shownTo = shown(to);
  if (shownFrom === shownTo || (nothing(from) && nothing(to))) return [];
  const change = directionOf(from, to, path);
  return [{ path, change, from: shownFrom, to: shownTo, ...activation(from, to, path) }];
}

function within(
  from: { readonly [key: string]: Tree },
  to: { readonly [key: string]: Tree },
  path: string,
): FieldChange[] {
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  return keys.flatMap((key) => changesOf(from[key], to[key], path === '' ? key : `${path}.${key}`));
}

function directionOf(from: Tree | undefined, to: Tree | undefined, path: string): Direction {
  if (from === undefined || to === undefined) {
    const rule = COMES_AND_GOES.find(([pattern]) => matches(pattern, path));
    return (from === undefined ? rule?.[1] : rule?.[2]) ?? 'loosen';
  }
  const tighter = FIELDS.find(([pattern]) => matches(pattern, path))?.[1];
  if (tighter === undefined) return 'loosen';
  return tighter === 'any' ? 'neutral' : isTighter(tighter, from, to) ? 'tighten' : 'loosen';
}

function isTighter(tighter: Exclude<Tighter, 'any'>, from: Tree, to: Tree): boolean {
  switch (tighter) {
    case 'lower':
      return isNumber(from) && isNumber(to) && to < from;
    case 'higher':
      return isNumber(from) && isNumber(to) && to > from;
    case 'yes':
    case 'no':
    case 'not_yet':
      return to === tighter;
    case 'subset':
      return isNames(from) && isNames(to) && to.every((each) => from.includes(each));
  }
}

function activation(
  from: Tree | undefined,
  to: Tree | undefined,
  path: string,
): { activeFrom?: number } {
  if (from !== undefined || !isMap(to) || !matches('allowlists.*.*', path)) return {};
  const height = to['active_from'];
  return typeof height === 'number' ? { activeFrom: height } : {};
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('.');
  const steps = path.split('.');
  return (
    wanted.length === steps.length && wanted.every((want, at) => want === '*' || want === steps[at])
  );
}

function shown(value: Tree | undefined): string | null {
  if (value === undefined) return null;
  if (typeof value === 'bigint') return amountShown(value);
  if (isNames(value)) return `[${value.join(', ')}]`;
  if (!isMap(value)) return `${value}`;
  const members = Object.entries(value).map(([key, member]) => `${key}: ${shown(member)}`);
  return `{ ${members.join(', ')} }`;
}

function isMap(value: Tree | undefined): value is { readonly [key: string]: Tree } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNames(value: Tree): value is readonly string[] {
  return Array.isArray(value);
}

function isNumber(value: Tree): value is bigint | number {
  return typeof value === 'bigint' || typeof value === 'number';
}
