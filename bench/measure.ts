/** Times of one run, in milliseconds: several tries, and the middle one. */

/** One thing to measure: `prepare` makes each try's own input and is not timed. */
export interface Task {
  prepare: () => unknown;
  work: (input: never) => unknown;
}

/** A task whose input its work understands. */
export function task<T>(prepare: () => Promise<T> | T, work: (input: T) => unknown): Task {
  return { prepare, work };
}

/**
 * The middle of several tries of each task. Tasks take turns, so that a busy moment of the machine is
 * everybody's and the ratios stay what they are.
 */
export async function mediansMs<K extends string>(
  runs: number,
  tasks: Record<K, Task>,
): Promise<Record<K, number>> {
  const entries = Object.entries<Task>(tasks).map(([name, each]) => ({
    name,
    each,
    times: new Array<number>(),
  }));
  for (let run = 0; run < runs; run += 1) {
    for (const { each, times } of entries) {
      const input = await each.prepare();
      const start = performance.now();
      await each.work(input as never);
      times.push(performance.now() - start);
    }
  }
  return Object.fromEntries(
    entries.map(({ name, times }) => [
      name,
      times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0,
    ]),
  ) as Record<K, number>;
}

export function msText(ms: number | null): string {
  return ms === null ? '-' : ms.toFixed(ms < 10 ? 2 : 1);
}

/** How many times the other, one decimal. */
export function ratioText(one: number, other: number | null): string {
  return other === null || other === 0 ? '-' : `${(one / other).toFixed(2)}x`;
}
