/** Waiting for a condition, never for a time: asked again and again until a bound. */
import { setTimeout as pause } from 'node:timers/promises';

/** Between two questions: short beside a block's way over loopback, long beside one RPC. */
const POLL_MS = 25;

/**
 * Asks until the answer is neither false, null nor undefined, and gives it. What `ask` throws passes through.
 * Rejects, naming what was waited for, after `timeoutMs`.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T> | T,
  timeoutMs: number,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== null && answer !== undefined) {
      return answer as Exclude<T, false | null | undefined>;
    }
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await pause(POLL_MS);
  }
}
