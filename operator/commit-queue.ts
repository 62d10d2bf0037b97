/** Whole decisions to the disk in batches, one batch at a time: what is decided while one is written waits for the next. */
import { Failure } from '../policies/failure.ts';
import type { News } from './decision.ts';

/** Events in one commit batch: beyond some hundreds the disk gains nothing and everybody waits. */
export const BATCH_EVENTS_MAX = 256;
/** Decisions that wait for the disk: more means that it does not keep up, and callers are told so. */
export const WAITING_MAX = 4_096;

export interface Dated {
  news: News;
  atMs: number;
}

interface Waiting {
  dated: readonly Dated[];
  done: () => void;
  failed: (cause: unknown) => void;
}

export interface CommitQueue {
  /** Resolves when these, and everything before, are durable. */
  add(dated: readonly Dated[]): Promise<void>;
  /** Resolves when everything added so far is durable. @throws what the disk refused it with */
  settled(): Promise<void>;
  busy(): boolean;
  /** @throws Failure NOT_READY when too many wait, JOURNAL_LOCKED after the disk refused */
  requireRoom(): void;
  /** Nothing is written any more. */
  stop(cause: unknown): void;
}

export function commitQueue(of: {
  write: (dated: readonly Dated[]) => Promise<void>;
  written: (news: readonly News[]) => void;
  onFatal: (cause: unknown) => void;
}): CommitQueue {
  let queue: Waiting[] = [];
  let state: 'idle' | 'busy' = 'idle';
  let fatal: unknown = null;

  async function writeAll(): Promise<void> {
    // What is decided in the same turn of the loop goes to the disk together.
    await Promise.resolve();
    while (queue.length > 0) {
      const taken = takeBatch();
      const dated = taken.flatMap((each) => each.dated);
      try {
        if (dated.length > 0) await of.write(dated);
      } catch (cause) {
        stop(cause, taken);
        return;
      }
      for (const each of taken) each.done();
      if (dated.length > 0) of.written(dated.map(({ news }) => news));
    }
    state = 'idle';
  }

  /** Whole decisions, so that what belongs together is in one batch. */
  function takeBatch(): Waiting[] {
    let events = 0;
    let count = 0;
    for (const each of queue) {
      if (count > 0 && events + each.dated.length > BATCH_EVENTS_MAX) break;
      events += each.dated.length;
      count += 1;
    }
    const taken = queue.slice(0, count);
    queue = queue.slice(count);
    return taken;
  }

  function stop(cause: unknown, taken: readonly Waiting[]): void {
    fatal = cause;
    state = 'idle';
    const waiting = [...taken, ...queue];
    queue = [];
    for (const each of waiting) each.failed(cause);
    of.onFatal(cause);
  }

  function add(dated: readonly Dated[]): Promise<void> {
    return new Promise((resolve, reject) => {
      queue.push({ dated, done: resolve, failed: reject });
      if (state === 'busy') return;
      state = 'busy';
      void writeAll();
    });
  }

  /** The state is ahead of the disk for good: what it says may never have happened. */
  function standsStill(): Failure {
    return new Failure('JOURNAL_LOCKED', 'the books stand still', { cause: fatal });
  }

  return {
    add,
    async settled() {
      if (fatal !== null) throw standsStill();
      if (state === 'busy') await add([]);
    },
    busy: () => state === 'busy',
    requireRoom() {
      if (fatal !== null) throw standsStill();
      if (queue.length < WAITING_MAX) return;
      throw new Failure('NOT_READY', `${queue.length} decisions wait for the disk`);
    },
    stop: (cause) => stop(cause, []),
  };
}
