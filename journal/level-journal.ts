/** A journal in LevelDB: one synced batch for the entries, then the head file, then the answer. */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Level } from 'level';
import { BrokenInvariant, Failure } from '../policies/failure.ts';
import { type CrashPoint, NO_CRASH } from './crash-point.ts';
import { corrupt, GENESIS, type Head, headOf, type JournalEntry, nextStored } from './entry.ts';
import {
  type HeadFile,
  makeHeadFile,
  openHeadFile,
  readHeadFile,
  syncDirectory,
} from './head-file.ts';
import {
  APPENDS_WAITING_MAX,
  type Journal,
  type PlainBody,
  plainBodies,
  requirePage,
} from './journal.ts';
import {
  checkedHead,
  makeDatabase,
  openDatabase,
  putEntries,
  readPage,
  rolledBack,
  type Stored,
  syncedLogs,
} from './level-store.ts';

const DATABASE = 'db';

/**
 * Makes an empty journal in `dir`, beside whatever else is there, and opens it.
 *
 * The database gets its name last: a crash before that leaves nothing that would hinder the next try.
 *
 * @throws Failure WRONG_STATE where a journal is already or none can be made; JOURNAL_ROLLED_BACK where
 *   one was.
 */
export async function createJournal(
  dir: string,
  crashPoint: CrashPoint = NO_CRASH,
): Promise<Journal> {
  const database = path.join(dir, DATABASE);
  if (await exists(database)) {
    throw new Failure('WRONG_STATE', `${dir} already holds a journal: open it`);
  }
  const told = await readHeadFile(dir);
  if (told !== null && told.head.seq > 0) throw rolledBack(`${database} is gone`);
  await coded('WRONG_STATE', `no journal can be made in ${dir}`, async () => {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await syncDirectory(path.dirname(dir));
    await makeHeadFile(dir, GENESIS, crashPoint);
    const draft = `${database}.new`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { mode: 0o700 });
    await makeDatabase(draft);
    await crashPoint('database-made');
    await rename(draft, database);
    await crashPoint('database-named');
    await syncDirectory(dir);
  });
  return openJournal(dir, crashPoint);
}

export interface OpenOptions {
  /** A head that whoever opens has seen checked: that entry must be there, and is where checking starts. */
  checkedUpTo?: Head;
}

/**
 * Opens a journal after checking every entry, or, where `checkedUpTo` says so, every entry from that one on: those
 * before it are checked when they are read. A head file older than it makes all of them be checked.
 *
 * Entries beyond the head file are adopted: nobody was told of them, but they are whole and in order,
 * and the journal of an older head file may hold some that somebody was told of. Whoever saw an append
 * fail must look in any case: the process may also have died between the head file and the answer.
 *
 * @throws Failure WRONG_STATE where no journal was made; JOURNAL_CORRUPT for anything that was not
 *   written so, or where `checkedUpTo` is of another journal; JOURNAL_ROLLED_BACK for a journal shorter than its
 *   head file, another than it names, or without one; JOURNAL_LOCKED while it is open elsewhere, or its disk does
 *   not take the head.
 */
export async function openJournal(
  dir: string,
  crashPoint: CrashPoint = NO_CRASH,
  { checkedUpTo = GENESIS }: OpenOptions = {},
): Promise<Journal> {
  const database = path.join(dir, DATABASE);
  if (!(await exists(database))) {
    const told = await readHeadFile(dir);
    if (told !== null && told.head.seq > 0) throw rolledBack(`${database} is gone`);
    throw new Failure('WRONG_STATE', `${dir} holds no journal: create it first`);
  }
  const db = await openDatabase(database);
  try {
    const told = await readHeadFile(dir);
    if (told === null) throw rolledBack(`${dir} has lost its head file`);
    const start = told.head.seq < checkedUpTo.seq ? GENESIS : checkedUpTo;
    const head = await checkedHead(db, told.head, start);
    const headFile = await coded(
      'JOURNAL_LOCKED',
      `the head file in ${dir} cannot be written: check the disk`,
      async () => {
        if (head.seq === told.head.seq && told.file === 'whole')
          return openHeadFile(dir, told.place);
        await makeHeadFile(dir, head, crashPoint);
        return openHeadFile(dir, 0);
      },
    );
    return levelJournal({ db, headFile, head, crashPoint });
  } catch (failure) {
    await db.close();
    throw failure;
  }
}

interface Opened {
  db: Level;
  headFile: HeadFile;
  head: Head;
  crashPoint: CrashPoint;
}

function levelJournal({ db, headFile, head: opened, crashPoint }: Opened): Journal {
  const logs = syncedLogs(db.location);
  let head = opened;
  let failed: { cause: unknown } | null = null;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | null = null;

  async function write(bodies: readonly PlainBody[]): Promise<readonly JournalEntry[]> {
    if (failed !== null) throw appendFailed(failed.cause);
    const stored: Stored[] = [];
    for (const body of bodies) {
      const before = stored.at(-1)?.entry;
      stored.push(nextStored(before === undefined ? head : headOf(before), body));
    }
    const entries = stored.map(({ entry }) => entry);
    const end = entries.at(-1);
    if (end === undefined) return entries;
    try {
      await crashPoint('before-batch');
      await putEntries(db, logs, stored);
      await crashPoint('after-batch');
      await headFile.put(headOf(end));
      await crashPoint('after-head');
    } catch (cause) {
      failed = { cause };
      throw appendFailed(cause);
    }
    head = headOf(end);
    return entries;
  }

  function requireOpen(): void {
    if (closing !== null) throw new Failure('WRONG_STATE', 'the journal is closed: open it again');
  }

  async function closed(): Promise<void> {
    await last;
    await headFile.close();
    await db.close();
  }

  return {
    head: () => head,
    async append(bodies) {
      requireOpen();
      if (waiting >= APPENDS_WAITING_MAX) {
        throw new Failure('NOT_READY', `${waiting} appends wait for the disk: try again later`);
      }
      const plain = plainBodies(bodies);
      waiting += 1;
      const mine = last.then(() => write(plain)).finally(() => (waiting -= 1));
      last = mine.catch(() => undefined);
      return mine;
    },
    async read(afterSeq, limit) {
      requireOpen();
      requirePage(afterSeq, limit);
      try {
        return await readPage(db, afterSeq, limit, head);
      } catch (cause) {
        requireOpen();
        throw cause instanceof Failure ? cause : corrupt('the journal cannot be read', cause);
      }
    },
    close() {
      closing ??= closed();
      return closing;
    },
  };
}

function appendFailed(cause: unknown): Failure {
  return new Failure(
    'JOURNAL_LOCKED',
    'an append failed, and what is on disk is unknown: check the disk, then open the journal again',
    { cause },
  );
}

/** Runs `work`; what it throws without a code of ours gets this one. */
async function coded<T>(
  code: 'WRONG_STATE' | 'JOURNAL_LOCKED',
  message: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Failure || cause instanceof BrokenInvariant) throw cause;
    throw new Failure(code, message, { cause });
  }
}

/** Only what is surely absent is: what cannot be looked at is left for LevelDB to complain of. */
async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (cause) {
    return !(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT');
  }
}
