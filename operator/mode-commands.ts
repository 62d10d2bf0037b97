/** `weir operator freeze | unfreeze | wind-down | capital`: what only a person decides. */
import { Command } from 'commander';
import { printAnswer } from '../console/answer.ts';
import { ending } from '../console/command-end.ts';
import { Failure } from '../policies/failure.ts';
import { ask, type CommandOptions } from './admin-client.ts';

interface ModeFlags extends CommandOptions {
  why: string;
  by: string;
}

export function modeCommands(): Command[] {
  return [
    modeCommand('freeze', 'frozen', 'send nothing until a person has looked'),
    modeCommand('unfreeze', 'open', 'send again, after a person has looked'),
    modeCommand('wind-down', 'winding-down', 'take nothing more; what is owed can be withdrawn'),
    capitalCommand(),
  ];
}

function modeCommand(
  verb: string,
  mode: 'open' | 'frozen' | 'winding-down',
  description: string,
): Command {
  return shared(new Command(verb))
    .description(description)
    .requiredOption('--why <text>', 'what was seen: it goes into the books')
    .requiredOption('--by <name>', 'whose decision it is')
    .action((flags: ModeFlags) =>
      ending(flags, async () => {
        const { why, by } = flags;
        return printAnswer(
          flags,
          await ask(flags, (client) => client.setMode.mutate({ mode, why, by })),
        );
      }),
    );
}

function capitalCommand(): Command {
  return shared(new Command('capital'))
    .description('book what the operator brings: the treasury, or a node that was funded before')
    .requiredOption('--rail <rail>', 'cold, ln.local or chain.conf')
    .requiredOption('--amount-msat <msat>', 'amount')
    .requiredOption('--why <text>', 'where it comes from: it goes into the books')
    .action((flags: CommandOptions & { rail: string; amountMsat: string; why: string }) =>
      ending(flags, async () => {
        const { rail, amountMsat, why } = flags;
        if (rail !== 'cold' && rail !== 'ln.local' && rail !== 'chain.conf') {
          throw new Failure('INPUT_INVALID', '--rail is cold, ln.local or chain.conf');
        }
        const asked = { rail, amountMsat, why } as const;
        return printAnswer(flags, await ask(flags, (client) => client.bringCapital.mutate(asked)));
      }),
    );
}

function shared(command: Command): Command {
  return command.option('--dir <folder>', 'folder of the operator').option('--json', 'print JSON');
}
