/**
 * The head, kept a second time in a file of its own and fsynced: LevelDB reopens without an error after
 * losing synced entries, and only this file knows that there were more.
 */
import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { canonicalJson } from '../policies/canonical-json.ts';
import type { CrashPoint } from './crash-point.ts';
import { corrupt, type Head, parseHead } from './entry.ts';

const FILE = 'head.json';
/** A head has under 100 bytes; a file with more is not one, and is not read to its end. */
const FILE_BYTES_MAX = 256;

/** Writes the head so that after a crash either the old or the new one is there, whole. */
export async function writeHeadFile(
  dir: string,
  head: Head,
  crashPoint: CrashPoint,
): Promise<void> {
  const target = path.join(dir, FILE);
  const draft = `${target}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(canonicalJson(head));
    await file.sync();
  } finally {
    await file.close();
  }
  await crashPoint('head-drafted');
  await rename(draft, target);
  await crashPoint('head-renamed');
  await syncDirectory(dir);
}

/** The head on file, or null where there is none. @throws Failure JOURNAL_CORRUPT when unreadable. */
export async function readHeadFile(dir: string): Promise<Head | null> {
  try {
    const file = await open(path.join(dir, FILE), 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(FILE_BYTES_MAX));
      return parseHead(buffer.toString('utf8', 0, bytesRead));
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw corrupt(`${FILE} cannot be read`, cause);
  }
}

/** A file's name is durable only when its directory is. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
