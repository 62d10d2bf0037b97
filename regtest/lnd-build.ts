/**
 * LND built from the Go module proxy: the module in `lnd/` pins it and all it depends on by hash. Go comes from
 * PATH where it is new enough, else from Debian. Kept by version and by what it was built with.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { packageRoot } from './cache-folder.ts';
import { runCommand } from './command.ts';
import { leash } from './daemon-process.ts';
import type { Say } from './debian.ts';
import { debianGo } from './debian-go.ts';
import { whileHolding } from './fetch-lock.ts';
import { pathOf } from './program-file.ts';

export interface BuildWish {
  /** Where it is kept. */
  cacheDir: string;
  /** A build that failed since then is not tried again: its reason is given. */
  failedSince: Date;
  say: Say;
}

/** What LND is compiled with: each tag but `monitoring` and `neutrinorpc` is a part that ln-service calls. */
export const LND_TAGS = [
  'autopilotrpc',
  'signrpc',
  'walletrpc',
  'chainrpc',
  'invoicesrpc',
  'watchtowerrpc',
  'neutrinorpc',
  'monitoring',
  'peersrpc',
] as const;
const LINKER_FLAGS = '-s -w';

export const LND_BUILD = {
  /** Three and a half minutes on two idle cores with nothing cached, 1.1 GB of modules fetched. */
  timeoutMs: 1_800_000,
  /** Between two lines that say how far it is. */
  progressMs: 15_000,
  /** The tests and the story that run meanwhile go first. */
  niceness: 10,
} as const;

const MODULE = 'github.com/lightningnetwork/lnd';
const PROGRAMS = ['lnd', 'lncli'] as const;
const LOCAL_TIMEOUT_MS = 60_000;

interface Go {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Folders of Go's own that nobody needs afterwards. */
  ownCaches?: string;
}

/** The lnd file. Rejects with the reason when it cannot be built here. */
export async function builtLnd(wish: BuildWish): Promise<string> {
  const pin = await pinned();
  const folder = path.join(wish.cacheDir, `${pin.version}-${pin.key}`);
  const file = path.join(folder, 'lnd');
  if (existsSync(file)) return file;
  await mkdir(wish.cacheDir, { recursive: true });
  const lock = path.join(wish.cacheDir, 'lock');
  if (existsSync(lock)) wish.say('another process builds LND: waiting for it');
  return whileHolding(
    lock,
    async () => {
      // Somebody else may have built it, or failed to, while we waited for the lock.
      if (existsSync(file)) return file;
      const failure = `${folder}.failed`;
      await assertNotFailed(failure, wish.failedSince);
      try {
        await build(folder, pin, wish);
      } catch (cause) {
        await writeFile(failure, cause instanceof Error ? cause.message : String(cause));
        throw cause;
      }
      await rm(failure, { force: true });
      return file;
    },
    LND_BUILD.timeoutMs,
  );
}

async function assertNotFailed(failure: string, since: Date): Promise<void> {
  const noted = await stat(failure).catch(() => null);
  if (noted !== null && noted.mtimeMs >= since.getTime()) {
    throw new Error(await readFile(failure, 'utf8'));
  }
}

interface Pin {
  moduleDir: string;
  version: string;
  /** Of everything that decides what comes out, but Go itself. */
  key: string;
  /** The least Go that takes the module: `1.24.11`. */
  leastGo: string;
}

async function pinned(): Promise<Pin> {
  const moduleDir = path.join(packageRoot(), 'regtest', 'lnd');
  const [goMod, goSum] = await Promise.all(
    ['go.mod', 'go.sum'].map((name) => readFile(path.join(moduleDir, name), 'utf8')),
  );
  const [, version] = new RegExp(`^\\s*${MODULE} (v\\S+)`, 'm').exec(goMod ?? '') ?? [];
  const [, leastGo] = /^go (\S+)$/m.exec(goMod ?? '') ?? [];
  if (version === undefined || leastGo === undefined) {
    throw new Error(`${moduleDir} pins no LND`);
  }
  const made = [goMod, goSum, LND_TAGS.join(), LINKER_FLAGS, process.platform, process.arch];
  const key = createHash('sha256').update(made.join('\n')).digest('hex').slice(0, 12);
  return { moduleDir, version, key, leastGo };
}

async function build(folder: string, pin: Pin, { cacheDir, say }: BuildWish): Promise<void> {
  await removeDrafts(cacheDir);
  const go = await findGo(pin.leastGo, cacheDir, say);
  const draft = await mkdtemp(path.join(cacheDir, 'draft-'));
  const progress = buildProgress(pin.version, say);
  try {
    await runCommand([...leash(), ...go.command, ...buildWords(draft)], {
      cwd: pin.moduleDir,
      timeoutMs: LND_BUILD.timeoutMs,
      niceness: LND_BUILD.niceness,
      onErrorLine: progress.onErrorLine,
      env: {
        ...go.env,
        CGO_ENABLED: '0',
        // Only the Go that was chosen, and only the module's own pins.
        GOTOOLCHAIN: 'local',
        GOWORK: 'off',
        GOFLAGS: go.ownCaches === undefined ? '' : '-modcacherw',
      },
    });
    await rename(draft, folder);
    if (go.ownCaches !== undefined) await rm(go.ownCaches, { recursive: true, force: true });
  } finally {
    progress.stop();
    await rm(draft, { recursive: true, force: true });
  }
}

function buildWords(outDir: string): string[] {
  const flags = ['-ldflags', LINKER_FLAGS, '-tags', LND_TAGS.join(' ')];
  const programs = PROGRAMS.map((name) => `${MODULE}/cmd/${name}`);
  return ['build', '-v', '-trimpath', ...flags, '-o', `${outDir}${path.sep}`, ...programs];
}

/** Called under the lock, so every draft is of a build that died. */
async function removeDrafts(cacheDir: string): Promise<void> {
  for (const name of await readdir(cacheDir)) {
    if (name.startsWith('draft-')) {
      await rm(path.join(cacheDir, name), { recursive: true, force: true });
    }
  }
}

async function findGo(needed: string, cacheDir: string, say: Say): Promise<Go> {
  const onPath = await pathOf('go');
  if (onPath !== null) {
    const version = await goVersion(onPath);
    if (isAtLeast(version, needed)) return { command: [onPath], env: {} };
    say(`${onPath} is Go ${version}, and LND needs ${needed}: Debian is asked`);
  }
  const { command, env } = await debianGo(path.join(cacheDir, 'go'), say);
  // Who has no Go wants no gigabytes of it afterwards; a build that failed goes on where it was.
  const ownCaches = path.join(cacheDir, 'go-build');
  return {
    command,
    ownCaches,
    env: {
      ...env,
      GOPATH: path.join(ownCaches, 'path'),
      GOMODCACHE: path.join(ownCaches, 'modules'),
      GOCACHE: path.join(ownCaches, 'cache'),
    },
  };
}

/** `1.26.8`; `0` of one that does not say it. */
async function goVersion(file: string): Promise<string> {
  const answer = await runCommand([file, 'env', 'GOVERSION'], {
    timeoutMs: LOCAL_TIMEOUT_MS,
    env: { GOTOOLCHAIN: 'local' },
  }).catch(() => '');
  return /^go([0-9.]+)/.exec(answer)?.[1] ?? '0';
}

function isAtLeast(version: string, needed: string): boolean {
  return version.localeCompare(needed, 'en', { numeric: true }) >= 0;
}

/** Says from time to time how far the build is, by what `go build -v` tells. */
function buildProgress(
  version: string,
  say: Say,
): { onErrorLine: (line: string) => void; stop: () => void } {
  const start = performance.now();
  let fetched = 0;
  let compiled = 0;
  const tell = (): void => {
    const seconds = Math.round((performance.now() - start) / 1000);
    say(`building LND ${version}: ${seconds} s, ${fetched} modules, ${compiled} packages`);
  };
  say(`building LND ${version} from source: some minutes, once`);
  const timer = setInterval(tell, LND_BUILD.progressMs);
  return {
    onErrorLine(line) {
      if (line.startsWith('go: downloading')) fetched += 1;
      else compiled += 1;
    },
    stop() {
      clearInterval(timer);
      tell();
    },
  };
}
