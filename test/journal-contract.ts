/** What every journal promises, whoever keeps it: the same tests for LevelDB now, PostgreSQL later. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { GENESIS, type Head, type JournalEntry, verifyChain } from '../journal/entry.ts';
import {
  APPENDS_WAITING_MAX,
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  ENTRY_BYTES_MAX,
  everyEntry,
  type Journal,
  PAGE_CHARS_MAX,
  PAGE_ENTRIES_MAX,
} from '../journal/journal.ts';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';

/** A new, empty journal, and the way to open the same one after it was closed. */
export interface MadeJournal {
  journal: Journal;
  reopen: () => Promise<Journal>;
}

/** All entries, oldest first, through pages. */
export async function allOf(journal: Journal): Promise<readonly JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const entry of everyEntry(journal)) entries.push(entry);
  return entries;
}

async function bodiesOf(journal: Journal): Promise<readonly unknown[]> {
  return (await allOf(journal)).map((entry) => entry.body);
}

/** Promises of `Journal`, proved on whatever `makeJournal` makes. */
export function journalContract(name: string, makeJournal: () => Promise<MadeJournal>): void {
  const opened: Journal[] = [];

  async function fresh(): Promise<MadeJournal> {
    const made = await makeJournal();
    opened.push(made.journal);
    return {
      journal: made.journal,
      async reopen() {
        const journal = await made.reopen();
        opened.push(journal);
        return journal;
      },
    };
  }

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((journal) => journal.close()));
  });

  describe(`${name} keeps the promises of a journal`, () => {
    whatIsAppended(fresh);
    whatIsRefused(fresh);
    whatIsRead(fresh);
    whatCloseDoes(fresh);
  });
}

function whatIsAppended(fresh: () => Promise<MadeJournal>): void {
  test('entries are numbered from 1 and hashed over the one before', async () => {
    const { journal } = await fresh();
    expect(journal.head()).toEqual(GENESIS);
    const first = await journal.append([{ kind: 'a' }]);
    const more = await journal.append([{ kind: 'b' }, { kind: 'c' }]);
    const entries = [...first, ...more];
    expect(entries.map((entry) => entry.seq)).toEqual([1, 2, 3]);
    expect(verifyChain(entries, GENESIS)).toEqual(journal.head());
    expect(await allOf(journal)).toEqual(entries);
  });

  test('any plain value comes back as its canonical form, also after opening again', async () => {
    const { journal, reopen } = await fresh();
    const written: unknown[] = [];
    const batches = fc.array(fc.jsonValue(), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(batches, async (bodies) => {
        await journal.append(bodies);
        written.push(...bodies.map((body): unknown => JSON.parse(canonicalJson(body))));
      }),
      { numRuns: 40 },
    );
    expect(await bodiesOf(journal)).toEqual(written);
    const head = journal.head();
    await journal.close();
    const again = await reopen();
    expect(again.head()).toEqual(head);
    expect(await bodiesOf(again)).toEqual(written);
  });

  test('an amount in bigint comes back as decimal text', async () => {
    const { journal } = await fresh();
    await journal.append([{ amountSat: 2_100_000_000_000_000n }]);
    expect(await bodiesOf(journal)).toEqual([{ amountSat: '2100000000000000' }]);
  });

  test('a journal opened again goes on where it stood', async () => {
    const { journal, reopen } = await fresh();
    const before = await journal.append(['one', 'two']);
    await journal.close();
    const again = await reopen();
    const after = await again.append(['three']);
    expect(verifyChain([...before, ...after], GENESIS)).toEqual(again.head());
    expect(await bodiesOf(again)).toEqual(['one', 'two', 'three']);
  });

  test('appends at the same time stand in the order of their calls, in one chain', async () => {
    const { journal } = await fresh();
    const calls = Array.from({ length: 40 }, (_, n) => [{ n }, { n, second: true }]);
    const answers = await Promise.all(calls.map((bodies) => journal.append(bodies)));
    expect(verifyChain(answers.flat(), GENESIS)).toEqual(journal.head());
    expect(await bodiesOf(journal)).toEqual(calls.flat());
  });

  test('a body changed after the call is kept as it was at the call', async () => {
    const { journal } = await fresh();
    const body = { payees: ['a'] };
    const waits = [journal.append(['before']), journal.append([body])];
    body.payees.push('b');
    await Promise.all(waits);
    expect(await bodiesOf(journal)).toEqual(['before', { payees: ['a'] }]);
  });

  test('nothing appended changes nothing', async () => {
    const { journal } = await fresh();
    await journal.append(['one']);
    const head = journal.head();
    expect(await journal.append([])).toEqual([]);
    expect(journal.head()).toEqual(head);
  });

  test('the head moves before the append resolves, and never back', async () => {
    const { journal } = await fresh();
    const heads: Head[] = [];
    const calls = Array.from({ length: 10 }, async (_, n) => {
      const entries = await journal.append([n]);
      heads.push(journal.head());
      expect(journal.head().seq).toBeGreaterThanOrEqual(entries.at(-1)?.seq ?? Infinity);
    });
    await Promise.all(calls);
    expect(heads.map((head) => head.seq)).toEqual(heads.map((head) => head.seq).toSorted(byNumber));
  });
}

function whatIsRefused(fresh: () => Promise<MadeJournal>): void {
  const tooLong = 'x'.repeat(ENTRY_BYTES_MAX);
  const wide = 'é'.repeat(ENTRY_BYTES_MAX / 2);
  const quarter = 'x'.repeat(BATCH_BYTES_MAX / 4 - 2);
  test.each([
    ['an entry above its bound', [tooLong], 'INPUT_TOO_LARGE'],
    ['an entry above its bound in bytes, not in characters', [wide], 'INPUT_TOO_LARGE'],
    ['a good entry beside one above its bound', ['good', tooLong], 'INPUT_TOO_LARGE'],
    ['a batch of too many', Array(BATCH_ENTRIES_MAX + 1).fill(0), 'INPUT_TOO_LARGE'],
    ['a batch of too many bytes', [...Array(4).fill(quarter), 'x'], 'INPUT_TOO_LARGE'],
  ])('refuses %s whole, and takes the next', async (_, bodies: readonly unknown[], code) => {
    const { journal } = await fresh();
    await journal.append(['before']);
    await expect(journal.append(bodies)).rejects.toMatchObject({ code });
    expect(journal.head().seq).toBe(1);
    await journal.append(['after']);
    expect(await bodiesOf(journal)).toEqual(['before', 'after']);
  });

  test('refuses a value without a canonical form, and takes the next', async () => {
    const { journal } = await fresh();
    await expect(journal.append(['good', undefined])).rejects.toThrow('canonical form');
    await expect(journal.append([{ rate: Number.NaN }])).rejects.toThrow('NaN');
    await journal.append(['after']);
    expect(await bodiesOf(journal)).toEqual(['after']);
  });

  test('refuses an append when too many wait, and keeps those that wait', async () => {
    const { journal } = await fresh();
    const waits = Array.from({ length: APPENDS_WAITING_MAX }, (_, n) => journal.append([n]));
    await expect(journal.append(['late'])).rejects.toMatchObject({ code: 'NOT_READY' });
    await Promise.all(waits);
    await journal.append(['later']);
    expect(journal.head().seq).toBe(APPENDS_WAITING_MAX + 1);
  });

  test.each([
    [-1, 1],
    [0.5, 1],
    [Number.NaN, 1],
    [0, 0],
    [0, -1],
    [0, Number.POSITIVE_INFINITY],
  ])('refuses to read %s entries after %s', async (afterSeq, limit) => {
    const { journal } = await fresh();
    await journal.append(['one']);
    await expect(journal.read(afterSeq, limit)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });
}

function whatIsRead(fresh: () => Promise<MadeJournal>): void {
  test.each([
    [0, 2, [1, 2]],
    [0, 5, [1, 2, 3, 4, 5]],
    [2, 2, [3, 4]],
    [4, 100, [5]],
    [5, 1, []],
    [9, 1, []],
  ])('after %s at most %s: %j', async (afterSeq, limit, seqs) => {
    const { journal } = await fresh();
    await journal.append(['one', 'two', 'three', 'four', 'five']);
    expect((await journal.read(afterSeq, limit)).map((entry) => entry.seq)).toEqual(seqs);
  });

  test('a page ends at its bound of entries, and the next ones hold the rest', async () => {
    const { journal } = await fresh();
    const bodies = Array.from({ length: PAGE_ENTRIES_MAX }, (_, n) => n);
    await journal.append(bodies);
    await journal.append(['last']);
    expect(await journal.read(0, PAGE_ENTRIES_MAX + 1)).toHaveLength(PAGE_ENTRIES_MAX);
    expect(await bodiesOf(journal)).toEqual([...bodies, 'last']);
  });

  test('a page ends at its bound of bytes, and the next ones hold the rest', async () => {
    const { journal } = await fresh();
    const large = 'x'.repeat(PAGE_CHARS_MAX / 2);
    await journal.append([large, large, 'small']);
    expect(await journal.read(0, 3)).toHaveLength(2);
    expect((await allOf(journal)).map((entry) => entry.seq)).toEqual([1, 2, 3]);
  });
}

function whatCloseDoes(fresh: () => Promise<MadeJournal>): void {
  test('appends called before close are kept, later ones are refused', async () => {
    const { journal, reopen } = await fresh();
    const waits = [journal.append(['one']), journal.append(['two'])];
    const closed = journal.close();
    await expect(journal.append(['three'])).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await expect(journal.read(0, 1)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await Promise.all([...waits, closed, journal.close()]);
    expect(await bodiesOf(await reopen())).toEqual(['one', 'two']);
  });

  test('a read cut off by close is no corruption', async () => {
    const { journal } = await fresh();
    await journal.append(Array.from({ length: PAGE_ENTRIES_MAX }, (_, n) => n));
    const reading = journal.read(0, PAGE_ENTRIES_MAX).then(
      (page) => page.length,
      (failure: unknown) => (failure instanceof Failure ? failure.code : failure),
    );
    await journal.close();
    expect(['WRONG_STATE', PAGE_ENTRIES_MAX]).toContain(await reading);
  });
}

function byNumber(a: number, b: number): number {
  return a - b;
}
