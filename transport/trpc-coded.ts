/** How every router of ours answers a Failure: with its code, and nothing of a stack. */

import type { TRPCDefaultErrorShape } from '@trpc/server';
import { TRPCError } from '@trpc/server';
import { Failure } from '../policies/failure.ts';

/** For `errorFormatter`: the failure's code beside what tRPC says; `trpc-failure.ts` reads it. */
export function codedShape({ shape, error }: { shape: TRPCDefaultErrorShape; error: TRPCError }) {
  const { code, httpStatus } = shape.data;
  const failure = error.cause instanceof Failure ? error.cause.code : null;
  return { ...shape, data: { code, httpStatus, failure } };
}

/** For a middleware: a Failure is the caller's to hear of, anything else passes as it is. */
export function throwCoded({ cause }: TRPCError): void {
  if (cause instanceof Failure) {
    throw new TRPCError({ code: 'BAD_REQUEST', message: cause.message, cause });
  }
}
