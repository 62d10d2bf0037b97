/** docs/hazards.md is true: what it calls tested has a test of that number in the file it names. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const HAZARDS = 30;
/** Each must have a test that fails without its defence. */
const MUST_BE_TESTED = [1, 2, 3, 4, 5, 6, 9, 10, 11, 13, 14, 16, 17, 20, 21, 28, 29];

interface Row {
  hazard: number;
  state: string;
}

const rows: Row[] = [
  ...readFileSync('docs/hazards.md', 'utf8').matchAll(
    /^\| LN-(\d+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$/gm,
  ),
].map(([, hazard = '', state = '']) => ({ hazard: Number.parseInt(hazard, 10), state }));

/** Files of tests whose titles, or first cells of a table of cases, start with the number. */
const titled = new Map<number, Set<string>>();
for (const name of readdirSync('test').filter((each) => each.endsWith('.ts'))) {
  const file = path.join('test', name);
  for (const [, lead = ''] of readFileSync(file, 'utf8').matchAll(/['"`]((?:LN-\d+ ?)+)/g)) {
    for (const [, number = ''] of lead.matchAll(/LN-(\d+)/g)) {
      const hazard = Number.parseInt(number, 10);
      titled.set(hazard, (titled.get(hazard) ?? new Set()).add(file));
    }
  }
}

function problemsOf({ hazard, state }: Row): string[] {
  const found = titled.get(hazard) ?? new Set<string>();
  const [, named, file] = /^tested: LN-(\d+) in (test\/\S+\.ts)$/.exec(state) ?? [];
  if (file !== undefined) {
    const isThere = named === hazard.toString() && found.has(file);
    return isThere ? [] : [`LN-${hazard} has no test in ${file}`];
  }
  if (state !== 'by design' && state !== 'next issue') return [`LN-${hazard} is "${state}"`];
  return found.size === 0 ? [] : [`LN-${hazard} is tested in ${[...found].join(', ')}: say so`];
}

test('every hazard stands in docs/hazards.md once, in order', () => {
  const all = Array.from({ length: HAZARDS }, (_, at) => at + 1);
  expect(rows.map(({ hazard }) => hazard)).toEqual(all);
});

test('what is called tested is tested, and what is tested is called so', () => {
  expect(rows.flatMap(problemsOf)).toEqual([]);
});

test('the hazards that lose money are tested', () => {
  const missing = MUST_BE_TESTED.filter((hazard) => (titled.get(hazard)?.size ?? 0) === 0);
  expect(missing.map((hazard) => `LN-${hazard}`)).toEqual([]);
  const claimed = rows.filter(({ state }) => state.startsWith('tested: '));
  const numbers = claimed.map(({ hazard }) => hazard);
  expect(MUST_BE_TESTED.filter((hazard) => !numbers.includes(hazard))).toEqual([]);
});
