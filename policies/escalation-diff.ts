/** How two escalations compare: a step is covered when another asks at least as much whenever it would. */
import type { FieldChange } from './diff.ts';
import { type EscalationStep, stepKey } from './policy-limits.ts';
import { amountShown } from './scalar.ts';

/** Changes of the steps, by condition. A step that goes and is covered by one that stays is neutral. */
export function escalationChanges(
  from: readonly EscalationStep[],
  to: readonly EscalationStep[],
): FieldChange[] {
  const before = new Map(from.map((step) => [stepKey(step), step]));
  const after = new Map(to.map((step) => [stepKey(step), step]));
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key): FieldChange[] => {
    const old = before.get(key);
    const next = after.get(key);
    const shownOld = old === undefined ? null : stepShown(old);
    const shownNext = next === undefined ? null : stepShown(next);
    if (shownOld === shownNext) return [];
    const lost = old !== undefined && !to.some((each) => covers(each, old));
    const gained = next !== undefined && !from.some((each) => covers(each, next));
    const change = lost ? 'loosen' : gained ? 'tighten' : 'neutral';
    return [{ path: `escalation.${key}`, change, from: shownOld, to: shownNext }];
  });
}

type AskingStep = Exclude<EscalationStep, { window: string }>;

function covers(a: EscalationStep, b: EscalationStep): boolean {
  if ('window' in a) {
    if (!('window' in b) || a.window !== b.window) return false;
    return a.value <= b.value && a.add_approvals >= b.add_approvals;
  }
  return !('window' in b) && appliesWhenever(a, b) && asksAtLeast(a, b);
}

/** A step over 0 always applies. */
function appliesWhenever(a: AskingStep, b: AskingStep): boolean {
  if ('over' in a) return 'over' in b ? a.over <= b.over : a.over === 0n;
  return 'when' in b;
}

function asksAtLeast(a: AskingStep, b: AskingStep): boolean {
  const byRegion = (step: AskingStep): boolean => step.distinct?.includes('region') === true;
  if (byRegion(b) && !byRegion(a)) return false;
  return a.approvals >= b.approvals && (a.operator ?? 0) >= (b.operator ?? 0);
}

function stepShown(step: EscalationStep): string {
  const members = Object.entries(step).map(([key, value]: [string, unknown]) => {
    if (typeof value === 'bigint') return `${key}: ${amountShown(value)}`;
    return `${key}: ${Array.isArray(value) ? `[${value.join(', ')}]` : String(value)}`;
  });
  return `{ ${members.join(', ')} }`;
}
