/** A checkpoint that does not read, or is of something else, is no checkpoint: the start is from all entries. */
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  CREDIT,
  expectSame,
  FIRST,
  type History,
  history,
  PAID,
  QUOTED,
  rewritten,
  STAYS,
} from './checkpoint-pool.ts';

describe('a checkpoint that is not used, said aloud, and the start is from all entries:', () => {
  test.each<[string, (h: History) => void | Promise<void>, RegExp]>([
    ['empty', (h) => writeFileSync(h.file, ''), /no end/],
    ['another schema', (h) => rewritten(h.file, retitled({ schema: 'weir.x.v1' })), /version/],
    ['another program', (h) => rewritten(h.file, retitled({ program: 'b' })), /program/],
    ['no entry', (h) => rewritten(h.file, retitled({ seq: '7' })), /names no entry/],
    ['an earlier entry', (h) => rewritten(h.file, retitled({ seq: 3 })), /two moments/],
    ['a field less', (h) => rewritten(h.file, without('["mode","is"')), /mode is missing/],
    ['a field more', (h) => rewritten(h.file, (l) => [...l, '["x","is",1]']), /not what was/],
    ['much more', (h) => rewritten(h.file, (l) => [...l, ...l]), /after its end/],
    ['a member less', (h) => rewritten(h.file, (l) => afterTitle(l, 'payments', [])), /.+/],
    ['a member twice', (h) => rewritten(h.file, doubled), /twice/],
    ['a field of another kind', (h) => rewritten(h.file, rekinded), /mode is no set/],
    ['a balance more', (h) => rewritten(h.file, richer), /out of balance/],
    ['sealed otherwise', (h) => writeFileSync(h.file, resealed(h.file)), /not what was written/],
    ['a folder', (h) => (rmSync(h.file), mkdirSync(h.file)), /EISDIR/],
    ['of another pool', foreign, /not in the journal/],
    ['of a journal that went on', longer, /ends at/],
  ])('%s', async (_, damage, why) => {
    const h = await history(FIRST);
    await h.kept();
    await damage(h);
    const started = await h.started(h.store());
    expect(started.fromSeq).toBe(0);
    expect(h.notes).toEqual([expect.stringMatching(why)]);
    expectSame(started, await h.started(null));
  });

  test('cut anywhere, or with a bit flipped anywhere', async () => {
    const h = await history(FIRST);
    await h.kept();
    const bytes = readFileSync(h.file);
    const stride = Math.floor(bytes.length / 60);
    for (let at = 0; at < bytes.length; at += stride) {
      truncateSync(h.file, at);
      expect(await h.store().load(), `cut at ${at}`).toBeNull();
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(h.file, flipped);
      expect(await h.store().load(), `flipped at ${at}`).toBeNull();
    }
    writeFileSync(h.file, bytes);
    expect(await h.store().load()).not.toBeNull();
  });

  test('one that is not there is not spoken of', async () => {
    const h = await history(FIRST);
    expect((await h.started(h.store())).fromSeq).toBe(0);
    expect(h.notes).toEqual([]);
  });
});

type Change = (lines: string[]) => string[];

function retitled(change: Record<string, unknown>): Change {
  return ([title = '{}', ...rest]) => [
    JSON.stringify({ ...(JSON.parse(title) as object), ...change }),
    ...rest,
  ];
}

function without(start: string): Change {
  return (lines) => lines.filter((line) => !line.startsWith(start));
}

/** The first member of a map or set is replaced. */
function afterTitle(lines: string[], field: string, by: readonly string[]): string[] {
  const at = lines.findIndex((line) => line.startsWith(`["${field}",`)) + 1;
  return [...lines.slice(0, at), ...by, ...lines.slice(at + 1)];
}

const doubled: Change = (lines) => {
  const at = lines.findIndex((line) => line.startsWith('["payments",')) + 1;
  return afterTitle(lines, 'payments', [lines[at + 1] ?? '']);
};

const rekinded: Change = (lines) =>
  lines.map((line) => (line.startsWith('["mode","is"') ? '["mode","set",0]' : line));

const richer: Change = (lines) =>
  lines.map((line) =>
    line.startsWith('["LLP:') ? line.replace(/"crPosted":"#\d+"/, '"crPosted":"#1"') : line,
  );

function resealed(file: string): string {
  const text = readFileSync(file, 'utf8');
  return text.replace(/"sha256":"[0-9a-f]{64}"/, `"sha256":"${'0'.repeat(64)}"`);
}

async function foreign(h: History): Promise<void> {
  const other = await history([CREDIT, QUOTED, PAID, STAYS]);
  await other.kept();
  writeFileSync(h.file, readFileSync(other.file));
}

/** The journal is an older one, as restored from a backup. */
async function longer(h: History): Promise<void> {
  const older = await history([CREDIT]);
  writeFileSync(older.file, readFileSync(h.file));
  Object.assign(h, { started: older.started, store: older.store, notes: older.notes });
}
