/** Times of one run, in milliseconds: several tries, and the middle one. */

/** The middle of several tries; `prepare` makes each try's own input and is not timed. */
export async function medianMs<T>(
  runs: number,
  prepare: () => Promise<T> | T,
  work: (input: T) => unknown,
): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const input = await prepare();
    const start = performance.now();
    await work(input);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)] ?? 0;
}

export function msText(ms: number | null): string {
  return ms === null ? '-' : ms.toFixed(ms < 10 ? 2 : 1);
}

/** How many times the other, one decimal. */
export function ratioText(one: number, other: number | null): string {
  return other === null || other === 0 ? '-' : `${(one / other).toFixed(2)}x`;
}
