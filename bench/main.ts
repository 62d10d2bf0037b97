/** `npm run bench -- sign|build`: speeds beside the node's and a bare library's, in one run. */
import { Command } from 'commander';
import { printJson, printLine, printTable } from '../console/print.ts';
import { type BuildRow, benchBuild } from './build.ts';
import { msText, ratioText } from './measure.ts';
import { benchSign, type SignRow, STAGES } from './sign.ts';

const SIZES = '1,10,100,500';
const RUNS = '7';

const program = new Command('bench').description('speeds as ratios of one run');

program
  .command('sign')
  .description("an agent's whole path for one proposal, 2-of-3 wsh, by number of inputs")
  .option('--inputs <list>', 'numbers of inputs, by comma', SIZES)
  .option('--runs <n>', 'tries of each; the middle one counts', RUNS)
  .option('--json', 'one JSON value on stdout')
  .action(async (options: { inputs: string; runs: string; json?: boolean }) => {
    const sizes = options.inputs.split(',').map((text) => whole(text));
    const { node, rows } = await benchSign(sizes, whole(options.runs));
    if (options.json === true) printJson({ bench: 'sign', node, unit: 'ms', rows });
    else printSign(node, rows);
  });

program
  .command('build')
  .description('a batch of 1,000 payees from 100 coins, transaction and PSBT')
  .option('--payees <n>', 'how many are paid', '1000')
  .option('--coins <n>', 'how many coins pay', '100')
  .option('--runs <n>', 'tries of each; the middle one counts', RUNS)
  .option('--json', 'one JSON value on stdout')
  .action(async (options: { payees: string; coins: string; runs: string; json?: boolean }) => {
    const row = await benchBuild(whole(options.payees), whole(options.coins), whole(options.runs));
    if (options.json === true) printJson({ bench: 'build', unit: 'ms', rows: [row] });
    else printBuild(row);
  });

await program.parseAsync();

function printSign(node: string | null, rows: readonly SignRow[]): void {
  printLine(
    `2-of-3 wsh, one seat signs every input; milliseconds, medians; node: ${node ?? 'none'}`,
  );
  printTable(
    [
      'inputs',
      'agent',
      'agent, warm',
      'node',
      'bare scure',
      'agent/node',
      'warm/node',
      'agent/scure',
    ],
    rows.map((row) => [
      row.inputs.toString(),
      msText(row.agent),
      msText(row.agentWarm),
      msText(row.node),
      msText(row.scure),
      ratioText(row.agent, row.node),
      ratioText(row.agentWarm, row.node),
      ratioText(row.agent, row.scure),
    ]),
  );
  printLine(
    'Stages of the agent; judge holds decode, derive, rebuild, read and every other check.',
  );
  printTable(
    ['inputs', ...STAGES],
    rows.map((row) => [row.inputs.toString(), ...STAGES.map((stage) => msText(row.stages[stage]))]),
  );
  const [small, large] = [100, 500].map((size) => rows.find(({ inputs }) => inputs === size));
  if (small !== undefined && large !== undefined) {
    printLine(`500 inputs take ${ratioText(large.agent, small.agent)} the time of 100.`);
  }
}

function printBuild(row: BuildRow): void {
  printLine(`${row.payees} payees from ${row.coins} coins; milliseconds, medians`);
  printTable(
    ['weir', 'weir, places derived first', 'bare scure', 'weir/scure', 'first/scure'],
    [
      [
        msText(row.weir),
        msText(row.weirCold),
        msText(row.scure),
        ratioText(row.weir, row.scure),
        ratioText(row.weirCold, row.scure),
      ],
    ],
  );
}

function whole(text: string): number {
  const value = Number.parseInt(text, 10);
  if (!/^[1-9][0-9]{0,4}$/.test(text)) throw new Error(`${text} is not a number from 1`);
  return value;
}
