/** The `weir` command as a process of its own: run to its end, or kept running until it is stopped or killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiled: Node 20 does not run TypeScript. From a test's source folder and from `dist` alike. */
const ROOT = fileURLToPath(
  new URL(import.meta.url.includes('/dist/') ? '../..' : '..', import.meta.url),
);
const COMMAND = path.join(ROOT, 'dist', 'cli', 'weir.js');
/** A command that takes longer hangs. */
const COMMAND_MS_MAX = 120_000;
const READY_MS_MAX = 60_000;

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Daemon {
  /** Null once it ended. */
  pid: number | null;
  /** Ends it the ordinary way and waits. */
  stop(): Promise<void>;
  /** Ends it as a power cut would, and waits. */
  kill(): Promise<void>;
  /** Exit code or signal, once it ended by itself. */
  ended: Promise<string>;
}

/** Runs one command. Never throws for an exit code: that is an answer. */
export async function weir(args: readonly string[], stdin = ''): Promise<Ended> {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: COMMAND_MS_MAX,
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' },
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => out.push(part));
  child.stderr.on('data', (part: Buffer) => err.push(part));
  child.stdin.end(stdin);
  const [code] = (await once(child, 'close')) as [number | null];
  return {
    code: code ?? -1,
    stdout: Buffer.concat(out).toString('utf8'),
    stderr: Buffer.concat(err).toString('utf8'),
  };
}

/** Runs a command with `--json` and gives what it printed. @throws when it ends with another code than 0. */
export async function weirJson<T>(
  args: readonly string[],
  ok: readonly number[] = [0],
): Promise<T> {
  const { code, stdout, stderr } = await weir([...args, '--json']);
  if (!ok.includes(code)) {
    throw new Error(`weir ${args.join(' ')} ended with ${code}: ${stderr.trim()} ${stdout.trim()}`);
  }
  const line = stdout.trim().split('\n').at(-1) ?? '';
  return JSON.parse(line) as T;
}

/** Starts a process that stays, and waits for the JSON line that says it is ready. */
export async function weirDaemon(
  args: readonly string[],
  options: { log: string; env?: Record<string, string> },
): Promise<Daemon> {
  const child = spawn(process.execPath, [COMMAND, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', ...options.env },
  });
  const log = createWriteStream(options.log, { flags: 'a' });
  child.stderr.pipe(log);
  const ended = endOf(child);
  await ready(child, args);
  child.stdout.pipe(log);
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
  };
  return {
    get pid() {
      return child.exitCode === null && child.signalCode === null ? (child.pid ?? null) : null;
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    ended,
  };
}

async function endOf(child: ChildProcess): Promise<string> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return signal ?? String(code);
}

async function ready(child: ChildProcess, args: readonly string[]): Promise<void> {
  const name = `weir ${args.slice(0, 2).join(' ')}`;
  let errors = '';
  child.stderr?.on('data', (part: Buffer) => {
    errors = `${errors}${part.toString('utf8')}`.slice(-2_000);
  });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${name} is not ready: ${errors}`)),
      READY_MS_MAX,
    );
    child.stdout?.once('data', () => {
      clearTimeout(timer);
      resolve();
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`${name} ended with ${signal ?? code}: ${errors}`));
    });
  });
}
