/** The commands' side of the operator's socket. */
import path from 'node:path';
import type { TRPCClient } from '@trpc/client';
import type { Command } from 'commander';
import { Failure } from '../policies/failure.ts';
import { askSocket } from '../transport/socket-ask.ts';
import type { AdminRouter } from './admin-protocol.ts';
import { FILES } from './config.ts';

export interface CommandOptions {
  dir?: string;
  json?: boolean;
}

export type AdminClient = TRPCClient<AdminRouter>;

/** The folder: `--dir`, else the environment. @throws Failure INPUT_INVALID */
export function folderOf({ dir }: CommandOptions): string {
  const found = dir ?? process.env['WEIR_OPERATOR_DIR'];
  if (found === undefined || found === '') {
    throw new Failure('INPUT_INVALID', 'give --dir, or set WEIR_OPERATOR_DIR');
  }
  return path.resolve(found);
}

/** The options of every command that speaks to a running operator: `CommandOptions`. */
export function withFolder(command: Command): Command {
  return command.option('--dir <folder>', 'folder of the operator').option('--json', 'print JSON');
}

/** Asks the running operator. @throws Failure OPERATOR_UNREACHABLE, or what it answered */
export function ask<T>(
  options: CommandOptions,
  question: (client: AdminClient) => Promise<T>,
): Promise<T> {
  const socket = path.join(folderOf(options), FILES.socket);
  const at = { socket, away: 'OPERATOR_UNREACHABLE', start: 'weir operator run' } as const;
  return askSocket<AdminRouter, T>(at, question);
}
