/**
 * Stands between ln-service and the wire. Each message is checked as it goes out, whoever composed it, and each call
 * that ends in one answer has gRPC's own deadline, so that one that hangs is ended and leaves nothing behind.
 */
import { EventEmitter } from 'node:events';
import type { AuthenticatedLnd } from 'ln-service';
import { BrokenInvariant } from '../../../policies/failure.ts';
import { CALL_MS, LONG_CALL_MS } from './deadline.ts';
import { lintAccept, lintRequest, type Message } from './request-lint.ts';

/** Calls that make the node speak to a peer, or read much. */
const LONG: ReadonlySet<string> = new Set([
  '/lnrpc.Lightning/ConnectPeer',
  '/lnrpc.Lightning/ListPayments',
  '/lnrpc.Lightning/ForwardingHistory',
  '/lnrpc.Lightning/FundingStateStep',
  '/lnrpc.Lightning/VerifyChanBackup',
]);
/** Streams of which only the first word is wanted. */
const BRIEF: ReadonlySet<string> = new Set(['/chainrpc.ChainNotifier/RegisterBlockEpochNtfn']);

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** What gRPC hangs on each method of a client. */
interface Described {
  path: string;
  requestStream: boolean;
  responseStream: boolean;
}

/** Streams that are open: gRPC keeps a process alive for them, whatever became of their client. */
export interface OpenStreams {
  /** Ends them all. */
  cancel(): void;
  opened<S extends EventEmitter>(stream: S): S;
}

export function openStreams(): OpenStreams {
  const open = new Set<EventEmitter & { cancel?: () => void }>();
  return {
    cancel() {
      for (const stream of open) stream.cancel?.();
      open.clear();
    },
    opened(stream) {
      open.add(stream);
      for (const end of ['end', 'error', 'status']) stream.once(end, () => open.delete(stream));
      return stream;
    },
  };
}

/** The same handle, with every method of every service guarded. */
export function guarded(lnd: AuthenticatedLnd, streams: OpenStreams): AuthenticatedLnd {
  const services = Object.entries(lnd).map(([name, client]) => [
    name,
    guardedClient(client, streams),
  ]);
  return Object.fromEntries(services) as AuthenticatedLnd;
}

function guardedClient(client: object, streams: OpenStreams): object {
  return new Proxy(client, {
    get(target, name): unknown {
      const member: unknown = Reflect.get(target, name);
      if (!isMethod(member)) return typeof member === 'function' ? member.bind(target) : member;
      if (member.requestStream) return guardedDialogue(target, member, streams);
      return member.responseStream
        ? guardedStream(target, member, streams)
        : guardedCall(target, member);
    },
  });
}

function isMethod(member: unknown): member is Method & Described {
  return typeof member === 'function' && 'path' in member && typeof member.path === 'string';
}

function deadlineOf(path: string): { deadline: number } {
  return { deadline: Date.now() + (LONG.has(path) ? LONG_CALL_MS : CALL_MS) };
}

/** Calls back with the broken invariant: thrown here it would end in the middle of ln-service. */
function guardedCall(client: object, method: Method & Described): Method {
  return (request, done) => {
    const fail = (cause: unknown): void => {
      queueMicrotask(() => (done as (cause: unknown) => void)(cause));
    };
    const problem = problemOf(method.path, lintRequest(method.path, request as Message));
    if (problem !== null) return fail(problem);
    try {
      return method.call(client, request, deadlineOf(method.path), done);
    } catch (cause) {
      // A client that was closed throws; ln-service calls it once more after some errors.
      return fail(cause);
    }
  };
}

function guardedStream(client: object, method: Method & Described, streams: OpenStreams): Method {
  return (request) => {
    const problem = problemOf(method.path, lintRequest(method.path, request as Message));
    if (problem !== null) return failing(problem);
    try {
      const stream = BRIEF.has(method.path)
        ? method.call(client, request, deadlineOf(method.path))
        : method.call(client, request);
      return streams.opened(stream as EventEmitter);
    } catch (cause) {
      return failing(cause);
    }
  };
}

/** Both sides speak for as long as they like; what we say is checked word by word. */
function guardedDialogue(client: object, method: Method & Described, streams: OpenStreams): Method {
  return () => {
    const problem = problemOf(method.path, lintRequest(method.path, {}));
    if (problem !== null) return failing(problem);
    const stream = streams.opened(
      method.call(client) as EventEmitter & { write(message: Message): boolean },
    );
    const write = stream.write.bind(stream);
    stream.write = (message) => {
      const wrong = problemOf(method.path, lintAccept(message));
      if (wrong === null) return write(message);
      queueMicrotask(() => stream.emit('error', wrong));
      return false;
    };
    return stream;
  };
}

function problemOf(path: string, problems: readonly string[]): BrokenInvariant | null {
  return problems.length === 0 ? null : new BrokenInvariant(`${path} ${problems.join(', ')}`);
}

/** A stream that was never sent. */
export function failing(cause: unknown): EventEmitter {
  const stream = Object.assign(new EventEmitter(), { cancel: () => undefined });
  setImmediate(() => {
    if (stream.listenerCount('error') > 0) stream.emit('error', cause);
  });
  return stream;
}

/** What is done with the next stream of a method. */
export interface Tap {
  /** Sees the message first; what it answers is sent to nobody and ends the stream instead. */
  before(message: Message): unknown;
  /** Hears the stream before ln-service does. */
  opened(stream: EventEmitter): void;
}

/** The same handle for one call, listened to at the wire: ln-service does not pass on all that LND says. */
export function tapped(
  lnd: AuthenticatedLnd,
  place: { service: keyof AuthenticatedLnd; method: string },
  tap: Tap,
): AuthenticatedLnd {
  const client = lnd[place.service] as object;
  const listening = new Proxy(client, {
    get(target, name): unknown {
      const member: unknown = Reflect.get(target, name);
      if (name !== place.method || typeof member !== 'function') return member;
      return (message: Message) => {
        const refused = tap.before(message);
        const stream =
          refused === null ? (member as (m: Message) => EventEmitter)(message) : failing(refused);
        tap.opened(stream);
        return stream;
      };
    },
  });
  return { ...lnd, [place.service]: listening };
}
