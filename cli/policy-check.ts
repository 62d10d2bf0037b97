/** `weir policy check`: what a policy file is, once it is known to be one. */
import type { OutputOptions } from '../console/command-end.ts';
import { printJson, printLine } from '../console/print.ts';
import { type Policy, policyHash, printPolicy } from '../policies/policy.ts';
import { readPolicyFile } from './policy-file.ts';

export interface CheckOptions extends OutputOptions {
  print?: boolean;
}

/** Prints the summary; with `print` the decoded policy below it, the summary as comments of the YAML. */
export async function checkPolicy(file: string, options: CheckOptions): Promise<undefined> {
  const policy = await readPolicyFile(file);
  const yaml = printPolicy(policy).trimEnd();
  if (options.json === true) {
    printJson({ ...policySummary(policy), ...(options.print === true ? { policy: yaml } : {}) });
    return;
  }
  const lines = summaryLines(policy);
  if (options.print === true) printLine([...lines.map((line) => `# ${line}`), yaml].join('\n'));
  else printLine(lines.join('\n'));
}

/** What names a policy and its people; `hash` is what proposals and approvals carry. */
export function policySummary(policy: Policy) {
  return {
    version: policy.version,
    network: policy.network,
    hash: policyHash(policy),
    activatesAtHeight: policy.activates_at_height,
    guardians: policy.guardians,
    operators: policy.operators,
  };
}

/** The first line of everything that is printed about a policy. */
export function policyTitle(policy: Policy): string {
  return `policy version ${policy.version} on ${policy.network}, sha256:${policyHash(policy)}`;
}

function summaryLines(policy: Policy): string[] {
  const guardians = policy.guardians.map(({ id, owner, region, automatic }) => {
    const about = [
      ...(owner === undefined || owner === id ? [] : [`owner ${owner}`]),
      ...(region === undefined ? [] : [`region ${region}`]),
      automatic === 'yes' ? 'signs automatically' : 'always asked',
    ];
    return `guardian ${id}: ${about.join(', ')}`;
  });
  return [
    policyTitle(policy),
    `rules from height ${policy.activates_at_height} on`,
    ...guardians,
    ...policy.operators.map(({ id, owner }) =>
      owner === undefined || owner === id ? `operator ${id}` : `operator ${id}: owner ${owner}`,
    ),
  ];
}
