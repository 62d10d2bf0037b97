/** Files that a policy command reads: bounded, text, and named in every error. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Failure } from '../policies/failure.ts';
import { type Policy, parsePolicy } from '../policies/policy.ts';

/** Bytes of a policy file: as many as a policy may have characters. */
export const POLICY_FILE_MAX = 200_000;

/**
 * A whole file as text, at most `max` bytes of UTF-8.
 *
 * @throws Failure NOT_FOUND, INPUT_TOO_LARGE, or INPUT_INVALID for what is no readable text file.
 */
export async function readText(file: string, max: number): Promise<string> {
  const handle = await opened(file);
  try {
    if (!(await handle.stat()).isFile()) throw new Failure('INPUT_INVALID', `${file}: not a file`);
    // One byte more than allowed: the size that stat tells may change until it is read.
    const buffer = Buffer.alloc(max + 1);
    let length = 0;
    while (length <= max) {
      const { bytesRead } = await handle.read(buffer, length, max + 1 - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > max) throw new Failure('INPUT_TOO_LARGE', `${file}: longer than ${max} bytes`);
    return decoded(file, buffer.subarray(0, length));
  } finally {
    await handle.close();
  }
}

/** @throws Failure as `readText`, and POLICY_INVALID naming the file, the path and the rule. */
export async function readPolicyFile(file: string): Promise<Policy> {
  const text = await readText(file, POLICY_FILE_MAX);
  try {
    return parsePolicy(text);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new Failure(cause.code, `${file}: ${cause.message}`, { cause });
  }
}

/** A pipe without a writer would block: it is opened without waiting, and then refused. */
async function opened(file: string): Promise<FileHandle> {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new Failure('NOT_FOUND', `${file}: no such file`, { cause });
    }
    throw new Failure('INPUT_INVALID', `${file}: cannot be read (${code ?? 'unknown'})`, { cause });
  }
}

function decoded(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Failure('INPUT_INVALID', `${file}: not UTF-8 text`, { cause });
  }
}
