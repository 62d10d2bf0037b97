/** `weir coordinator propose …` and `cancel`. */
import { Command } from 'commander';
import { z } from 'zod';
import { printAnswer } from '../console/answer.ts';
import { ending } from '../console/command-end.ts';
import { toWire } from '../policies/canonical-json.ts';
import { type AuthorizationIntent, lpRegistration } from '../policies/intent.ts';
import { signedSchema } from '../policies/statement.ts';
import {
  amountOf,
  breakerActionOf,
  countOf,
  entryOf,
  feerateOf,
  jsonOf,
  labelOf,
  textOf,
} from './command-arguments.ts';
import { ask, type CommandOptions } from './operator-client.ts';
import type { SpendRequest } from './propose.ts';

interface ProposeFlags extends CommandOptions {
  to: string;
  amount: string;
  of: string;
  feerate?: string;
  activatesAt: string;
  initiator?: string;
}

/** Registrations in one file. */
const registrations = z.array(signedSchema(lpRegistration)).min(1).max(1_000);

export function proposeCommand(): Command {
  const propose = new Command('propose').description(
    'propose a spend or a decision; ends with 4 where the policy refuses',
  );
  spendVerb(propose, 'batch', 'pay the orders of the queue', () => ({ kind: 'withdrawal_batch' }));
  for (const [verb, kind] of [
    ['move', 'treasury_move'],
    ['topup', 'hot_topup'],
  ] as const) {
    spendVerb(propose, verb, `a ${kind} to an entry of the policy's list`, (flags) => ({
      kind,
      ...entryOf(flags.to),
      amountSat: amountOf(flags.amount, '--amount'),
    }))
      .requiredOption('--to <entry[:index]>', 'entry of the list')
      .requiredOption('--amount <sat>', 'in satoshi');
  }
  spendVerb(propose, 'consolidate', 'small coins into one', () => ({ kind: 'consolidate' }));
  spendVerb(propose, 'bump', 'a higher fee for a spend', (flags) => ({
    kind: 'fee_bump',
    of: flags.of,
    feerate: feerateOf(flags.feerate),
  }))
    .requiredOption('--of <id>', 'the proposal to bump')
    .option('--feerate <sat/kvB>', 'else enough to replace it');
  decisionVerb(
    propose.command('policy <file>').description('a new policy'),
    async (file, flags) => ({
      kind: 'policy_change',
      policyText: await textOf(file),
      activatesAtHeight: countOf(flags.activatesAt, '--activates-at'),
    }),
  ).requiredOption('--activates-at <height>', 'as the policy says');
  decisionVerb(
    propose.command('registry <file>').description('LPs, a JSON array of registrations'),
    async (file) => ({ kind: 'registry_change', entries: await jsonOf(file, registrations) }),
  );
  decisionVerb(
    propose.command('breaker <action>').description('trip or reset the breaker'),
    (action) => ({ kind: 'breaker', action: breakerActionOf(action) }),
  );
  return propose;
}

export function cancelCommand(): Command {
  return common(new Command('cancel').argument('<id>'))
    .description('propose to take the coins of a spend back')
    .option('--feerate <sat/kvB>', 'else enough to replace it')
    .action((of: string, flags: ProposeFlags) =>
      ending(flags, () => spend(flags, { kind: 'cancel', of, feerate: feerateOf(flags.feerate) })),
    );
}

function spendVerb(
  parent: Command,
  verb: string,
  description: string,
  requestOf: (flags: ProposeFlags) => SpendRequest,
): Command {
  return common(parent.command(verb))
    .description(description)
    .action((flags: ProposeFlags) => ending(flags, async () => spend(flags, requestOf(flags))));
}

async function spend(flags: ProposeFlags, request: SpendRequest) {
  const answer = await ask(flags, (client) =>
    client.proposeSpend.mutate({
      request: toWire(request) as never,
      initiator: initiatorOf(flags),
    }),
  );
  return printAnswer(flags, answer);
}

function decisionVerb(
  command: Command,
  intentOf: (
    argument: string,
    flags: ProposeFlags,
  ) => AuthorizationIntent | Promise<AuthorizationIntent>,
): Command {
  return common(command).action((argument: string, flags: ProposeFlags) =>
    ending(flags, async () => {
      const intent = await intentOf(argument, flags);
      const answer = await ask(flags, (client) =>
        client.proposeAuthorization.mutate({
          intent: toWire(intent) as never,
          initiator: initiatorOf(flags),
        }),
      );
      return printAnswer(flags, answer);
    }),
  );
}

function common(command: Command): Command {
  return command
    .option('--dir <folder>', 'folder of the coordinator')
    .option('--initiator <id>', 'operator who asks for it')
    .option('--json', 'print JSON');
}

function initiatorOf({ initiator }: ProposeFlags): string | null {
  return initiator === undefined ? null : labelOf(initiator, '--initiator');
}
