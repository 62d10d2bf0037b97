/** When an agent's loops run and rest: woken by news, bounded by a pause, ended once. */

export interface Turns {
  state(): 'running' | 'stopped';
  /** Ends the rest of whoever idles. */
  wake(): void;
  stop(): void;
  /** Rests until woken or stopped, at most so long. */
  idle(msMax: number): Promise<void>;
  /** Rests so long, or until stopped. */
  pause(ms: number): Promise<void>;
  /** What a call gives, or `instead` when everything stops before. */
  cut<T>(call: Promise<T>, instead: T): Promise<T>;
}

export function makeTurns(): Turns {
  const stopping = new AbortController();
  let woken = withResolvers();
  const stopped = new Promise<void>((resolve) =>
    stopping.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  const rest = async (ms: number, until: readonly Promise<void>[]): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    const timed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([timed, stopped, ...until]);
    clearTimeout(timer);
  };
  return {
    state: () => (stopping.signal.aborted ? 'stopped' : 'running'),
    wake() {
      const before = woken;
      woken = withResolvers();
      before.resolve();
    },
    stop: () => stopping.abort(),
    idle: (msMax) => rest(msMax, [woken.promise]),
    pause: (ms) => rest(ms, []),
    cut: (call, instead) => {
      // A call that is cut may still fail later: nobody is there to hear it.
      call.catch(() => undefined);
      return Promise.race([call, stopped.then(() => instead)]);
    },
  };
}

/** Whether a thing is due again: its `state` changed, or `msMax` went by since it was due last. */
export type Pace = (name: string, state: string, msMax: number) => boolean;

export function makePace(): Pace {
  const done = new Map<string, { state: string; atMs: number }>();
  return (name, state, msMax) => {
    const before = done.get(name);
    const atMs = performance.now();
    if (before?.state === state && atMs - before.atMs < msMax) return false;
    done.set(name, { state, atMs });
    return true;
  };
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  const waiting: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => waiting.push(resolve));
  return { promise, resolve: () => waiting.forEach((resolve) => resolve()) };
}
