/**
 * The order of test files: those that need LND come last. Where it has to be built first, which takes minutes,
 * all others run meanwhile.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { TestSpecification } from 'vitest/node';
import { BaseSequencer } from 'vitest/node';

const NEEDS_LND = path.join(import.meta.dirname, 'lnd-available.ts');

export class LndLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // Vitest's own order, in which what failed comes first; this is no array's sort.
    // oxlint-disable-next-line unicorn/no-array-sort
    const sorted = await super.sort(files);
    const last = sorted.filter(({ moduleId }) => needsLnd(moduleId));
    return [...sorted.filter((file) => !last.includes(file)), ...last];
  }
}

/** By what it imports, itself or through files of this folder. */
export function needsLnd(file: string): boolean {
  return reaches(file, NEEDS_LND);
}

function reaches(file: string, wanted: string, seen = new Set<string>()): boolean {
  if (file === wanted) return true;
  if (seen.has(file) || path.dirname(file) !== import.meta.dirname || !existsSync(file)) {
    return false;
  }
  seen.add(file);
  const imported = readFileSync(file, 'utf8').matchAll(/from '(\.\/[^']+\.ts)'/g);
  return [...imported].some(([, name = '']) =>
    reaches(path.join(import.meta.dirname, name), wanted, seen),
  );
}
