/** What commands print: text and tables for people, one JSON value a line for scripts. */
import Table from 'cli-table3';
import { toWire } from '../policies/canonical-json.ts';

/** One JSON value on stdout; bigints as decimal text. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(toWire(value))}\n`);
}

/** A line on stdout. */
export function printLine(text = ''): void {
  process.stdout.write(`${printable(text)}\n`);
}

/** A line on stderr: progress, warnings and prompts. */
export function printNote(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

/** A table on stdout. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  printLine(tableText(head, rows));
}

/** The same as text. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  for (const row of rows) table.push(row.map(printable));
  return table.toString();
}

/** Control and format characters could rewrite what a terminal shows; line ends stay. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (found) => (found === '\n' ? found : ' '));
}

/** Satoshi as a person reads it: `1_250_000 sat`. */
export function satText(amount: bigint): string {
  return `${groups(amount)} sat`;
}

/** sat per 1,000 vbytes as sat/vB with three decimals at most, exactly. */
export function feerateText(satPerKvb: bigint): string {
  const part = (satPerKvb % 1_000n).toString().padStart(3, '0').replace(/0+$/, '');
  return `${groups(satPerKvb / 1_000n)}${part === '' ? '' : `.${part}`} sat/vB`;
}

/** Part of a whole in percent with two decimals, rounded down. */
export function percentTextFloor(part: bigint, whole: bigint): string {
  if (whole <= 0n) return '-';
  const hundredths = (part * 10_000n) / whole;
  return `${hundredths / 100n}.${(hundredths % 100n).toString().padStart(2, '0')} %`;
}

function groups(value: bigint): string {
  return value.toString().replaceAll(/\B(?=(\d{3})+$)/g, '_');
}
