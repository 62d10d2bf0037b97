/** House rules no linter knows. Each failure names the file and says what to do instead. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { expect, test } from 'vitest';
import { FAILURES } from '../policies/failure.ts';
import { REASONS } from '../policies/reason.ts';

const LINES_MAX = 400;
const BUILTIN = new Set(builtinModules);

/** Who may import whom, as ARCHITECTURE.md says. A process is importable only through protocol.ts. */
const ROOMS: Record<string, { ours: readonly string[]; packages: RegExp | null }> = {
  policies: { ours: [], packages: /^(zod|yaml|canonicalize|@noble\/)/ },
  descriptors: {
    ours: ['policies'],
    packages: /^(zod|@scure\/|@noble\/|@bitcoinerlab\/|tiny-secp256k1)/,
  },
  journal: { ours: ['policies'], packages: /^(level|zod)/ },
  custody: { ours: ['policies'], packages: /^(@noble\/|@scure\/base|zod|@inquirer\/)/ },
  console: { ours: ['policies'], packages: /^(commander|cli-table3)/ },
  transport: { ours: ['policies'], packages: /^(undici|@trpc\/|zod|lossless-json)/ },
  'signer-agent': {
    ours: [
      'policies',
      'descriptors',
      'journal',
      'custody',
      'console',
      'transport',
      'coordinator/protocol.ts',
    ],
    packages: null,
  },
  coordinator: {
    ours: ['policies', 'descriptors', 'journal', 'custody', 'console', 'transport'],
    packages: null,
  },
  operator: {
    ours: [
      'policies',
      'journal',
      'custody',
      'console',
      'transport',
      'descriptors/derive.ts',
      'descriptors/descriptor.ts',
      'descriptors/network.ts',
      'coordinator/protocol.ts',
      'coordinator/pool-protocol.ts',
    ],
    packages: null,
  },
  regtest: { ours: [], packages: null },
  lp: { ours: ['policies', 'descriptors', 'custody', 'console'], packages: null },
  cli: {
    ours: [
      'policies',
      'console',
      'coordinator/commands.ts',
      'signer-agent/commands.ts',
      'lp/commands.ts',
      'operator/commands.ts',
      'operator/receipts-command.ts',
    ],
    packages: null,
  },
};
const PURE = ['policies', 'descriptors'];
const IMPURE =
  /\b(Date\.now|new Date\(|Math\.random|process\.[a-z]|fetch\(|setTimeout|randomBytes\()/;
const MONEY_ROOMS = [
  'policies',
  'descriptors',
  'journal',
  'signer-agent',
  'coordinator',
  'lp',
  'operator',
];
/** Shells: the only files that may hold adapters in their hands. */
const ADAPTER_HOLDERS = /(^|\/)(main|run|init|commands|open|bake)\.ts$/;

const sources = [...Object.keys(ROOMS), 'test', 'demo', 'bench']
  .filter((folder) => existsSync(folder))
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
      .map((name) => ({ folder, file: path.join(folder, name) })),
  );

function inOrder(codes: readonly string[]): string[] {
  return codes.toSorted((a, b) => a.localeCompare(b));
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:^|[\s}])(?:from|import)\s*\(?'([^'\s,;]+)'/gm)].map(
    (match) => match[1] ?? '',
  );
}

function importProblems(folder: string, file: string, specifier: string): string[] {
  const room = ROOMS[folder];
  if (room === undefined) return [];
  if (!specifier.startsWith('.')) {
    const builtin = specifier.startsWith('node:') || BUILTIN.has(specifier);
    if (builtin) return PURE.includes(folder) ? [`imports ${specifier}: ${folder} is pure`] : [];
    return room.packages !== null && !room.packages.test(specifier)
      ? [`imports ${specifier}, which is not a library of ${folder}`]
      : [];
  }
  const target = path.join(path.dirname(file), specifier);
  const allowed = [folder, ...room.ours];
  const problems: string[] = [];
  if (!allowed.some((entry) => target === entry || target.startsWith(`${entry}/`))) {
    problems.push(`imports ${target}: ${folder} may import only ${allowed.join(', ')}`);
  }
  const inAdapters = file.includes('/adapters/');
  if (target.includes('/adapters/') && !inAdapters && !ADAPTER_HOLDERS.test(file)) {
    problems.push(`imports ${target}: adapters are held by main.ts and run.ts only`);
  }
  return problems;
}

test.each(sources)('$file keeps the house rules', ({ folder, file }) => {
  const text = readFileSync(file, 'utf8');
  const problems = importsOf(text).flatMap((specifier) => importProblems(folder, file, specifier));
  const lines = text.split('\n').length - 1;
  if (lines > LINES_MAX) problems.push(`${lines} lines: split it by noun, limit ${LINES_MAX}`);
  if (!text.startsWith('/**') && !text.startsWith('#!')) {
    problems.push('opens without a sentence that says what is inside');
  }
  if (PURE.includes(folder) && IMPURE.test(text)) {
    problems.push(
      `does I/O or reads a clock: ${IMPURE.exec(text)?.[0]}; pass the value in instead`,
    );
  }
  if (MONEY_ROOMS.includes(folder) && /\b(parseFloat|Number)\(/.test(text)) {
    problems.push('turns text into a float: amounts are bigint, other integers go through zod');
  }
  if (/\b(FIXME|XXX|TODO)\b/.test(text) && !file.endsWith('tidy.test.ts')) {
    problems.push('leftover mark: finish it');
  }
  if (/^(utils|helpers|common|misc|index)\.ts$/.test(path.basename(file))) {
    problems.push('named for nothing: name the noun inside');
  }
  expect(problems).toEqual([]);
});

test('every failure code is explained in the README, and every explained code exists', () => {
  const readme = readFileSync('README.md', 'utf8');
  const explained = [...readme.matchAll(/^\| `([A-Z][A-Z_]+)` \|/gm)].map(
    (match) => match[1] ?? '',
  );
  expect(inOrder(explained)).toEqual(inOrder(Object.keys(FAILURES)));
});

test('every refusal code is explained in docs/checklist.md, and every explained code exists', () => {
  const page = readFileSync('docs/checklist.md', 'utf8');
  const explained = [...page.matchAll(/`(W-[A-Z]+(?:-[A-Z0-9]+)+)`/g)].map(
    (match) => match[1] ?? '',
  );
  expect(inOrder([...new Set(explained)])).toEqual(inOrder(Object.keys(REASONS)));
});

test('every dependency has an exact version', () => {
  const pkg: unknown = JSON.parse(readFileSync('package.json', 'utf8'));
  const { dependencies, devDependencies } = pkg as Record<string, Record<string, string>>;
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
  }
});
