/** The rules of a verdict by how near their limits are. */
import type { SlackRow } from '../policies/evaluate.ts';

/**
 * Failed rules first, then by what is left as a share of the limit; heights after them: a share of a
 * height says nothing. Rows of one distance keep the order of their names.
 */
export function nearestFirst(rows: readonly SlackRow[]): SlackRow[] {
  return rows.toSorted((a, b) => {
    if (a.slack < 0n !== b.slack < 0n) return a.slack < 0n ? -1 : 1;
    if ((a.unit === 'height') !== (b.unit === 'height')) return a.unit === 'height' ? 1 : -1;
    // Compares a.slack / a.limit with b.slack / b.limit, without a fraction.
    return order(a.slack * whole(b), b.slack * whole(a)) || order(a.slack, b.slack);
  });
}

/** A limit of nothing is as near as one of a single unit. */
function whole({ limit }: SlackRow): bigint {
  return limit > 0n ? limit : 1n;
}

function order(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
