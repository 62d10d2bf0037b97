#!/usr/bin/env node
/** The `weir` command: one noun a process, one verb a thing to do. */
import { Command } from 'commander';
import { EXIT } from '../console/exit-code.ts';
import { printNote } from '../console/print.ts';
import { BrokenInvariant } from '../policies/failure.ts';

/** Loaded when asked for: a guardian's command does not wait for the coordinator's code, nor shares it. */
const NOUNS: Record<string, () => Promise<Command>> = {
  coordinator: async () => (await import('../coordinator/commands.ts')).coordinatorCommands(),
  'signer-agent': async () => (await import('../signer-agent/commands.ts')).signerAgentCommands(),
  lp: async () => (await import('../lp/commands.ts')).lpCommands(),
  operator: async () => (await import('../operator/commands.ts')).operatorCommands(),
  receipts: async () => (await import('../operator/receipts-command.ts')).receiptsCommands(),
  policy: async () => (await import('./policy-commands.ts')).policyCommands(),
};

const program = new Command('weir')
  .description('a Bitcoin liquidity pool whose treasury is guarded by a quorum')
  .version('0.1.0')
  .showHelpAfterError()
  .exitOverride((end) => {
    process.exit(end.exitCode === 0 ? EXIT.done : EXIT.usage);
  });

const noun = process.argv[2] ?? '';
const wanted = Object.hasOwn(NOUNS, noun) ? [noun] : Object.keys(NOUNS);
for (const name of wanted) {
  const command = await NOUNS[name]?.();
  if (command !== undefined) program.addCommand(withExits(command));
}

try {
  await program.parseAsync();
} catch (cause) {
  // A broken invariant is our bug: nothing was caught, nothing goes on.
  const named = cause instanceof BrokenInvariant ? `broken invariant: ${cause.message}` : null;
  printNote(named ?? (cause instanceof Error ? (cause.stack ?? cause.message) : 'unknown error'));
  process.exit(named === null ? EXIT.failed : EXIT.integrityViolated);
}

/** Usage errors end with the same code in every subcommand. */
function withExits(command: Command): Command {
  command.showHelpAfterError().exitOverride((end) => {
    process.exit(end.exitCode === 0 ? EXIT.done : EXIT.usage);
  });
  for (const each of command.commands) withExits(each);
  return command;
}
