/** `weir policy …`: reads policy files, offline. Judges nothing that was not asked, changes nothing. */
import { Command } from 'commander';
import { ending } from '../console/command-end.ts';
import { type CheckOptions, checkPolicy } from './policy-check.ts';
import { type DiffOptions, diffPolicyFiles } from './policy-diff.ts';
import { type ExplainOptions, explainPolicy } from './policy-explain.ts';

const JSON_FLAG = ['--json', 'one JSON value on stdout'] as const;

/** The noun `policy` with its verbs. */
export function policyCommands(): Command {
  const policy = new Command('policy').description('reads a policy: check, diff, explain');
  policy
    .command('check <file>')
    .description('validates a policy file and says which policy it is')
    .option('--print', 'the decoded policy as YAML; what is said about it becomes comments')
    .option(...JSON_FLAG)
    .action((file: string, options: CheckOptions) =>
      ending(options, () => checkPolicy(file, options)),
    );
  policy
    .command('diff <old> <new>')
    .description('says field by field what tightens and what loosens')
    .option('--height <height>', 'whether NEW may follow OLD when it is announced at this height')
    .option(...JSON_FLAG)
    .action((older: string, newer: string, options: DiffOptions) =>
      ending(options, () => diffPolicyFiles({ older, newer }, options)),
    );
  policy
    .command('explain <file>')
    .description('says in words what a policy allows, or how near one spend is to each limit')
    .option('--threshold <k>', 'signatures that a spend needs; more than half where it is left out')
    .option(
      '--proposal <question>',
      'a spend to judge: JSON with facts, charges, breaker, approvals',
    )
    .option(...JSON_FLAG)
    .action((file: string, options: ExplainOptions) =>
      ending(options, () => explainPolicy(file, options)),
    );
  return policy;
}
