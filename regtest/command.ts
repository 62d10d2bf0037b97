/** One command run to its end, with a bound on time and output. */
import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';

export interface CommandRun {
  cwd?: string;
  timeoutMs: number;
  env?: Readonly<Record<string, string>>;
  /** How much the machine's other work goes first: 0, the default, to 19. */
  niceness?: number;
  /** Told each line of stderr as it comes. */
  onErrorLine?: (line: string) => void;
}

/** More than any answer read here: apt's plan for one package is some kilobytes. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** Enough of the end of stderr to say what went wrong. */
const COMPLAINT_CHARS_MAX = 800;

/** stdout of the command. Rejects with the end of stderr when it fails, is missing or takes too long. */
export function runCommand(command: readonly string[], run: CommandRun): Promise<string> {
  const [file = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: run.timeoutMs,
      killSignal: 'SIGKILL',
      // Answers are parsed, so the words must not depend on the user's language.
      env: { ...process.env, LC_ALL: 'C', ...run.env },
      ...(run.cwd === undefined ? {} : { cwd: run.cwd }),
    });
    if (run.niceness !== undefined && child.pid !== undefined) {
      setPriority(child.pid, run.niceness);
    }
    let out = '';
    let complaint = '';
    const tell = lineTeller(run.onErrorLine);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (out.length > OUTPUT_BYTES_MAX) child.kill('SIGKILL');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-COMPLAINT_CHARS_MAX);
      tell(text);
    });
    child.on('error', (cause) => reject(new Error(`${file} does not start`, { cause })));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${file} ended with ${signal ?? code}: ${gist(complaint)}`));
    });
  });
}

/** Whole lines out of pieces; what never ends in a newline is not told. */
function lineTeller(onLine: CommandRun['onErrorLine'] = () => {}): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
}

/** Without apt's warnings and notes, on one line. */
function gist(complaint: string): string {
  const lines = complaint.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !/^[WN]: /.test(line)).join(' ');
}
