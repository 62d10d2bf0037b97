/** The commands' side of the operator's socket. */
import path from 'node:path';
import { createTRPCClient, httpLink } from '@trpc/client';
import type { Exit } from '../console/exit-code.ts';
import { printJson, printLine } from '../console/print.ts';
import { Failure } from '../policies/failure.ts';
import { failureOfCall } from '../transport/trpc-failure.ts';
import { SOCKET_URL, unixFetch } from '../transport/trpc-fetch.ts';
import type { AdminRouter, Answer } from './admin-protocol.ts';
import { FILES } from './config.ts';

export interface CommandOptions {
  dir?: string;
  json?: boolean;
}

export type AdminClient = ReturnType<typeof createTRPCClient<AdminRouter>>;

/** The folder: `--dir`, else the environment. @throws Failure INPUT_INVALID */
export function folderOf({ dir }: CommandOptions): string {
  const found = dir ?? process.env['WEIR_OPERATOR_DIR'];
  if (found === undefined || found === '') {
    throw new Failure('INPUT_INVALID', 'give --dir, or set WEIR_OPERATOR_DIR');
  }
  return path.resolve(found);
}

/** Asks the running operator. @throws Failure OPERATOR_UNREACHABLE, or what it answered */
export async function ask<T>(
  options: CommandOptions,
  question: (client: AdminClient) => Promise<T>,
): Promise<T> {
  const socket = path.join(folderOf(options), FILES.socket);
  const client = createTRPCClient<AdminRouter>({
    links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(socket) })],
  });
  try {
    return await question(client);
  } catch (cause) {
    const failure = failureOfCall(cause, 'OPERATOR_UNREACHABLE');
    if (!(failure instanceof Failure) || failure.code !== 'OPERATOR_UNREACHABLE') throw failure;
    throw new Failure(failure.code, `nothing answers at ${socket}: start weir operator run`, {
      cause,
    });
  }
}

/** An answer as it comes: what JSON leaves out may be missing. */
export type Answered = Omit<Answer, 'json'> & { json?: unknown };

/** Prints an answer and gives its exit code. */
export function printAnswer({ json }: CommandOptions, answer: Answered): Exit {
  if (json === true) printJson(answer.json);
  else printLine(answer.text);
  return answer.exit;
}
