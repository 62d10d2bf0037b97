/** What the agent's commands need beside the agent: a person, this seat's approval key, the process. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';
import type { OutputOptions } from '../console/command-end.ts';
import type { Exit } from '../console/exit-code.ts';
import { printJson, printLine } from '../console/print.ts';
import type { AccountKey } from '../descriptors/descriptor.ts';
import { childIndex, hex32, type NetworkName } from '../policies/intent.ts';
import type { Approval, approvalBody } from '../policies/proposal.ts';
import type { DeviceLimits } from '../policies/wallet-record.ts';
import type { Answer } from './local-protocol.ts';

export interface PassphraseRequest {
  file?: string;
  prompt: string;
  entry: 'new' | 'known';
  /** The option that takes the file, for the message where there is no terminal. */
  flag: string;
}

/** Where the own node listens and how it is told who asks. */
export interface BitcoindOptions {
  url: string;
  user?: string;
  passwordFile?: string;
  cookieFile?: string;
}

/** Where the pool's Lightning node listens, and the files that let this agent look. */
export interface LndOptions {
  socket: string;
  certFile: string;
  macaroonFile: string;
}

export interface InitRequest {
  dir: string;
  network: NetworkName;
  passphrase: string;
  device: { account: AccountKey; limits: DeviceLimits } | null;
  bitcoind: BitcoindOptions | null;
  lnd: LndOptions | null;
  hook: string | null;
}

export interface RestoreRequest {
  dir: string;
  backup: Uint8Array;
  passphrase: string;
  bitcoind: BitcoindOptions | null;
  lnd: LndOptions | null;
  hook: string | null;
}

/** Real in `commands.ts`; a test brings its own. */
export interface CommandTools {
  passphrase(request: PassphraseRequest): Promise<string>;
  /** Whether the person at the keyboard says yes; null where nobody is there to ask. */
  agrees(question: string): Promise<boolean | null>;
  /** Public approval key of this seat, made where there is none yet. */
  approvalKey(dir: string, passphrase: string): Promise<string>;
  signApproval(
    dir: string,
    passphrase: string,
    body: z.infer<typeof approvalBody>,
  ): Promise<Approval>;
  init(request: InitRequest): Promise<Answer>;
  restore(request: RestoreRequest): Promise<Answer>;
  /** Gives an agent that exists its look at a Lightning node, or takes it away. */
  useLnd(request: { dir: string; lnd: LndOptions | null }): Promise<Answer>;
  run(request: { dir: string; passphraseFile?: string; output: 'text' | 'json' }): Promise<void>;
  /** Judges a proposal file with what lies in the folder, without the process. */
  verify(request: { dir: string; file: string; passphrase: string }): Promise<Answer>;
  /** Between two looks at something that takes its time. */
  pause(milliseconds: number): Promise<void>;
}

export interface AgentOptions extends OutputOptions {
  dir: string;
}

/** Where the agent lives, and how to print: options of every command. */
export function agentCommand(parent: Command, nameAndArguments: string): Command {
  return parent
    .command(nameAndArguments)
    .addOption(
      new Option('--dir <folder>', "the agent's data folder")
        .env('WEIR_AGENT_DIR')
        .makeOptionMandatory(),
    )
    .option('--json', 'print one JSON value');
}

/** Prints what the agent answered. */
export function answered(options: OutputOptions, { json, text, exit }: Answer): Exit {
  if (options.json === true) printJson(json);
  else printLine(text);
  return exit;
}

/** A proposal's or an authorization's id as an argument. */
export function idArgument(text: string): string {
  return fitting(hex32.safeParse(text), 'an id is 64 characters, 0-9 and a-f');
}

/** An index of an address as an option. */
export function indexOption(text: string): number {
  const digits = /^(0|[1-9][0-9]{0,9})$/.test(text) ? Number.parseInt(text, 10) : -1;
  return fitting(childIndex.safeParse(digits), 'an index is a whole number from 0');
}

/** The value of an argument, or a usage error. */
export function fitting<T>(read: { success: true; data: T } | { success: false }, rule: string): T {
  if (read.success) return read.data;
  throw new InvalidArgumentError(rule);
}
