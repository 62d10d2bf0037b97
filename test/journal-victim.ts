/**
 * A process to be killed: opens the journal in a folder, or creates it, appends batch after batch, and
 * writes the last seq it was told of to stdout. Arguments: folder, moment at which it kills itself or
 * `none`, and in which batch.
 */
import { existsSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { CrashPoint } from '../journal/crash-point.ts';
import { createJournal, openJournal } from '../journal/level-journal.ts';

/** Entries in each batch: more than one, so that half a batch would show. */
const BATCH_ENTRIES = 3;
/** Ends a victim whose killer never comes. */
const BATCHES_MAX = 100_000;
const STDOUT = 1;

const [dir = '', deadly = 'none', batchText = '0'] = process.argv.slice(2);
let batch = 0;
const crashPoint: CrashPoint = (moment) => {
  if (moment === deadly && String(batch) === batchText) process.kill(process.pid, 'SIGKILL');
};

const made = existsSync(path.join(dir, 'db'));
const journal = await (made ? openJournal(dir, crashPoint) : createJournal(dir, crashPoint));
while (batch < BATCHES_MAX) {
  batch += 1;
  const bodies = Array.from({ length: BATCH_ENTRIES }, (_, n) => ({ batch, n }));
  const entries = await journal.append(bodies);
  // Synchronous: what the parent has read was said before the next byte goes to disk.
  writeSync(STDOUT, `${entries.at(-1)?.seq}\n`);
}
await journal.close();
