/** Which LND runs here: the one named by LND, the one on PATH, Docker's, or one built from source, in that order. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { runCommand } from './command.ts';
import { dockerLnd } from './docker-lnd.ts';
import { builtLnd } from './lnd-build.ts';
import { pathOf, sha256Of } from './program-file.ts';

export interface LndBinary {
  /** The words that start it; flags are appended. */
  command: readonly string[];
  /** The same for lncli, where it lies beside lnd. */
  cli?: readonly string[];
  /** As it names itself: `0.20.1-beta`. */
  version: string;
  source: 'env' | 'path' | 'docker' | 'built';
  /** Of the lnd file itself. */
  sha256: string;
}

/** No LND is to be had here, and why, in one sentence. */
export interface NoLnd {
  because: string;
}

export interface LndSearch {
  /** Where what was fetched and built is kept. */
  cacheDir?: string;
  /** A build that failed since then is not tried again. Default: now. */
  failedSince?: Date;
}

/** A node that cannot say its version in this time does not run. */
const VERSION_TIMEOUT_MS = 20_000;
/** What ln-service 58 speaks: from 0.21 on LND ignores without error what it asks of a route. */
const SPOKEN = /^0\.20\./;
const SOURCE_WORDS = {
  env: 'named by LND',
  path: 'on PATH',
  docker: "from Docker's image",
  built: 'built from source',
} as const;

/**
 * Finds LND, building it when there is none: minutes, said on stderr with what was found. An LND that does not
 * run, or is no 0.20, is an answer, not a reason to look further.
 */
export async function findLnd(search: LndSearch = {}): Promise<LndBinary | NoLnd> {
  const named = process.env['LND'] ?? '';
  try {
    const binary = await (named === '' ? elsewhere(search) : asked(path.resolve(named), 'env'));
    say(`LND ${binary.version} (${binary.command.at(-1)}) ${SOURCE_WORDS[binary.source]}`);
    return binary;
  } catch (cause) {
    const because = reasonOf(cause);
    return { because: named === '' ? because : `LND is set, and ${because}` };
  }
}

/**
 * Begins to look at once, and lets the caller do other work meanwhile: a build goes on behind it, at a lower
 * priority. `ready` never rejects.
 */
export function lndInBackground(search: LndSearch = {}): { ready: Promise<LndBinary | NoLnd> } {
  return { ready: findLnd(search) };
}

async function elsewhere(search: LndSearch): Promise<LndBinary> {
  const { cacheDir = cacheFolder('lnd'), failedSince = new Date() } = search;
  const found = (await onPath()) ?? (await fromDocker(cacheDir));
  return found ?? asked(await builtLnd({ cacheDir, failedSince, say }), 'built');
}

async function onPath(): Promise<LndBinary | null> {
  const file = await pathOf('lnd');
  return file === null ? null : asked(file, 'path').catch(passOver);
}

async function fromDocker(cacheDir: string): Promise<LndBinary | null> {
  try {
    const file = await dockerLnd(cacheDir, say);
    return file === null ? null : await asked(file, 'docker');
  } catch (cause) {
    return passOver(cause);
  }
}

function passOver(cause: unknown): null {
  say(`${reasonOf(cause)}: looking further`);
  return null;
}

async function asked(file: string, source: LndBinary['source']): Promise<LndBinary> {
  const answer = await runCommand([file, '--version'], { timeoutMs: VERSION_TIMEOUT_MS });
  const [, version] = /^lnd version (\S+)/.exec(answer) ?? [];
  if (version === undefined) throw new Error(`${file} does not say which LND it is`);
  if (!SPOKEN.test(version)) {
    throw new Error(`${file} is LND ${version}, and only 0.20 is spoken here`);
  }
  const cli = path.join(path.dirname(file), 'lncli');
  return {
    command: [file],
    ...(existsSync(cli) ? { cli: [cli] } : {}),
    version,
    source,
    sha256: await sha256Of(file),
  };
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function say(line: string): void {
  process.stderr.write(`regtest: ${line}\n`);
}
