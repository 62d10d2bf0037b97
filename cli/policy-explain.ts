/** `weir policy explain`: a policy's limits and what a breach can cost, or one spend's rules with slack. */
import type { OutputOptions } from '../console/command-end.ts';
import { EXIT, type Exit } from '../console/exit-code.ts';
import { printJson, printLine, printTable, satText } from '../console/print.ts';
import { evaluate, type SlackRow, type Verdict } from '../policies/evaluate.ts';
import { majorityOf } from '../policies/policy-references.ts';
import { type Bounds, type Breach, breachOf } from './policy-breach.ts';
import { policySummary, policyTitle } from './policy-check.ts';
import { readPolicyFile, readText } from './policy-file.ts';
import { thresholdOption } from './policy-option.ts';
import { parseQuestion, QUESTION_BYTES_MAX } from './policy-question.ts';
import { nearestFirst } from './policy-slack.ts';
import { escalationInWords, limitsInWords, measureText, share } from './policy-words.ts';

export interface ExplainOptions extends OutputOptions {
  threshold?: string;
  proposal?: string;
}

const EXITS = { ok: EXIT.done, needs: EXIT.needsPerson, refuse: EXIT.refused } as const;
const VERDICT_WORDS = {
  ok: 'would be signed: every rule holds and everybody asked agreed',
  needs: 'waits for people: every rule holds, consent is missing',
  refuse: 'is refused',
} as const;

/** @returns For a proposal 0 signs, 3 asks, 4 refuses. The threshold is more than half where none is given. */
export async function explainPolicy(file: string, options: ExplainOptions): Promise<Exit> {
  const policy = await readPolicyFile(file);
  const seats = policy.guardians.length;
  const threshold = thresholdOption(options.threshold ?? `${majorityOf(seats)}`, seats);
  if (options.proposal !== undefined) {
    const text = await readText(options.proposal, QUESTION_BYTES_MAX);
    const question = parseQuestion(text, policy);
    return printVerdict(question.facts.kind, evaluate(question), options);
  }
  const [limits, escalation] = [limitsInWords(policy), escalationInWords(policy)];
  const breach = breachOf(policy, threshold);
  if (options.json === true) {
    const { version, network, hash } = policySummary(policy);
    const rows = limits.map(([path, words]) => ({ path, words }));
    printJson({ version, network, hash, limits: rows, escalation, breach });
    return EXIT.done;
  }
  printLine(policyTitle(policy));
  printTable(['limit', 'in words'], limits);
  printLine('Who is asked: of the lines that apply the highest counts, “more” comes on top.');
  printLine(escalation.map((line) => `  ${line}`).join('\n'));
  printLine();
  printBreach(breach);
  return EXIT.done;
}

function printBreach(breach: Breach): void {
  const { automatic, guardians, threshold } = breach;
  const names = automatic.length === 0 ? 'No agents' : `Agents of ${automatic.join(', ')}`;
  printLine(
    `${names} sign by themselves (${automatic.length} of ${guardians} seats); ${threshold} keys spend.`,
  );
  if (breach.unattended === 'none') {
    printLine('Nothing leaves unattended: a breach of the automatic hosts alone costs nothing.');
    return;
  }
  printLine(askedText(breach));
  printLine('While their agents still judge, one breach of the automatic hosts costs at most:');
  printTable(
    ['in any', 'if nobody is asked', 'if operators are breached too'],
    [
      ['one transaction', ...amounts(breach.perTx)],
      ...breach.bounds.map((bound) => [
        `${bound.blocks} blocks (${bound.names.join(', ')})`,
        ...amounts(bound),
      ]),
    ],
  );
  printLine(limitedText(breach).join('\n'));
}

/** From where on a person is asked, said plainly. */
function askedText({ askedAboveSat, askedOtherwise, alwaysAsked }: Breach): string {
  const always = alwaysAsked.length === 0 ? '' : ` Always asked: ${alwaysAsked.join(', ')}.`;
  const unless = askedOtherwise === 'yes' ? ', unless a line above asks for another reason' : '';
  if (askedAboveSat === 0n) return `A person is asked about every spend, however small.${always}`;
  const upTo =
    askedAboveSat === null
      ? 'Whatever the amount'
      : `Up to ${satText(askedAboveSat)} in one transaction, fee included`;
  return `${upTo}, no person is needed${unless}.${always}`;
}

function limitedText({ bounds, shares, floorSat, threshold }: Breach): string[] {
  const burnt = bounds.filter(({ cancelFees }) => cancelFees.operatorsGivenSat > 0n);
  return [
    ...burnt.map(({ blocks, cancelFees }) => {
      const [alone, given] = amounts(cancelFees);
      const most = alone === given ? alone : `${alone} (${given})`;
      return `In ${blocks} blocks cancels can burn ${most} of it as fees: no window holds them.`;
    }),
    ...shares.map(({ name, blocks, ppm }) => {
      return `Cancels apart, at most ${share(ppm)} of the treasury leaves in any ${blocks} blocks (${name}).`;
    }),
    `Cancels apart, at least ${satText(floorSat)} stays (limits.floor_balance).`,
    'It goes to LPs with orders they signed and to the lists of the policy; fees go to miners.',
    `Whoever takes ${threshold} keys off their hosts is held by none of these limits.`,
  ];
}

function amounts({ nobodyAskedSat, operatorsGivenSat }: Bounds): [string, string] {
  return [satText(nobodyAskedSat), satText(operatorsGivenSat)];
}

function printVerdict(spendKind: string, verdict: Verdict, options: OutputOptions): Exit {
  const { kind, reasons, requirement } = verdict;
  const slack = nearestFirst(verdict.slack);
  if (options.json === true) {
    printJson({ verdict: kind, reasons, requirement, slack });
    return EXITS[kind];
  }
  printTable(['rule', 'bound', 'limit', 'this spend', 'left'], slack.map(slackRow));
  printLine(`${spendKind} ${VERDICT_WORDS[kind]}`);
  for (const { code, row, detail } of reasons) printLine(`  ${code} (${row}): ${detail}`);
  printLine(requirementText(verdict));
  return EXITS[kind];
}

function slackRow({ rule, bound, limit, used, slack, unit }: SlackRow): string[] {
  const side = bound === 'at-most' ? 'at most' : 'at least';
  // A height that is left is a number of blocks.
  const left = measureText(slack, unit === 'height' ? 'blocks' : unit);
  return [rule, side, measureText(limit, unit), measureText(used, unit), left];
}

function requirementText({ requirement }: Verdict): string {
  const { guardianApprovals, operatorApprovals, distinct } = requirement;
  if (guardianApprovals + operatorApprovals === 0) return 'asks nobody';
  const people = [
    ...(guardianApprovals > 0 ? [`${guardianApprovals} guardians`] : []),
    ...(operatorApprovals > 0 ? [`${operatorApprovals} operators`] : []),
  ];
  return `asks ${people.join(' and ')}, distinct by ${distinct.join(' and ')}`;
}
