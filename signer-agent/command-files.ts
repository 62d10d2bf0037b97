/** Files that commands read and write: bounded, never overwritten, and every way to fail has its code. */
import { open, readFile, stat } from 'node:fs/promises';
import { Failure } from '../policies/failure.ts';

/**
 * All bytes of a file.
 *
 * @throws Failure NOT_FOUND, INPUT_TOO_LARGE above `bytesMax`, INPUT_INVALID for what is no readable file.
 */
export async function readBounded(file: string, bytesMax: number): Promise<Uint8Array> {
  try {
    const about = await stat(file);
    if (!about.isFile()) throw new Failure('INPUT_INVALID', `${file} is not a file`);
    if (about.size > bytesMax) {
      throw new Failure(
        'INPUT_TOO_LARGE',
        `${file} has ${about.size} bytes of ${bytesMax} at most`,
      );
    }
    const bytes = await readFile(file);
    // It may have grown since it was measured.
    if (bytes.length > bytesMax) throw new Failure('INPUT_TOO_LARGE', `${file} grew while read`);
    return bytes;
  } catch (cause) {
    throw coded(cause, file);
  }
}

/** The same as text. @throws Failure INPUT_INVALID also for bytes that are not UTF-8. */
export async function readText(file: string, bytesMax: number): Promise<string> {
  const bytes = await readBounded(file, bytesMax);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Failure('INPUT_INVALID', `${file} is not UTF-8 text`, { cause });
  }
}

/** A JSON file. @throws Failure INPUT_INVALID for text that is none, cut short for example. */
export async function readJson(file: string, bytesMax: number): Promise<unknown> {
  const text = await readText(file, bytesMax);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new Failure('INPUT_INVALID', `${file} is not JSON, or not all of it`, { cause });
  }
}

/** Writes a file that is not there yet, mode 0600, onto the disk. @throws Failure WRONG_STATE where one is. */
export async function writeNew(file: string, content: Uint8Array | string): Promise<void> {
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw coded(cause, file);
  }
}

function coded(cause: unknown, file: string): unknown {
  if (cause instanceof Failure || !(cause instanceof Error) || !('code' in cause)) return cause;
  switch (cause.code) {
    case 'ENOENT':
      return new Failure('NOT_FOUND', `there is no ${file}`, { cause });
    case 'EEXIST':
      return new Failure('WRONG_STATE', `${file} is there already: nothing is overwritten`, {
        cause,
      });
    default:
      return new Failure('INPUT_INVALID', `${file} can not be used (${String(cause.code)})`, {
        cause,
      });
  }
}
