/** A crash at every moment of an append and of a creation: whole batches or none, and nothing told is lost. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { CrashPoint, JournalMoment } from '../journal/crash-point.ts';
import { readHeadFile } from '../journal/head-file.ts';
import type { Journal } from '../journal/journal.ts';
import { createJournal, openJournal } from '../journal/level-journal.ts';
import { allOf } from './journal-contract.ts';
import { journalFolder, replaceFolder } from './journal-folder.ts';

const BATCH_ENTRIES = 3;
/** Node 20 runs no TypeScript: the victim is compiled once, beside the packages it imports. */
const compiled = path.resolve('.cache', `journal-victim-${process.pid}`);

beforeAll(() => {
  mkdirSync(compiled, { recursive: true });
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { rootDir: '../..', outDir: '.' },
    files: ['../../test/journal-victim.ts'],
  };
  writeFileSync(path.join(compiled, 'tsconfig.json'), JSON.stringify(config));
  execFileSync(path.resolve('node_modules/.bin/tsc'), ['-p', compiled], { stdio: 'pipe' });
});

afterAll(() => rmSync(compiled, { recursive: true, force: true }));

interface Death {
  /** Last seq the victim said it was told of; 0 where it said nothing. */
  told: number;
  signal: NodeJS.Signals | null;
}

/** Runs the victim to its end; `onTold` may kill it. */
async function victim(
  args: readonly string[],
  onTold: (told: number, kill: () => void) => void,
): Promise<Death> {
  const script = path.join(compiled, 'test', 'journal-victim.js');
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    onTold(lastTold(said), () => void child.kill('SIGKILL'));
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_, signal) => resolve({ told: lastTold(said), signal }));
  });
}

function lastTold(said: string): number {
  return Math.max(
    0,
    ...said
      .split('\n')
      .slice(0, -1)
      .map((line) => Number.parseInt(line, 10)),
  );
}

function closedAfter(journal: Journal): Journal {
  onTestFinished(() => journal.close());
  return journal;
}

/** Opens what the dead left behind, and proves that it can be written again. */
async function survivors(dir: string): Promise<number> {
  const journal = closedAfter(await openJournal(dir));
  const entries = await allOf(journal);
  entries.forEach((entry, n) => {
    const expected = { batch: Math.floor(n / BATCH_ENTRIES) + 1, n: n % BATCH_ENTRIES };
    expect(entry.body).toEqual(expected);
  });
  await journal.append(['after the crash']);
  await journal.close();
  const again = closedAfter(await openJournal(dir));
  expect(again.head().seq).toBe(entries.length + 1);
  await again.close();
  return entries.length;
}

test.each<[JournalMoment, number]>([
  ['before-batch', 3],
  ['after-batch', 6],
  ['after-head', 6],
])('killed in its second append at %s, a process leaves %i entries', async (moment, kept) => {
  const dir = path.join(journalFolder(), 'journal');
  const death = await victim([dir, moment, '2'], () => undefined);
  expect(death).toEqual({ told: 3, signal: 'SIGKILL' });
  expect(await survivors(dir)).toBe(kept);
});

test.each([1, 2, 3])(
  'killed at any moment, a process leaves whole batches and all it told',
  async (n) => {
    const dir = path.join(journalFolder(), 'journal');
    const death = await victim([dir, 'none'], (told, kill) => {
      if (told >= 40 * n) kill();
    });
    expect(death.signal).toBe('SIGKILL');
    const kept = await survivors(dir);
    expect(kept % BATCH_ENTRIES).toBe(0);
    expect([death.told, death.told + BATCH_ENTRIES]).toContain(kept);
  },
);

test('a journal that a living process holds is locked, and free once that is killed', async () => {
  const dir = path.join(journalFolder(), 'journal');
  const tries: Promise<unknown>[] = [];
  await victim([dir, 'none'], (told, kill) => {
    if (told === 0 || tries.length > 0) return;
    tries.push(
      openJournal(dir)
        .catch((failure: unknown) => failure)
        .finally(kill),
    );
  });
  expect(await Promise.all(tries)).toMatchObject([{ code: 'JOURNAL_LOCKED', retry: 'later' }]);
  expect(await survivors(dir)).toBeGreaterThan(0);
});

test.each<[JournalMoment]>([
  ['head-drafted'],
  ['head-renamed'],
  ['database-made'],
  ['database-named'],
])('killed at %s of its creation, a journal is made by the next try', async (moment) => {
  const dir = path.join(journalFolder(), 'journal');
  const death = await victim([dir, moment, '0'], () => undefined);
  expect(death).toEqual({ told: 0, signal: 'SIGKILL' });
  const made = readdirSync(dir).includes('db');
  expect(made).toBe(moment === 'database-named');
  const journal = closedAfter(await (made ? openJournal(dir) : createJournal(dir)));
  await journal.append(['one']);
  expect(await allOf(journal)).toHaveLength(1);
});

test.each<[JournalMoment]>([['head-drafted'], ['head-renamed']])(
  'stopped at %s while adopting an entry, the journal adopts it on the next start',
  async (moment) => {
    const dir = path.join(journalFolder(), 'journal');
    const first = await createJournal(dir, stopAt('after-batch'));
    await expect(first.append(['one'])).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' });
    await first.close();
    await expect(openJournal(dir, stopAt(moment))).rejects.toMatchObject({
      code: 'JOURNAL_LOCKED',
    });
    const again = closedAfter(await openJournal(dir));
    expect((await allOf(again)).map((entry) => entry.body)).toEqual(['one']);
  },
);

function stopAt(deadly: JournalMoment): CrashPoint {
  return (moment) => {
    if (moment === deadly) throw new Error('stopped here');
  };
}

test.each<[JournalMoment, number, number]>([
  ['before-batch', 3, 3],
  ['after-batch', 3, 6],
  ['after-head', 6, 6],
])(
  'at %s the head file says %i of %i entries, and a copy of the disk opens',
  async (at, told, kept) => {
    const dir = path.join(journalFolder(), 'journal');
    const copy = `${dir}-copy`;
    let batch = 0;
    const writing = closedAfter(
      await createJournal(dir, (moment) => {
        if (batch === 2 && moment === at) replaceFolder(dir, copy);
      }),
    );
    for (batch = 1; batch <= 2; batch += 1) {
      await writing.append(Array.from({ length: BATCH_ENTRIES }, (_, n) => ({ batch, n })));
    }
    expect((await readHeadFile(copy))?.head.seq).toBe(told);
    expect(await survivors(copy)).toBe(kept);
  },
);
