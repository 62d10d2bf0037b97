/**
 * Who must say yes, and whether they did (checklist H8). Requirements combine by the highest;
 * `add_approvals` comes on top. Approvals of one owner count once, in one role; the initiator's never.
 */
import type { ApprovalFacts } from './facts.ts';
import type { Overlay } from './overlay.ts';
import type { Policy } from './policy-schema.ts';
import { type Reason, reason } from './reason.ts';
import { type SpendCase, sumsOf } from './rules/case.ts';
import { windowUse } from './rules/limits.ts';

/** What must be agreed beside the limits. */
export interface Requirement {
  guardianApprovals: number;
  operatorApprovals: number;
  /** By what approving guardians must differ; `owner` always. */
  distinct: readonly ('owner' | 'region')[];
  /** `yes`: the agent that judges waits for the approval of its own guardian, whoever else agreed. */
  askOwnGuardian: 'yes' | 'no';
}

const WHOLE_PPM = 1_000_000n;

/** The requirement of a spend: its kind's, and every step of the escalation that applies. */
export function requirementOf(spend: SpendCase): Requirement {
  const { policy, facts, overlay } = spend;
  const { weighedSat } = sumsOf(facts);
  const rules = policy.intents[facts.kind];
  const own = rules === 'not_yet' ? 0 : rules.approvals;
  let approvals = own;
  let added = 0;
  let operators = 0;
  let byRegion = false;
  for (const step of policy.escalation) {
    if ('window' in step) {
      if (windowUsed(step, spend)) added = Math.max(added, step.add_approvals);
      continue;
    }
    const applies = 'over' in step ? weighedSat > step.over : paysSomebodyNew(spend);
    if (!applies) continue;
    approvals = Math.max(approvals, step.approvals);
    operators = Math.max(operators, step.operator ?? 0);
    byRegion ||= step.distinct?.includes('region') === true;
  }
  return {
    guardianApprovals: approvals + added,
    operatorApprovals: operators,
    distinct: byRegion ? ['owner', 'region'] : ['owner'],
    askOwnGuardian: asksOwnGuardian(policy, overlay),
  };
}

/** Whether the agent of this overlay acts only when its guardian said yes. */
export function asksOwnGuardian(policy: Policy, overlay: Overlay | null): 'yes' | 'no' {
  if (overlay === null) return 'no';
  const seat = policy.guardians.find(({ id }) => id === overlay.guardian);
  return overlay.always_ask === 'yes' || seat?.automatic !== 'yes' ? 'yes' : 'no';
}

/** What is missing yet, as reasons; empty when all that is required is there. */
export function missingApprovals(
  { policy, overlay }: { policy: Policy; overlay: Overlay | null },
  required: Requirement,
  given: ApprovalFacts,
): Reason[] {
  const people = countable(policy, given);
  const reasons: Reason[] = [];
  const operators = people.operators.length;
  if (operators < required.operatorApprovals) {
    reasons.push(
      reason('W-APP-OPERATOR', `${operators} of ${required.operatorApprovals} operators`),
    );
  }
  const wanted = required.guardianApprovals;
  const counted = countedGuardians(people, required);
  if (counted < wanted) {
    reasons.push(reason('W-APP-TOO-FEW', `${counted} of ${wanted} guardians`));
    if (people.guardians.length >= wanted) {
      const by = required.distinct.join(' and ');
      reasons.push(
        reason('W-APP-NOT-DISTINCT', `${people.guardians.length} approvals, ${by} once`),
      );
    }
  }
  if (reasons.length > 0 && people.selfApproved) {
    reasons.push(reason('W-APP-SELF', `${given.initiator} proposed this`));
  }
  if (required.askOwnGuardian === 'yes' && overlay !== null) {
    const said = given.guardians.some(({ id }) => id === overlay.guardian);
    if (!said) reasons.push(reason('W-APP-TOO-FEW', `the agent of ${overlay.guardian} asks`));
  }
  return reasons;
}

interface Person {
  id: string;
  /** The owner by the policy, and by whoever gathered the approvals: both must differ. */
  owners: readonly [byPolicy: string, byFacts: string];
  region: string;
}
interface Countable {
  guardians: readonly Person[];
  operators: readonly Person[];
  selfApproved: boolean;
}

/** Approvals by people the policy knows, each once, without the initiator and who shares its owner. */
function countable(policy: Policy, given: ApprovalFacts): Countable {
  const guardians = known(policy.guardians, given.guardians);
  const operators = known(policy.operators, given.operators);
  if (policy.no_self_approval === 'no') return { guardians, operators, selfApproved: false };
  const seats = [...policy.guardians, ...policy.operators];
  const initiators = new Set([
    given.initiator,
    ...seats.filter(({ id }) => id === given.initiator).flatMap(({ owner }) => owner ?? []),
    ...[...given.guardians, ...given.operators]
      .filter(({ id }) => id === given.initiator)
      .map(({ owner }) => owner),
  ]);
  const others = (person: Person): boolean =>
    !initiators.has(person.id) && !person.owners.some((owner) => initiators.has(owner));
  const left = { guardians: guardians.filter(others), operators: operators.filter(others) };
  const dropped =
    guardians.length + operators.length - left.guardians.length - left.operators.length;
  return { ...left, selfApproved: dropped > 0 };
}

function known(
  seats: readonly { id: string; owner?: string; region?: string }[],
  given: readonly { id: string; owner: string }[],
): Person[] {
  return seats.flatMap((seat): Person[] => {
    const approval = given.find(({ id }) => id === seat.id);
    if (approval === undefined) return [];
    const owners = [seat.owner ?? seat.id, approval.owner] as const;
    return [{ id: seat.id, owners, region: seat.region ?? '' }];
  });
}

/** Guardians that count once an operator that is needed took its own owner's place. */
function countedGuardians({ guardians, operators }: Countable, required: Requirement): number {
  const byRegion = required.distinct.includes('region');
  const distinct = (people: readonly Person[]): number =>
    Math.min(
      ...([0, 1] as const).map((view) =>
        mostPairs(
          people.map(({ owners, region, id }) => [owners[view], byRegion ? region : `of ${id}`]),
        ),
      ),
    );
  if (required.operatorApprovals === 0 || operators.length === 0) return distinct(guardians);
  return Math.max(
    ...operators.map((operator) =>
      distinct(guardians.filter(({ owners }) => !sharesOwner(owners, operator.owners))),
    ),
  );
}

function sharesOwner(a: Person['owners'], b: Person['owners']): boolean {
  return a.some((owner) => b.includes(owner));
}

/** The most pairs that share neither left nor right: a maximum matching by augmenting paths (Kuhn). */
function mostPairs(pairs: readonly (readonly [left: string, right: string])[]): number {
  const partner = new Map<string, string>();
  const place = (left: string, tried: Set<string>): boolean => {
    for (const [from, right] of pairs) {
      if (from !== left || tried.has(right)) continue;
      tried.add(right);
      const holder = partner.get(right);
      if (holder === undefined || place(holder, tried)) {
        partner.set(right, left);
        return true;
      }
    }
    return false;
  };
  const lefts = new Set(pairs.map(([left]) => left));
  return [...lefts].filter((left) => place(left, new Set())).length;
}

function paysSomebodyNew({ facts }: SpendCase): boolean {
  if (facts.kind === 'fee_bump') return false;
  return facts.payees.some(({ firstPayment }) => firstPayment === 'first');
}

function windowUsed(
  step: Extract<Policy['escalation'][number], { window: string }>,
  spend: SpendCase,
): boolean {
  if (spend.facts.kind === 'cancel') return false;
  const window = spend.policy.limits.windows.find(({ name }) => name === step.window);
  if (window === undefined) return true;
  const { limit, used } = windowUse(window, spend);
  return used * WHOLE_PPM > limit * step.value;
}
