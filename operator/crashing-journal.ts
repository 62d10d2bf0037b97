/** The journal with a test's knife at its edges: before and after each append. */
import type { Journal } from '../journal/journal.ts';
import { type CrashPoint, NO_CRASH } from './crash-at.ts';

export function crashingJournal(journal: Journal, crashPoint: CrashPoint): Journal {
  if (crashPoint === NO_CRASH) return journal;
  return {
    head: () => journal.head(),
    async append(bodies) {
      crashPoint('before-append');
      const entries = await journal.append(bodies);
      crashPoint('after-append');
      return entries;
    },
    read: (afterSeq, limit) => journal.read(afterSeq, limit),
    close: () => journal.close(),
  };
}
