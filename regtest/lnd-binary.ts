/** Which LND runs here: the one named by LND, or the one on PATH, in that order. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from './command.ts';

export interface LndBinary {
  /** The words that start it; flags are appended. */
  command: readonly string[];
  /** As it names itself: `0.20.1-beta`. */
  version: string;
  source: 'env' | 'path';
}

/** No LND is to be had here, and why, in one sentence. */
export interface NoLnd {
  because: string;
}

/** A node that cannot say its version in this time does not run. */
const VERSION_TIMEOUT_MS = 20_000;
/** What ln-service 58 speaks: from 0.21 on LND ignores without error what it asks of a route. */
const SPOKEN = /^0\.20\./;

export async function findLnd(): Promise<LndBinary | NoLnd> {
  const named = process.env['LND'] ?? '';
  try {
    if (named !== '') return await described(path.resolve(named), 'env');
    const onPath = await pathOf('lnd');
    if (onPath === null) return { because: 'there is no lnd on PATH: name one in LND' };
    return await described(onPath, 'path');
  } catch (cause) {
    const because = cause instanceof Error ? cause.message : String(cause);
    return { because: named === '' ? because : `LND is set, and ${because}` };
  }
}

async function described(file: string, source: LndBinary['source']): Promise<LndBinary> {
  const answer = await runCommand([file, '--version'], { timeoutMs: VERSION_TIMEOUT_MS });
  const [, version] = /^lnd version (\S+)/.exec(answer) ?? [];
  if (version === undefined) throw new Error(`${file} does not say which LND it is`);
  if (!SPOKEN.test(version)) throw new Error(`${file} is LND ${version}, and only 0.20 is spoken`);
  return { command: [file], version, source };
}

async function pathOf(name: string): Promise<string | null> {
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const file = path.resolve(folder, name);
    const runs = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (folder !== '' && runs) return file;
  }
  return null;
}
