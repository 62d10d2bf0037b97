/**
 * What this agent said that the log does not show yet: read off its memory, so that a lost answer or a
 * crash sends it again and nothing else. The coordinator takes each once. Pure.
 */
import type { AgentVerdict, Approval, Contribution } from '../policies/proposal.ts';
import type { AgentState } from './memory.ts';

export type Post =
  | { what: 'contribution'; value: Contribution }
  | { what: 'verdict'; value: AgentVerdict }
  | { what: 'approval'; value: Approval };

/** Contributions first: a signature helps, a word about it informs. */
export function unsentPosts(state: AgentState, seatId: string): readonly Post[] {
  const posts = [...contributions(state, seatId), ...approvals(state), ...verdicts(state, seatId)];
  return posts.filter(({ value }) => saidOn(state, subjectOf(value)) !== null);
}

function contributions({ released, treasury }: AgentState, seatId: string): Post[] {
  return [...released.values()].flatMap(({ contribution }): Post[] => {
    const target = treasury.proposals.get(contribution.proposalId);
    const place = target?.place ?? null;
    const notThere = place === null || place.in === 'nowhere';
    const open = target !== undefined && target.broadcast === null && notThere;
    return open && !target.contributions.has(seatId)
      ? [{ what: 'contribution', value: contribution }]
      : [];
  });
}

function approvals(state: AgentState): Post[] {
  return [...state.approvedHere.values()].flatMap(({ approval }): Post[] => {
    const said = saidOn(state, approval.body.subject)?.approvals ?? [];
    const isThere = said.some(({ signature }) => signature === approval.signature);
    return isThere ? [] : [{ what: 'approval', value: approval }];
  });
}

/** The last word on each subject. Only `asks` is followed by another. */
function verdicts(state: AgentState, seatId: string): Post[] {
  const words = [state.asked, state.released, state.refused, state.never].flatMap((each) =>
    [...each.values()].map(({ verdict }) => verdict),
  );
  const last = new Map(words.map((verdict) => [verdict.body.subject, verdict]));
  return [...last.values()].flatMap((verdict): Post[] => {
    const heard = saidOn(state, verdict.body.subject)?.verdicts.get(seatId)?.body.verdict;
    const isNew = heard === undefined || (heard === 'asks' && verdict.body.verdict !== 'asks');
    return isNew ? [{ what: 'verdict', value: verdict }] : [];
  });
}

function subjectOf(value: Post['value']): string {
  return 'proposalId' in value ? value.proposalId : value.body.subject;
}

function saidOn(state: AgentState, subject: string) {
  const { proposals, authorizations } = state.treasury;
  return proposals.get(subject) ?? authorizations.get(subject) ?? null;
}
