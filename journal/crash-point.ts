/** The moments between two effects of a journal, so that a test can stop it at each of them. */

/**
 * In the order in which they come. Creating passes the head's two, then the database's two; appending
 * passes the batch's two, the head's two, then `after-head`.
 */
export type JournalMoment =
  | 'before-batch'
  | 'after-batch'
  | 'head-drafted'
  | 'head-renamed'
  | 'after-head'
  | 'database-made'
  | 'database-named';

/** Called at each moment; a test throws in it or kills the process. */
export type CrashPoint = (moment: JournalMoment) => void | Promise<void>;

/** What a process that is not under test passes. */
export const NO_CRASH: CrashPoint = () => undefined;
