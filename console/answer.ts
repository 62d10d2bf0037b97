/** What a process answers a command: text for a person, JSON for a script, and how the command ends. */
import type { Exit } from './exit-code.ts';
import { printJson, printLine } from './print.ts';

export interface Answered {
  /** What JSON leaves out may be missing. */
  json?: unknown;
  text: string;
  exit: Exit;
}

/** Prints an answer and gives its exit code. */
export function printAnswer({ json }: { json?: boolean }, answer: Answered): Exit {
  if (json === true) printJson(answer.json);
  else printLine(answer.text);
  return answer.exit;
}
