/** What operators write on the command line, parsed. @throws Failure INPUT_INVALID everywhere */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import { feerateAmount, label, networkName, satAmount } from '../policies/intent.ts';
import type { FeeRate, Sat } from '../policies/units.ts';
import type { CeremonyParams } from '../policies/wallet-record.ts';

/** Largest file read: a registry of a thousand LPs. */
const FILE_BYTES_MAX = 2_000_000;

export function amountOf(text: string, what: string): Sat {
  return parsed(satAmount, text.replaceAll('_', ''), what);
}

export function feerateOf(text: string | undefined): FeeRate | null {
  return text === undefined ? null : parsed(feerateAmount, text.replaceAll('_', ''), '--feerate');
}

export function networkOf(text: string) {
  return parsed(networkName, text, '--network');
}

export function labelOf(text: string, what: string): string {
  return parsed(label, text, what);
}

export function breakerActionOf(text: string): 'trip' | 'reset' {
  if (text === 'trip' || text === 'reset') return text;
  throw new Failure('INPUT_INVALID', 'a breaker takes trip or reset');
}

export function countOf(text: string, what: string): number {
  if (!/^(0|[1-9][0-9]{0,8})$/.test(text)) {
    throw new Failure('INPUT_INVALID', `${what} must be a whole number`);
  }
  return Number.parseInt(text, 10);
}

/** `2-of-3`. */
export function quorumOf(text: string): { threshold: number; of: number } {
  const found = /^([1-9])-of-([1-9])$/.exec(text);
  if (found === null) throw new Failure('INPUT_INVALID', '--quorum must be like 2-of-3');
  return { threshold: countOf(found[1] ?? '', 'k'), of: countOf(found[2] ?? '', 'n') };
}

/** `K:OLDER`: so many recovery keys after so many blocks; nothing for no recovery path. */
export function templateOf(text: string | undefined): CeremonyParams['template'] {
  if (text === undefined) return { kind: 'wsh-sortedmulti' };
  const [keys = '', older = ''] = text.split(':');
  return {
    kind: 'wsh-sortedmulti-recovery',
    recoveryThreshold: countOf(keys, '--recovery K:OLDER'),
    older: countOf(older, '--recovery K:OLDER'),
  };
}

/** `ENTRY` or `ENTRY:INDEX`. */
export function entryOf(text: string): { entry: string; index: number | null } {
  const [entry = '', index, ...rest] = text.split(':');
  if (rest.length > 0) throw new Failure('INPUT_INVALID', '--to must be ENTRY or ENTRY:INDEX');
  return {
    entry: labelOf(entry, '--to'),
    index: index === undefined ? null : countOf(index, '--to'),
  };
}

/** A text file, `-` for the standard input. @throws Failure NOT_FOUND, INPUT_TOO_LARGE */
export async function textOf(file: string): Promise<string> {
  const bytes = await readFile(file === '-' ? '/dev/stdin' : file).catch((cause: unknown) => {
    throw new Failure('NOT_FOUND', `${file} cannot be read`, { cause });
  });
  if (bytes.length > FILE_BYTES_MAX) throw new Failure('INPUT_TOO_LARGE', `${file} is too large`);
  return bytes.toString('utf8');
}

/** A JSON file of a known shape. */
export async function jsonOf<S extends z.ZodType>(file: string, schema: S): Promise<z.infer<S>> {
  const text = await textOf(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Failure('INPUT_INVALID', `${file} is not JSON`, { cause });
  }
  return parsed(schema, value, file);
}

function parsed<S extends z.ZodType>(schema: S, value: unknown, what: string): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new Failure(
    'INPUT_INVALID',
    `${what}: ${where === '' ? '' : `${where} `}${issue?.message ?? 'invalid'}`,
  );
}
