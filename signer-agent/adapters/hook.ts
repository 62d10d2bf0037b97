/** The guardian's own command that is told what happened: a shell line, a text on its standard input, a bound. */
import { spawn } from 'node:child_process';
import { Failure } from '../../policies/failure.ts';

/** A mail or a push message takes seconds. */
const HOOK_MS_MAX = 20_000;

/**
 * Runs the hook with the text on stdin and the kind in WEIR_NOTICE. Nothing of this process's environment
 * but PATH and HOME goes with it: a passphrase could be in there.
 *
 * @throws Failure NOT_READY when it does not end well in time.
 */
export function runHook(command: string, kind: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const { PATH, HOME } = process.env;
    const child = spawn('sh', ['-c', command], {
      env: { PATH, HOME, WEIR_NOTICE: kind },
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: HOOK_MS_MAX,
    });
    child.once('error', (cause) =>
      reject(new Failure('NOT_READY', 'the hook does not start', { cause })),
    );
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Failure('NOT_READY', `the hook ended with ${signal ?? code}`));
    });
    // A hook that reads nothing closes the pipe: that is its own affair.
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${text}\n`);
  });
}
