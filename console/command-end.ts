/** The end of every command: an exit code, and what went wrong in words, or as JSON where a script reads. */
import { FAILURES, Failure } from '../policies/failure.ts';
import { EXIT, type Exit, exitOf } from './exit-code.ts';
import { printJson, printNote } from './print.ts';

/** What a command needs to know of how it was called. */
export interface OutputOptions {
  json?: boolean;
}

/**
 * Runs a command's work. A Failure ends with its exit code: one readable line on stderr, and with `--json`
 * an object `{"error":{"code","message","retry"}}` on stdout. Anything else is a bug and is thrown on.
 */
export async function ending(
  options: OutputOptions,
  work: () => Promise<Exit | undefined>,
): Promise<void> {
  try {
    process.exitCode = (await work()) ?? EXIT.done;
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    const { code, message } = cause;
    const { retry } = FAILURES[code];
    printNote(`error ${code}: ${message}`);
    if (options.json === true) printJson({ error: { code, message, retry } });
    process.exitCode = exitOf(code);
  }
}
