/** The moments between two effects of a journal, so that a test can stop it at each of them. */

/**
 * Creating passes the head file's two, then the database's two; adopting what the head file does not name, its two;
 * appending passes the batch's two, then `after-head`.
 */
export type JournalMoment =
  | 'before-batch'
  | 'after-batch'
  | 'after-head'
  | 'head-drafted'
  | 'head-renamed'
  | 'database-made'
  | 'database-named';

/** Called at each moment; a test throws in it or kills the process. */
export type CrashPoint = (moment: JournalMoment) => void | Promise<void>;

/** What a process that is not under test passes. */
export const NO_CRASH: CrashPoint = () => undefined;
