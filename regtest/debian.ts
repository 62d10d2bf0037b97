/**
 * A program from Debian's newest suite, unpacked into a folder of ours with all it needs. The archive's
 * signature is checked by apt, nothing of the system changes, and no root is needed.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from './command.ts';
import { whileHolding } from './fetch-lock.ts';

/** One .deb as it came, after apt compared it with the signed index. */
export interface FetchedPackage {
  name: string;
  version: string;
  sha256: string;
}

/** What is wanted, and how to speak of it. */
export interface DebianWish {
  package: string;
  /** Packages that must not come, as apt's resolver is told: `['systemd']`. */
  without?: readonly string[];
  /** What there is none of here: `bitcoind`. */
  what: string;
  /** The variable by which a person names one instead: `BITCOIND`. */
  variable: string;
}

/** A root folder with that package and all it depends on in it, as Debian lays them out. */
export interface DebianRoot {
  root: string;
  packages: readonly FetchedPackage[];
}

export type Say = (line: string) => void;

const SUITE = 'sid';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const MANIFEST = 'packages.json';
/** 16 to 44 MB of packages and 11 MB of index: minutes even on a slow line. */
const DOWNLOAD_TIMEOUT_MS = 300_000;
const LOCAL_TIMEOUT_MS = 60_000;
/** A draft this old belongs to a fetch that died. */
const DRAFT_AGE_MAX_MS = 2 * DOWNLOAD_TIMEOUT_MS;
/** Other vendors may look like Debian's archive; more tries than this only delay the answer. */
const MIRRORS_MAX = 4;

/** The one fetched before, else a fresh one. Rejects with the reason when Debian cannot give it. */
export async function debianRoot(
  cacheDir: string,
  wish: DebianWish,
  say: Say,
): Promise<DebianRoot> {
  const kept = await newestKept(cacheDir);
  if (kept !== null) return kept;
  await assertCanFetch(wish);
  await mkdir(cacheDir, { recursive: true });
  return whileHolding(path.join(cacheDir, 'lock'), async () => {
    // Somebody else may have fetched it while we waited for the lock.
    const theirs = await newestKept(cacheDir);
    return theirs ?? (await fetched(cacheDir, wish, say));
  });
}

async function assertCanFetch({ what, variable }: DebianWish): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `${what} is fetched for linux on amd64 only, this is ${process.platform} on ${process.arch}: ` +
        `install one and name it in ${variable}`,
    );
  }
  for (const tool of ['apt-get', 'dpkg-deb']) {
    await runCommand([tool, '--version'], { timeoutMs: LOCAL_TIMEOUT_MS }).catch((cause) => {
      throw new Error(
        `this machine has no ${tool} to fetch ${what} with: name one in ${variable}`,
        {
          cause,
        },
      );
    });
  }
  if (!existsSync(KEYRING)) {
    throw new Error(`${KEYRING} is not there (package debian-archive-keyring): nothing to trust`);
  }
}

/** Drafts become visible by one rename, so a folder with a manifest is whole. */
async function newestKept(cacheDir: string): Promise<DebianRoot | null> {
  const names = await readdir(cacheDir).catch(() => []);
  const kept = await Promise.all(
    names
      .map((name) => path.join(cacheDir, name))
      .filter((folder) => !isDraft(folder) && existsSync(path.join(folder, MANIFEST)))
      .map(async (folder) => ({ folder, at: (await stat(folder)).mtimeMs })),
  );
  const newest = kept.toSorted((a, b) => b.at - a.at)[0];
  return newest === undefined ? null : unpacked(newest.folder);
}

async function unpacked(folder: string): Promise<DebianRoot> {
  const text = await readFile(path.join(folder, MANIFEST), 'utf8');
  return { root: path.join(folder, 'root'), packages: JSON.parse(text) as FetchedPackage[] };
}

async function fetched(cacheDir: string, wish: DebianWish, say: Say): Promise<DebianRoot> {
  await removeDeadDrafts(cacheDir);
  const draft = await mkdtemp(path.join(cacheDir, 'draft-'));
  const whole = await mkdtemp(path.join(cacheDir, 'draft-'));
  try {
    const debs = path.join(draft, 'debs');
    await mkdir(debs);
    say(`no ${wish.what} here: asking Debian ${SUITE} for ${wish.package}`);
    const options = await indexedApt(draft, wish.what);
    const wanted = await closure(options, wish);
    say(`fetching ${wanted.length} packages`);
    await runCommand(['apt-get', ...options, '-qq', 'download', ...wanted], {
      cwd: debs,
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
    });
    const packages = await unpack(debs, whole);
    for (const each of packages) say(`sha256 ${each.sha256} ${each.name} ${each.version}`);
    await writeFile(path.join(whole, MANIFEST), JSON.stringify(packages, null, 2));
    const version = packages.find((each) => each.name === wish.package)?.version ?? 'unknown';
    const folder = path.join(cacheDir, version.replaceAll(/[^A-Za-z0-9.+~-]/g, '_'));
    await rm(folder, { recursive: true, force: true });
    await rename(whole, folder);
    return await unpacked(folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
    await rm(whole, { recursive: true, force: true });
  }
}

/** apt's options once the suite's index is there, from the first of the machine's mirrors that has it. */
async function indexedApt(draft: string, what: string): Promise<readonly string[]> {
  const options = await privateApt(draft);
  const mirrors = await debianMirrors();
  const complaints: string[] = [];
  for (const mirror of mirrors.slice(0, MIRRORS_MAX)) {
    const choices = `arch=amd64 targets=Packages lang=none signed-by=${KEYRING}`;
    await writeFile(sourcesList(draft), `deb [${choices}] ${mirror} ${SUITE} main\n`);
    try {
      const update = ['apt-get', ...options, '-qq', 'update'];
      await runCommand(update, { timeoutMs: DOWNLOAD_TIMEOUT_MS });
      return options;
    } catch (cause) {
      complaints.push(cause instanceof Error ? cause.message : String(cause));
    }
  }
  throw new Error(
    complaints.length === 0
      ? `the apt sources of this machine name no Debian mirror to fetch ${what} from`
      : `no mirror of this machine gave Debian ${SUITE}: ${complaints.join('; ')}`,
  );
}

/**
 * Options that give apt lists, a cache and a package state of its own. The machine's settings for reaching
 * its mirror (proxy, certificates) stay; hooks that other programs hang on apt do not run.
 */
async function privateApt(draft: string): Promise<string[]> {
  const place = (name: string): string => path.join(draft, name);
  await mkdir(place('lists/partial'), { recursive: true });
  await mkdir(place('cache/archives/partial'), { recursive: true });
  await writeFile(place('status'), '');
  const cleared = ['APT::Update', 'DPkg', 'APT::Default-Release'];
  await writeFile(place('apt.conf'), cleared.map((name) => `#clear ${name};\n`).join(''));
  const settings = [
    `Dir::Etc::sourcelist=${sourcesList(draft)}`,
    'Dir::Etc::sourceparts=/dev/null',
    'Dir::Etc::preferences=/dev/null',
    'Dir::Etc::preferencesparts=/dev/null',
    `Dir::State=${draft}`,
    `Dir::State::lists=${place('lists')}`,
    `Dir::State::status=${place('status')}`,
    `Dir::Cache=${place('cache')}`,
    'APT::Get::AllowUnauthenticated=false',
    'Acquire::AllowInsecureRepositories=false',
    // Without it a mirror that is not reached is only a warning.
    'APT::Update::Error-Mode=any',
    'Acquire::Retries=3',
    'Acquire::http::Timeout=30',
    'Acquire::https::Timeout=30',
  ];
  return ['-c', place('apt.conf'), ...settings.flatMap((setting) => ['-o', setting])];
}

function sourcesList(draft: string): string {
  return path.join(draft, 'sources.list');
}

/** Archives in the machine's own apt sources, of either format, the likeliest to be Debian's first. */
async function debianMirrors(): Promise<string[]> {
  const answer = await runCommand(['apt-get', 'update', '--print-uris'], {
    timeoutMs: LOCAL_TIMEOUT_MS,
  });
  // Debian's suites are one word; `…-security` and `…-updates` are other archives or say nothing new.
  const found = [...answer.matchAll(/^'(\S+)\/dists\/[a-z]+\/(?:InRelease|Release)'/gm)];
  const bases = [...new Set(found.map(([, base = '']) => base))];
  return bases.toSorted((a, b) => likelihood(b) - likelihood(a));
}

function likelihood(base: string): number {
  return Number(/\/debian\/?$/.test(base)) + Number(base.includes('debian.'));
}

/** `name=version` of all that must be unpacked, as apt itself resolves it on a machine that has nothing. */
async function closure(options: readonly string[], wish: DebianWish): Promise<string[]> {
  const wishes = [wish.package, ...(wish.without ?? []).map((name) => `${name}-`)];
  const plan = await runCommand(
    ['apt-get', ...options, '-s', '--no-install-recommends', 'install', ...wishes],
    { timeoutMs: LOCAL_TIMEOUT_MS },
  );
  return [...plan.matchAll(/^Inst (\S+) \((\S+) /gm)].map(
    ([, name = '', version = '']) => `${name}=${version}`,
  );
}

async function unpack(debs: string, folder: string): Promise<FetchedPackage[]> {
  const root = path.join(folder, 'root');
  await mkdir(root);
  const packages: FetchedPackage[] = [];
  for (const file of (await readdir(debs)).toSorted()) {
    const deb = path.join(debs, file);
    const shown = ['dpkg-deb', '--show', '--showformat=${Package} ${Version}', deb];
    const about = await runCommand(shown, { timeoutMs: LOCAL_TIMEOUT_MS });
    const [name = '', version = ''] = about.split(' ');
    await runCommand(['dpkg-deb', '--extract', deb, root], { timeoutMs: LOCAL_TIMEOUT_MS });
    const sha256 = createHash('sha256')
      .update(await readFile(deb))
      .digest('hex');
    packages.push({ name, version, sha256 });
  }
  return packages;
}

async function removeDeadDrafts(cacheDir: string): Promise<void> {
  for (const name of (await readdir(cacheDir)).filter(isDraft)) {
    const folder = path.join(cacheDir, name);
    const age = Date.now() - (await stat(folder)).mtimeMs;
    if (age > DRAFT_AGE_MAX_MS) await rm(folder, { recursive: true, force: true });
  }
}

function isDraft(folder: string): boolean {
  return path.basename(folder).startsWith('draft-');
}
