/** Where fetched and built programs are kept: a folder of the package that git ignores. */
import { existsSync } from 'node:fs';
import path from 'node:path';

export function cacheFolder(name: string): string {
  return path.join(packageRoot(), '.cache', name);
}

/** The folder of package.json: one up from the sources, two up from what is compiled. */
export function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(path.join(folder, 'package.json')) && path.dirname(folder) !== folder) {
    folder = path.dirname(folder);
  }
  return folder;
}
