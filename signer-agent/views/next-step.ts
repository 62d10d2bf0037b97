/** What a guardian's yes does, said before it is given. */
import type { Judgement } from '../judgement.ts';
import { WIDTH, wrapped } from './wording.ts';

/**
 * `signs`: with this approval the agent signs at once. `device`: the same, but this seat's key is on a
 * device, so the guardian signs there. `counts`: the approval is counted, the agent
 * signs when the rest is there. `refuses`: no approval changes the agent's no. `settled`: this agent
 * gave its word already.
 */
export type NextStep = 'signs' | 'device' | 'counts' | 'refuses' | 'settled';

/** Best known without judging again: `counts` wherever somebody else's word may be missing too. */
export function nextStepOf(
  judgement: Pick<Judgement, 'decision'>,
  word: 'open' | 'given',
): NextStep {
  if (word === 'given') return 'settled';
  switch (judgement.decision) {
    case 'refuse':
      return 'refuses';
    case 'ask':
    case 'sign':
      return 'signs';
    case 'wait':
      return 'counts';
  }
}

const SPEND: Record<NextStep, (seatId: string, threshold: number) => string> = {
  signs: (seatId, threshold) =>
    `Your approval key signs “${seatId} approves this id, this transaction, under this policy”. With ` +
    `that this agent signs the transaction as shown. Once ${threshold} seats signed, the coordinator ` +
    'can broadcast it, and it can not be called back.',
  device: (seatId) =>
    `Your approval key signs “${seatId} approves this id, this transaction, under this policy”. With ` +
    'that `export` it, sign it on your device, and `import` what the device made.',
  counts: (seatId) =>
    `Your approval key signs “${seatId} approves this id, this transaction, under this policy”. It is ` +
    'counted for all agents. This agent signs by itself, without asking again, as soon as what is ' +
    'still missing is there and everything still holds.',
  refuses: () =>
    'Nothing: this agent refuses, and no approval changes that. A corrected proposal has another id.',
  settled: () => 'Nothing: this agent gave its word on this already, and does not change it.',
};

const DECISION: Record<Exclude<NextStep, 'device'>, (seatId: string) => string> = {
  signs: (seatId) =>
    `Your approval key signs “${seatId} approves this id, under this policy”. Yours is the last one ` +
    'needed: it comes into force with it, for every agent.',
  counts: (seatId) =>
    `Your approval key signs “${seatId} approves this id, under this policy”. It comes into force for ` +
    'every agent once enough guardians approved.',
  refuses: () => 'Nothing: this agent holds that the rules do not allow this.',
  settled: () => 'Nothing: you or this agent gave your word on this already.',
};

/** For a spend. */
export function spendStepText(step: NextStep, seatId: string, threshold: number): string {
  return wrapped(SPEND[step](seatId, threshold), WIDTH);
}

/** For an authorization. */
export function decisionStepText(step: Exclude<NextStep, 'device'>, seatId: string): string {
  return wrapped(DECISION[step](seatId), WIDTH);
}
