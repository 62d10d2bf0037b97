/** Small steps that every part of the fold takes. */
import { Failure } from './failure.ts';
import type { ProposalState, Seat, Treasury } from './treasury.ts';

/** The seat of that name. @throws Failure INPUT_INVALID where there is none. */
export function seatOf(treasury: Treasury, id: string): Seat {
  const seat = treasury.seats.get(id);
  if (seat === undefined) throw new Failure('INPUT_INVALID', `there is no seat ${id}`);
  return seat;
}

/** Refuses a statement made for another treasury or network. */
export function requireHere(
  treasury: Treasury,
  body: { treasuryId: string; network: string },
): void {
  refuseWhen(body.treasuryId !== treasury.id, 'made for another treasury');
  refuseWhen(body.network !== treasury.params?.network, 'made for another network');
}

/** The treasury with one seat replaced. */
export function withSeat(treasury: Treasury, seat: Seat): Treasury {
  return { ...treasury, seats: withEntry(treasury.seats, seat.id, seat) };
}

/** The treasury with one proposal added or replaced. */
export function withProposal(treasury: Treasury, state: ProposalState): Treasury {
  return { ...treasury, proposals: withEntry(treasury.proposals, state.id, state) };
}

/** A copy of a map with one entry set. */
export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value);
}

/** @throws Failure INPUT_INVALID when a rule of the log is broken. */
export function refuseWhen(broken: boolean, message: string): void {
  if (broken) throw new Failure('INPUT_INVALID', message);
}
