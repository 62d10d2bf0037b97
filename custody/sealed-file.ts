/**
 * Secrets at rest: bytes sealed under a passphrase by scrypt (RFC 7914) and XChaCha20-Poly1305. The
 * header with the cost is authenticated as associated data, and bounded before any memory is asked for.
 *
 * Layout: magic 8, version 1, log2(N) 1, r 1, p 1, salt 16, nonce 24; then ciphertext with tag 16.
 */
import { randomBytes, scrypt } from 'node:crypto';
import { open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { Failure } from '../policies/failure.ts';

/** scrypt's work: N = 2^logN, r, p. Memory is 128·N·r bytes. */
export interface ScryptCost {
  logN: number;
  r: number;
  p: number;
}

/** 128 MiB and a few tenths of a second for each guess at a passphrase. */
export const SCRYPT_COST: ScryptCost = { logN: 17, r: 8, p: 1 };
/** A header cannot ask for more memory than this, nor for more than `P_MAX` times its work. */
const SCRYPT_MEMORY_BYTES_MAX = 1024 * 1024 * 1024;
const LOG_N_MAX = 20;
const R_MAX = 32;
const P_MAX = 4;

const MAGIC = new TextEncoder().encode('WEIRSEAL');
const VERSION = 1;
const COST_AT = MAGIC.length + 1;
const SALT_AT = COST_AT + 3;
const SALT_BYTES = 16;
const NONCE_AT = SALT_AT + SALT_BYTES;
const NONCE_BYTES = 24;
const HEADER_BYTES = NONCE_AT + NONCE_BYTES;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** Keys and a little JSON around them; anything larger is not ours. */
const SEALED_BYTES_MAX = 64 * 1024;

/** Seals bytes under a passphrase. Salt and nonce are fresh each time. */
export async function seal(
  plain: Uint8Array,
  passphrase: string,
  cost: ScryptCost = SCRYPT_COST,
): Promise<Uint8Array> {
  if (plain.length > SEALED_BYTES_MAX - HEADER_BYTES - TAG_BYTES) {
    throw new Failure('INPUT_TOO_LARGE', 'more than a sealed file holds');
  }
  requireCost(cost);
  const header = Buffer.concat([
    MAGIC,
    Buffer.of(VERSION, cost.logN, cost.r, cost.p),
    randomBytes(SALT_BYTES + NONCE_BYTES),
  ]);
  const key = await stretch(passphrase, header, cost);
  try {
    const nonce = header.subarray(NONCE_AT);
    return Buffer.concat([header, xchacha20poly1305(key, nonce, header).encrypt(plain)]);
  } finally {
    key.fill(0);
  }
}

/**
 * Opens sealed bytes. The caller clears what it gets when it is done with it.
 *
 * @throws Failure INPUT_INVALID for what is no sealed file; PASSPHRASE_WRONG when it does not open, which
 *   a changed byte and another passphrase do alike.
 */
export async function unseal(sealed: Uint8Array, passphrase: string): Promise<Uint8Array> {
  if (sealed.length > SEALED_BYTES_MAX) throw notSealed('it is too large');
  if (sealed.length < HEADER_BYTES + TAG_BYTES) throw notSealed('it is too short');
  if (!MAGIC.every((byte, at) => sealed[at] === byte)) throw notSealed('it has another beginning');
  if (sealed[MAGIC.length] !== VERSION) throw notSealed('its version is unknown');
  const header = sealed.subarray(0, HEADER_BYTES);
  const [logN = 0, r = 0, p = 0] = header.subarray(COST_AT, SALT_AT);
  requireCost({ logN, r, p });
  const key = await stretch(passphrase, header, { logN, r, p });
  try {
    const cipher = xchacha20poly1305(key, header.subarray(NONCE_AT), header);
    return cipher.decrypt(sealed.subarray(HEADER_BYTES));
  } catch {
    // The cipher's own error says no more than this, and is kept out of logs.
    throw new Failure(
      'PASSPHRASE_WRONG',
      'the file does not open: another passphrase, or it was changed',
    );
  } finally {
    key.fill(0);
  }
}

/**
 * Seals bytes into a file of mode 0600. After a crash either the old file is there or the new one, whole.
 *
 * @param file   Replaced where it exists.
 */
export async function sealFile(file: string, plain: Uint8Array, passphrase: string): Promise<void> {
  const sealed = await seal(plain, passphrase);
  const draft = `${file}.${randomBytes(8).toString('hex')}.new`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(sealed);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (cause) {
    // A half-written draft has no worth; where there is none, this has nothing to do.
    await unlink(draft).catch(() => undefined);
    throw new Failure('WRONG_STATE', `${path.basename(file)} cannot be written`, { cause });
  }
  await syncDirectory(path.dirname(file));
}

/**
 * Opens a sealed file.
 *
 * @throws Failure KEY_MISSING where there is no file, else as `unseal`.
 */
export async function openSealedFile(file: string, passphrase: string): Promise<Uint8Array> {
  return await unseal(await readSealedFile(file), passphrase);
}

/** The sealed bytes as they lie on disk, for a backup. @throws Failure KEY_MISSING, INPUT_INVALID */
export async function readSealedFile(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    if (isMissing(cause)) throw new Failure('KEY_MISSING', `there is no ${path.basename(file)}`);
    throw new Failure('WRONG_STATE', `${path.basename(file)} cannot be read`, { cause });
  });
  try {
    if (!(await handle.stat()).isFile()) throw notSealed('it is no file');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SEALED_BYTES_MAX + 1));
    if (bytesRead > SEALED_BYTES_MAX) throw notSealed('it is too large');
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function requireCost({ logN, r, p }: ScryptCost): void {
  const inRange = logN >= 1 && logN <= LOG_N_MAX && r >= 1 && r <= R_MAX && p >= 1 && p <= P_MAX;
  if (!inRange || 128 * 2 ** logN * r > SCRYPT_MEMORY_BYTES_MAX) {
    throw notSealed('its cost is out of range');
  }
}

/** The passphrase in NFKD, as BIP-39 has it: the same words typed on another machine are the same bytes. */
async function stretch(
  passphrase: string,
  header: Uint8Array,
  { logN, r, p }: ScryptCost,
): Promise<Uint8Array> {
  const secret = Buffer.from(passphrase.normalize('NFKD'), 'utf8');
  const salt = header.subarray(SALT_AT, NONCE_AT);
  // The library counts a little more than N·r blocks; its own bound would refuse the usual cost.
  const options = { N: 2 ** logN, r, p, maxmem: 2 * SCRYPT_MEMORY_BYTES_MAX };
  try {
    return await new Promise((resolve, reject) => {
      scrypt(secret, salt, KEY_BYTES, options, (cause, key) => {
        if (cause === null) resolve(key);
        else reject(new Failure('NOT_READY', 'no memory to open a sealed file', { cause }));
      });
    });
  } finally {
    secret.fill(0);
  }
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

function notSealed(why: string): Failure {
  return new Failure('INPUT_INVALID', `not a sealed file: ${why}`);
}
