/** Go from Debian's newest suite: statically linked, so that it runs from any folder that GOROOT names. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { DebianRoot, Say } from './debian.ts';
import { debianRoot } from './debian.ts';

export interface DebianGo extends Pick<DebianRoot, 'packages'> {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
}

/** Depends on the newest `golang-1.N-go` and its sources, whichever number that is by now. */
const WISH = { package: 'golang-go', what: 'Go', variable: 'LND' };

/** The one fetched before, else a fresh one. Rejects with the reason when Debian cannot give it. */
export async function debianGo(cacheDir: string, say: Say): Promise<DebianGo> {
  const { root, packages } = await debianRoot(cacheDir, WISH, say);
  const lib = path.join(root, 'usr/lib');
  const home = (await readdir(lib)).find((name) => /^go-1\.[0-9]+$/.test(name));
  if (home === undefined) throw new Error(`${root} holds no Go: remove the folder`);
  const goroot = path.join(lib, home);
  return {
    command: [path.join(goroot, 'bin/go')],
    env: { GOROOT: goroot },
    packages,
  };
}
