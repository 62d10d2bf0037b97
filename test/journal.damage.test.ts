/** A journal cut short, and with one bit flipped, at every byte: the same journal or a lock, never another. */
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { GENESIS, type JournalEntry, verifyChain } from '../journal/entry.ts';
import { createJournal, openJournal } from '../journal/level-journal.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { allOf } from './journal-contract.ts';
import { journalFolder, replaceFolder } from './journal-folder.ts';

/** Damages one byte of a file. */
type Damage = (file: string, at: number) => void;

const cut: Damage = (file, at) => truncateSync(file, at);

const SPACE = 32;

/** Another bit in each byte, so that lengths, checksums, types and text are all met. */
const flip: Damage = (file, at) => {
  const bytes = readFileSync(file);
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.of((bytes[at] ?? 0) ^ (1 << (at % 8))), 0, 1, at);
  closeSync(descriptor);
};

/** A closed journal, and what each of its appends wrote. */
interface Written {
  dir: string;
  appended: readonly (readonly JournalEntry[])[];
}

/** A journal of these appends, all of them still in the log of the database. */
async function written(appends: readonly (readonly unknown[])[]): Promise<Written> {
  const dir = path.join(journalFolder(), 'journal');
  const journal = await createJournal(dir);
  const appended: (readonly JournalEntry[])[] = [];
  for (const bodies of appends) appended.push(await journal.append(bodies));
  await journal.close();
  return { dir, appended };
}

const RESERVED = { kind: 'reserved', outpoint: 'a:0' };
const RELEASED = { kind: 'released', outpoint: 'a:0' };

/** Opens a journal: the canonical text of all it holds, or the code of the refusal. */
async function opened(dir: string): Promise<string> {
  try {
    const journal = await openJournal(dir);
    try {
      const entries = await allOf(journal);
      verifyChain(entries, GENESIS);
      return canonicalJson(entries);
    } finally {
      await journal.close();
    }
  } catch (failure) {
    return failure instanceof Failure ? failure.code : `no code: ${String(failure)}`;
  }
}

/** What opening gives, over the damage of each byte of one file in turn; spaces that fill a page up are left out. */
async function outcomes(dir: string, name: string, damage: Damage): Promise<ReadonlySet<string>> {
  const bytes = readFileSync(path.join(dir, name));
  expect(bytes.length).toBeGreaterThan(0);
  const seen = new Set<string>();
  const copy = path.join(journalFolder(), 'journal');
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] === SPACE && bytes[at + 1] === SPACE) continue;
    replaceFolder(dir, copy);
    damage(path.join(copy, name), at);
    seen.add(await opened(copy));
  }
  return seen;
}

/** The one file of the database with such a name. */
function databaseFile(dir: string, shape: RegExp): string {
  const names = readdirSync(path.join(dir, 'db')).filter((name) => shape.test(name));
  expect(names).toHaveLength(1);
  return path.join('db', names[0] ?? '');
}

const LOCKS = ['JOURNAL_CORRUPT', 'JOURNAL_ROLLED_BACK'];
const LOG = /^\d+\.log$/;

test.each<[string, Damage, RegExp]>([
  ['its log cut', cut, LOG],
  ['a bit of its log flipped', flip, LOG],
  ['its manifest cut', cut, /^MANIFEST-/],
  ['a bit of its manifest flipped', flip, /^MANIFEST-/],
  ['its current name cut', cut, /^CURRENT$/],
  ['a bit of its current name flipped', flip, /^CURRENT$/],
])('with %s at any byte, a journal is the same or locks', async (_, damage, shape) => {
  const { dir, appended } = await written([[RESERVED], [RELEASED]]);
  const seen = await outcomes(dir, databaseFile(dir, shape), damage);
  expect([canonicalJson(appended.flat()), ...LOCKS]).toEqual(expect.arrayContaining([...seen]));
  expect(LOCKS.some((code) => seen.has(code))).toBe(true);
});

test.each<[string, Damage]>([
  ['cut', cut],
  ['a bit flipped', flip],
])('with its table %s at any byte, a journal is the same or locks', async (_, damage) => {
  const { dir, appended } = await written([[RESERVED], [RELEASED]]);
  // LevelDB moves its log into a table when it opens.
  const same = canonicalJson(appended.flat());
  expect(await opened(dir)).toBe(same);
  const seen = await outcomes(dir, databaseFile(dir, /\.ldb$/), damage);
  expect([same, ...LOCKS]).toEqual(expect.arrayContaining([...seen]));
  expect(seen).toContain('JOURNAL_CORRUPT');
});

test.each<[string, Damage]>([
  ['cut', cut],
  ['a bit flipped', flip],
])('with its head file %s at any byte, a journal is the same or locks', async (_, damage) => {
  const { dir, appended } = await written([[RESERVED], [RELEASED]]);
  const seen = await outcomes(dir, 'head.json', damage);
  expect([canonicalJson(appended.flat()), ...LOCKS]).toEqual(expect.arrayContaining([...seen]));
  expect(LOCKS.some((code) => seen.has(code))).toBe(true);
});

test('with both heads of its head file damaged, a journal locks', async () => {
  const { dir } = await written([[RESERVED], [RELEASED]]);
  const file = path.join(dir, 'head.json');
  for (const start of [0, readFileSync(file).length / 2]) flip(file, start);
  expect(await opened(dir)).toBe('JOURNAL_CORRUPT');
});

test.each<[string, Damage]>([
  ['cut', cut],
  ['a bit flipped', flip],
])(
  'with its log %s at any byte, a batch nobody was told of is there whole, or not at all',
  async (_, damage) => {
    const { dir, appended } = await written([[RESERVED], [RELEASED, RESERVED, RELEASED]]);
    const told = appended[0] ?? [];
    writeFileSync(path.join(dir, 'head.json'), canonicalJson({ seq: 1, hash: told[0]?.hash }));
    const seen = await outcomes(dir, databaseFile(dir, LOG), damage);
    const allowed = [canonicalJson(told), canonicalJson(appended.flat()), ...LOCKS];
    expect(allowed).toEqual(expect.arrayContaining([...seen]));
    expect(seen).toContain('JOURNAL_ROLLED_BACK');
  },
);

test('an undamaged copy is the same journal', async () => {
  const { dir, appended } = await written([[RESERVED], [RELEASED]]);
  const copy = path.join(journalFolder(), 'journal');
  replaceFolder(dir, copy);
  expect(await opened(copy)).toBe(canonicalJson(appended.flat()));
});
