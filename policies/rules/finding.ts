/** What one rule says of one case: a reason where it fails, and how far the limit is where it has one. */
import { type Reason, type ReasonCode, reason } from '../reason.ts';

export type SlackUnit = 'sat' | 'sat/kvB' | 'blocks' | 'count' | 'height';

/** One numeric rule with what is left of it; `slack` below zero is by how much it fails. */
export interface SlackRow {
  /** Path of the rule in the policy, `overlay.` before it where it is a guardian's own. */
  rule: string;
  bound: 'at-most' | 'at-least';
  limit: bigint;
  used: bigint;
  slack: bigint;
  unit: SlackUnit;
}

export interface Finding {
  row: SlackRow | null;
  reason: Reason | null;
}

interface Measure {
  code: ReasonCode;
  rule: string;
  limit: bigint | number;
  used: bigint | number;
  unit: SlackUnit;
}

/** Holds while `used` is at most `limit`. */
export function atMost(measure: Measure): Finding {
  return measured(measure, 'at-most', BigInt(measure.limit) - BigInt(measure.used));
}

/** Holds while `used` is at least `limit`. */
export function atLeast(measure: Measure): Finding {
  return measured(measure, 'at-least', BigInt(measure.used) - BigInt(measure.limit));
}

/** A rule without a number that failed. */
export function failed(code: ReasonCode, detail: string): Finding {
  return { row: null, reason: reason(code, detail) };
}

/** Of the same rule over many things: every reason, but only the row that is nearest its limit. */
export function nearest(findings: readonly Finding[]): Finding[] {
  const rows = findings.flatMap(({ row }) => (row === null ? [] : [row]));
  const first = rows[0];
  if (first === undefined) return [...findings];
  const row = rows.reduce((a, b) => (b.slack < a.slack ? b : a), first);
  const reasons = findings.filter((each) => each.reason !== null);
  return [{ row, reason: null }, ...reasons.map((each) => ({ row: null, reason: each.reason }))];
}

function measured(measure: Measure, bound: SlackRow['bound'], slack: bigint): Finding {
  const { code, rule, unit } = measure;
  const limit = BigInt(measure.limit);
  const used = BigInt(measure.used);
  const row: SlackRow = { rule, bound, limit, used, slack, unit };
  if (slack >= 0n) return { row, reason: null };
  const side = bound === 'at-most' ? 'above' : 'below';
  return { row, reason: reason(code, `${rule}: ${used} is ${side} ${limit} ${unit}`) };
}
