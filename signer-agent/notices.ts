/** What a guardian is told, once each: that something waits, was refused, or is done. No amounts, no addresses. Pure. */
import { families, spendsByOutpoint } from '../policies/commitments.ts';
import type { ChainView } from './judgement.ts';
import { type AgentState, isSettled, noticeKey } from './memory.ts';
import type { OwnEventOf } from './own-event.ts';

/** Blocks before the expiry at which an unanswered question is repeated. */
export const REMIND_BLOCKS = 36;

type Notified = OwnEventOf<'notified'>;

/** Notices that are due and were not given. */
export function dueNotices(state: AgentState, chain: ChainView | null): readonly Notified[] {
  const due: Notified[] = [
    ...questions(state, chain),
    ...decisions(state),
    ...answers(state),
    ...outcomes(state, chain),
    ...alarms(state),
  ];
  return due.filter((each) => !state.notified.has(noticeKey(each)));
}

/** The text of a notice: nothing that an attacker in the mailbox could use. */
export function noticeText({ notice, about, count }: Notified): string {
  const id = (about ?? '').slice(0, 8);
  switch (notice) {
    case 'new':
      return `weir: proposal ${id} waits for your review on your own machine`;
    case 'reminder':
      return `weir: proposal ${id} still waits and will expire soon`;
    case 'k-of-n':
      return `weir: proposal ${id} has ${count} signatures`;
    case 'refused':
      return `weir: your agent refused proposal ${id}`;
    case 'done':
      return `weir: proposal ${id} is confirmed`;
    case 'alarm':
      return 'weir: your agent raised an alarm; run weir signer-agent status on your own machine';
  }
}

function questions(state: AgentState, chain: ChainView | null): Notified[] {
  return [...state.asked.keys()].flatMap((about): Notified[] => {
    const asked = state.treasury.proposals.get(about);
    const open = !isSettled(state, about) && !state.approvedHere.has(about);
    const isNew: Notified = { kind: 'notified', notice: 'new', about, count: 0 };
    const expiry = asked?.proposal.expiryHeight;
    const late =
      open && chain !== null && expiry !== undefined && expiry - chain.tipHeight <= REMIND_BLOCKS;
    return late ? [isNew, { ...isNew, notice: 'reminder' }] : [isNew];
  });
}

/** Every decision without a transaction is for people. */
function decisions(state: AgentState): Notified[] {
  return [...state.decisionsSeen.keys()]
    .filter((id) => state.treasury.authorizations.get(id)?.passedAtSeq === null)
    .map((about) => ({ kind: 'notified', notice: 'new', about, count: 0 }));
}

function answers(state: AgentState): Notified[] {
  const refused = [...state.refused.values()].filter(({ by }) => by === 'agent');
  const counted = [...state.treasury.proposals.values()].filter(
    ({ id, contributions }) => state.asked.has(id) && contributions.size > 0,
  );
  return [
    ...refused.map(
      ({ subject }): Notified => ({
        kind: 'notified',
        notice: 'refused',
        about: subject,
        count: 0,
      }),
    ),
    ...counted.map(
      ({ id, contributions }): Notified => ({
        kind: 'notified',
        notice: 'k-of-n',
        about: id,
        count: Math.min(contributions.size, 5),
      }),
    ),
  ];
}

function outcomes(state: AgentState, chain: ChainView | null): Notified[] {
  if (chain === null) return [];
  const { treasury } = state;
  const all = families(treasury, spendsByOutpoint(chain.spends), chain.tipHeight);
  return all.flatMap(({ fate }): Notified[] =>
    fate.is === 'confirmed' || fate.is === 'buried'
      ? [{ kind: 'notified', notice: 'done', about: fate.by.id, count: 0 }]
      : [],
  );
}

function alarms(state: AgentState): Notified[] {
  const counted = Math.min(state.alarms.length, 5);
  return counted === 0 ? [] : [{ kind: 'notified', notice: 'alarm', about: null, count: counted }];
}
