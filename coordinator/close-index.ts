/** Close addresses (G4): receive indexes of the treasury, one for each channel, no deposit's. Pure. */
import { closeIndexMax, takenCloseIndexes } from '../policies/commitments.ts';
import { Failure } from '../policies/failure.ts';
import type { SpendIntent } from '../policies/intent.ts';
import { type Reason, reason } from '../policies/reason.ts';
import type { Situation } from './facts.ts';

/** G4: every close address is a new one of the treasury, near enough that what comes back is found. */
export function closeIndexReasons(intent: SpendIntent, situation: Situation): Reason[] {
  if (intent.kind !== 'channel_open') return [];
  const { policy, view, all } = situation;
  const taken = new Set(takenCloseIndexes(all).keys());
  const indexMax = closeIndexMax(policy, view.changeIndexUsed);
  return intent.channels.flatMap(({ closeIndex }): Reason[] => {
    const isTaken = taken.has(closeIndex);
    taken.add(closeIndex);
    if (isTaken) return [reason('W-LN-CLOSE-INDEX', `index ${closeIndex} has a channel already`)];
    if (closeIndex <= indexMax) return [];
    return [reason('W-LN-CLOSE-INDEX', `index ${closeIndex} is beyond ${indexMax}`)];
  });
}

/** Receive indexes that somebody may know: coins lie or lay there, or a channel closes there. */
function knownReceiveIndexes({ view, treasury, all }: Situation): ReadonlySet<number> {
  const places = [
    ...view.coins,
    ...[...treasury.proposals.values()].flatMap(({ proposal }) => proposal.intent.plan.coins),
  ];
  const paid = places.flatMap(({ branch, index }) => (branch === 0 ? [index] : []));
  return new Set([...paid, ...takenCloseIndexes(all).keys()]);
}

/** The next address for a deposit: above everything known, so that nobody is paid where a channel closes. */
export function nextReceiveIndex(situation: Situation): number {
  return Math.max(-1, ...knownReceiveIndexes(situation)) + 1;
}

/**
 * Indexes for close addresses: above everything known, the next deposit and what was handed out before. Where the
 * gap ends, free ones below are handed out again.
 *
 * What was handed out and never proposed is not remembered over a restart: a proposal whose index is taken is
 * refused, here and by every agent, and whoever had it for nothing lost nothing.
 *
 * @throws Failure NOT_READY when the gap has too few left.
 */
export function freeCloseIndexes(
  situation: Situation,
  handedOut: ReadonlySet<number>,
  count: number,
): readonly number[] {
  const known = knownReceiveIndexes(situation);
  const deposit = nextReceiveIndex(situation);
  const last = closeIndexMax(situation.policy, situation.view.changeIndexUsed);
  const free = Array.from({ length: last + 1 }, (_, index) => index).filter(
    (index) => !known.has(index) && index !== deposit,
  );
  const preferred = [
    ...free.filter((index) => index > deposit && !handedOut.has(index)),
    ...free.filter((index) => index < deposit && !handedOut.has(index)),
    ...free.filter((index) => handedOut.has(index)),
  ];
  if (preferred.length < count) {
    throw new Failure('NOT_READY', `the gap of the policy has no ${count} close addresses left`);
  }
  return preferred.slice(0, count);
}
