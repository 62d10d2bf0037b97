/**
 * Durable receipts: decided, hashed, appended, synced and in the log before anybody is told, beside the same bytes
 * in plain LevelDB and PostgreSQL, one synced write each. Taken in turns, on the same disk.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Level } from 'level';
import { entryText } from '../journal/entry.ts';
import { offered, type Put, type Rate, saturated } from './load.ts';
import { newPool, refusal } from './pool.ts';
import { startPostgres } from './postgres.ts';

export interface ReceiptsRow {
  what: string;
  saturated: Rate;
  offered: Rate;
  /** Of this process, for one at saturation. */
  cpuMs: number;
}

export interface ReceiptsOptions {
  seconds: number;
  callers: number;
  perSecond: number;
}

const WARM_SECONDS = 1;

export async function benchReceipts(options: ReceiptsOptions): Promise<ReceiptsRow[]> {
  const dir = await mkdtemp(path.join(tmpdir(), 'bench-'));
  const engine = await newPool(path.join(dir, 'journal'));
  const level = new Level(path.join(dir, 'level'));
  await level.open();
  const postgres = await startPostgres();
  try {
    const rows = [await measured('receipts of the pool', (n) => engine.act(refusal(n)), options)];
    const [sample] = await engine.journal.read(engine.journal.head().seq - 1, 1);
    const body = sample === undefined ? '' : entryText(sample);
    let key = 0;
    const next = (): number => (key += 1);
    const putLevel: Put = () =>
      level.put(next().toString().padStart(12, '0'), body, { sync: true });
    rows.push(await measured('LevelDB, one synced put each', putLevel, options));
    if (postgres !== null) {
      const what = `PostgreSQL ${postgres.version}, one insert each`;
      rows.push(await measured(what, () => postgres.insert(next(), body), options));
    }
    return rows;
  } finally {
    await engine.close();
    await level.close();
    await postgres?.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

async function measured(what: string, put: Put, options: ReceiptsOptions): Promise<ReceiptsRow> {
  const { callers, seconds, perSecond } = options;
  await saturated(put, { callers, seconds: WARM_SECONDS });
  const before = process.cpuUsage();
  const full = await saturated(put, { callers, seconds });
  const { user, system } = process.cpuUsage(before);
  const some = await offered(put, { perSecond, seconds });
  const cpuMs = (user + system) / 1_000 / (full.perSecond * seconds);
  return { what, saturated: full, offered: some, cpuMs };
}
