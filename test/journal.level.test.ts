/** The journal in LevelDB: its contract, when it locks, and what it says then. */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { Level } from 'level';
import { expect, onTestFinished, test } from 'vitest';
import { entryText, GENESIS, type Head, nextEntry, parseEntry } from '../journal/entry.ts';
import { readHeadFile } from '../journal/head-file.ts';
import type { Journal } from '../journal/journal.ts';
import { createJournal, openJournal } from '../journal/level-journal.ts';
import { readPage } from '../journal/level-store.ts';
import { Failure } from '../policies/failure.ts';
import { allOf, journalContract } from './journal-contract.ts';
import { journalFolder, replaceFolder } from './journal-folder.ts';

journalContract('LevelDB', async () => {
  const dir = path.join(journalFolder(), 'journal');
  return { journal: await createJournal(dir), reopen: () => openJournal(dir) };
});

function closedAfter(journal: Journal): Journal {
  onTestFinished(() => journal.close());
  return journal;
}

/** A closed journal that holds these bodies. */
async function journalWith(bodies: readonly unknown[]): Promise<string> {
  const dir = path.join(journalFolder(), 'journal');
  const journal = await createJournal(dir);
  await journal.append(bodies);
  await journal.close();
  return dir;
}

/** Changes the database as no process of ours would. */
async function tamper(dir: string, change: (db: Level) => Promise<void>): Promise<void> {
  const db = new Level(path.join(dir, 'db'));
  await change(db);
  await db.close();
}

const keyOf = (seq: number): string => `entry/${seq.toString().padStart(12, '0')}`;
const headFile = (dir: string): string => path.join(dir, 'head.json');

test('a journal is created once, in a folder only its owner enters', async () => {
  const dir = await journalWith(['one']);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  expect(statSync(path.join(dir, 'db')).mode & 0o777).toBe(0o700);
  expect(statSync(headFile(dir)).mode & 0o777).toBe(0o600);
  await expect(createJournal(dir)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  expect(await allOf(closedAfter(await openJournal(dir)))).toHaveLength(1);
});

test('a journal is created beside what is there already', async () => {
  const dir = journalFolder();
  writeFileSync(path.join(dir, 'wallet.json'), '{}');
  closedAfter(await createJournal(dir));
  expect(readdirSync(dir).toSorted()).toEqual(['db', 'head.json', 'wallet.json']);
});

test('refuses to open where no journal was created, and leaves nothing behind', async () => {
  const dir = journalFolder();
  await expect(openJournal(dir)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  expect(readdirSync(dir)).toEqual([]);
});

test('refuses to create in a place that is no folder', async () => {
  const file = path.join(journalFolder(), 'file');
  writeFileSync(file, '');
  await expect(createJournal(path.join(file, 'journal'))).rejects.toBeInstanceOf(Failure);
});

test('a journal is open once at a time', async () => {
  const dir = await journalWith(['one']);
  const first = closedAfter(await openJournal(dir));
  await expect(openJournal(dir)).rejects.toMatchObject({ code: 'JOURNAL_LOCKED', retry: 'later' });
  await first.append(['two']);
  await first.close();
  expect(closedAfter(await openJournal(dir)).head().seq).toBe(2);
});

test('every kind of no says what to do next', async () => {
  const dir = await journalWith(['one']);
  rmSync(headFile(dir));
  await expect(openJournal(dir)).rejects.toThrow(/keep the folder .* restore .* reconcile/);
  writeFileSync(headFile(dir), 'x');
  await expect(openJournal(dir)).rejects.toThrow(/keep the folder .* restore/);
  await expect(createJournal(dir)).rejects.toThrow(/open it/);
  await expect(openJournal(journalFolder())).rejects.toThrow(/create it first/);
});

type Damage = (dir: string) => void | Promise<void>;
const otherFirst = nextEntry(GENESIS, 'other');
const damages: [string, Damage, string][] = [
  ['the head file is gone', (dir) => rmSync(headFile(dir)), 'JOURNAL_ROLLED_BACK'],
  ['the head file is empty', (dir) => writeFileSync(headFile(dir), ''), 'JOURNAL_CORRUPT'],
  [
    'the head file is a folder',
    (dir) => (rmSync(headFile(dir)), mkdirSync(headFile(dir))),
    'JOURNAL_CORRUPT',
  ],
  [
    'the head file has no end',
    (dir) => writeFileSync(headFile(dir), `${' '.repeat(1_000)}{}`),
    'JOURNAL_CORRUPT',
  ],
  [
    'the database is gone',
    (dir) => rmSync(path.join(dir, 'db'), { recursive: true }),
    'JOURNAL_ROLLED_BACK',
  ],
  [
    'the database has lost CURRENT',
    (dir) => rmSync(path.join(dir, 'db', 'CURRENT')),
    'JOURNAL_CORRUPT',
  ],
  ['the last entry is gone', (dir) => tamper(dir, (db) => db.del(keyOf(3))), 'JOURNAL_ROLLED_BACK'],
  ['all entries are gone', (dir) => tamper(dir, (db) => db.clear()), 'JOURNAL_ROLLED_BACK'],
  [
    'an entry in the middle is gone',
    (dir) => tamper(dir, (db) => db.del(keyOf(2))),
    'JOURNAL_CORRUPT',
  ],
  [
    'the first entry is another',
    (dir) => tamper(dir, (db) => db.put(keyOf(1), JSON.stringify(otherFirst))),
    'JOURNAL_CORRUPT',
  ],
  ['an entry is no entry', (dir) => tamper(dir, (db) => db.put(keyOf(2), '{}')), 'JOURNAL_CORRUPT'],
  [
    'there is a key of nobody',
    (dir) => tamper(dir, (db) => db.put('other', '{}')),
    'JOURNAL_CORRUPT',
  ],
  ['an entry has another key', otherKey, 'JOURNAL_CORRUPT'],
  [
    'the head in the database is gone',
    (dir) => tamper(dir, (db) => db.del('head')),
    'JOURNAL_CORRUPT',
  ],
  ['the database is a younger one', youngerDatabase, 'JOURNAL_ROLLED_BACK'],
  ['the database is another one of the same length', otherDatabase, 'JOURNAL_ROLLED_BACK'],
];

async function otherKey(dir: string): Promise<void> {
  await tamper(dir, async (db) => {
    await db.put(keyOf(9), (await db.get(keyOf(3))) ?? '');
    await db.del(keyOf(3));
  });
}

async function youngerDatabase(dir: string): Promise<void> {
  const younger = await journalWith(['one']);
  replaceFolder(path.join(younger, 'db'), path.join(dir, 'db'));
}

async function otherDatabase(dir: string): Promise<void> {
  const other = await journalWith(['one', 'two', 'THREE']);
  replaceFolder(path.join(other, 'db'), path.join(dir, 'db'));
}

/** Bytes of one of the two places of the head file. */
const PLACE = 4_096;

test('a head file as it was once, the head alone, is read, and made whole', async () => {
  const dir = await journalWith(['one', 'two']);
  const told = await readHeadFile(dir);
  writeFileSync(headFile(dir), JSON.stringify(told?.head));
  const journal = await openJournal(dir);
  expect((await readHeadFile(dir))?.file).toBe('whole');
  await journal.append(['three']);
  await journal.close();
  expect((await readHeadFile(dir))?.head).toEqual(journal.head());
});

test.each([1, 2])(
  'a head that was torn in append %i leaves the one that was told before',
  async (n) => {
    const dir = await journalWith([]);
    const journal = await openJournal(dir);
    let before = journal.head();
    for (let append = 0; append < n; append += 1) {
      before = journal.head();
      await journal.append([append]);
    }
    await journal.close();
    const place = (await readHeadFile(dir))?.place ?? 0;
    const bytes = readFileSync(headFile(dir));
    bytes.fill(0, place * PLACE + 20, (place + 1) * PLACE);
    writeFileSync(headFile(dir), bytes);
    expect(await readHeadFile(dir)).toMatchObject({ head: before, file: 'partial' });
    // The entry itself is there: it is adopted, as one that nobody was told of.
    expect(closedAfter(await openJournal(dir)).head()).toEqual(journal.head());
    expect(await readHeadFile(dir)).toMatchObject({ head: journal.head(), file: 'whole' });
  },
);

test('heads are in both places by turns', async () => {
  const dir = await journalWith([]);
  const journal = closedAfter(await openJournal(dir));
  const places: (number | undefined)[] = [];
  for (const body of ['one', 'two', 'three']) {
    await journal.append([body]);
    const told = await readHeadFile(dir);
    expect(told?.head).toEqual(journal.head());
    places.push(told?.place);
  }
  expect(places).toEqual([1, 0, 1]);
});

test.each(damages)('locks when %s, and stays locked', async (_, damage, code) => {
  const dir = await journalWith(['one', 'two', 'three']);
  await damage(dir);
  await expect(openJournal(dir)).rejects.toMatchObject({ code });
  await expect(openJournal(dir)).rejects.toMatchObject({ code });
  await expect(createJournal(dir)).rejects.toBeInstanceOf(Failure);
});

test('a lost CURRENT costs no entry: put back, the journal opens', async () => {
  const dir = await journalWith(['one', 'two', 'three']);
  const current = path.join(dir, 'db', 'CURRENT');
  renameSync(current, path.join(dir, 'CURRENT'));
  await expect(openJournal(dir)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
  renameSync(path.join(dir, 'CURRENT'), current);
  expect(closedAfter(await openJournal(dir)).head().seq).toBe(3);
});

test('entries that an older head file does not name are kept, and named from then on', async () => {
  const dir = await journalWith(['one']);
  const older = readFileSync(headFile(dir));
  const journal = await openJournal(dir);
  const [, last] = await journal.append(['two', 'three']);
  await journal.close();
  writeFileSync(headFile(dir), older);
  const again = closedAfter(await openJournal(dir));
  expect(again.head()).toEqual({ seq: 3, hash: last?.hash });
  expect((await readHeadFile(dir))?.head).toEqual(again.head());
});

const LAST = 4;
test.each<[string, (db: Level) => Promise<void>]>([
  ['the entry before it changed', (db) => db.put(keyOf(1), textOf(GENESIS, 'ONE'))],
  ['its first entry is gone', (db) => db.del(keyOf(2))],
  ['an entry in the middle is gone', (db) => db.del(keyOf(3))],
  ['its last entry is gone', (db) => db.del(keyOf(LAST))],
  ['its entries are gone', (db) => db.clear()],
  ['an entry is no entry', (db) => db.put(keyOf(3), '{"seq":3}')],
  ['its last entry is another', (db) => anotherLast(db)],
])('a page after entry 1 is refused when %s since opening', async (_, change) => {
  const dir = await journalWith(['one', 'two', 'three', 'four']);
  const head = (await readHeadFile(dir))?.head ?? GENESIS;
  await tamper(dir, async (db) => {
    expect(await readPage(db, 1, 10, head)).toHaveLength(LAST - 1);
    await change(db);
    await expect(readPage(db, 1, 10, head)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
  });
});

function textOf(head: Head, body: unknown): string {
  return entryText(nextEntry(head, body));
}

async function anotherLast(db: Level): Promise<void> {
  const before = parseEntry((await db.get(keyOf(LAST - 1))) ?? '');
  await db.put(keyOf(LAST), textOf(before, 'FOUR'));
}

test('after a failed append every later one is refused, and reading still works', async () => {
  const dir = await journalWith(['one']);
  let full = false;
  const journal = closedAfter(
    await openJournal(dir, (moment) => {
      if (full && moment === 'after-batch') throw new Error('no space left on device');
    }),
  );
  await journal.append(['two']);
  full = true;
  const failing = journal.append(['three']);
  const queued = journal.append(['four']);
  await expect(failing).rejects.toMatchObject({
    code: 'JOURNAL_LOCKED',
    cause: { message: /no space/ },
  });
  await expect(queued).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' });
  full = false;
  await expect(journal.append(['five'])).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' });
  expect(journal.head().seq).toBe(2);
  expect((await allOf(journal)).map((entry) => entry.body)).toEqual(['one', 'two']);
});

test('an entry is not read before it is durable', async () => {
  const dir = await journalWith(['one']);
  const seen: number[] = [];
  const journal = closedAfter(
    await openJournal(dir, async (moment) => {
      if (moment === 'after-batch') seen.push(...(await allOf(journal)).map((entry) => entry.seq));
    }),
  );
  await journal.append(['two']);
  expect(seen).toEqual([1]);
  expect(await allOf(journal)).toHaveLength(2);
});

const CHECKED = 2;
test.each<[string, Damage, string]>([
  ['is as it was', () => undefined, 'open'],
  ['has another entry long before', (dir) => tamper(dir, (db) => db.put(keyOf(1), '{}')), 'open'],
  [
    'has another entry there',
    (dir) => tamper(dir, (db) => db.put(keyOf(CHECKED), textOf(GENESIS, 'TWO'))),
    'JOURNAL_CORRUPT',
  ],
  ['has no entry there', (dir) => tamper(dir, (db) => db.del(keyOf(CHECKED))), 'JOURNAL_CORRUPT'],
  ['has a hole after', (dir) => tamper(dir, (db) => db.del(keyOf(3))), 'JOURNAL_CORRUPT'],
  ['has another entry after', (dir) => tamper(dir, anotherLast), 'JOURNAL_ROLLED_BACK'],
  ['ends sooner', (dir) => tamper(dir, (db) => db.del(keyOf(LAST))), 'JOURNAL_ROLLED_BACK'],
  ['is a younger one', youngerDatabase, 'JOURNAL_CORRUPT'],
  ['goes another way after', otherDatabase, 'JOURNAL_ROLLED_BACK'],
])('from a head that was checked before, a journal that %s', async (_, damage, verdict) => {
  const dir = await journalWith(['one', 'two', 'three', 'four']);
  const checkedUpTo = await headAt(dir, CHECKED);
  await damage(dir);
  const opened = await openJournal(dir, () => undefined, { checkedUpTo }).then(
    (journal) => (closedAfter(journal).head().seq === LAST ? 'open' : 'another head'),
    (failure: unknown) => (failure instanceof Failure ? failure.code : failure),
  );
  expect(opened).toBe(verdict);
});

async function headAt(dir: string, seq: number): Promise<Head> {
  const journal = await openJournal(dir);
  const entry = (await allOf(journal))[seq - 1];
  await journal.close();
  return { seq, hash: entry?.hash ?? '' };
}

test('what was not checked at opening is checked when it is read', async () => {
  const dir = await journalWith(['one', 'two', 'three', 'four']);
  const checkedUpTo = await headAt(dir, LAST);
  await tamper(dir, (db) => db.put(keyOf(1), textOf(GENESIS, 'ONE')));
  const journal = closedAfter(await openJournal(dir, () => undefined, { checkedUpTo }));
  expect(await journal.read(CHECKED, 1)).toHaveLength(1);
  await expect(allOf(journal)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
});

test('a head file older than what was checked before makes every entry be checked', async () => {
  const dir = await journalWith(['one', 'two', 'three', 'four']);
  const [checkedUpTo, older] = [await headAt(dir, 3), await headAt(dir, CHECKED)];
  writeFileSync(headFile(dir), JSON.stringify(older));
  await tamper(dir, (db) => db.put(keyOf(1), textOf(GENESIS, 'ONE')));
  await expect(openJournal(dir, () => undefined, { checkedUpTo })).rejects.toMatchObject({
    code: 'JOURNAL_CORRUPT',
  });
});

test('a head that the journal does not reach is no head of it', async () => {
  const dir = await journalWith(['one']);
  const checkedUpTo = { seq: 9, hash: 'a'.repeat(64) };
  const journal = closedAfter(await openJournal(dir, () => undefined, { checkedUpTo }));
  expect(journal.head().seq).toBe(1);
});
