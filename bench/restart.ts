/**
 * A start from a checkpoint beside a start from all entries, each in a process of its own, as after a stop. The
 * history is payments of a hundred agents: quoted, reserved, settled with a receipt.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { programHash } from '../operator/checkpoint/program-hash.ts';
import { openBooks } from '../operator/checkpoint/restart.ts';
import { type CheckpointStore, checkpointFile } from '../operator/checkpoint/store.ts';
import { openEngine } from '../operator/engine.ts';
import { newPool, payment } from './pool.ts';

export interface RestartRow {
  entries: number;
  fullMs: number;
  checkpointMs: number;
  /** Writing one, when the pool closes. */
  writeMs: number;
  fileBytes: number;
  /** Memory of the process that started from the checkpoint. */
  rssBytes: number;
}

/** What one start took. */
export interface Started {
  ms: number;
  seq: number;
  rssBytes: number;
}

/** Payments under way at once while a history is made. */
const AT_ONCE = 600;
const OUTPUT_BYTES_MAX = 1_024 * 1_024;

export async function benchRestart(sizes: readonly number[], runs: number): Promise<RestartRow[]> {
  const rows: RestartRow[] = [];
  for (const entries of sizes) {
    const dir = await mkdtemp(path.join(tmpdir(), 'bench-'));
    try {
      rows.push(await measured(dir, entries, runs));
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }
  return rows;
}

async function measured(dir: string, entries: number, runs: number): Promise<RestartRow> {
  await makeHistory(dir, entries);
  const full: Started[] = [];
  const quick: Started[] = [];
  const writeMs = await writeCheckpoint(dir);
  for (let run = 0; run < runs; run += 1) {
    full.push(await startedIn(dir, 'full'));
    quick.push(await startedIn(dir, 'checkpoint'));
  }
  const seqs = new Set([...full, ...quick].map(({ seq }) => seq));
  if (seqs.size !== 1) throw new Error('the starts do not agree');
  const { size } = await stat(fileIn(dir));
  return {
    entries,
    fullMs: middle(full),
    checkpointMs: middle(quick),
    writeMs,
    fileBytes: size,
    rssBytes: Math.max(...quick.map(({ rssBytes }) => rssBytes)),
  };
}

function middle(all: readonly Started[]): number {
  const sorted = all.map(({ ms }) => ms).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

async function makeHistory(dir: string, entries: number): Promise<void> {
  const engine = await newPool(path.join(dir, 'journal'));
  let n = 0;
  const payer = async (): Promise<void> => {
    while (engine.state().seq < entries) {
      n += 1;
      for (const decide of payment(n)) await engine.act(decide);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, payer));
  await engine.close();
}

function fileIn(dir: string): string {
  return path.join(dir, 'checkpoint.jsonl');
}

async function storeIn(dir: string): Promise<CheckpointStore> {
  return checkpointFile({
    file: fileIn(dir),
    program: await programHash(),
    note: (text) => process.stderr.write(`${text}\n`),
  });
}

async function writeCheckpoint(dir: string): Promise<number> {
  const { stdout } = await ownProcess(dir, 'write');
  return (JSON.parse(stdout) as Started).ms;
}

async function startedIn(dir: string, how: 'full' | 'checkpoint'): Promise<Started> {
  const { stdout } = await ownProcess(dir, how);
  return JSON.parse(stdout) as Started;
}

function ownProcess(dir: string, how: string): Promise<{ stdout: string }> {
  const [, script = ''] = process.argv;
  const args = [script, 'restart-once', dir, how];
  return promisify(execFile)(process.execPath, args, { maxBuffer: OUTPUT_BYTES_MAX });
}

/** One start, or one checkpoint written, by this process; for `benchRestart`. */
export async function restartOnce(dir: string, how: string): Promise<Started> {
  const store = how === 'full' || how === 'write' ? null : await storeIn(dir);
  let start = performance.now();
  const journal = await openBooks(path.join(dir, 'journal'), (await store?.head()) ?? null);
  const engine = await openEngine({
    journal,
    checkpoint: store,
    now: () => Date.now(),
    onFatal: () => undefined,
  });
  if (how === 'write') {
    start = performance.now();
    const kept = { head: journal.head(), state: engine.state(), receipts: engine.receipts() };
    await (await storeIn(dir)).save(kept);
  }
  const ms = performance.now() - start;
  const { seq } = engine.state();
  await engine.close();
  return { ms, seq, rssBytes: process.memoryUsage.rss() };
}
