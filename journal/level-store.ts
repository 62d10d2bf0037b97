/** Entries in LevelDB: one key each in the order of the chain, the head beside them, every read checked. */
import { readdirSync } from 'node:fs';
import { Level } from 'level';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import {
  corrupt,
  GENESIS,
  type Head,
  headOf,
  type JournalEntry,
  KEEP_AND_RESTORE,
  parseEntry,
  parseHead,
  storedAfter,
} from './entry.ts';
import { syncDirectory } from './head-file.ts';
import { PAGE_CHARS_MAX, PAGE_ENTRIES_MAX } from './journal.ts';

/** Digits of a key, so that the order of keys is the order of entries. */
const KEY_DIGITS = 12;
/** Sorts after every entry. Written with them, it shows a batch of which only a part is left. */
const HEAD_KEY = 'head';

/** Read ahead of who reads many: the default of 16 KB would be a wait for every few entries. */
const READ_AHEAD = { highWaterMarkBytes: 256 * 1024 };

/** An empty database, closed again, in a folder that is there. */
export async function makeDatabase(location: string): Promise<void> {
  const db = new Level(location, { createIfMissing: true, errorIfExists: true });
  await db.open();
  await db.close();
}

/**
 * Opens a database that is there, and holds it against every other process.
 *
 * @throws Failure JOURNAL_LOCKED while somebody else has it open; JOURNAL_CORRUPT when it does not open.
 */
export async function openDatabase(location: string): Promise<Level> {
  // Never made anew: where only the file CURRENT is lost, LevelDB would start empty and delete the rest.
  const db = new Level(location, { createIfMissing: false });
  try {
    await db.open();
    return db;
  } catch (failed) {
    const cause = failed instanceof Error ? failed.cause : undefined;
    if (cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED') {
      throw new Failure(
        'JOURNAL_LOCKED',
        `${location} is open elsewhere: stop that process first`,
        {
          cause,
        },
      );
    }
    const told = cause instanceof Error ? cause.message : 'no reason given';
    throw new Failure(
      'JOURNAL_CORRUPT',
      `${location} does not open (${told}): check disk and permissions, else ${KEEP_AND_RESTORE}`,
      { cause },
    );
  }
}

/** An entry and its text. */
export interface Stored {
  entry: JournalEntry;
  text: string;
}

/** Puts entries and the head they make in one synced batch: after a crash all are there, or none. */
export async function putEntries(
  db: Level,
  logs: SyncedLogs,
  stored: readonly Stored[],
): Promise<void> {
  const last = stored.at(-1);
  if (last === undefined) return;
  const puts = stored.map(({ entry, text }) => put(keyOf(entry.seq), text));
  await db.batch([...puts, put(HEAD_KEY, canonicalJson(headOf(last.entry)))], { sync: true });
  await logs.sync();
}

/** LevelDB syncs its log but not the name of a log it has just begun. */
export interface SyncedLogs {
  /** Syncs the folder if a log is in it that was not there at the last time. */
  sync(): Promise<void>;
}

export function syncedLogs(location: string): SyncedLogs {
  let known: ReadonlySet<string> = new Set();
  return {
    async sync() {
      // Without a wait: the folder is small and in memory, and this is asked after each batch.
      const names = readdirSync(location).filter((name) => name.endsWith('.log'));
      if (names.every((name) => known.has(name))) return;
      await syncDirectory(location);
      known = new Set(names);
    },
  };
}

/**
 * Follows the chain, one entry in memory at a time, and gives its head.
 *
 * @param told  What the head file says: a head that this chain must have passed.
 * @param from  A head that was checked before, not after `told`; its entry must be there.
 * @throws Failure JOURNAL_CORRUPT for anything that was not written so; JOURNAL_ROLLED_BACK when the
 *   chain ends before `told` or is another one.
 */
export async function checkedHead(db: Level, told: Head, from: Head): Promise<Head> {
  let head = from;
  let stored = GENESIS;
  let atTold = told.seq === from.seq ? from : null;
  try {
    if (from.seq > 0) requireEntry(await db.get(keyOf(from.seq)), from);
    const after = from.seq === 0 ? '' : keyOf(from.seq);
    for await (const [key, value] of db.iterator({ gt: after, ...READ_AHEAD })) {
      if (key === HEAD_KEY) {
        stored = parseHead(value);
        continue;
      }
      if (key !== keyOf(head.seq + 1)) throw corrupt(`entry ${head.seq + 1} is missing`);
      head = headOf(storedAfter(head, value));
      if (head.seq === told.seq) atTold = head;
    }
  } catch (cause) {
    throw cause instanceof Failure
      ? cause
      : corrupt(`nothing is readable after ${head.seq}`, cause);
  }
  if (atTold === null) throw rolledBack(`entry ${told.seq} was promised, the last is ${head.seq}`);
  if (atTold.hash !== told.hash) throw rolledBack(`entry ${told.seq} is not the one promised`);
  if (stored.seq !== head.seq || stored.hash !== head.hash) {
    throw corrupt(`entry ${head.seq} is the last, entry ${stored.seq} was written`);
  }
  return head;
}

/** The entry of a head that was checked before is there, and is the same. */
function requireEntry(text: string | undefined, head: Head): void {
  if (text === undefined) throw corrupt(`entry ${head.seq} was there and is missing`);
  const found = storedAfter(beforeOf(head, text), text);
  if (found.hash !== head.hash) throw corrupt(`entry ${head.seq} is not the one that was checked`);
}

/**
 * One page of entries after `afterSeq` and up to `head`, checked again: the disk may have changed.
 *
 * @throws Failure JOURNAL_CORRUPT unless they are the chain that ends in `head`.
 */
export async function readPage(
  db: Level,
  afterSeq: number,
  limit: number,
  head: Head,
): Promise<readonly JournalEntry[]> {
  if (afterSeq >= head.seq) return [];
  const entriesMax = Math.min(limit, PAGE_ENTRIES_MAX);
  const page: JournalEntry[] = [];
  let chars = 0;
  // One more than asked for: the entry before says what the first must continue.
  const range = { gte: keyOf(afterSeq), lte: keyOf(head.seq), limit: entriesMax + 1 };
  for await (const { entry, text } of chainAfter(
    db.values({ ...range, ...READ_AHEAD }),
    afterSeq,
    head,
  )) {
    page.push(entry);
    chars += text.length;
    if (page.length >= entriesMax || chars >= PAGE_CHARS_MAX) break;
  }
  return page;
}

async function* chainAfter(
  texts: AsyncIterable<string>,
  afterSeq: number,
  head: Head,
): AsyncGenerator<{ entry: JournalEntry; text: string }> {
  let at = afterSeq === 0 ? GENESIS : null;
  for await (const text of texts) {
    if (at === null) {
      at = headOf(storedAfter(beforeOf({ seq: afterSeq }, text), text));
      continue;
    }
    const entry = storedAfter(at, text);
    at = headOf(entry);
    if (at.seq === head.seq && at.hash !== head.hash) {
      throw corrupt(`entry ${at.seq} is not the one that was written`);
    }
    yield { entry, text };
  }
  if (at?.seq !== head.seq) throw corrupt(`entry ${head.seq} is missing`);
}

/** The head that the entry of a number says it continues: where a look begins, nothing else is known of it. */
function beforeOf({ seq }: Pick<Head, 'seq'>, text: string): Head {
  return { seq: seq - 1, hash: parseEntry(text).previous };
}

/** A JOURNAL_ROLLED_BACK that says what is missing and what to do about it. */
export function rolledBack(found: string): Failure {
  return new Failure(
    'JOURNAL_ROLLED_BACK',
    `${found}: ${KEEP_AND_RESTORE}, then reconcile with the others before anything is signed`,
  );
}

function put(key: string, value: string): { type: 'put'; key: string; value: string } {
  return { type: 'put', key, value };
}

function keyOf(seq: number): string {
  return `entry/${seq.toString().padStart(KEY_DIGITS, '0')}`;
}
