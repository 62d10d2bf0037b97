/** The README's chapters for operators and integrators say what the code does: reasons, alarms, commands, examples. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command, Option } from 'commander';
import { describe, expect, test } from 'vitest';
import { coordinatorCommands } from '../coordinator/commands.ts';
import { operatorCommands } from '../operator/commands.ts';
import { PAY_FAILURES } from '../operator/lightning.ts';
import { EVENT_KINDS } from '../operator/protocol.ts';
import { REFUSALS } from '../operator/reasons.ts';
import { receiptsCommands } from '../operator/receipts-command.ts';
import { signerAgentCommands } from '../signer-agent/commands.ts';

const README = readFileSync('README.md', 'utf8');

function chapter(title: string): string {
  const [, rest] = README.split(`\n${title}\n`);
  const level = title.split(' ')[0]?.length ?? 0;
  const end = rest?.search(new RegExp(`^#{2,${level}} `, 'm')) ?? -1;
  return end === -1 ? (rest ?? '') : (rest ?? '').slice(0, end);
}

/** Text of the fenced blocks of a language, in their order. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, named]) => named === language)
    .map(([, , inside = '']) => inside);
}

test('every reason code stands in the README with its status and whether to ask again, and no other', () => {
  const rows = [
    ...chapter('### When the answer is no').matchAll(
      /^\| `([a-z_]+)` \| (\d{3}) \| (never|later) \| .+ \|$/gm,
    ),
  ];
  const explained = rows.map(([, reason, status, retry]) => `${reason} ${status} ${retry}`);
  const known = Object.entries(REFUSALS).map(
    ([reason, { status, retry }]) => `${reason} ${status} ${retry}`,
  );
  expect(explained).toEqual(known);
});

test('every way in which a payment fails, and every event of an agent, stands in the README', () => {
  const [, failures = ''] = README.split('`error_code` of a failed payment: ');
  expect(codesIn(failures)).toEqual([...PAY_FAILURES]);
  const [, kinds = ''] = chapter('### News').split('Kinds: ');
  expect(codesIn(kinds)).toEqual([...EVENT_KINDS]);
});

/** What stands in backticks up to the end of the sentence, without what is said in brackets. */
function codesIn(text: string): string[] {
  const [sentence = ''] = text.replaceAll(/\([^)]*\)/g, '').split('.');
  return [...sentence.matchAll(/`([a-z_-]+)`/g)].map(([, code = '']) => code);
}

test('every alarm that the operator raises stands in the README, and no other', () => {
  const sources = readdirSync('operator', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(path.join('operator', name), 'utf8'))
    .filter((text) => text.includes("kind: 'alarm'"));
  const raised = sources.flatMap((text) =>
    [
      ...text.matchAll(/kind: 'alarm', code: '(\w+)'/g),
      ...text.matchAll(/alarmOf\('(\w+)'/g),
      ...text.matchAll(/const code = \w+ === '\w+' \? '(\w+)' : '\w+'/g),
      ...text.matchAll(/const code = \w+ === '\w+' \? '\w+' : '(\w+)'/g),
    ].map(([, code = '']) => code),
  );
  const table = chapter('### When something went wrong').split('**Alarms**')[1] ?? '';
  const explained = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, code = '']) => code);
  expect(explained.toSorted()).toEqual([...new Set(raised)].toSorted());
});

/** Not where the environment can say it instead. */
function isNeeded({ mandatory, envVar }: Option): boolean {
  return mandatory && envVar === undefined;
}

describe('a command of the README exists with the options it is shown with', () => {
  const roots = new Map<string, Command>(
    [coordinatorCommands(), signerAgentCommands(), operatorCommands(), receiptsCommands()].map(
      (command) => [command.name(), command],
    ),
  );
  const lines = blocks(README, '')
    .join('')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => /^weir (coordinator|signer-agent|operator|receipts) /.test(line))
    .map((line) => line.replace(/\s+#.*$/, ''));

  test('there are some of each', () => {
    expect(new Set(lines.map((line) => line.split(' ')[1]))).toEqual(new Set(roots.keys()));
  });

  test.each(lines)('%s', (line) => {
    const words = line.split(/\s+/).slice(1);
    let command = roots.get(words.shift() ?? '');
    for (;;) {
      const next = command?.commands.find((each) => each.name() === words[0]);
      if (next === undefined) break;
      command = next;
      words.shift();
    }
    expect(command?.commands ?? ['no such command']).toEqual([]);
    const given = words.filter((word) => word.startsWith('--'));
    const options = command?.options ?? [];
    expect(given.filter((word) => options.every(({ long }) => long !== word))).toEqual([]);
    // Three dots stand for what the reader has seen before.
    const needed = line.includes('…') ? [] : options.filter(isNeeded).map(({ long }) => long);
    expect(needed.filter((long) => !given.includes(long ?? ''))).toEqual([]);
  });
});

/** What stands in backticks in the operator's chapter and begins like one of its commands. */
function spokenOf(operator: Command): string[] {
  const names = new Set(operator.commands.map((each) => each.name()));
  const spoken = [...chapter('## Run a pool').matchAll(/`([a-z-]+(?: [^`]*)?)`/g)].map(
    ([, text = '']) => text.replaceAll('\\|', '|'),
  );
  return [...new Set(spoken)].filter((text) => names.has(text.split(' ')[0] ?? ''));
}

describe('a command that the operator’s chapter speaks of exists', () => {
  const operator = operatorCommands();
  test.each(spokenOf(operator))('%s', (text) => {
    const words = text.split(' ');
    let command = operator;
    for (;;) {
      const next = command.commands.find((each) => each.name() === words[0]);
      if (next === undefined) break;
      command = next;
      words.shift();
    }
    // A group of commands is no command; a word in small letters after one would be a command that is not there.
    const unknown = command.commands.length > 0 && /^[a-z]+$/.test(words[0] ?? '');
    expect(unknown ? `no ${words[0]} of ${command.name()}` : '').toBe('');
    const given = words.filter((word) => word.startsWith('--'));
    expect(given.filter((word) => command.options.every(({ long }) => long !== word))).toEqual([]);
  });
});

test('the curl examples of the README are the lines of demo/curl-examples.sh', () => {
  const [, script = ''] = readFileSync('demo/curl-examples.sh', 'utf8').split(
    /^# Each command as it stands in the README.*\n/m,
  );
  const shown = blocks(chapter('### By curl'), 'bash').map((block) => block.trim());
  expect(shown).toEqual(script.trim().split('\n\n'));
});

test('the TypeScript of the README is demo/pay-invoice.ts', () => {
  const shown = blocks(chapter('### By TypeScript'), 'ts');
  expect(shown).toEqual([readFileSync('demo/pay-invoice.ts', 'utf8')]);
});

test.each(['WEIR_URL', 'WEIR_TOKEN', 'WEIR_POOL_KEY', 'PAYEE', 'PAYER'])(
  'the examples’ variable %s is printed by the demo that keeps running',
  (name) => {
    expect(readFileSync('demo/curl-examples.sh', 'utf8')).toContain(`$${name}`);
    expect(readFileSync('demo/keep-hints.ts', 'utf8')).toContain(`export ${name}=`);
  },
);
