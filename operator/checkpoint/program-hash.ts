/**
 * The name of the code that runs: a hash over the files that decide what an entry means. A checkpoint of any other
 * code is not used, so nobody has to remember to raise a version when a field or a rule of the fold changes.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** Rooms beside each other, compiled or not, that the fold is made of. */
const ROOMS = ['operator', 'policies', 'journal'];
const CODE = /(?<!\.d)\.(js|ts)$/;

const OURS = path.join(import.meta.dirname, '..', '..');

export async function programHash(root = OURS): Promise<string> {
  const hash = createHash('sha256');
  for (const room of ROOMS) {
    const names = await readdir(path.join(root, room), { recursive: true });
    for (const name of names.filter((each) => CODE.test(each)).toSorted()) {
      const text = await readFile(path.join(root, room, name));
      hash.update(`${room}/${name} ${text.length}\n`).update(text);
    }
  }
  return hash.digest('hex');
}
