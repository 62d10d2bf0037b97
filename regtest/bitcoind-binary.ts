/** Which bitcoind runs here: the one named by BITCOIND, the one on PATH, or Debian's newest, in that order. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { runCommand } from './command.ts';
import type { FetchedPackage } from './debian.ts';
import { debianBitcoind } from './debian-bitcoind.ts';
import { pathOf, sha256Of } from './program-file.ts';

export interface BitcoindBinary {
  /** The words that start it; flags are appended. */
  command: readonly string[];
  /** The same for bitcoin-cli, where it lies beside bitcoind. */
  cli?: readonly string[];
  /** As it names itself: `Bitcoin Knots 29.4.knots20260508`. */
  version: string;
  source: 'env' | 'path' | 'debian';
  /** Of the bitcoind file itself. */
  sha256: string;
  /** What was fetched and unpacked to run it; only from Debian. */
  packages?: readonly FetchedPackage[];
}

/** No bitcoind is to be had here, and why, in one sentence. */
export interface NoBitcoind {
  because: string;
}

/** A node that cannot say its version in this time does not run. */
const VERSION_TIMEOUT_MS = 20_000;
const SOURCE_WORDS = { env: 'named by BITCOIND', path: 'on PATH', debian: 'from Debian' } as const;

/**
 * Finds bitcoind, fetching it when there is none. Says on stderr what it does and what it found.
 * A BITCOIND that does not run is an answer, not a reason to look further.
 */
export async function findBitcoind(
  cacheDir = cacheFolder('bitcoind'),
): Promise<BitcoindBinary | NoBitcoind> {
  const named = process.env['BITCOIND'] ?? '';
  try {
    const binary = await (named === '' ? elsewhere(cacheDir) : asked(path.resolve(named), 'env'));
    say(`${binary.version} (${binary.command.at(-1)}) ${SOURCE_WORDS[binary.source]}`);
    return binary;
  } catch (cause) {
    const because = cause instanceof Error ? cause.message : String(cause);
    return { because: named === '' ? because : `BITCOIND is set, and ${because}` };
  }
}

async function elsewhere(cacheDir: string): Promise<BitcoindBinary> {
  const onPath = await pathOf('bitcoind');
  if (onPath !== null) {
    try {
      return await asked(onPath, 'path');
    } catch (cause) {
      say(`${onPath} does not run (${String(cause)}), so Debian is asked`);
    }
  }
  const { command, cli, packages } = await debianBitcoind(cacheDir, say);
  return { ...(await described(command, 'debian')), cli, packages };
}

async function asked(file: string, source: 'env' | 'path'): Promise<BitcoindBinary> {
  const cli = path.join(path.dirname(file), 'bitcoin-cli');
  return {
    ...(await described([file], source)),
    ...(existsSync(cli) ? { cli: [cli] } : {}),
  };
}

async function described(
  command: readonly string[],
  source: BitcoindBinary['source'],
): Promise<BitcoindBinary> {
  const answer = await runCommand([...command, '--version'], { timeoutMs: VERSION_TIMEOUT_MS });
  const [, name, version] = /^(Bitcoin .+?)(?: daemon)? version v?(\S+)/.exec(answer) ?? [];
  const file = command.at(-1) ?? '';
  if (name === undefined || version === undefined) {
    throw new Error(`${file} does not say which bitcoind it is`);
  }
  return { command, version: `${name} ${version}`, source, sha256: await sha256Of(file) };
}

function say(line: string): void {
  process.stderr.write(`regtest: ${line}\n`);
}
