/** Where bitcoind comes from, without a network: the order, what is kept, and the answers when there is none. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findBitcoind } from '../regtest/bitcoind-binary.ts';
import { whileHolding } from '../regtest/fetch-lock.ts';

let dir: string;
let cache: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'bitcoind-binary-'));
  cache = path.join(dir, 'cache');
  // A PATH on which there is neither bitcoind nor apt-get.
  vi.stubEnv('PATH', path.join(dir, 'bin'));
  vi.stubEnv('BITCOIND', undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

async function program(file: string, firstLine: string): Promise<string> {
  const place = path.join(dir, file);
  await mkdir(path.dirname(place), { recursive: true });
  await writeFile(place, `#!/bin/sh\necho '${firstLine}'\n`);
  await chmod(place, 0o755);
  return place;
}

/** What a fetch leaves behind, with a loader that only speaks. */
async function kept(folder: string, version: string): Promise<void> {
  await program(`cache/${folder}/root/usr/lib64/ld-linux-x86-64.so.2`, version);
  await program(`cache/${folder}/root/usr/bin/bitcoind`, version);
  await writeFile(path.join(cache, folder, 'packages.json'), '[]');
}

test('BITCOIND comes before PATH, PATH before what was fetched', async () => {
  await kept('29.4', 'Bitcoin Knots daemon version v29.4.knots20260508');
  expect(await findBitcoind(cache)).toMatchObject({
    source: 'debian',
    version: 'Bitcoin Knots 29.4.knots20260508',
  });
  const onPath = await program('bin/bitcoind', 'Bitcoin Core daemon version v29.1.0');
  expect(await findBitcoind(cache)).toMatchObject({
    source: 'path',
    command: [onPath],
    version: 'Bitcoin Core 29.1.0',
  });
  const named = await program('own/bitcoind', 'Bitcoin Core version v28.0.0');
  const cli = await program('own/bitcoin-cli', 'cli');
  vi.stubEnv('BITCOIND', named);
  expect(await findBitcoind(cache)).toMatchObject({
    source: 'env',
    command: [named],
    cli: [cli],
    version: 'Bitcoin Core 28.0.0',
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test('a BITCOIND that does not run is the answer, whatever is on PATH', async () => {
  await program('bin/bitcoind', 'Bitcoin Core daemon version v29.1.0');
  vi.stubEnv('BITCOIND', path.join(dir, 'nothing-here'));
  expect(await findBitcoind(cache)).toEqual({
    because: expect.stringMatching(/^BITCOIND is set, and .*nothing-here does not start$/),
  });
});

test('a program that does not say which bitcoind it is is none', async () => {
  vi.stubEnv('BITCOIND', await program('own/bitcoind', 'I am a teapot'));
  expect(await findBitcoind(cache)).toEqual({
    because: expect.stringContaining('does not say which bitcoind it is'),
  });
});

test('a machine that cannot fetch says why and what to do', async () => {
  expect(await findBitcoind(cache)).toEqual({
    because: expect.stringMatching(/(no apt-get|amd64 only).*BITCOIND/),
  });
});

test('a fetch that was cut off is not taken for a bitcoind', async () => {
  await kept('draft-abc', 'Bitcoin Knots daemon version v29.4.knots20260508');
  expect(await findBitcoind(cache)).toHaveProperty('because');
});

test('the lock is held by one at a time, and a dead holder loses it', async () => {
  const lock = path.join(dir, 'lock');
  // No process has a number above the kernel's own bound (PID_MAX_LIMIT).
  await writeFile(lock, String(2 ** 22 + 1));
  let inside = 0;
  const most: number[] = [];
  const work = async (): Promise<void> => {
    inside += 1;
    most.push(inside);
    await new Promise(setImmediate);
    inside -= 1;
  };
  await Promise.all([work, work, work].map((each) => whileHolding(lock, each)));
  expect(most).toEqual([1, 1, 1]);
});
