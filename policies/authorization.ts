/** The verdict on an intent without a transaction: who must agree, and the few limits it has. */
import { asksOwnGuardian, missingApprovals, type Requirement } from './approvals.ts';
import type { PolicyDiff } from './diff.ts';
import { type Verdict, verdictOf } from './evaluate.ts';
import type { ApprovalFacts } from './facts.ts';
import type { AuthorizationIntent } from './intent.ts';
import type { Overlay } from './overlay.ts';
import type { Policy } from './policy-schema.ts';
import { atLeast, atMost, type Finding, failed } from './rules/finding.ts';

export interface AuthorizationQuestion {
  policy: Policy;
  /** Of the guardian whose agent judges; left out where nobody's agent does. */
  overlay?: Overlay | null;
  intent: AuthorizationIntent;
  approvals: ApprovalFacts;
  tipHeight: number;
  /** For a policy_change: what it changes. Without it the change counts as a loosening. */
  diff?: PolicyDiff;
}

/**
 * Judges an authorization. Succession of policies (version, height) is `checkSuccession`'s; evidence in
 * the intent is the caller's.
 */
export function evaluateAuthorization(question: AuthorizationQuestion): Verdict {
  const { intent, tipHeight } = question;
  const overlay = question.overlay ?? null;
  const findings = limitsOf(question);
  if (tipHeight < question.policy.activates_at_height) {
    findings.push(failed('W-POL-LOOSENED-EARLY', 'the policy does not rule yet'));
  }
  if (overlay?.refuse_intents.includes(intent.kind) === true) {
    findings.push(failed('W-POL-OVERLAY', `overlay.refuse_intents names ${intent.kind}`));
  }
  const requirement: Requirement = {
    guardianApprovals: approvalsFor(question),
    operatorApprovals: 0,
    distinct: ['owner'],
    askOwnGuardian: asksOwnGuardian(question.policy, overlay),
  };
  // Whoever trips the breaker is its initiator: that one approval is the whole point.
  const trips = intent.kind === 'breaker' && intent.action === 'trip';
  const policy: Policy = trips ? { ...question.policy, no_self_approval: 'no' } : question.policy;
  return verdictOf({
    refusals: findings.flatMap((found) => (found.reason === null ? [] : [found.reason])),
    missing: missingApprovals({ policy, overlay }, requirement, question.approvals),
    requirement,
    slack: findings.flatMap((found) => (found.row === null ? [] : [found.row])),
  });
}

function approvalsFor({ policy, intent, diff }: AuthorizationQuestion): number {
  const { intents } = policy;
  switch (intent.kind) {
    case 'policy_change':
      return diff === undefined || diff.overall === 'loosen'
        ? intents.policy_change.loosen.approvals
        : intents.policy_change.tighten.approvals;
    case 'registry_change':
      return intents.registry_change.approvals;
    case 'breaker':
      return intents.breaker[intent.action].approvals;
    case 'large_ln_payout':
      return intents.large_ln_payout.approvals;
    case 'channel_close':
      return intent.force === 'cooperative'
        ? intents.channel_close.cooperative.approvals
        : intents.channel_close.force.approvals;
    case 'snapshot':
      return intents.snapshot.approvals;
  }
}

function limitsOf({ policy, intent, tipHeight }: AuthorizationQuestion): Finding[] {
  const { intents } = policy;
  if (intent.kind === 'large_ln_payout') {
    const msat = BigInt(intent.amountMsat) + BigInt(intent.maxFeeMsat);
    const used = (msat + 999n) / 1_000n;
    const rule = 'intents.large_ln_payout.max';
    const limit = intents.large_ln_payout.max;
    const expiry = {
      rule: 'tip',
      limit: tipHeight,
      used: intent.expiryHeight,
      unit: 'height',
    } as const;
    return [
      atMost({ code: 'W-LIM-PER-TX', rule, limit, used, unit: 'sat' }),
      atLeast({ code: 'W-ENV-EXPIRED', ...expiry }),
    ];
  }
  if (intent.kind !== 'channel_close') return [];
  const { force, max_rate } = intents.channel_close;
  const rule = 'intents.channel_close.max_rate';
  const used = intent.maxFeeRateSatPerKvb;
  const findings = [atMost({ code: 'W-FEE-RATE', rule, limit: max_rate, used, unit: 'sat/kvB' })];
  const why = intent.force;
  if (why !== 'cooperative' && !force.reasons.includes(why)) {
    findings.push(
      failed('W-POL-INTENT', `intents.channel_close.force.reasons does not name ${why}`),
    );
  }
  return findings;
}
