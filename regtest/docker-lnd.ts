/**
 * LND out of its published Docker image. Only the file is taken, which is statically linked: a node that is
 * no container is killed, paused and reached on loopback like any other process.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from './command.ts';
import type { Say } from './debian.ts';
import { whileHolding } from './fetch-lock.ts';

const IMAGE = 'lightninglabs/lnd:v0.20.1-beta';
const PLACE = '/bin/lnd';
/** An engine that is there answers at once. */
const ANSWER_TIMEOUT_MS = 10_000;
/** 60 MB of image: minutes even on a slow line. */
const FETCH_TIMEOUT_MS = 300_000;

/** The lnd file, or null where no engine answers. Rejects when one answers and has no image to give. */
export async function dockerLnd(cacheDir: string, say: Say): Promise<string | null> {
  const folder = path.join(cacheDir, `docker-${IMAGE.split(':')[1]}`);
  const file = path.join(folder, 'lnd');
  if (existsSync(file)) return file;
  const asked = runCommand(['docker', 'info'], { timeoutMs: ANSWER_TIMEOUT_MS });
  if (!(await asked.then(Boolean, () => false))) return null;
  await mkdir(folder, { recursive: true });
  return whileHolding(path.join(cacheDir, 'docker-lock'), async () => {
    if (existsSync(file)) return file;
    say(`taking lnd out of Docker's ${IMAGE}`);
    await copied(`${file}.draft`);
    await rename(`${file}.draft`, file);
    return file;
  });
}

async function copied(to: string): Promise<void> {
  const created = await runCommand(['docker', 'create', IMAGE], { timeoutMs: FETCH_TIMEOUT_MS });
  const container = created.trim();
  try {
    await rm(to, { force: true });
    await runCommand(['docker', 'cp', `${container}:${PLACE}`, to], {
      timeoutMs: FETCH_TIMEOUT_MS,
    });
  } finally {
    await runCommand(['docker', 'rm', container], { timeoutMs: FETCH_TIMEOUT_MS });
  }
}
