/** The loop: look at the chain, read off the state what is to be done, do it, wait for news. */
import { Failure } from '../policies/failure.ts';
import { ceremonyDone } from '../policies/treasury.ts';
import { pendingEffects } from './effects.ts';
import { openPerformer, type Performer } from './perform.ts';
import type { Workplace } from './workplace.ts';

export interface Loop {
  /** One round. @throws what is no Failure: a bug, the process has to end. */
  round(): Promise<void>;
  /** Rounds until `stop`. */
  run(): Promise<void>;
  /** Resolves when the round that runs is over. */
  stop(): Promise<void>;
  held: Performer['held'];
  /** What went wrong in the last round, or null: bitcoind away is the ordinary case. */
  trouble(): string | null;
}

export function openLoop(work: Workplace, pollMs: number): Loop {
  const { log } = work;
  const performer = openPerformer(work);
  let trouble: string | null = null;
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();

  async function round(): Promise<void> {
    const troubles: string[] = [];
    /** A failure of one effect holds up no other. */
    const attempt = async (effort: () => Promise<unknown>): Promise<boolean> => {
      try {
        await effort();
        return true;
      } catch (cause) {
        if (!(cause instanceof Failure) || cause.code === 'JOURNAL_LOCKED') throw cause;
        troubles.push(`${cause.code}: ${cause.message}`);
        return false;
      }
    };
    const looked = ceremonyDone(log.treasury()) && (await attempt(() => work.look()));
    for (const effect of pendingEffects(log.treasury(), looked ? work.view() : null)) {
      await attempt(() => performer.perform(effect));
    }
    trouble = troubles[0] ?? null;
  }

  return {
    round,
    held: () => performer.held(),
    trouble: () => trouble,
    run() {
      running = (async () => {
        while (!stopping.signal.aborted) {
          await round();
          await log.newer(log.treasury().seq, pollMs);
        }
      })();
      return running;
    },
    async stop() {
      stopping.abort();
      await running.catch(() => undefined);
    },
  };
}
