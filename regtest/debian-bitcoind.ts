/** bitcoind from Debian's newest suite, run with that suite's own loader and libraries. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { DebianRoot, Say } from './debian.ts';
import { debianRoot } from './debian.ts';

export interface DebianBitcoind extends Pick<DebianRoot, 'packages'> {
  command: readonly string[];
  cli: readonly string[];
}

const WISH = {
  package: 'bitcoin-knots',
  // Installing would make a user through systemd; we only unpack, so its smaller stand-in will do.
  without: ['systemd'],
  what: 'bitcoind',
  variable: 'BITCOIND',
};
/** Where libc6 has put its loader, over the years. */
const LOADERS = ['lib64', 'usr/lib64', 'usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map(
  (folder) => `${folder}/ld-linux-x86-64.so.2`,
);
const LIBRARIES = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'];

/** The one fetched before, else a fresh one. Rejects with the reason when Debian cannot give it. */
export async function debianBitcoind(cacheDir: string, say: Say): Promise<DebianBitcoind> {
  const { root, packages } = await debianRoot(cacheDir, WISH, say);
  const loader = LOADERS.map((place) => path.join(root, place)).find(existsSync);
  if (loader === undefined) throw new Error(`${root} holds no dynamic loader: remove the folder`);
  const libraries = LIBRARIES.map((place) => path.join(root, place)).join(':');
  // The system's own loader, cache and libraries are older than this bitcoind: none of them is used.
  const start = [loader, '--inhibit-cache', '--library-path', libraries];
  return {
    command: [...start, path.join(root, 'usr/bin/bitcoind')],
    cli: [...start, path.join(root, 'usr/bin/bitcoin-cli')],
    packages,
  };
}
