/** `weir signer-agent` and all its commands, with whatever tools the caller brings. */
import { Command } from 'commander';
import { ceremonyCommands } from './command-ceremony.ts';
import { decideCommands } from './command-decide.ts';
import { exchangeCommands } from './command-exchange.ts';
import { setupCommands } from './command-setup.ts';
import type { CommandTools } from './command-tools.ts';

/** The command tree. `commands.ts` brings the real tools. */
export function agentCommandTree(tools: CommandTools): Command {
  const tree = new Command('signer-agent').description(
    'one guardian’s agent: judges every proposal again, signs within policy, asks, or refuses',
  );
  setupCommands(tree, tools);
  ceremonyCommands(tree, tools);
  decideCommands(tree, tools);
  exchangeCommands(tree, tools);
  return tree;
}
