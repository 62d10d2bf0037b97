/** What others' payments through the node earned (row R1): each forward once, whatever became of the list. Pure. */
import { type Msat, msat } from '../policies/units.ts';
import { type Decision, type News, nothing, plainNews } from './decision.ts';
import { forwardSettled } from './ledger/rail-rows.ts';
import type { Forward } from './lightning.ts';
import type { PoolState } from './pool-state.ts';

/** How far the node's list of forwards is read and booked. */
export interface ForwardsCursor {
  /** Forwards from the second on in which the pool was opened. */
  count: number;
  /** Id of the last of them; null before the first. */
  newest: string | null;
  /** Fees of those that settled since the pool was opened. */
  feeMsat: Msat;
}

/** The beginning of the list. */
export const NO_FORWARDS: ForwardsCursor = { count: 0, newest: null, feeMsat: msat(0n) };

/** Where the next page begins: with the last forward that was read, so that a list that changed shows. */
export function placeOf({ count }: ForwardsCursor): number {
  return Math.max(count - 1, 0);
}

/** The cursor after a page from its place; null where the page begins with another forward than was read there. */
export function afterPage(
  cursor: ForwardsCursor,
  page: readonly Forward[],
  openedAtMs: number,
): ForwardsCursor | null {
  const isBegun = cursor.newest !== null;
  if (isBegun && page[0]?.id !== cursor.newest) return null;
  const added = isBegun ? page.slice(1) : page;
  // What settled before is in the capital that was brought.
  const fees = added.filter(({ atMs }) => atMs >= openedAtMs).map(({ feeMsat }) => feeMsat);
  return {
    count: cursor.count + added.length,
    newest: added.at(-1)?.id ?? cursor.newest,
    feeMsat: msat(fees.reduce<bigint>((sum, fee) => sum + fee, cursor.feeMsat)),
  };
}

/** Books from one cursor to another, as long as the first is the one that the books have. */
export function decideForwards(
  { forwards: known }: Pick<PoolState, 'forwards'>,
  { from, to }: { from: ForwardsCursor; to: ForwardsCursor },
): Decision<null> {
  if (!isSame(known, from) || isSame(from, to)) return nothing(null);
  const forwards = to.count - from.count;
  const fee = to.feeMsat - from.feeMsat;
  if (forwards < 0 || fee < 0n) return { news: forgottenNews(from, to), answer: null };
  const feeMsat = msat(fee);
  const news: News = {
    event: { kind: 'forwards-settled', forwards, feeMsat, cursor: to },
    entry: feeMsat === 0n ? null : forwardSettled({ feeMsat }),
    receipt: null,
  };
  return { news: [news], answer: null };
}

/** What was booked stays booked; what comes is counted from the list as it is. A person looks at the difference. */
function forgottenNews(from: ForwardsCursor, to: ForwardsCursor): News[] {
  const detail =
    `the node lists ${to.count} forwards with fees of ${to.feeMsat} msat since the pool was opened, ` +
    `and the books have ${from.count} with ${from.feeMsat}`;
  return [
    plainNews({ kind: 'forwards-settled', forwards: 0, feeMsat: msat(0n), cursor: to }),
    plainNews({ kind: 'alarm', code: 'forwards_forgotten', detail }),
  ];
}

function isSame(one: ForwardsCursor, other: ForwardsCursor): boolean {
  return one.count === other.count && one.newest === other.newest && one.feeMsat === other.feeMsat;
}
