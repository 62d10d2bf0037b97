/**
 * The moments at the edges of every effect, so that a test can stop the process at each of them. A hook
 * for tests: `WEIR_CRASH_AT=<moment>:<count>` makes `weir coordinator run` kill itself (SIGKILL) when it
 * comes to that moment for that time. Unset, nothing of this runs.
 */
import { Failure } from '../policies/failure.ts';

/**
 * `before-append <kind of the first event>`, `after-append <kind>`, `before-broadcast`, `after-broadcast`.
 */
export type CrashMoment =
  | `before-append ${string}`
  | `after-append ${string}`
  | 'before-broadcast'
  | 'after-broadcast';

/** Called at each moment; a test throws in it or kills the process. */
export type CrashPoint = (moment: CrashMoment) => void;

/** What a process that is not under test passes. */
export const NO_CRASH: CrashPoint = () => undefined;

/**
 * The hook that the variable asks for; blanks in a moment are written as dashes.
 *
 * @throws Failure INPUT_INVALID for a text of another form.
 */
export function crashPointOf(text: string | undefined, crash: () => void): CrashPoint {
  if (text === undefined || text === '') return NO_CRASH;
  const [wanted = '', count = '1', ...rest] = text.split(':');
  if (rest.length > 0 || !/^[1-9][0-9]{0,5}$/.test(count)) {
    throw new Failure('INPUT_INVALID', 'WEIR_CRASH_AT must be moment:count');
  }
  let left = Number.parseInt(count, 10);
  return (moment) => {
    if (moment.replace(' ', '-') !== wanted) return;
    left -= 1;
    if (left === 0) crash();
  };
}
