/** `weir policy diff`: what changes between two policies, which way, and whether one may follow the other. */
import type { OutputOptions } from '../console/command-end.ts';
import { EXIT, type Exit } from '../console/exit-code.ts';
import { printJson, printLine, printTable } from '../console/print.ts';
import { diffPolicies, type FieldChange } from '../policies/diff.ts';
import type { Policy } from '../policies/policy.ts';
import type { Reason } from '../policies/reason.ts';
import { checkSuccession, loosenDelay } from '../policies/succession.ts';
import { policySummary, policyTitle } from './policy-check.ts';
import { readPolicyFile } from './policy-file.ts';
import { heightOption } from './policy-option.ts';

export interface DiffOptions extends OutputOptions {
  height?: string;
}

/** Whether the newer may follow the older when it is announced at a height. */
interface Succession {
  announcedAt: number;
  earliestLoosening: number;
  allowed: 'yes' | 'no';
  reasons: readonly Reason[];
}

/** @returns `refused` where a height is asked about and the newer policy may not follow the older. */
export async function diffPolicyFiles(
  files: { older: string; newer: string },
  options: DiffOptions,
): Promise<Exit> {
  const height = options.height === undefined ? null : heightOption(options.height, '--height');
  const older = await readPolicyFile(files.older);
  const newer = await readPolicyFile(files.newer);
  const { overall, changes } = diffPolicies(older, newer);
  const succession = height === null ? null : successionAt(older, newer, height);
  if (options.json === true) {
    const [from, to] = [named(older), named(newer)];
    printJson({ from, to, overall, changes, loosenDelay: loosenDelay(older), succession });
  } else {
    printLine(`from ${policyTitle(older)}`);
    printLine(`to   ${policyTitle(newer)}`);
    printLine(overallText(overall));
    if (changes.length > 0) printTable(['field', 'change', 'from', 'to'], changes.map(changeRow));
    printLine(`a loosening waits ${loosenDelay(older)} blocks after it is announced`);
    if (succession !== null) printLine(successionText(succession));
  }
  return succession?.allowed === 'no' ? EXIT.refused : EXIT.done;
}

function successionAt(older: Policy, newer: Policy, announcedAt: number): Succession {
  const reasons = checkSuccession(older, newer, announcedAt);
  return {
    announcedAt,
    earliestLoosening: announcedAt + loosenDelay(older),
    allowed: reasons.length === 0 ? 'yes' : 'no',
    reasons,
  };
}

function named(policy: Policy) {
  const { version, network, hash, activatesAtHeight } = policySummary(policy);
  return { version, network, hash, activatesAtHeight };
}

function overallText(overall: FieldChange['change']): string {
  const words = {
    loosen: 'loosen: at least one field allows more than before',
    tighten: 'tighten: no field allows more than before',
    neutral: 'neutral: nothing is allowed more or less than before',
  };
  return `overall ${words[overall]}`;
}

function changeRow({ path, change, from, to, activeFrom }: FieldChange): string[] {
  const when = activeFrom === undefined ? '' : `, active from ${activeFrom}`;
  return [path, `${change}${when}`, from ?? 'not there', to ?? 'not there'];
}

function successionText({ announcedAt, earliestLoosening, allowed, reasons }: Succession): string {
  const may = allowed === 'yes' ? 'it may follow' : 'it may not follow';
  return [
    `announced at height ${announcedAt}, ${may}; a loosening rules from ${earliestLoosening} at the earliest`,
    ...reasons.map(({ code, row, detail }) => `  ${code} (${row}): ${detail}`),
  ].join('\n');
}
