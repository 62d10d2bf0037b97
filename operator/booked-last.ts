/** What a person says twice is booked once: the answer to the first time may have been lost. Pure. */
import type { PoolEventOf } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';

/** Why it is not booked again. */
export const SAID_BEFORE =
  'this was booked last, with the same words: give another --why if it is another';

type Booked =
  | Omit<PoolEventOf<'capital-brought'>, 'kind'>
  | Omit<PoolEventOf<'difference-booked'>, 'kind'>;

/** The words of it: two with the same words are one. */
export function bookedText({ rail, amountMsat, why, ...of }: Booked): string {
  return JSON.stringify([rail, amountMsat.toString(), why, 'found' in of ? of.found : '']);
}

export function isSaidBefore(
  { bookedLast }: PoolState,
  kind: 'capital' | 'difference',
  of: Booked,
): boolean {
  return bookedLast.get(kind) === bookedText(of);
}
