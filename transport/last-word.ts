/** What ends a process that serves: a broken invariant in any call, or a disk that takes nothing more. */
import { BrokenInvariant } from '../policies/failure.ts';

/** The first thing that ends the process, as a promise that only ever rejects. */
export function lastWord(): { fatal: (cause: unknown) => void; failed: Promise<never> } {
  const ends = new AbortController();
  const failed = new Promise<never>((_, reject) => {
    ends.signal.addEventListener('abort', () => reject(ends.signal.reason as Error));
  });
  // Nobody may be waiting yet.
  failed.catch(() => undefined);
  return { fatal: (cause) => ends.abort(cause), failed };
}

/** The same service; a broken invariant in a call ends the process, not only the call. */
export function watched<S extends object>(service: S, fatal: (cause: unknown) => void): S {
  return new Proxy(service, {
    get(target, name, receiver): unknown {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]): Promise<unknown> => {
        try {
          return (await Reflect.apply(member, target, args)) as unknown;
        } catch (cause) {
          if (cause instanceof BrokenInvariant) fatal(cause);
          throw cause;
        }
      };
    },
  });
}
