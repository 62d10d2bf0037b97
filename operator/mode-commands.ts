/** `weir operator freeze | unfreeze | wind-down | reopen`: what only a person decides of the pool. */
import { Command } from 'commander';
import { printAnswer } from '../console/answer.ts';
import { ending } from '../console/command-end.ts';
import { ask, type CommandOptions, withFolder } from './admin-client.ts';
import type { ModeVerb } from './mode-decision.ts';

interface ModeFlags extends CommandOptions {
  why: string;
  by: string;
}

export function modeCommands(): Command[] {
  return [
    modeCommand('freeze', 'send nothing until a person has looked'),
    modeCommand('unfreeze', 'send again, after a person has looked'),
    modeCommand('wind-down', 'take nothing more; what is owed can be withdrawn'),
    modeCommand('reopen', 'take and pay again after a wind-down'),
  ];
}

function modeCommand(verb: ModeVerb, description: string): Command {
  return withFolder(new Command(verb))
    .description(description)
    .requiredOption('--why <text>', 'what was seen: it goes into the books')
    .requiredOption('--by <name>', 'whose decision it is')
    .action((flags: ModeFlags) =>
      ending(flags, async () => {
        const { why, by } = flags;
        return printAnswer(
          flags,
          await ask(flags, (client) => client.setMode.mutate({ verb, why, by })),
        );
      }),
    );
}
