/** Ids that were used, each refused until its time alone refuses it. Bounded; full of living ids it admits none. */

export interface SeenIds {
  /** `new` once, then `seen`; `full` when too many are remembered. */
  take(id: string, untilMs: number, nowMs: number): 'new' | 'seen' | 'full';
}

export function openSeenIds(idsMax: number): SeenIds {
  const until = new Map<string, number>();
  return {
    take(id, untilMs, nowMs) {
      if (until.has(id)) return 'seen';
      // Insertion order is nearly the order of ending, so this stops early.
      for (const [old, end] of until) {
        if (end >= nowMs) break;
        until.delete(old);
      }
      if (until.size >= idsMax) return 'full';
      until.set(id, untilMs);
      return 'new';
    },
  };
}
