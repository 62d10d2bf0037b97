/** What is left of each limit, in words. */
import { feerateText, satText } from '../../console/print.ts';
import type { SlackRow } from '../../policies/evaluate.ts';
import { plural, tableOrNothing, wrapped } from './wording.ts';

/** Leaves room for three amounts of ten thousand bitcoin. */
const LABEL_WIDTH = 28;

/** Rules a guardian weighs; of all others only those that fail are shown. */
const WEIGHED =
  /^(overlay\.)?(limits\.|fees\.windows|per_payee|intents\.[a-z_]+\.(windows|max$|per_payee|min_interval)|allowlists\.)/;

const WORDS: readonly [pattern: RegExp, words: string][] = [
  [/^limits\.per_tx$/, 'one transaction'],
  [/^limits\.windows\.(.+)$/, 'all spends, window “$1”'],
  [/^limits\.count$/, 'number of transactions'],
  [/^limits\.floor_balance$/, 'what must stay, at least'],
  [/^fees\.windows\.([0-9]+)(\..+)?$/, 'fees of $1 blocks'],
  [/^fees\.max_abs$/, 'highest fee'],
  [/^fees\.max_ppm_of_amount$/, 'fee as a share of the amount'],
  [/^fees\.max_rate$/, 'fee at the highest feerate'],
  [/^fees\.min_rate$/, 'least fee, at the lowest feerate'],
  [/^(?:intents\.withdrawal_batch\.)?per_payee\.max$/, 'one payee, in this transaction'],
  [/^(?:intents\.withdrawal_batch\.)?per_payee\.per_day$/, 'one payee, in a day'],
  [/^intents\.([a-z_]+)\.windows\.([0-9]+)\.max_count$/, 'number of $1 in $2 blocks'],
  [/^intents\.([a-z_]+)\.windows\.([0-9]+)$/, '$1 in $2 blocks'],
  [/^intents\.([a-z_]+)\.max$/, 'one $1'],
  [/^intents\.([a-z_]+)\.min_interval$/, 'blocks since the last $1'],
  [/^allowlists\.[^.]+\.([^.]+)\.per_day$/, 'to $1, in a day'],
];

/** A rule of the policy in words; a rule without words is named by its path. */
export function ruleText(rule: string): string {
  const own = rule.startsWith('overlay.');
  const path = own ? rule.slice('overlay.'.length) : rule;
  const found = WORDS.find(([pattern]) => pattern.test(path));
  const words = found === undefined ? path : path.replace(found[0], found[1]);
  return own ? `your own limit: ${words}` : words;
}

/** Amounts, feerates, heights or counts, as their unit says. */
export function measureText(value: bigint, unit: SlackRow['unit']): string {
  switch (unit) {
    case 'sat':
      return satText(value);
    case 'sat/kvB':
      return value < 0n ? `-${feerateText(-value)}` : feerateText(value);
    case 'blocks':
      return plural(value, 'block');
    case 'height':
      return `height ${value}`;
    case 'count':
      return value.toString();
  }
}

/** A table of limits with what is left of them; `use` heads the column of what is used. */
export function limitsTable(slack: readonly SlackRow[], use = 'with this'): string {
  const rows = slack
    .filter(({ rule, slack: left }) => left < 0n || WEIGHED.test(rule))
    .map((row) => [
      wrapped(ruleText(row.rule), LABEL_WIDTH),
      measureText(row.limit, row.unit),
      measureText(row.used, row.unit),
      row.slack < 0n
        ? `EXCEEDED by\n${measureText(-row.slack, row.unit)}`
        : measureText(row.slack, row.unit),
    ]);
  return tableOrNothing(['limit', 'allows', use, 'left'], rows);
}
