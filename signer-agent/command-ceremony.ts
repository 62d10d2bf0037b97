/** Commands by which a seat comes to be: its folder, joining, comparing with the others, running. */
import { type Command, Option } from 'commander';
import { ending } from '../console/command-end.ts';
import { EXIT, type Exit } from '../console/exit-code.ts';
import { printJson, printLine, printNote } from '../console/print.ts';
import { type Invite, invite } from '../coordinator/protocol.ts';
import { Failure } from '../policies/failure.ts';
import { askAgent, askCeremony } from './agent-client.ts';
import { passphraseFile } from './command-decide.ts';
import { readJson } from './command-files.ts';
import {
  type AgentOptions,
  agentCommand,
  answered,
  type CommandTools,
  fitting,
} from './command-tools.ts';
import type { Answer } from './local-protocol.ts';

/** An invite has a few hundred bytes. */
const INVITE_BYTES_MAX = 16 * 1024;
/** Longest that `join` stays for the other seats; called again it goes on. */
const JOIN_SECONDS_DEFAULT = 600;
const JOIN_SECONDS_MAX = 86_400;
const JOIN_PAUSE_MS = 1_000;

/** Registers `join` and `accept`. */
export function ceremonyCommands(parent: Command, tools: CommandTools): void {
  agentCommand(parent, 'join')
    .argument('<invite>', 'the file the coordinator made for this seat')
    .description('take the seat, make its keys, and wait for the other seats')
    .addOption(passphraseFile())
    .addOption(
      new Option('--wait <seconds>', 'how long to stay for the other seats; 0 looks once')
        .default(JOIN_SECONDS_DEFAULT)
        .argParser(secondsOption),
    )
    .action((file: string, options: JoinOptions) =>
      ending(options, () => join(file, options, tools)),
    );
  agentCommand(parent, 'accept')
    .description('compare the wallet with the other guardians, and confirm it')
    .option('--yes', 'do not ask: for scripts that compared by other means')
    .option('--expect-address <address>', 'refuse any other first address')
    .action((options: AcceptOptions) => ending(options, () => accept(options, tools)));
}

interface JoinOptions extends AgentOptions {
  approvalPassphraseFile?: string;
  wait: number;
}

async function join(file: string, options: JoinOptions, tools: CommandTools): Promise<Exit> {
  const value = await readInvite(file);
  const passphrase = await tools.passphrase({
    ...(options.approvalPassphraseFile !== undefined && { file: options.approvalPassphraseFile }),
    prompt: 'A passphrase of its own for the approval key',
    entry: 'new',
    flag: '--approval-passphrase-file',
  });
  const approvalKey = await tools.approvalKey(options.dir, passphrase);
  const looks = Math.ceil((options.wait * 1_000) / JOIN_PAUSE_MS);
  let shown = '';
  for (let look = 0; ; look += 1) {
    const answer = await askAgent(options.dir, (agent) =>
      agent.join.mutate({ invite: value, approvalKey }),
    );
    if (answer.exit !== EXIT.notReady || look >= looks) return answered(options, answer);
    // What is new is shown at once: the words of a new key come in one answer and in no other.
    if (answer.text !== shown) printNote(answer.text);
    shown = answer.text;
    await tools.pause(JOIN_PAUSE_MS);
  }
}

/** @throws Failure NOT_FOUND, INPUT_TOO_LARGE, INPUT_INVALID naming the field. */
async function readInvite(file: string): Promise<Invite> {
  const read = invite.safeParse(await readJson(file, INVITE_BYTES_MAX));
  if (read.success) return read.data;
  const [problem] = read.error.issues;
  const where = problem?.path.join('.') ?? '';
  throw new Failure('INPUT_INVALID', `${file}: ${where || 'the invite'}: ${problem?.message}`);
}

interface AcceptOptions extends AgentOptions {
  yes?: boolean;
  expectAddress?: string;
}

async function accept(options: AcceptOptions, tools: CommandTools): Promise<Exit> {
  const ceremony = await askCeremony(options.dir);
  const { recordHash } = ceremony;
  if (options.expectAddress !== undefined) {
    const found = firstAddressOf(ceremony);
    if (found !== options.expectAddress) {
      printNote(ceremony.text);
      throw new Failure(
        'REQUEST_REFUSED',
        `the first address is ${found ?? 'not known yet'}, not ${options.expectAddress}`,
      );
    }
  }
  if (recordHash === null || ceremony.state !== 'to-confirm') return answered(options, ceremony);
  if (options.json === true) printNote(ceremony.text);
  else printLine(ceremony.text);
  if (options.yes !== true) {
    const agreed = await tools.agrees('Do all guardians read this very address and these words?');
    if (agreed !== true) return notConfirmed(options, ceremony, agreed);
  }
  return answered(
    options,
    await askAgent(options.dir, (agent) => agent.accept.mutate({ recordHash })),
  );
}

function notConfirmed(options: AgentOptions, ceremony: Answer, agreed: false | null): Exit {
  printNote(
    agreed === null
      ? 'nobody is here to ask: compare with the others, then say --yes'
      : 'nothing was confirmed: tell the other guardians before anybody funds this treasury',
  );
  if (options.json === true) printJson(ceremony.json);
  return EXIT.needsPerson;
}

function firstAddressOf({ json }: Answer): string | null {
  const has = typeof json === 'object' && json !== null && 'firstAddress' in json;
  return has && typeof json.firstAddress === 'string' ? json.firstAddress : null;
}

function secondsOption(text: string): number {
  const seconds = /^[0-9]{1,5}$/.test(text) ? Number.parseInt(text, 10) : -1;
  const fits = seconds >= 0 && seconds <= JOIN_SECONDS_MAX;
  const read = fits ? ({ success: true, data: seconds } as const) : ({ success: false } as const);
  return fitting(read, `0 to ${JOIN_SECONDS_MAX} seconds`);
}
