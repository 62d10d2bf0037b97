/** Passphrases: from a file that is not for everybody, or from a person, never anything weaker. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readPassphrase } from '../custody/passphrase.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'weir-passphrase-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

function fileOf(text: string, mode = 0o600): string {
  const file = path.join(dir, 'passphrase');
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

describe('a passphrase file', () => {
  test.each([
    ['one line', 'correct horse\n', 'correct horse'],
    ['a line without end', 'correct horse', 'correct horse'],
    ['a line end of Windows', 'correct horse\r\n', 'correct horse'],
    ['more lines', 'correct horse\nbattery staple\n', 'correct horse'],
    ['spaces, which count', '  correct horse \n', '  correct horse '],
  ])('with %s gives its first line', async (_what, text, wanted) => {
    const file = fileOf(text);
    expect(await readPassphrase({ file, prompt: '', entry: 'known' })).toBe(wanted);
  });

  test.each([0o604, 0o644, 0o602, 0o666])(
    'of mode %o is refused, since everybody may use it',
    async (mode) => {
      const file = fileOf('correct horse\n', mode);
      await expect(readPassphrase({ file, prompt: '', entry: 'known' })).rejects.toMatchObject({
        code: 'WRONG_STATE',
      });
    },
  );

  test.each([0o400, 0o600, 0o640])('of mode %o is read', async (mode) => {
    const file = fileOf('correct horse\n', mode);
    expect(await readPassphrase({ file, prompt: '', entry: 'known' })).toBe('correct horse');
  });

  test.each([
    ['an empty file', '', 'known', 'INPUT_INVALID'],
    ['an empty first line', '\ncorrect horse\n', 'known', 'INPUT_INVALID'],
    ['a line without bound', 'a'.repeat(5_000), 'known', 'INPUT_INVALID'],
    ['a new one of seven characters', 'seven77\n', 'new', 'INPUT_INVALID'],
    ['a new one of seven characters of four bytes', '𝒂𝒃𝒄𝒅𝒆𝒇𝒈\n', 'new', 'INPUT_INVALID'],
  ] as const)('refuses %s', async (_what, text, entry, code) => {
    const file = fileOf(text);
    await expect(readPassphrase({ file, prompt: '', entry })).rejects.toMatchObject({ code });
  });

  test('that is missing is not found', async () => {
    const file = path.join(dir, 'none');
    await expect(readPassphrase({ file, prompt: '', entry: 'known' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('may be a pipe that gives its line in parts', async () => {
    const pipe = path.join(dir, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const writer = spawn('sh', ['-c', '(printf "correct "; printf "horse\\n") > "$0"', pipe]);
    expect(await readPassphrase({ file: pipe, prompt: '', entry: 'known' })).toBe('correct horse');
    if (writer.exitCode === null) await once(writer, 'exit');
  });
});

describe('a person', () => {
  test('is asked twice for a new passphrase, and the answers must be the same', async () => {
    const prompts: string[] = [];
    const answers = ['correct horse', 'correct hoarse'];
    const asked = readPassphrase({ prompt: 'passphrase', entry: 'new' }, async (prompt) => {
      prompts.push(prompt);
      return answers.shift() ?? '';
    });
    await expect(asked).rejects.toMatchObject({ code: 'INPUT_INVALID' });
    expect(prompts).toEqual(['passphrase', 'passphrase, once more']);
  });

  test('is asked once for a known one', async () => {
    const answers = ['short', 'never asked'];
    const ask = async () => answers.shift() ?? '';
    expect(await readPassphrase({ prompt: 'passphrase', entry: 'known' }, ask)).toBe('short');
    expect(answers).toEqual(['never asked']);
  });

  test('without a terminal is told which flag to give', async () => {
    const terminal = Object.getOwnPropertyDescriptor(process.stdin, 'isTTY');
    Object.defineProperty(process.stdin, 'isTTY', { value: false, configurable: true });
    const flag = '--approval-passphrase-file';
    await expect(readPassphrase({ prompt: '', entry: 'known', flag })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('--approval-passphrase-file FILE'),
    });
    if (terminal === undefined) Reflect.deleteProperty(process.stdin, 'isTTY');
    else Object.defineProperty(process.stdin, 'isTTY', terminal);
  });
});
