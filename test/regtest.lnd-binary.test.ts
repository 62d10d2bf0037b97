/** Where LND comes from, without a network: the order, what is kept, and the answers when there is none. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findLnd, lndInBackground } from '../regtest/lnd-binary.ts';
import { LND_TAGS } from '../regtest/lnd-build.ts';

let dir: string;
let cacheDir: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'lnd-binary-'));
  cacheDir = path.join(dir, 'cache');
  // A PATH on which there is only what a test puts there, and the shell it is written in.
  vi.stubEnv('PATH', path.join(dir, 'bin'));
  vi.stubEnv('LND', undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

const SHELL = '#!/bin/sh\nPATH=/usr/bin:/bin\n';

async function script(file: string, text: string): Promise<string> {
  const place = path.join(dir, file);
  await mkdir(path.dirname(place), { recursive: true });
  await writeFile(place, SHELL + text);
  await chmod(place, 0o755);
  return place;
}

function lnd(file: string, version: string): Promise<string> {
  return script(file, `echo 'lnd version ${version} commit='\n`);
}

/** An engine that answers, whose image holds a file that says that version. */
async function docker(version: string): Promise<void> {
  await lnd('image/lnd', version);
  await script(
    'bin/docker',
    [
      `echo "$@" >> ${dir}/docker.log`,
      'case $1 in',
      'info) echo engine ;;',
      'create) echo made ;;',
      `cp) cp ${dir}/image/lnd "$3" ;;`,
      'esac\n',
    ].join('\n'),
  );
}

/** A Go that notes what it is asked and, asked to build, makes programs of that version. */
async function go(goVersion: string, version: string): Promise<void> {
  await lnd('made/lnd', version);
  await script(
    'bin/go',
    [
      `if [ "$1" = env ]; then echo go${goVersion}; exit; fi`,
      `echo "$CGO_ENABLED $GOTOOLCHAIN $*" >> ${dir}/go.log`,
      'while [ "$1" != -o ]; do shift; done',
      `cp ${dir}/made/lnd "$2/lnd" && cp ${dir}/made/lnd "$2/lncli"\n`,
    ].join('\n'),
  );
}

test('LND comes before PATH, PATH before Docker, Docker before a build', async () => {
  await go('1.26.8', '0.20.1-beta');
  const built = await findLnd({ cacheDir });
  expect(built).toMatchObject({ source: 'built', version: '0.20.1-beta' });
  await docker('0.20.2-beta');
  expect(await findLnd({ cacheDir })).toMatchObject({ source: 'docker', version: '0.20.2-beta' });
  const onPath = await lnd('bin/lnd', '0.20.3-beta');
  expect(await findLnd({ cacheDir })).toMatchObject({ source: 'path', command: [onPath] });
  const named = await lnd('own/lnd', '0.20.0-beta');
  const cli = await lnd('own/lncli', '0.20.0-beta');
  vi.stubEnv('LND', named);
  expect(await findLnd({ cacheDir })).toEqual({
    source: 'env',
    command: [named],
    cli: [cli],
    version: '0.20.0-beta',
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test.each([
  ['does not run', null, 'nothing-here does not start'],
  ['is another program', 'I am a teapot', 'does not say which LND it is'],
  ['is newer than is spoken', 'lnd version 0.21.0-beta', 'is LND 0.21.0-beta, and only 0.20'],
  ['is older than is spoken', 'lnd version 0.19.3-beta', 'is LND 0.19.3-beta, and only 0.20'],
])('an LND that %s is the answer, whatever else there is', async (_, line, because) => {
  await lnd('bin/lnd', '0.20.1-beta');
  const file = path.join(dir, 'nothing-here');
  vi.stubEnv('LND', line === null ? file : await script('own/lnd', `echo '${line}'\n`));
  const found = await findLnd({ cacheDir });
  expect(found).toEqual({ because: expect.stringMatching(/^LND is set, and /) });
  expect(found).toEqual({ because: expect.stringContaining(because) });
});

test('an lnd on PATH that is not spoken is passed over, and so is an image without one', async () => {
  await lnd('bin/lnd', '0.21.0-beta');
  await docker('0.18.5-beta');
  await go('1.24.11', '0.20.1-beta');
  expect(await findLnd({ cacheDir })).toMatchObject({ source: 'built' });
});

test('an engine that does not answer is passed over without a word to its registry', async () => {
  await script('bin/docker', `echo "$@" >> ${dir}/docker.log; exit 1\n`);
  await go('1.26.8', '0.20.1-beta');
  expect(await findLnd({ cacheDir })).toMatchObject({ source: 'built' });
  expect(await readFile(path.join(dir, 'docker.log'), 'utf8')).toBe('info\n');
});

test('what was taken out of the image is kept, and the container that gave it is removed', async () => {
  await docker('0.20.1-beta');
  await findLnd({ cacheDir });
  expect(await findLnd({ cacheDir })).toMatchObject({ source: 'docker' });
  const asked = (await readFile(path.join(dir, 'docker.log'), 'utf8')).split('\n');
  expect(asked.map((line) => line.split(' ')[0])).toEqual(['info', 'create', 'cp', 'rm', '']);
});

test('a build is made once, by one of those that ask at the same time, with every tag', async () => {
  await go('1.26.8', '0.20.1-beta');
  const three = [1, 2, 3].map(() => lndInBackground({ cacheDir }).ready);
  for (const found of await Promise.all(three)) {
    expect(found).toMatchObject({ source: 'built', cli: [expect.stringMatching(/lncli$/)] });
  }
  const asked = (await readFile(path.join(dir, 'go.log'), 'utf8')).trim().split('\n');
  expect(asked).toEqual([
    expect.stringMatching(`^0 local build .*-tags ${LND_TAGS.join(' ')} .*/cmd/lnd .*/cmd/lncli$`),
  ]);
  expect((await readdir(cacheDir)).filter((name) => name.startsWith('draft-'))).toEqual([]);
});

test('a build that failed says why, and is tried again only by who asks later', async () => {
  await script(
    'bin/go',
    `[ "$1" = env ] && echo go1.26.8 && exit; echo no such host >&2; exit 1\n`,
  );
  const began = new Date();
  expect(await findLnd({ cacheDir })).toEqual({ because: expect.stringContaining('no such host') });
  await go('1.26.8', '0.20.1-beta');
  expect(await findLnd({ cacheDir, failedSince: began })).toEqual({
    because: expect.stringContaining('no such host'),
  });
  expect(await findLnd({ cacheDir })).toMatchObject({ source: 'built' });
});

test('a machine without Go and without Debian says what to do', async () => {
  expect(await findLnd({ cacheDir })).toEqual({
    because: expect.stringMatching(/(no apt-get|amd64 only).*LND/),
  });
});
