/** What went wrong in a tRPC call, as one of our failures: the other side's code, or that nobody answered. */
import { TRPCClientError } from '@trpc/client';
import { z } from 'zod';
import { FAILURES, Failure, type FailureCode } from '../policies/failure.ts';

/** Longest message taken from the other side: it is printed, and may be hostile. */
const MESSAGE_CHARS_MAX = 400;
const CODES = Object.keys(FAILURES) as [FailureCode, ...FailureCode[]];
/** What the routers' error formatters put into `data`. */
const coded = z.object({ failure: z.enum(CODES) });

/**
 * The failure behind a rejected call. `unreachable` is the caller's code for a connection refused, cut or
 * timed out; an answer without a code of ours is REQUEST_REFUSED. What is no tRPC error comes back as it is.
 */
export function failureOfCall(cause: unknown, unreachable: FailureCode): unknown {
  if (!(cause instanceof TRPCClientError)) return cause;
  if (cause.shape === undefined || cause.shape === null) {
    return new Failure(unreachable, 'nobody answered the call', { cause });
  }
  const data = coded.safeParse(cause.data);
  const code = data.success ? data.data.failure : 'REQUEST_REFUSED';
  return new Failure(code, printable(cause.message), { cause });
}

/** Control characters could rewrite what a terminal shows. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ').slice(0, MESSAGE_CHARS_MAX);
}
