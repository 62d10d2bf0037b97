/**
 * One process at a time, across processes. Only saves work: what it guards is correct without it, so the
 * lock of a process that died is simply taken over.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { until } from './wait.ts';

/** Longer than a fetch may take. */
const WAIT_MAX_MS = 900_000;

/** Does the work once the lock is ours. Rejects when another has it for longer than `waitMaxMs`. */
export async function whileHolding<T>(
  file: string,
  work: () => Promise<T>,
  waitMaxMs = WAIT_MAX_MS,
): Promise<T> {
  await until(`the lock ${file}`, () => taken(file), waitMaxMs);
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function taken(file: string): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    const holder = await readFile(file, 'utf8').catch(() => '');
    if (/^[0-9]+$/.test(holder) && !isAlive(Number(holder))) await rm(file, { force: true });
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM';
  }
}
