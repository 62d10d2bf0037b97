/** Commands by which a guardian looks and decides: what waits, what it does, and yes or no to it. */
import { type Command, Option } from 'commander';
import { ending } from '../console/command-end.ts';
import { EXIT, type Exit } from '../console/exit-code.ts';
import { printJson, printLine, printNote } from '../console/print.ts';
import { Failure } from '../policies/failure.ts';
import { outpoint } from '../policies/intent.ts';
import { askAgent, askReview } from './agent-client.ts';
import {
  type AgentOptions,
  agentCommand,
  answered,
  type CommandTools,
  fitting,
  idArgument,
  indexOption,
} from './command-tools.ts';

/** Longest note that travels with a refusal (`verdictBody`). */
const NOTE_CHARS_MAX = 280;

/** Registers what shows and what decides. */
export function decideCommands(parent: Command, tools: CommandTools): void {
  lookCommands(parent);
  agentCommand(parent, 'review')
    .argument('<id>', 'of a proposal or an authorization', idArgument)
    .description('show in plain words what a proposal does and what approving it will do')
    .action((id: string, options: AgentOptions) =>
      ending(options, async () => answered(options, await askReview(options.dir, id))),
    );
  agentCommand(parent, 'approve')
    .argument('<id>', 'of a proposal or an authorization', idArgument)
    .description('review, ask, and sign a yes with the approval key')
    .addOption(passphraseFile())
    .option('--yes', 'do not ask')
    .action((id: string, options: ApproveOptions) =>
      ending(options, () => approve(id, options, tools)),
    );
  agentCommand(parent, 'refuse')
    .argument('<id>', 'of a proposal or an authorization', idArgument)
    .description('say no, for good: this agent never signs that id')
    .option('--note <text>', 'what the other guardians are told', noteOption, '')
    .action((id: string, options: AgentOptions & { note: string }) =>
      ending(options, async () =>
        answered(
          options,
          await askAgent(options.dir, (agent) => agent.refuse.mutate({ id, note: options.note })),
        ),
      ),
    );
  holdCommands(parent);
}

function lookCommands(parent: Command): void {
  const looks = [
    ['status', 'where this agent stands, and what holds it back'],
    ['pending', 'what waits for this seat'],
    ['history', 'what this agent signed, refused and asked'],
    ['limits', 'what is left of every window of the policy'],
  ] as const;
  for (const [name, description] of looks) {
    agentCommand(parent, name)
      .description(description)
      .action((options: AgentOptions) =>
        ending(options, async () =>
          answered(options, await askAgent(options.dir, (agent) => agent[name].query())),
        ),
      );
  }
  agentCommand(parent, 'address')
    .description('an address of the treasury, derived here')
    .option('--index <n>', 'which one; the next unused one where left out', indexOption)
    .action((options: AgentOptions & { index?: number }) =>
      ending(options, async () => {
        const index = options.index ?? null;
        return answered(
          options,
          await askAgent(options.dir, (agent) => agent.address.query({ index })),
        );
      }),
    );
}

/** What holds the automatic hand back or lets it go on. */
function holdCommands(parent: Command): void {
  const holds = [
    ['unlock', 'let a locked or paused agent sign by itself again, at the guardian’s own risk'],
    ['trip', 'stop this agent from signing at once'],
  ] as const;
  for (const [name, description] of holds) {
    agentCommand(parent, name)
      .description(description)
      .action((options: AgentOptions) =>
        ending(options, async () =>
          answered(options, await askAgent(options.dir, (agent) => agent[name].mutate())),
        ),
      );
  }
  for (const change of ['freeze', 'thaw'] as const) {
    agentCommand(parent, change)
      .argument('<outpoint>', 'txid:vout', outpointArgument)
      .description(
        change === 'freeze' ? 'sign nothing that spends this coin' : 'let this coin be spent again',
      )
      .action((coin: string, options: AgentOptions) =>
        ending(options, async () =>
          answered(
            options,
            await askAgent(options.dir, (agent) => agent.freeze.mutate({ outpoint: coin, change })),
          ),
        ),
      );
  }
}

interface ApproveOptions extends AgentOptions {
  approvalPassphraseFile?: string;
  yes?: boolean;
}

/**
 * The approval key is opened in this very process, after the person saw the review, and signs the one
 * statement the review named: id, txid, policy and expiry (I1).
 */
async function approve(id: string, options: ApproveOptions, tools: CommandTools): Promise<Exit> {
  const review = await askReview(options.dir, id);
  const { approves } = review;
  if (approves === null) return answered(options, review);
  if (approves.subject !== id || approves.decision !== 'approve' || approves.role !== 'guardian') {
    throw new Failure(
      'INPUT_INVALID',
      'the agent asks to sign another statement than was asked for',
    );
  }
  if (options.json === true) printNote(review.text);
  else printLine(review.text);
  if (options.yes !== true) {
    const agreed = await tools.agrees('Approve this?');
    if (agreed !== true) return notApproved(options, review.json, agreed);
  }
  const passphrase = await tools.passphrase({
    ...(options.approvalPassphraseFile !== undefined && { file: options.approvalPassphraseFile }),
    prompt: 'Passphrase of the approval key',
    entry: 'known',
    flag: '--approval-passphrase-file',
  });
  const approval = await tools.signApproval(options.dir, passphrase, approves);
  return answered(options, await askAgent(options.dir, (agent) => agent.approve.mutate(approval)));
}

function notApproved(options: AgentOptions, json: unknown, agreed: false | null): Exit {
  printNote(
    agreed === null
      ? 'nobody is here to ask: read the review, then say --yes'
      : 'nothing was approved; `refuse` would make the no final',
  );
  if (options.json === true) printJson(json);
  return EXIT.needsPerson;
}

/** The option that says where the passphrase of the approval key is read from. */
export function passphraseFile(): Option {
  return new Option('--approval-passphrase-file <file>', 'else it is asked for').env(
    'WEIR_APPROVAL_PASSPHRASE_FILE',
  );
}

function noteOption(text: string): string {
  return fitting(
    text.length <= NOTE_CHARS_MAX ? { success: true, data: text } : { success: false },
    `a note has ${NOTE_CHARS_MAX} characters at most`,
  );
}

function outpointArgument(text: string): string {
  return fitting(outpoint.safeParse(text), 'a coin is txid:vout');
}
