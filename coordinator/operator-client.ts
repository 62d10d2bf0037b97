/** The operator's side of the socket. */
import path from 'node:path';
import { createTRPCClient, httpLink } from '@trpc/client';
import type { Exit } from '../console/exit-code.ts';
import { printJson, printLine } from '../console/print.ts';
import { Failure } from '../policies/failure.ts';
import { failureOfCall } from '../transport/trpc-failure.ts';
import { SOCKET_URL, unixFetch } from '../transport/trpc-fetch.ts';
import { FILES } from './config.ts';
import type { Answer, OperatorRouter } from './operator-protocol.ts';

export interface CommandOptions {
  dir?: string;
  json?: boolean;
}

export type OperatorClient = ReturnType<typeof createTRPCClient<OperatorRouter>>;

/** The folder: `--dir`, else the environment. @throws Failure INPUT_INVALID */
export function folderOf({ dir }: CommandOptions): string {
  const found = dir ?? process.env['WEIR_COORDINATOR_DIR'];
  if (found === undefined || found === '') {
    throw new Failure('INPUT_INVALID', 'give --dir, or set WEIR_COORDINATOR_DIR');
  }
  return path.resolve(found);
}

/** Asks the running coordinator. @throws Failure COORDINATOR_UNREACHABLE, or what it answered */
export async function ask<T>(
  options: CommandOptions,
  question: (client: OperatorClient) => Promise<T>,
): Promise<T> {
  const socket = path.join(folderOf(options), FILES.socket);
  const client = createTRPCClient<OperatorRouter>({
    links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(socket) })],
  });
  try {
    return await question(client);
  } catch (cause) {
    const failure = failureOfCall(cause, 'COORDINATOR_UNREACHABLE');
    if (!(failure instanceof Failure) || failure.code !== 'COORDINATOR_UNREACHABLE') throw failure;
    throw new Failure(failure.code, `nothing answers at ${socket}: start weir coordinator run`, {
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
