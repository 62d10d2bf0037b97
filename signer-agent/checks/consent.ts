/** Rows H8 and I1: who said yes to exactly this, who said no, and who is to be asked next. */
import { missingApprovals, type Requirement } from '../../policies/approvals.ts';
import { deadByRefusal } from '../../policies/commitments.ts';
import type { ApprovalFacts } from '../../policies/facts.ts';
import type { Policy } from '../../policies/policy.ts';
import { type Approval, proposalTxid } from '../../policies/proposal.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import type { ProposalState } from '../../policies/treasury.ts';
import type { Case } from './case.ts';

/** Approvals of the log that count, and the guardian's own, which may not be in the log yet. */
export function approvalFacts(c: Case): ApprovalFacts {
  const { state, memory, pinned } = c.input;
  const guardians = saidYes(c, state, 'guardian');
  if (memory.approvedHere.has(state.id) && !guardians.includes(pinned.seatId)) {
    guardians.push(pinned.seatId);
  }
  return named(c, guardians, saidYes(c, state, 'operator'));
}

/** The same for a bump's first proposal: who approved either approved what it pays. */
export function rootApprovalFacts(c: Case, given: ApprovalFacts): ApprovalFacts {
  if (c.root === null) return given;
  const joined = (role: 'guardian' | 'operator', more: ApprovalFacts['guardians']) => [
    ...new Set([...more.map(({ id }) => id), ...saidYes(c, c.root as ProposalState, role)]),
  ];
  return named(c, joined('guardian', given.guardians), joined('operator', given.operators));
}

function named(c: Case, guardians: string[], operators: string[]): ApprovalFacts {
  const { initiator } = c.input.state.proposal;
  const person = (id: string) => ({ id, owner: ownerOf(c.policy, id) });
  return { initiator, guardians: guardians.map(person), operators: operators.map(person) };
}

function ownerOf(policy: Policy, id: string): string {
  const known = [...policy.guardians, ...policy.operators].find((each) => each.id === id);
  return known?.owner ?? id;
}

function saidYes(c: Case, state: ProposalState, role: 'guardian' | 'operator'): string[] {
  return state.approvals
    .filter(({ body }) => body.role === role && body.decision === 'approve')
    .filter((each) => each.body.expiresHeight >= c.height && isOf(each, state))
    .map(({ body }) => body.signerId);
}

function isOf({ body }: Approval, { id, proposal }: ProposalState): boolean {
  const { policyHash, treasuryId, network } = proposal;
  return (
    body.subject === id &&
    body.txid === proposalTxid(proposal) &&
    body.policyHash === policyHash &&
    body.treasuryId === treasuryId &&
    body.network === network
  );
}

/** I1: a no of an operator or of this guardian, to this or to what it varies, is final. */
export function rejections(c: Case): Reason[] {
  const { state, pinned, memory, treasury } = c.input;
  const about = c.root === null || c.root.id === state.id ? [state] : [state, c.root];
  const found = about.flatMap(({ approvals }) =>
    approvals
      .map(({ body }) => body)
      .filter(({ decision }) => decision === 'reject')
      .filter(({ role, signerId }) => role === 'operator' || signerId === pinned.seatId)
      .map(({ role, signerId }) => reason('W-APP-REJECTED', `${role} ${signerId} said no`)),
  );
  if (memory.refused.has(state.id)) found.push(reason('W-APP-REJECTED', 'refused here before'));
  // Its coins and orders are free for others by now: one signature more and a liar could finish both.
  if (deadByRefusal(treasury, state)) {
    const why = state.withdrawn === null ? 'enough agents refused it for good' : 'it was withdrawn';
    found.push(reason('W-APP-REJECTED', why));
  }
  return found;
}

/** What is missing yet, split by who can help. */
export interface Missing {
  waits: readonly Reason[];
  asks: readonly Reason[];
}

/**
 * An operator comes before guardians; then this guardian is asked, where its word counts and is not
 * there; else others are waited for.
 */
export function missingConsent(c: Case, requirement: Requirement, given: ApprovalFacts): Missing {
  const missing = missingApprovals(c, requirement, given);
  if (missing.length === 0) return { waits: [], asks: [] };
  const strays = strayApprovals(c);
  if (missing.some(({ code }) => code === 'W-APP-OPERATOR') || !canHelp(c, requirement, given)) {
    return { waits: [...missing, ...strays], asks: [] };
  }
  return { waits: [], asks: [...missing, ...strays] };
}

/** I1: named, since somebody approved something else than what is here. */
function strayApprovals({ input }: Case): Reason[] {
  const { state } = input;
  return state.approvals
    .filter((each) => each.body.decision === 'approve' && !isOf(each, state))
    .map(({ body }) =>
      reason('W-APP-WRONG-SUBJECT', `${body.signerId} approved transaction ${body.txid}`),
    );
}

function canHelp(c: Case, requirement: Requirement, given: ApprovalFacts): boolean {
  const { pinned } = c.input;
  if (given.guardians.some(({ id }) => id === pinned.seatId)) return false;
  if (requirement.askOwnGuardian === 'yes') return true;
  const { policy } = c;
  const self = ownerOf(policy, pinned.seatId) === ownerOf(policy, given.initiator);
  const barred = self && policy.no_self_approval === 'yes';
  return !barred && policy.guardians.some(({ id }) => id === pinned.seatId);
}
