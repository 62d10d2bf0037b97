/** `weir coordinator …`: the commands; all but `init` and `run` speak to `run` over its socket. */
import { randomBytes } from 'node:crypto';
import { Command } from 'commander';
import { type Answered, printAnswer } from '../console/answer.ts';
import { ending } from '../console/command-end.ts';
import { readPassphrase } from '../custody/passphrase.ts';
import { openSealedFile } from '../custody/sealed-file.ts';
import { toWire } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { lpOrder } from '../policies/intent.ts';
import { approvalBody } from '../policies/proposal.ts';
import { signStatement } from '../policies/statement.ts';
import { countOf, jsonOf, labelOf } from './command-arguments.ts';
import { initCommand, runCommand } from './init-command.ts';
import { ask, type CommandOptions, folderOf } from './operator-client.ts';
import { operatorKeyFile } from './operator-key.ts';
import { cancelCommand, proposeCommand } from './propose-command.ts';

/** Everything an operator does with the coordinator. */
export function coordinatorCommands(): Command {
  const coordinator = new Command('coordinator').description(
    'builds proposals, collects signatures, broadcasts; holds no key of money',
  );
  for (const each of [initCommand(), runCommand(), proposeCommand(), cancelCommand()]) {
    coordinator.addCommand(each);
  }
  query(coordinator, 'status', 'who is there, what is there', (flags) =>
    ask(flags, (client) => client.status.query()),
  );
  query(coordinator, 'proposals', 'all proposals and where they stand', (flags) =>
    ask(flags, (client) => client.proposals.query()),
  );
  shared(coordinator.command('show <id>'))
    .description('everything about a proposal')
    .action((id: string, flags: CommandOptions) =>
      ending(flags, async () =>
        printAnswer(flags, await ask(flags, (client) => client.show.query({ id }))),
      ),
    );
  shared(coordinator.command('address'))
    .description('an address of the treasury')
    .option('--index <n>', 'else the next one')
    .action((flags: CommandOptions & { index?: string }) =>
      ending(flags, async () => {
        const index = flags.index === undefined ? null : countOf(flags.index, '--index');
        return printAnswer(flags, await ask(flags, (client) => client.address.query({ index })));
      }),
    );
  shared(coordinator.command('order <file>'))
    .description('queue an order that an LP signed (JSON)')
    .action((file: string, flags: CommandOptions) =>
      ending(flags, async () => {
        const order = toWire(await jsonOf(file, lpOrder)) as never;
        return printAnswer(flags, await ask(flags, (client) => client.queueOrder.mutate(order)));
      }),
    );
  for (const decision of ['approve', 'reject'] as const) {
    coordinator.addCommand(decisionCommand(decision));
  }
  return coordinator;
}

function query(
  parent: Command,
  verb: string,
  description: string,
  question: (flags: CommandOptions) => Promise<Answered>,
): void {
  shared(parent.command(verb))
    .description(description)
    .action((flags: CommandOptions) =>
      ending(flags, async () => printAnswer(flags, await question(flags))),
    );
}

interface DecisionFlags extends CommandOptions {
  operator: string;
  passphraseFile?: string;
}

/** The key is opened in this process, for this one statement, and never in the one that runs. */
function decisionCommand(decision: 'approve' | 'reject'): Command {
  return shared(new Command(decision).argument('<id>'))
    .description(`${decision} a proposal as an operator`)
    .requiredOption('--operator <id>', 'whose word it is')
    .option('--passphrase-file <file>', 'passphrase of the operator key')
    .action((id: string, flags: DecisionFlags) =>
      ending(flags, async () => {
        const operator = labelOf(flags.operator, '--operator');
        const subject = await ask(flags, (client) => client.approvable.query({ id }));
        if (subject.subject !== id) throw new Failure('REQUEST_REFUSED', 'another proposal');
        const passphrase = await readPassphrase({
          file: flags.passphraseFile,
          prompt: `Passphrase of the key of ${operator}`,
          entry: 'known',
          flag: '--passphrase-file',
        });
        const key = await openSealedFile(operatorKeyFile(folderOf(flags), operator), passphrase);
        const body = approvalBody.parse({
          ...subject,
          decision,
          role: 'operator',
          signerId: operator,
        });
        const approval = signStatement('approval', body, key, randomBytes(32));
        key.fill(0);
        return printAnswer(flags, await ask(flags, (client) => client.decide.mutate(approval)));
      }),
    );
}

function shared(command: Command): Command {
  return command
    .option('--dir <folder>', 'folder of the coordinator')
    .option('--json', 'print JSON');
}
