/** `weir operator …`: the commands; all but `init`, `run`, `keys` and `policy` speak to `run` over its socket. */
import { Command } from 'commander';
import { type Answered, printAnswer } from '../console/answer.ts';
import { ending } from '../console/command-end.ts';
import { Failure } from '../policies/failure.ts';
import { ask, type CommandOptions, withFolder } from './admin-client.ts';
import { agentsCommand } from './agents-command.ts';
import { booksCommands } from './books-commands.ts';
import { channelsCommands } from './channels/channel-commands.ts';
import { modeCommands } from './mode-commands.ts';
import {
  initCommand,
  keysCommand,
  policyCommand,
  runCommand,
  treasuryCommand,
} from './setup-commands.ts';

const LISTED = 50;

/** Everything an operator does with the pool. */
export function operatorCommands(): Command {
  const operator = new Command('operator').description(
    'the pool: pays invoices over Lightning, keeps the books, signs receipts',
  );
  const parts = [initCommand(), runCommand(), keysCommand(), treasuryCommand()];
  const rules = [policyCommand(), agentsCommand()];
  const people = [...modeCommands(), ...booksCommands()];
  for (const each of [...parts, ...rules, channelsCommands(), ...people, payCommand()]) {
    operator.addCommand(each);
  }
  query(operator, 'status', 'node, channels, books, what is in flight', (flags) =>
    ask(flags, (client) => client.status.query()),
  );
  query(operator, 'books', 'every account with its balance', (flags) =>
    ask(flags, (client) => client.books.query()),
  );
  query(operator, 'payments', 'newest payments', (flags) =>
    ask(flags, (client) => client.payments.query({ limit: LISTED })),
  );
  query(operator, 'reconcile', 'match every payment of the node to the books now', (flags) =>
    ask(flags, (client) => client.reconcile.mutate()),
  );
  withFolder(operator.command('receipts [id]'))
    .description('newest receipts, or one with its proof')
    .action((id: string | undefined, flags: CommandOptions) =>
      ending(flags, async () =>
        printAnswer(
          flags,
          await ask(flags, (client) =>
            id === undefined
              ? client.receipts.query({ limit: LISTED })
              : client.receipt.query({ id }),
          ),
        ),
      ),
    );
  return operator;
}

interface PayFlags extends CommandOptions {
  agent: string;
  funding: string;
  maxFeeMsat: string;
  key?: string;
}

function payCommand(): Command {
  return withFolder(new Command('pay').argument('<invoice>'))
    .description('pay a BOLT 11 invoice as the operator; the same key pays at most once')
    .requiredOption('--agent <id>', 'whose limits count, and whose balance with --funding prepaid')
    .requiredOption('--funding <source>', 'prepaid or treasury')
    .requiredOption('--max-fee-msat <msat>', 'bound of route fee and service fee together')
    .option('--key <text>', "idempotency key; else made of the end of the invoice's text")
    .action((invoice: string, flags: PayFlags) =>
      ending(flags, async () => {
        const { funding } = flags;
        if (funding !== 'prepaid' && funding !== 'treasury') {
          throw new Failure('INPUT_INVALID', '--funding is prepaid or treasury');
        }
        const asked = {
          invoice,
          agentId: flags.agent,
          funding,
          maxFeeMsat: flags.maxFeeMsat,
          idempotencyKey: flags.key ?? `operator:${invoice.slice(-64)}`,
        } as const;
        return printAnswer(flags, await ask(flags, (client) => client.pay.mutate(asked)));
      }),
    );
}

function query(
  parent: Command,
  verb: string,
  description: string,
  question: (flags: CommandOptions) => Promise<Answered>,
): void {
  withFolder(parent.command(verb))
    .description(description)
    .action((flags: CommandOptions) =>
      ending(flags, async () => printAnswer(flags, await question(flags))),
    );
}
