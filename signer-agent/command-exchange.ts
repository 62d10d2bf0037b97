/** Commands that carry things in files: proposals out and signatures in, the wallet, backups, verify. */
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { ending, type OutputOptions } from '../console/command-end.ts';
import type { Exit } from '../console/exit-code.ts';
import { printJson, printLine } from '../console/print.ts';
import {
  decodePsbt,
  PREVIOUS_TXS_BYTES_MAX,
  PSBT_BYTES_MAX,
  psbtBytes,
} from '../descriptors/psbt.ts';
import { Failure } from '../policies/failure.ts';
import { hex32 } from '../policies/intent.ts';
import { askAgent } from './agent-client.ts';
import { readBounded, writeNew } from './command-files.ts';
import { ownPassphrase, ownPassphraseFile } from './command-setup.ts';
import { type AgentOptions, agentCommand, answered, type CommandTools } from './command-tools.ts';
import { type Answer, WALLET_FORMATS, type WalletFormat } from './local-protocol.ts';

/** A PSBT with its previous transactions embedded. */
const PSBT_FILE_BYTES_MAX = PSBT_BYTES_MAX + PREVIOUS_TXS_BYTES_MAX;
/** The same in base64, with line ends. */
const PSBT_TEXT_CHARS_MAX = Math.ceil((PSBT_FILE_BYTES_MAX * 7) / 5);
/** `psbt` and 0xff (BIP-174). */
const MAGIC = '70736274ff';

const exportedProposal = z.object({ psbt: z.string(), proposalFile: z.unknown().optional() });
const exportedBackup = z.object({ backup: z.base64() });

/** Registers `export`, `import`, `backup` and `verify`. */
export function exchangeCommands(parent: Command, tools: CommandTools): void {
  agentCommand(parent, 'export')
    .argument('<what>', 'the id of a proposal, or `wallet`')
    .argument('[file]', 'is made, never overwritten; the wallet is printed without one')
    .description('a proposal as a standard .psbt for a device, or the wallet for other software')
    .option('--proposal', 'the whole proposal file for `verify`, not the .psbt')
    .addOption(new Option('--format <name>', 'of the wallet').choices(WALLET_FORMATS))
    .action((what: string, file: string | undefined, options: ExportOptions) =>
      ending(options, () =>
        what === 'wallet' ? exportWallet(file, options) : exportProposal(what, file, options),
      ),
    );
  agentCommand(parent, 'import')
    .argument('<file>', 'a .psbt, binary or base64, with the signatures of this seat’s device')
    .description('take signatures made by the device of this seat')
    .action((file: string, options: AgentOptions) =>
      ending(options, async () => {
        const psbt = await psbtOf(file);
        return answered(
          options,
          await askAgent(options.dir, (agent) => agent.importPsbt.mutate({ psbt })),
        );
      }),
    );
  agentCommand(parent, 'backup')
    .argument('<file>', 'is made, never overwritten')
    .description('everything this seat cannot make again, its keys sealed; counters are not in it')
    .action((file: string, options: AgentOptions) =>
      ending(options, async () => {
        const answer = await askAgent(options.dir, (agent) => agent.backup.mutate());
        const { backup } = shaped(exportedBackup, answer.json);
        const bytes = Buffer.from(backup, 'base64');
        await writeNew(file, bytes);
        return wrote(options, { file, bytes: bytes.length }, answer);
      }),
    );
  agentCommand(parent, 'verify')
    .argument('<file>', 'a proposal file, made by `export ID FILE --proposal`')
    .description('judge a proposal without the process and without signing: 0 would sign, 3, 4')
    .addOption(ownPassphraseFile())
    .action((file: string, options: AgentOptions & { passphraseFile?: string }) =>
      ending(options, async () => {
        const passphrase = await ownPassphrase(options, tools, 'known');
        return answered(options, await tools.verify({ dir: options.dir, file, passphrase }));
      }),
    );
}

interface ExportOptions extends AgentOptions {
  proposal?: boolean;
  format?: WalletFormat;
}

async function exportWallet(file: string | undefined, options: ExportOptions): Promise<Exit> {
  const { format } = options;
  if (format === undefined) {
    throw new Failure('INPUT_INVALID', `export wallet needs --format ${WALLET_FORMATS.join(', ')}`);
  }
  const answer = await askAgent(options.dir, (agent) => agent.exportWallet.query({ format }));
  if (file === undefined) return answered(options, answer);
  const content = answer.text.endsWith('\n') ? answer.text : `${answer.text}\n`;
  await writeNew(file, content);
  return wrote(options, { file, format }, { text: `wrote ${file}`, exit: answer.exit });
}

async function exportProposal(
  what: string,
  file: string | undefined,
  options: ExportOptions,
): Promise<Exit> {
  const id = hex32.safeParse(what);
  if (!id.success) throw new Failure('INPUT_INVALID', `export takes an id or wallet, not ${what}`);
  if (file === undefined) throw new Failure('INPUT_INVALID', 'export ID FILE: which file?');
  const answer = await askAgent(options.dir, (agent) =>
    agent.exportProposal.query({ id: id.data }),
  );
  const { psbt, proposalFile } = shaped(exportedProposal, answer.json);
  if (options.proposal === true && proposalFile === undefined) {
    throw new Failure('NOT_FOUND', 'the agent has no proposal file for this id');
  }
  const content = options.proposal === true ? `${JSON.stringify(proposalFile)}\n` : psbtBytes(psbt);
  await writeNew(file, content);
  return wrote(options, { file, id: id.data }, { text: `wrote ${file}`, exit: answer.exit });
}

/** Base64 of a PSBT file, read far enough to know that it is one. */
async function psbtOf(file: string): Promise<string> {
  const content = Buffer.from(await readBounded(file, PSBT_TEXT_CHARS_MAX));
  const binary = content.subarray(0, 5).toString('hex') === MAGIC;
  const bytes = binary ? content : psbtBytes(content.toString('latin1').replaceAll(/\s/g, ''));
  decodePsbt(bytes, PSBT_FILE_BYTES_MAX);
  return Buffer.from(bytes).toString('base64');
}

function wrote(options: OutputOptions, json: object, answer: Pick<Answer, 'text' | 'exit'>): Exit {
  if (options.json === true) printJson(json);
  else printLine(answer.text);
  return answer.exit;
}

function shaped<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new Failure('INPUT_INVALID', 'the agent answers in another form: is it of this version?');
}
