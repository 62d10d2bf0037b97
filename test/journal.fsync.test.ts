/** What is synced to disk, and in which order, before anybody is told: no killed process can show it. */
import { constants } from 'node:fs';
import type * as FileSystem from 'node:fs/promises';
import path from 'node:path';
import { Level } from 'level';
import { afterEach, expect, test, vi } from 'vitest';
import { createJournal } from '../journal/level-journal.ts';
import { journalFolder } from './journal-folder.ts';

const effects = vi.hoisted((): string[] => []);

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof FileSystem>();
  const open: typeof real.open = async (file, ...rest) => {
    const handle = await real.open(file, ...rest);
    const sync = handle.sync.bind(handle);
    handle.sync = async () => {
      await sync();
      effects.push(`sync ${path.basename(String(file))}`);
    };
    const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<unknown>;
    const isSyncing = typeof rest[0] === 'number' && (rest[0] & constants.O_DSYNC) !== 0;
    const writing = async (...args: unknown[]): Promise<unknown> => {
      const written = await write(...args);
      effects.push(`${isSyncing ? 'synced ' : ''}write to ${path.basename(String(file))}`);
      return written;
    };
    handle.write = writing as typeof handle.write;
    return handle;
  };
  const rename: typeof real.rename = async (from, to) => {
    await real.rename(from, to);
    effects.push(`rename to ${path.basename(String(to))}`);
  };
  return { ...real, open, rename };
});

afterEach(() => vi.restoreAllMocks());

test('an append is told of after batch, a new log, and head are synced, in this order', async () => {
  const journal = await createJournal(path.join(journalFolder(), 'journal'));
  const batch = vi.spyOn(Level.prototype, 'batch');
  effects.length = 0;
  await journal.append(['one']);
  effects.push('told');
  await journal.append(['two']);
  effects.push('told');
  await journal.close();
  expect(batch).toHaveBeenCalledTimes(2);
  expect(batch).toHaveBeenNthCalledWith(1, expect.anything(), { sync: true });
  expect(batch).toHaveBeenNthCalledWith(2, expect.anything(), { sync: true });
  expect(effects).toEqual([
    'sync db',
    'synced write to head.json',
    'told',
    'synced write to head.json',
    'told',
  ]);
});

test('a log that LevelDB begins is synced by name before the append is told of', async () => {
  const journal = await createJournal(path.join(journalFolder(), 'journal'));
  await journal.append(['one']);
  effects.length = 0;
  // LevelDB begins another log after four megabytes.
  for (let n = 0; n < 5; n += 1) await journal.append(['x'.repeat(1_100_000)]);
  await journal.close();
  expect(effects.filter((each) => each === 'sync db').length).toBeGreaterThan(0);
  expect(effects.at(-1)).toBe('synced write to head.json');
});

test('a journal is told of after its folder, head and database are synced', async () => {
  const parent = journalFolder();
  effects.length = 0;
  const journal = await createJournal(path.join(parent, 'journal'));
  await journal.close();
  expect(effects).toEqual([
    `sync ${path.basename(parent)}`,
    'sync head.json.new',
    'rename to head.json',
    'sync journal',
    'rename to db',
    'sync journal',
  ]);
});
