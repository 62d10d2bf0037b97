/** Sealed files: they open with their passphrase, whole and unchanged, and in no other way. */
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSealedFile, SCRYPT_COST, seal, sealFile, unseal } from '../custody/sealed-file.ts';
import { Failure } from '../policies/failure.ts';

const PASSPHRASE = 'correct horse battery';
const PLAIN = new TextEncoder().encode('a secret that is long enough to have several blocks of it');
/** Cheap on purpose where a test opens a hundred files; the header says so and is believed. */
const CHEAP = { logN: 4, r: 1, p: 1 };
/** Where the header says log2(N), r and p. */
const LOG_N_AT = 9;
const R_AT = 10;
const P_AT = 11;

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'weir-custody-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'opened',
    (cause: unknown) => (cause instanceof Failure ? cause.code : `thrown ${String(cause)}`),
  );
}

describe('a sealed file', () => {
  test('opens with its passphrase, and is readable by its owner only', async () => {
    const file = path.join(dir, 'key.sealed');
    await sealFile(file, PLAIN, PASSPHRASE);
    expect(new Uint8Array(await openSealedFile(file, PASSPHRASE))).toEqual(PLAIN);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('refuses another passphrase', async () => {
    const file = path.join(dir, 'key.sealed');
    await sealFile(file, PLAIN, PASSPHRASE);
    expect(await codeOf(openSealedFile(file, `${PASSPHRASE} `))).toBe('PASSPHRASE_WRONG');
  });

  test('is replaced whole and leaves no draft beside it', async () => {
    const file = path.join(dir, 'key.sealed');
    await sealFile(file, PLAIN, PASSPHRASE);
    await sealFile(file, Uint8Array.of(7), 'another passphrase');
    expect([...(await openSealedFile(file, 'another passphrase'))]).toEqual([7]);
    expect(await readdir(dir)).toEqual(['key.sealed']);
  });

  test('costs each guess 128 MiB, and says so in its header', async () => {
    const sealed = await seal(PLAIN, PASSPHRASE);
    expect([...sealed.subarray(LOG_N_AT, P_AT + 1)]).toEqual([17, 8, 1]);
    expect(128 * 2 ** SCRYPT_COST.logN * SCRYPT_COST.r).toBe(128 * 1024 * 1024);
  });

  test('holds nothing of the plain bytes, and no two seals are alike', async () => {
    const [one, two] = await Promise.all([
      seal(PLAIN, PASSPHRASE, CHEAP),
      seal(PLAIN, PASSPHRASE, CHEAP),
    ]);
    expect(Buffer.from(one).includes(Buffer.from(PLAIN.subarray(0, 8)))).toBe(false);
    expect(one.subarray(12)).not.toEqual(two.subarray(12));
  });

  test('opens with the same words in another Unicode form', async () => {
    const sealed = await seal(PLAIN, 'caf\u00e9 passphrase', CHEAP);
    expect([...(await unseal(sealed, 'cafe\u0301 passphrase'))]).toEqual([...PLAIN]);
  });

  test('that is missing is a key that is missing', async () => {
    expect(await codeOf(openSealedFile(path.join(dir, 'none.sealed'), PASSPHRASE))).toBe(
      'KEY_MISSING',
    );
  });

  test('cut at any sixteenth byte refuses', async () => {
    const sealed = await seal(PLAIN, PASSPHRASE, CHEAP);
    const file = path.join(dir, 'key.sealed');
    const codes = new Set<string>();
    for (let length = 0; length < sealed.length; length += 16) {
      writeFileSync(file, sealed);
      truncateSync(file, length);
      codes.add(await codeOf(openSealedFile(file, PASSPHRASE)));
    }
    expect([...codes].toSorted()).toEqual(['INPUT_INVALID', 'PASSPHRASE_WRONG']);
  });

  test('with one byte flipped anywhere refuses', async () => {
    const sealed = await seal(PLAIN, PASSPHRASE, CHEAP);
    const opened: number[] = [];
    for (let at = 0; at < sealed.length; at += 1) {
      // Log2(N), r and p with their lowest bit flipped stay in range: the cipher has to notice.
      const changed = Uint8Array.from(sealed, (byte, place) => (place === at ? byte ^ 1 : byte));
      const code = await codeOf(unseal(changed, PASSPHRASE));
      if (code !== 'INPUT_INVALID' && code !== 'PASSPHRASE_WRONG') opened.push(at);
    }
    expect(opened).toEqual([]);
  });

  test.each<[string, Record<number, number>]>([
    ['a hundred gigabytes', { [LOG_N_AT]: 26, [R_AT]: 12 }],
    ['the largest N with the largest r', { [LOG_N_AT]: 20, [R_AT]: 32 }],
    ['N of 2^255', { [LOG_N_AT]: 255 }],
    ['an N of 1', { [LOG_N_AT]: 0 }],
    ['no block', { [R_AT]: 0 }],
    ['255 times the work', { [P_AT]: 255 }],
    ['no work', { [P_AT]: 0 }],
    ['another version', { 8: 2 }],
    ['another beginning', { 0: 0x77 }],
  ])('whose header asks for %s refuses before any work', async (_what, change) => {
    const sealed = await seal(PLAIN, PASSPHRASE, CHEAP);
    const changed = Uint8Array.from(sealed, (byte, at) => change[at] ?? byte);
    expect(await codeOf(unseal(changed, PASSPHRASE))).toBe('INPUT_INVALID');
  });

  test('refuses a folder, an empty file, a large file and text', async () => {
    const file = path.join(dir, 'other');
    expect(await codeOf(openSealedFile(dir, PASSPHRASE))).toBe('INPUT_INVALID');
    for (const content of ['', 'a'.repeat(70_000), readFileSync('package.json', 'utf8')]) {
      writeFileSync(file, content);
      expect(await codeOf(openSealedFile(file, PASSPHRASE))).toBe('INPUT_INVALID');
    }
  });

  test('is not made of more than it can hold', async () => {
    expect(await codeOf(seal(new Uint8Array(65_536), PASSPHRASE, CHEAP))).toBe('INPUT_TOO_LARGE');
  });

  test('that cannot be written leaves nothing behind', async () => {
    const file = path.join(dir, 'missing', 'key.sealed');
    expect(await codeOf(sealFile(file, PLAIN, PASSPHRASE))).toBe('WRONG_STATE');
    expect(await readdir(dir)).toEqual([]);
  });
});
