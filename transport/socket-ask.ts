/** A command's question to the process that runs, over its Unix socket. */
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client';
import type { AnyTRPCRouter } from '@trpc/server';
import { Failure, type FailureCode } from '../policies/failure.ts';
import { failureOfCall } from './trpc-failure.ts';
import { SOCKET_URL, unixFetch } from './trpc-fetch.ts';

export interface SocketOf {
  socket: string;
  /** Code for a process that does not answer, and the command that starts it. */
  away: FailureCode;
  start: string;
}

/** Asks. @throws Failure `away`, or what it answered */
export async function askSocket<Router extends AnyTRPCRouter, T>(
  { socket, away, start }: SocketOf,
  question: (client: TRPCClient<Router>) => Promise<T>,
): Promise<T> {
  const options = { links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(socket) })] };
  const client = createTRPCClient<Router>(options);
  try {
    return await question(client);
  } catch (cause) {
    const failure = failureOfCall(cause, away);
    if (!(failure instanceof Failure) || failure.code !== away) throw failure;
    throw new Failure(away, `nothing answers at ${socket}: start ${start}`, { cause });
  }
}
