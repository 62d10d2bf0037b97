/** A program that runs until it is told to end: started on a leash, its last words kept, ended by its own pid. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { until } from './wait.ts';

export interface DaemonProcess {
  readonly child: ChildProcess;
  /** The end of its stderr. */
  complaint(): string;
}

const STOP_TIMEOUT_MS = 60_000;
/** Enough of the end of stderr to see why it died. */
const TAIL_CHARS = 2_000;
const DIE_WITH_PARENT = '/usr/bin/setpriv';

/** Words before a command: the kernel ends it with this process, even when this process is killed. */
export function leash(): string[] {
  return existsSync(DIE_WITH_PARENT) ? [DIE_WITH_PARENT, '--pdeathsig', 'TERM', '--'] : [];
}

/** Starts it with these words. A program that is missing shows in `complaint` and in `hasEnded`. */
export function startDaemon(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): DaemonProcess {
  const [file = '', ...args] = [...leash(), ...words];
  const child = spawn(file, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-TAIL_CHARS);
  });
  child.on('error', (cause) => {
    complaint += String(cause);
  });
  const leave = (): void => void child.kill('SIGTERM');
  process.on('exit', leave);
  child.on('close', () => process.off('exit', leave));
  return { child, complaint: () => complaint };
}

/** Resolves when the process is gone. One that ignores SIGTERM is killed, and that is an error. */
export async function endDaemon(
  name: string,
  { child }: DaemonProcess,
  signal: 'SIGTERM' | 'SIGKILL',
): Promise<void> {
  if (hasEnded(child)) return;
  child.kill(signal);
  try {
    await until(`${name} ${child.pid} to end`, () => hasEnded(child), STOP_TIMEOUT_MS);
  } catch (cause) {
    child.kill('SIGKILL');
    throw cause;
  }
}

export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
