/**
 * The head, kept a second time in a file of its own and fsynced: LevelDB reopens without an error after
 * losing synced entries, and only this file knows that there were more.
 */
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import type { Head } from './entry.ts';

const FILE = 'head.json';
const headSchema = z.strictObject({
  seq: z.int().min(0),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
});

/** Writes the head so that after a crash either the old or the new one is there, whole. */
export async function writeHeadFile(dir: string, head: Head): Promise<void> {
  const target = path.join(dir, FILE);
  const draft = `${target}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(canonicalJson(head));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, target);
  await syncDirectory(dir);
}

/** The head on file, or null where there is none. @throws Failure JOURNAL_CORRUPT when unreadable. */
export async function readHeadFile(dir: string): Promise<Head | null> {
  const text = await readFile(path.join(dir, FILE), 'utf8').catch(absent);
  if (text === null) return null;
  try {
    return headSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Failure('JOURNAL_CORRUPT', `${FILE} is not a head: restore from a backup`, { cause });
  }
}

/** A rename is durable only when its directory is. */
async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function absent(cause: unknown): null {
  if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
  throw cause;
}
