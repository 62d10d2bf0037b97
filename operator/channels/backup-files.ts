/** Static channel backups as files, readable by their owner only, the newest few of them. */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Failure } from '../../policies/failure.ts';
import type { BackupStore } from './channel-parts.ts';

/** Generations that are kept: the newest one may be the one that a fault spoiled. */
export const GENERATIONS = 10;
const NAME = /^channels-[0-9]{13,16}-[0-9a-f]{8}\.backup$/;

/** @throws Failure JOURNAL_LOCKED when the disk does not take one: it must not be counted */
export function backupFiles(dir: string): BackupStore {
  return {
    async store({ multiHex }, atMs) {
      const bytes = Buffer.from(multiHex, 'hex');
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const file = `channels-${atMs.toString().padStart(13, '0')}-${sha256.slice(0, 8)}.backup`;
      try {
        await mkdir(dir, { recursive: true, mode: 0o700 });
        await written(dir, file, bytes);
        const back = await readFile(path.join(dir, file));
        if (!back.equals(bytes)) throw new Error('what was read is not what was written');
        await forgetOldest(dir);
      } catch (cause) {
        throw new Failure('JOURNAL_LOCKED', 'the disk does not take the channel backup', { cause });
      }
      return { file, sha256 };
    },
  };
}

/** Whole or not at all, and on the disk when it resolves. */
async function written(dir: string, file: string, bytes: Buffer): Promise<void> {
  const draft = path.join(dir, `${file}.draft`);
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, path.join(dir, file));
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function forgetOldest(dir: string): Promise<void> {
  const names = (await readdir(dir)).filter((name) => NAME.test(name)).toSorted();
  for (const name of names.slice(0, Math.max(0, names.length - GENERATIONS))) {
    await rm(path.join(dir, name));
  }
}
