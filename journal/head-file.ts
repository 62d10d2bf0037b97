/**
 * The head, kept a second time in a file of its own and synced: LevelDB reopens without an error after losing synced
 * entries, and only this file knows that there were more.
 *
 * The file has two places, a page apart, and is made whole once. Each append overwrites the place with the older head,
 * so that a write that is torn by a power cut leaves the newer one, which is what was told so far. Nothing of the file
 * but its content changes then: an append waits for the disk once for its batch and once for its head.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import path from 'node:path';
import { canonicalJson } from '../policies/canonical-json.ts';
import type { CrashPoint } from './crash-point.ts';
import { corrupt, type Head, parseHead } from './entry.ts';

const FILE = 'head.json';
/** A place is a page: no disk writes two pages as one. */
const PLACE_BYTES = 4_096;
const PLACES = 2;

/** What the file says. `place` holds the newest head. */
export interface StoredHead {
  head: Head;
  place: number;
  /** `partial`: of an older program, or with a place that does not read: to be made anew before it is overwritten. */
  file: 'whole' | 'partial';
}

/** Makes the file anew, so that after a crash either the old or the new one is there, whole. The head is in place 0. */
export async function makeHeadFile(dir: string, head: Head, crashPoint: CrashPoint): Promise<void> {
  const target = path.join(dir, FILE);
  const draft = `${target}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(Buffer.concat([placeOf(head), Buffer.alloc(PLACE_BYTES, ' ')]));
    await file.sync();
  } finally {
    await file.close();
  }
  await crashPoint('head-drafted');
  await rename(draft, target);
  await crashPoint('head-renamed');
  await syncDirectory(dir);
}

/** The head on file, or null where there is none. @throws Failure JOURNAL_CORRUPT when no place reads. */
export async function readHeadFile(dir: string): Promise<StoredHead | null> {
  const bytes = await bytesOf(dir);
  if (bytes === null) return null;
  const places = Array.from({ length: PLACES }, (_, n) => placeIn(bytes, n));
  const heads = places.flatMap((each, place) =>
    typeof each === 'object' ? [{ head: each, place }] : [],
  );
  const [newest] = heads.toSorted((a, b) => b.head.seq - a.head.seq);
  if (newest === undefined) throw corrupt(`${FILE} cannot be read`);
  const isWhole = bytes.length === PLACES * PLACE_BYTES && !places.includes('unreadable');
  return { ...newest, file: isWhole ? 'whole' : 'partial' };
}

async function bytesOf(dir: string): Promise<Buffer | null> {
  try {
    const file = await open(path.join(dir, FILE), 'r');
    try {
      const room = Buffer.alloc(PLACES * PLACE_BYTES);
      const { bytesRead } = await file.read(room, 0, room.length, 0);
      return room.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw corrupt(`${FILE} cannot be read`, cause);
  }
}

function placeIn(bytes: Buffer, place: number): Head | 'empty' | 'unreadable' {
  const text = bytes.toString('utf8', place * PLACE_BYTES, (place + 1) * PLACE_BYTES).trim();
  if (text === '') return 'empty';
  try {
    return parseHead(text);
  } catch {
    return 'unreadable';
  }
}

function placeOf(head: Head): Buffer {
  return Buffer.from(canonicalJson(head).padEnd(PLACE_BYTES));
}

/** The file of an open journal. */
export interface HeadFile {
  /** Resolves when the head is durable. One at a time. */
  put(head: Head): Promise<void>;
  close(): Promise<void>;
}

/** Opens a whole file whose newest head is in `newest`. Writing to it ends when the bytes are on disk: one wait, not two. */
export async function openHeadFile(dir: string, newest: number): Promise<HeadFile> {
  const flags = constants.O_RDWR | constants.O_DSYNC;
  const file: FileHandle = await open(path.join(dir, FILE), flags);
  let place = newest;
  return {
    async put(head) {
      const older = (place + 1) % PLACES;
      await file.write(placeOf(head), 0, PLACE_BYTES, older * PLACE_BYTES);
      place = older;
    },
    close: () => file.close(),
  };
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
