/** How often which no was said since the start: all that is kept of those who are not known, or come too often. */
import type { ApiRefusal } from '../pool-api.ts';

/** By reason code; the codes are a closed list, so this is bounded. */
export type RefusalCount = Map<string, number>;

export function countRefusal(counts: RefusalCount, { reasonCode }: ApiRefusal): void {
  counts.set(reasonCode, (counts.get(reasonCode) ?? 0) + 1);
}
