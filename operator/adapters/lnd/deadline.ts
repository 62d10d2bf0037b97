/** Bounds of waiting for the node. ln-service sets none, and some of its promises never settle. */
import { failureOf, PastDeadline } from './answers.ts';

/** An ordinary call. */
export const CALL_MS = 10_000;
/** A call that makes the node speak to a peer, or read much. */
export const LONG_CALL_MS = 30_000;
/** On top of gRPC's own deadlines, for what ln-service does between and after calls. */
const GRACE_MS = 2_000;

/** The answer, or PastDeadline. What the call does later is nobody's concern: it is handled, not reported. */
export async function within<T>(ms: number, call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new PastDeadline(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The answer of a call that changes no money. @throws Failure LND_UNREACHABLE, LND_REFUSED; BrokenInvariant */
export async function asked<T>(
  what: string,
  call: () => Promise<T>,
  ms: number = CALL_MS,
): Promise<T> {
  try {
    return await within(ms + GRACE_MS, call());
  } catch (cause) {
    throw failureOf(what, cause);
  }
}
