/** Load on one thing: as fast as some callers can, or as many a second as are offered; and what each waited. */

/** What was done in a time, and milliseconds that one waited. */
export interface Rate {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** Does the nth. */
export type Put = (n: number) => Promise<unknown>;

/** More of them open at once mean that what is offered is too much: then offering waits, and the wait counts. */
const OPEN_MAX = 4_000;

/** Callers that each ask again when they were answered. */
export async function saturated(
  put: Put,
  { callers, seconds }: { callers: number; seconds: number },
): Promise<Rate> {
  const waits: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1_000;
  let n = 0;
  const caller = async (): Promise<void> => {
    for (let at = performance.now(); at < end; at = performance.now()) {
      n += 1;
      await put(n);
      waits.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return rateOf(waits, performance.now() - start);
}

/** One every so often, whatever became of the others. Each wait counts from when it was due. */
export async function offered(
  put: Put,
  { perSecond, seconds }: { perSecond: number; seconds: number },
): Promise<Rate> {
  const waits: number[] = [];
  const open = new Set<Promise<void>>();
  const count = perSecond * seconds;
  const start = performance.now();
  const timed = async (n: number): Promise<void> => {
    await put(n);
    waits.push(performance.now() - start - (n * 1_000) / perSecond);
  };
  for (let n = 0; n < count; ) {
    const due = Math.min(count, ((performance.now() - start) * perSecond) / 1_000);
    for (; n < due && open.size < OPEN_MAX; n += 1) {
      const one = timed(n).finally(() => open.delete(one));
      open.add(one);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(open);
  return rateOf(waits, performance.now() - start);
}

function rateOf(waits: readonly number[], tookMs: number): Rate {
  const sorted = waits.toSorted((a, b) => a - b);
  return {
    perSecond: (waits.length * 1_000) / tookMs,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  };
}

/** Of sorted times; 0 of none. */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}
