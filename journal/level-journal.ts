/** A journal in LevelDB: one synced batch for the entries, then the head file, then the answer. */
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { Level } from 'level';
import { z } from 'zod';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { EMPTY_HEAD, type Head, type JournalEntry, nextEntry, requireNext } from './entry.ts';
import { readHeadFile, writeHeadFile } from './head-file.ts';
import { BATCH_ENTRIES_MAX, type CrashPoint, ENTRY_BYTES_MAX, type Journal } from './journal.ts';

/** Digits of a key, so that the order of keys is the order of entries. */
const KEY_DIGITS = 12;
const PAGE_MAX = 1_000;

const stored = z.strictObject({
  seq: z.int().min(1),
  previous: z.string(),
  hash: z.string(),
  body: z.unknown(),
});

/** Makes an empty journal. @throws Failure WRONG_STATE where one is already. */
export async function createJournal(dir: string, crashPoint?: CrashPoint): Promise<Journal> {
  if ((await readHeadFile(dir)) !== null || (await exists(path.join(dir, 'db')))) {
    throw new Failure('WRONG_STATE', `${dir} already holds a journal`);
  }
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeHeadFile(dir, EMPTY_HEAD);
  return openJournal(dir, crashPoint);
}

/**
 * Opens a journal, checking every entry.
 *
 * An entry beyond the head file was never told to anybody, but it is whole and in order: it is kept.
 *
 * @throws Failure JOURNAL_CORRUPT for a broken entry, JOURNAL_ROLLED_BACK for a journal shorter than
 *   its head file, JOURNAL_LOCKED while another process has it open.
 */
export async function openJournal(dir: string, crashPoint?: CrashPoint): Promise<Journal> {
  const told = await readHeadFile(dir);
  if (told === null) {
    throw new Failure('JOURNAL_ROLLED_BACK', `${dir} has no head file: restore from a backup`);
  }
  const db = await openLevel(path.join(dir, 'db'));
  try {
    const head = await checkedHead(db, told);
    if (head.seq > told.seq) await writeHeadFile(dir, head);
    return levelJournal({ db, dir, head, crashPoint: crashPoint ?? (() => undefined) });
  } catch (failure) {
    await db.close();
    throw failure;
  }
}

interface Opened {
  db: Level;
  dir: string;
  head: Head;
  crashPoint: CrashPoint;
}

function levelJournal({ db, dir, head: opened, crashPoint }: Opened): Journal {
  let head = opened;
  let broken: unknown = null;
  let last: Promise<unknown> = Promise.resolve();

  async function appendNow(bodies: readonly unknown[]): Promise<readonly JournalEntry[]> {
    if (broken !== null) {
      throw new Failure('JOURNAL_LOCKED', 'an append failed: open the journal again', {
        cause: broken,
      });
    }
    const entries = chained(head, bodies);
    const batch = entries.map((entry) => write(entry));
    try {
      crashPoint('before-batch');
      await db.batch(batch, { sync: true });
      crashPoint('after-batch');
      const next = entries.at(-1) ?? head;
      await writeHeadFile(dir, { seq: next.seq, hash: next.hash });
      crashPoint('after-head');
      head = { seq: next.seq, hash: next.hash };
    } catch (cause) {
      broken = cause;
      throw cause;
    }
    return entries;
  }

  return {
    head: () => head,
    append(bodies) {
      const mine = last.then(() => appendNow(bodies));
      last = mine.catch(() => undefined);
      return mine;
    },
    read: (afterSeq, limit) => readEntries(db, afterSeq, Math.min(limit, PAGE_MAX)),
    async close() {
      await last;
      await db.close();
    },
  };
}

function chained(head: Head, bodies: readonly unknown[]): readonly JournalEntry[] {
  if (bodies.length > BATCH_ENTRIES_MAX) {
    throw new Failure('INPUT_TOO_LARGE', `${bodies.length} entries at once`);
  }
  const entries: JournalEntry[] = [];
  for (const body of bodies) {
    // What is stored is the canonical form: what comes back hashes to the same.
    const plain: unknown = JSON.parse(canonicalJson(body));
    entries.push(nextEntry(entries.at(-1) ?? head, plain));
  }
  return entries;
}

function write(entry: JournalEntry): { type: 'put'; key: string; value: string } {
  const value = canonicalJson(entry);
  if (value.length > ENTRY_BYTES_MAX) {
    throw new Failure('INPUT_TOO_LARGE', `an entry of ${value.length} bytes`);
  }
  return { type: 'put', key: keyOf(entry.seq), value };
}

async function readEntries(db: Level, afterSeq: number, limit: number): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const value of db.values({ gt: keyOf(afterSeq), limit })) entries.push(parse(value));
  return entries;
}

/** Reads every entry once, in order, and says where the journal ends. */
async function checkedHead(db: Level, told: Head): Promise<Head> {
  let head: Head = EMPTY_HEAD;
  let toldHash = told.seq === 0 ? EMPTY_HEAD.hash : null;
  try {
    for await (const value of db.values()) {
      const entry = parse(value);
      requireNext(head, entry);
      head = { seq: entry.seq, hash: entry.hash };
      if (head.seq === told.seq) toldHash = head.hash;
    }
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('JOURNAL_CORRUPT', `unreadable after entry ${head.seq}`, { cause });
  }
  if (toldHash !== told.hash) {
    throw new Failure(
      'JOURNAL_ROLLED_BACK',
      `the journal ends at entry ${head.seq}, but entry ${told.seq} was promised: restore and reconcile`,
    );
  }
  return head;
}

function parse(value: string): JournalEntry {
  try {
    return stored.parse(JSON.parse(value)) as JournalEntry;
  } catch (cause) {
    throw new Failure('JOURNAL_CORRUPT', 'an entry is not what was written', { cause });
  }
}

async function openLevel(location: string): Promise<Level> {
  const db = new Level(location, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
  try {
    await db.open();
    return db;
  } catch (cause) {
    const inner = cause instanceof Error ? cause.cause : undefined;
    const code = inner instanceof Error && 'code' in inner ? inner.code : undefined;
    if (code === 'LEVEL_LOCKED') {
      throw new Failure('JOURNAL_LOCKED', `another process has ${location} open`, { cause });
    }
    throw new Failure('JOURNAL_CORRUPT', `${location} does not open`, { cause });
  }
}

function keyOf(seq: number): string {
  return seq.toString().padStart(KEY_DIGITS, '0');
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
