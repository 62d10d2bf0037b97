/** Where a passphrase comes from: the first line of a file that is not for everybody, or a person. */
import { open } from 'node:fs/promises';
import path from 'node:path';
import askPassword from '@inquirer/password';
import { Failure } from '../policies/failure.ts';

export interface PassphraseRequest {
  /** Path of a file, or of a pipe such as `/dev/stdin`. Absent: a person is asked on the terminal. */
  file?: string | undefined;
  /** What a person is asked. */
  prompt: string;
  /** `new` is asked twice and must be long enough. */
  entry: 'new' | 'known';
  /** The flag that takes a file, for the message where there is no terminal. */
  flag?: string;
}

/** Asks a person, showing nothing of what is typed. */
export type AskPassphrase = (prompt: string) => Promise<string>;

/** Shorter ones are guessed in hours, whatever the cost of a guess. */
export const PASSPHRASE_CHARS_MIN = 8;
const PASSPHRASE_BYTES_MAX = 1_024;
/** The last three bits of a mode: what everybody may do. */
const FOR_EVERYBODY = 0o007;

/**
 * Gets a passphrase.
 *
 * @throws Failure WRONG_STATE for a file that everybody may read or write; INPUT_INVALID for an empty or too
 *   short one, for two that differ, and where there is neither file nor terminal; NOT_FOUND without the file.
 */
export async function readPassphrase(
  request: PassphraseRequest,
  ask: AskPassphrase = askOnTerminal(request),
): Promise<string> {
  const passphrase =
    request.file === undefined ? await asked(request, ask) : await firstLine(request.file);
  if (passphrase === '') throw new Failure('INPUT_INVALID', 'the passphrase is empty');
  if (Buffer.byteLength(passphrase) > PASSPHRASE_BYTES_MAX) {
    throw new Failure(
      'INPUT_INVALID',
      `the passphrase has more than ${PASSPHRASE_BYTES_MAX} bytes`,
    );
  }
  if (request.entry === 'new' && Array.from(passphrase).length < PASSPHRASE_CHARS_MIN) {
    throw new Failure(
      'INPUT_INVALID',
      `a new passphrase has at least ${PASSPHRASE_CHARS_MIN} characters`,
    );
  }
  return passphrase;
}

async function asked({ prompt, entry }: PassphraseRequest, ask: AskPassphrase): Promise<string> {
  const first = await ask(prompt);
  if (entry === 'new' && (await ask(`${prompt}, once more`)) !== first) {
    throw new Failure('INPUT_INVALID', 'the two passphrases differ');
  }
  return first;
}

function askOnTerminal({ flag }: PassphraseRequest): AskPassphrase {
  return async (message) => {
    if (!process.stdin.isTTY) {
      const wanted = flag ?? '--passphrase-file';
      throw new Failure(
        'INPUT_INVALID',
        `there is no terminal to ask for the passphrase on: give ${wanted} FILE`,
      );
    }
    try {
      // stdout belongs to what the command answers.
      return await askPassword({ message, mask: '*' }, { output: process.stderr });
    } catch (cause) {
      throw new Failure('INPUT_INVALID', 'no passphrase was given', { cause });
    }
  };
}

async function firstLine(file: string): Promise<string> {
  const name = path.basename(file);
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw new Failure('NOT_FOUND', `the passphrase file ${name} cannot be read`, { cause });
  });
  const bytes = Buffer.alloc(PASSPHRASE_BYTES_MAX + 2);
  try {
    const stat = await handle.stat();
    if (stat.isFile() && (stat.mode & FOR_EVERYBODY) !== 0) {
      throw new Failure(
        'WRONG_STATE',
        `everybody on this machine may use the passphrase file ${name}: chmod 600 it`,
      );
    }
    let length = 0;
    // A pipe gives what it has; the line may come in parts. The buffer bounds the loop.
    while (length < bytes.length && !bytes.subarray(0, length).includes(0x0a)) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    const [line = ''] = bytes.toString('utf8', 0, length).split('\n');
    return line.replace(/\r$/, '');
  } finally {
    bytes.fill(0);
    await handle.close();
  }
}
