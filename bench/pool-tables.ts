/** What the benches of the pool print. */
import { printLine, printTable } from '../console/print.ts';
import { msText, ratioText } from './measure.ts';
import type { PayOptions, PayResult } from './pay.ts';
import type { ReceiptsOptions, ReceiptsRow } from './receipts.ts';
import type { RestartRow } from './restart.ts';

const MEGABYTE = 1_000_000;

export function printPay(
  { sequential, concurrent, total }: PayOptions,
  { weir, bare, stages, cpuMs }: PayResult,
): void {
  printLine(`${sequential} payments one after another, then ${total} with ${concurrent} at once`);
  printTable(
    ['', 'pool', 'bare ln-service', 'pool/bare'],
    [
      ['p50, ms', msText(weir.p50Ms), msText(bare.p50Ms), ratioText(weir.p50Ms, bare.p50Ms)],
      ['p90, ms', msText(weir.p90Ms), msText(bare.p90Ms), ratioText(weir.p90Ms, bare.p90Ms)],
      ['  quote_pay | route, p50', msText(stages.quoteMs), msText(stages.routeMs), ''],
      ['  pay | send, p50', msText(stages.payMs), msText(stages.sendMs), ''],
      [
        `a second, ${concurrent} at once`,
        weir.perSecond.toFixed(1),
        bare.perSecond.toFixed(1),
        ratioText(weir.perSecond, bare.perSecond),
      ],
      ['CPU ms of the pool for one', msText(cpuMs.sequential), '', ''],
      [`  with ${concurrent} at once`, msText(cpuMs.concurrent), '', ''],
    ],
  );
}

export function printReceipts(
  { seconds, callers, perSecond }: ReceiptsOptions,
  rows: readonly ReceiptsRow[],
): void {
  const [ours] = rows;
  printLine(
    `${callers} callers for ${seconds} s, then ${perSecond} a second offered for ${seconds} s; milliseconds`,
  );
  printTable(
    ['', 'a second', 'p50', 'p99', 'CPU', 'pool/it', `at ${perSecond}`, 'p50', 'p99'],
    rows.map((row) => [
      row.what,
      row.saturated.perSecond.toFixed(0),
      msText(row.saturated.p50Ms),
      msText(row.saturated.p99Ms),
      msText(row.cpuMs),
      ratioText(ours?.saturated.perSecond ?? 0, row.saturated.perSecond),
      row.offered.perSecond.toFixed(0),
      msText(row.offered.p50Ms),
      msText(row.offered.p99Ms),
    ]),
  );
}

export function printRestart(rows: readonly RestartRow[]): void {
  printLine('until the pool can decide; seconds, medians; each start in a process of its own');
  printTable(
    ['entries', 'all entries', 'checkpoint', 'all/checkpoint', 'written in', 'file', 'memory'],
    rows.map((row) => [
      row.entries.toString(),
      secondsText(row.fullMs),
      secondsText(row.checkpointMs),
      ratioText(row.fullMs, row.checkpointMs),
      secondsText(row.writeMs),
      `${(row.fileBytes / MEGABYTE).toFixed(0)} MB`,
      `${(row.rssBytes / MEGABYTE).toFixed(0)} MB`,
    ]),
  );
}

function secondsText(ms: number): string {
  return (ms / 1_000).toFixed(2);
}
