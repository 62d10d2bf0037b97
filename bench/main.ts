/** `npm run bench`, or `-- sign|build|pay|receipts|restart` for one table: speeds beside a peer's, in one run. */
import { Command } from 'commander';
import { printJson, printLine, printTable } from '../console/print.ts';
import { type BuildRow, benchBuild } from './build.ts';
import { msText, ratioText } from './measure.ts';
import { benchPay } from './pay.ts';
import { printPay, printReceipts, printRestart } from './pool-tables.ts';
import { benchReceipts } from './receipts.ts';
import { benchRestart, restartOnce } from './restart.ts';
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

program
  .command('pay')
  .description('quote_pay and pay over HTTP, beside bare ln-service on the same LND')
  .option('--sequential <n>', 'payments one after another, of each', '100')
  .option('--concurrent <n>', 'payments at once', '50')
  .option('--total <n>', 'payments of that kind, of each', '400')
  .option('--json', 'one JSON value on stdout')
  .action(
    async (options: { sequential: string; concurrent: string; total: string; json?: boolean }) => {
      const of = {
        sequential: whole(options.sequential),
        concurrent: whole(options.concurrent),
        total: whole(options.total),
      };
      const result = await benchPay(of);
      if (options.json === true) printJson({ bench: 'pay', ...of, result });
      else if (result !== null) printPay(of, result);
    },
  );

program
  .command('receipts')
  .description('durable receipts a second, beside single synced writes of LevelDB and PostgreSQL')
  .option('--seconds <n>', 'of each measurement', '10')
  .option('--callers <n>', 'that ask at once at saturation', '256')
  .option('--rate <n>', 'offered a second', '2000')
  .option('--json', 'one JSON value on stdout')
  .action(async (options: { seconds: string; callers: string; rate: string; json?: boolean }) => {
    const of = {
      seconds: whole(options.seconds),
      callers: whole(options.callers),
      perSecond: whole(options.rate),
    };
    const rows = await benchReceipts(of);
    if (options.json === true) printJson({ bench: 'receipts', ...of, rows });
    else printReceipts(of, rows);
  });

program
  .command('restart')
  .description('a start from a checkpoint, beside one from all entries')
  .option('--entries <list>', 'numbers of entries, by comma', '100000,1000000')
  .option('--runs <n>', 'starts of each; the middle one counts', '3')
  .option('--json', 'one JSON value on stdout')
  .action(async (options: { entries: string; runs: string; json?: boolean }) => {
    const sizes = options.entries.split(',').map((text) => whole(text));
    const rows = await benchRestart(sizes, whole(options.runs));
    if (options.json === true) printJson({ bench: 'restart', rows });
    else printRestart(rows);
  });

program
  .command('all', { isDefault: true })
  .description('every table, one after another')
  .action(async () => {
    for (const name of ['sign', 'build', 'pay', 'receipts', 'restart']) {
      printLine(`\n${name}`);
      await program.parseAsync([name], { from: 'user' });
    }
  });

program.command('restart-once <dir> <how>', { hidden: true }).action(async (dir: string, how) => {
  printJson(await restartOnce(dir, String(how)));
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
  if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new Error(`${text} is not a number from 1`);
  return value;
}
