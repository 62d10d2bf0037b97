/** `weir operator capital | difference | give-up`: what only a person books or ends. */
import { Command } from 'commander';
import { printAnswer } from '../console/answer.ts';
import { ending } from '../console/command-end.ts';
import { Failure } from '../policies/failure.ts';
import { ask, type CommandOptions, withFolder } from './admin-client.ts';

interface PersonFlags extends CommandOptions {
  why: string;
  by: string;
}

export function booksCommands(): Command[] {
  return [capitalCommand(), differenceCommand(), giveUpCommand()];
}

function capitalCommand(): Command {
  return withFolder(new Command('capital'))
    .description('book what the operator brings: the treasury, or a node that was funded before')
    .requiredOption('--rail <rail>', 'cold, ln.local or chain.conf')
    .requiredOption('--amount-msat <msat>', 'amount')
    .requiredOption('--why <text>', 'where it comes from: it goes into the books')
    .action((flags: CommandOptions & { rail: string; amountMsat: string; why: string }) =>
      ending(flags, async () => {
        const { amountMsat, why } = flags;
        const asked = { rail: railOf(flags.rail), amountMsat, why };
        return printAnswer(flags, await ask(flags, (client) => client.bringCapital.mutate(asked)));
      }),
    );
}

function differenceCommand(): Command {
  return withFolder(new Command('difference'))
    .description('book what a rail holds less or more than the books say, once its reason is known')
    .requiredOption('--rail <rail>', 'cold, ln.local or chain.conf')
    .requiredOption('--found <less|more>', "less is the pool's loss; more is nobody's")
    .requiredOption('--amount-msat <msat>', 'by how much, as weir operator channels list says')
    .requiredOption('--why <text>', 'what was seen: it goes into the books')
    .requiredOption('--by <name>', 'whose decision it is')
    .action((flags: PersonFlags & { rail: string; found: string; amountMsat: string }) =>
      ending(flags, async () => {
        const { found, amountMsat, why, by } = flags;
        if (found !== 'less' && found !== 'more') {
          throw new Failure('INPUT_INVALID', '--found is less or more');
        }
        const asked = { rail: railOf(flags.rail), found, amountMsat, why, by } as const;
        return printAnswer(
          flags,
          await ask(flags, (client) => client.bookDifference.mutate(asked)),
        );
      }),
    );
}

function giveUpCommand(): Command {
  return withFolder(new Command('give-up').argument('<quote>'))
    .description('end a payment that a lost node took with it; the pool must be frozen')
    .requiredOption('--why <text>', 'what was seen: it goes into the books')
    .requiredOption('--by <name>', 'whose decision it is')
    .action((quoteId: string, flags: PersonFlags) =>
      ending(flags, async () => {
        const { why, by } = flags;
        const asked = { quoteId, why, by };
        return printAnswer(flags, await ask(flags, (client) => client.giveUp.mutate(asked)));
      }),
    );
}

function railOf(rail: string): 'cold' | 'ln.local' | 'chain.conf' {
  if (rail === 'cold' || rail === 'ln.local' || rail === 'chain.conf') return rail;
  throw new Failure('INPUT_INVALID', '--rail is cold, ln.local or chain.conf');
}
