/** The operator's side of the socket. */
import path from 'node:path';
import type { TRPCClient } from '@trpc/client';
import { Failure } from '../policies/failure.ts';
import { askSocket } from '../transport/socket-ask.ts';
import { FILES } from './config.ts';
import type { OperatorRouter } from './operator-protocol.ts';

export interface CommandOptions {
  dir?: string;
  json?: boolean;
}

export type OperatorClient = TRPCClient<OperatorRouter>;

/** The folder: `--dir`, else the environment. @throws Failure INPUT_INVALID */
export function folderOf({ dir }: CommandOptions): string {
  const found = dir ?? process.env['WEIR_COORDINATOR_DIR'];
  if (found === undefined || found === '') {
    throw new Failure('INPUT_INVALID', 'give --dir, or set WEIR_COORDINATOR_DIR');
  }
  return path.resolve(found);
}

/** Asks the running coordinator. @throws Failure COORDINATOR_UNREACHABLE, or what it answered */
export function ask<T>(
  options: CommandOptions,
  question: (client: OperatorClient) => Promise<T>,
): Promise<T> {
  const socket = path.join(folderOf(options), FILES.socket);
  const at = { socket, away: 'COORDINATOR_UNREACHABLE', start: 'weir coordinator run' } as const;
  return askSocket<OperatorRouter, T>(at, question);
}
