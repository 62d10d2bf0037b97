/**
 * The verdict on one spend: every rule must hold, none outweighs another, and their order means
 * nothing. Coordinator and agents call the same function, each with facts of its own.
 */
import { missingApprovals, type Requirement, requirementOf } from './approvals.ts';
import type { ApprovalFacts } from './facts.ts';
import type { Reason } from './reason.ts';
import type { SpendCase } from './rules/case.ts';
import { channelRules } from './rules/channels.ts';
import {
  changeRules,
  confirmationRules,
  distinctInputsRule,
  frozenRule,
  inputCountRules,
  outputCountRules,
  selfTransferRule,
} from './rules/coins.ts';
import {
  activeRule,
  breakerRule,
  expiryRules,
  kindRules,
  lockTimeRule,
  networkRule,
} from './rules/envelope.ts';
import { bumpRules, feeBoundRules, feeSumRules } from './rules/fees.ts';
import type { Finding, SlackRow } from './rules/finding.ts';
import {
  countRules,
  floorRules,
  intentWindowRules,
  intervalRule,
  perTxRules,
  windowRules,
} from './rules/limits.ts';
import { authorityRule, entryCapRules, perPayeeRules, somebodyPaidRule } from './rules/payees.ts';

export type { SlackRow } from './rules/finding.ts';

/** A spend and who approved it. The overlay is null where no guardian's agent judges. */
export interface SpendQuestion extends SpendCase {
  approvals: ApprovalFacts;
}

/**
 * `ok`: every rule holds and everybody asked agreed. `needs`: every rule holds, consent is missing
 * (reasons `W-APP-…`). `refuse`: a rule fails (every failed rule is named). Only `ok` may be signed.
 */
export interface Verdict {
  kind: 'ok' | 'needs' | 'refuse';
  reasons: readonly Reason[];
  requirement: Requirement;
  slack: readonly SlackRow[];
}

const RULES: readonly ((spend: SpendCase) => Finding[])[] = [
  networkRule,
  activeRule,
  expiryRules,
  lockTimeRule,
  kindRules,
  breakerRule,
  inputCountRules,
  distinctInputsRule,
  confirmationRules,
  frozenRule,
  outputCountRules,
  changeRules,
  selfTransferRule,
  somebodyPaidRule,
  authorityRule,
  perPayeeRules,
  entryCapRules,
  channelRules,
  feeSumRules,
  feeBoundRules,
  bumpRules,
  perTxRules,
  windowRules,
  countRules,
  floorRules,
  intentWindowRules,
  intervalRule,
];

/**
 * Judges a spend. Pure: the same question has the same answer, in whatever order lists come.
 * The caller adds what only bytes, keys and nodes can tell (checklist A to E, K).
 */
export function evaluate(question: SpendQuestion): Verdict {
  const findings = RULES.flatMap((rule) => rule(question));
  const refusals = findings.flatMap((found) => (found.reason === null ? [] : [found.reason]));
  const slack = findings.flatMap((found) => (found.row === null ? [] : [found.row]));
  const requirement = requirementOf(question);
  const missing = missingApprovals(question, requirement, question.approvals);
  return verdictOf({ refusals, missing, requirement, slack });
}

/** A verdict of its parts, everything in one order. */
export function verdictOf(parts: {
  refusals: readonly Reason[];
  missing: readonly Reason[];
  requirement: Requirement;
  slack: readonly SlackRow[];
}): Verdict {
  const { refusals, missing, requirement } = parts;
  const slack = parts.slack.toSorted((a, b) => inOrder(a.rule, b.rule));
  if (refusals.length > 0) return { kind: 'refuse', reasons: sorted(refusals), requirement, slack };
  if (missing.length > 0) return { kind: 'needs', reasons: sorted(missing), requirement, slack };
  return { kind: 'ok', reasons: [], requirement, slack };
}

function sorted(reasons: readonly Reason[]): Reason[] {
  return reasons.toSorted((a, b) => inOrder(`${a.code} ${a.detail}`, `${b.code} ${b.detail}`));
}

function inOrder(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
