/** `weir operator agents …`: credentials of callers, issued and revoked. */
import { Command } from 'commander';
import { printAnswer } from '../console/answer.ts';
import { ending } from '../console/command-end.ts';
import { Failure } from '../policies/failure.ts';
import { ask, type CommandOptions, withFolder } from './admin-client.ts';
import { credentialAsk } from './admin-protocol.ts';

interface IssueFlags extends CommandOptions {
  agents: string;
  role: string;
  actions: string;
  days: string;
  perPaymentMsat?: string;
  perDayMsat?: string;
  nostrKey?: string;
}

const DAY_MS = 24 * 60 * 60 * 1_000;

export function agentsCommand(): Command {
  const agents = new Command('agents').description('who may call, for which agents, up to what');
  withFolder(agents.command('list'))
    .description('credentials, without their secrets')
    .action((flags: CommandOptions) =>
      ending(flags, async () =>
        printAnswer(flags, await ask(flags, (client) => client.credentials.query())),
      ),
    );
  withFolder(agents.command('issue <id>'))
    .description('issue a bearer token, shown once, or let a Nostr key in (NIP-98)')
    .requiredOption(
      '--agents <ids>',
      'agents it acts for, with commas between; the first is the default',
    )
    .option(
      '--role <role>',
      'agent, or operator who sees all and may spend for the treasury',
      'agent',
    )
    .option('--actions <actions>', 'pay, read, topup, withdraw, admin', 'pay,read,topup,withdraw')
    .option('--days <n>', 'days until it runs out', '90')
    .option('--per-payment-msat <msat>', "tighter than the agent's rules")
    .option('--per-day-msat <msat>', "tighter than the agent's rules")
    .option('--nostr-key <hex>', 'x-only key that signs requests, instead of a token')
    .action((id: string, flags: IssueFlags) =>
      ending(flags, async () => {
        const asked = askOf(id, flags);
        return printAnswer(
          flags,
          await ask(flags, (client) => client.issue.mutate(asked as never)),
        );
      }),
    );
  withFolder(agents.command('revoke <id>'))
    .description('from now on it is refused')
    .action((id: string, flags: CommandOptions) =>
      ending(flags, async () =>
        printAnswer(flags, await ask(flags, (client) => client.revoke.mutate({ id }))),
      ),
    );
  return agents;
}

function askOf(id: string, flags: IssueFlags): unknown {
  if (!/^[1-9][0-9]{0,2}$/.test(flags.days)) {
    throw new Failure('INPUT_INVALID', '--days is 1 to 366');
  }
  const asked = {
    id,
    role: flags.role,
    agents: listOf(flags.agents),
    actions: listOf(flags.actions),
    perPaymentMsat: flags.perPaymentMsat ?? null,
    perDayMsat: flags.perDayMsat ?? null,
    lifetimeMs: Number.parseInt(flags.days, 10) * DAY_MS,
    nostrKey: flags.nostrKey ?? null,
  };
  const parsed = credentialAsk.safeParse(asked);
  if (parsed.success) return asked;
  const issue = parsed.error.issues[0];
  throw new Failure(
    'INPUT_INVALID',
    `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}

function listOf(text: string): string[] {
  return text.split(',').map((each) => each.trim());
}
