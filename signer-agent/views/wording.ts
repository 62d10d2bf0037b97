/** Words and figures as a person reads them, the same on every screen. What others wrote is made plain. */
import {
  feerateText,
  percentTextFloor,
  printable,
  satText,
  tableText,
} from '../../console/print.ts';
import type { AuthorizationKind, SpendKind } from '../../policies/intent.ts';
import { REASONS, type Reason } from '../../policies/reason.ts';
import type { CheckedRow, Judgement } from '../judgement.ts';

/** What a screen says, for a script and for a person. */
export interface View {
  json: unknown;
  text: string;
}

/** No line of a screen is longer. */
export const WIDTH = 100;
/** Cell of a table that holds free text. */
const DETAIL_WIDTH = 60;
/** Of a list of problems a person reads the first ones. */
const ROWS_SHOWN_MAX = 60;

const KINDS: Record<SpendKind | AuthorizationKind, string> = {
  withdrawal_batch: 'Withdrawals',
  treasury_move: 'Move to a listed vault',
  hot_topup: 'Top-up of the hot wallet',
  consolidate: 'Consolidation of our own coins',
  fee_bump: 'Higher fee for an earlier spend',
  cancel: 'Cancel of an earlier spend',
  channel_open: 'Channel open',
  policy_change: 'Change of the policy',
  registry_change: 'Change of the LP registry',
  breaker: 'Breaker',
  large_ln_payout: 'Large Lightning payout',
  channel_close: 'Channel close',
  snapshot: 'Snapshot',
};

export function kindText(kind: SpendKind | AuthorizationKind): string {
  return KINDS[kind];
}

export const DECISIONS: Record<Judgement['decision'], string> = {
  sign: 'SIGNS: everything holds',
  ask: 'ASKS YOU: only its guardian can decide this',
  wait: 'WAITS: nothing is wrong, something is missing yet',
  refuse: 'REFUSES: at least one rule is broken',
};

/** What the reasons of a judgement are called. */
export const REASONS_TITLE: Record<Judgement['decision'], string> = {
  sign: 'NOTED',
  ask: 'WHY YOU ARE ASKED',
  wait: 'WHAT IS WAITED FOR',
  refuse: 'WHY IT IS REFUSED',
};

/** One line of plain text: whatever others wrote can not move the cursor or fake a row. */
export function oneLine(text: string): string {
  return printable(text).replaceAll(/\s+/gu, ' ').trim();
}

/** In groups of four, eight to a line, to read aloud or to compare by eye. */
export function addressText(address: string): string {
  const groups = oneLine(address).match(/.{1,4}/gu) ?? [];
  const lines: string[] = [];
  for (let at = 0; at < groups.length; at += 8) lines.push(groups.slice(at, at + 8).join(' '));
  return lines.join('\n');
}

/** Broken into lines at spaces; a longer word is cut. */
export function wrapped(text: string, width = DETAIL_WIDTH): string {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text)
    .split(' ')
    .flatMap((each) => pieces(each, width))) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= width) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
  }
  return [...lines, line].join('\n');
}

function pieces(word: string, width: number): string[] {
  return word.length <= width ? [word] : (word.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []);
}

/** A part of a screen under its title; nothing where there is nothing to say. */
export function section(title: string, body: string): string[] {
  return body === '' ? [] : [`${title}\n${body}`];
}

/** A table, or nothing without rows. */
export function tableOrNothing(head: readonly string[], rows: readonly string[][]): string {
  return rows.length === 0 ? '' : tableText(head, rows);
}

/** Parts of a screen, an empty line between two. */
export function screen(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}

export function plural(count: number | bigint, one: string, many = `${one}s`): string {
  return `${count} ${BigInt(count) === 1n ? one : many}`;
}

/** How long something still lives, in blocks of the own chain. */
export function expiryText(expiryHeight: number, tipHeight: number | null): string {
  if (tipHeight === null) return `at height ${expiryHeight}`;
  const left = expiryHeight - tipHeight;
  if (left < 0) return `expired ${plural(-left, 'block')} ago, at height ${expiryHeight}`;
  return `in ${plural(left, 'block')}, at height ${expiryHeight}`;
}

/** `1_234 sat, 2.5 sat/vB, 0.04 % of what leaves`. */
export function feeText(feeSat: bigint, feerate: bigint | null, leavesSat: bigint): string {
  const rate = feerate === null ? [] : [feerateText(feerate)];
  const share = leavesSat > 0n ? [`${percentTextFloor(feeSat, leavesSat)} of what leaves`] : [];
  return [satText(feeSat), ...rate, ...share].join(', ');
}

/** Reasons with what the code means. */
export function reasonsTable(reasons: readonly Reason[]): string {
  const rows = reasons
    .slice(0, ROWS_SHOWN_MAX)
    .map(({ code, row, detail }) => [
      row,
      code,
      `${wrapped(REASONS[code][1])}${detail === '' ? '' : `\n${wrapped(detail)}`}`,
    ]);
  const more = reasons.length - rows.length;
  const note = more > 0 ? `\nand ${more} more` : '';
  return `${tableOrNothing(['row', 'code', 'what was found'], rows)}${note}`;
}

/** Which rows passed and which could not be looked at. */
export function rowsText(rows: readonly CheckedRow[]): string[] {
  const passed = rows.filter(({ outcome }) => outcome === 'passed').map(({ row }) => row);
  const blind = rows.filter(({ outcome }) => outcome === 'not-checked');
  return [
    ...(passed.length === 0
      ? []
      : [wrapped(`Checked and in order (${passed.length}): ${passed.join(' ')}`, WIDTH)]),
    ...section(
      'COULD NOT BE CHECKED HERE',
      tableOrNothing(
        ['row', 'why'],
        blind.map(({ row, detail }) => [oneLine(row), wrapped(detail, WIDTH - 20)]),
      ),
    ),
  ];
}
