/** Runs `weir policy …` in this process and keeps what it prints and how it ends. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, expect, vi } from 'vitest';
import { policyCommands } from '../cli/policy-commands.ts';

/** For files of this test; gone after it. */
export const folder = mkdtempSync(path.join(tmpdir(), 'weir-policy-'));
let written = 0;

afterAll(() => {
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

export function fileOf(text: string | Uint8Array): string {
  written += 1;
  const file = path.join(folder, `file-${written}`);
  writeFileSync(file, text);
  return file;
}

export interface End {
  exit: number | string | undefined;
  out: string;
  errors: string;
}

export async function run(...args: string[]): Promise<End> {
  let [out, errors] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += String(text);
    return true;
  });
  process.exitCode = undefined;
  await policyCommands().parseAsync(args, { from: 'user' });
  const exit = process.exitCode;
  vi.restoreAllMocks();
  return { exit, out, errors };
}

/** The same with --json: one value on stdout, and nothing beside it. */
export async function runJson(...args: string[]): Promise<{ exit: End['exit']; value: unknown }> {
  const { exit, out } = await run(...args, '--json');
  expect(out.trimEnd()).not.toContain('\n');
  return { exit, value: JSON.parse(out) as unknown };
}
