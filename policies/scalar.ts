/**
 * Scalars of a policy file: how the characters a person wrote become amounts, counts, heights and
 * names. One spelling each, no sign, no exponent, no base, so that nothing reads as something else.
 */
import { z } from 'zod';
import { height, label } from './intent.ts';
import { type FeeRate, MAX_MONEY_SAT, type Ppm, type Sat } from './units.ts';

/** Digits, in threes with `_` or in one piece; no leading zero: `0014` is a script, not fourteen. */
const INTEGER = /^(0|[1-9][0-9]{0,17}|[1-9][0-9]{0,2}(_[0-9]{3}){1,6})$/;
/** Above 10,000 sat/vB no block was ever filled: a typo, not a wish. */
const FEERATE_MAX = 10_000_000n;
const WHOLE_PPM = 1_000_000n;
/** A hundred times the own estimate is no limit any more. */
const ESTIMATE_PPM_MAX = 100_000_000n;
/** Two months. A window no index of charges can hold is no window. */
const BLOCKS_MAX = 8_640;
const SCRIPT_HEX_MAX = 200;
const DESCRIPTOR_TEXT_MAX = 2_000;

/** The rule of a key that no schema knows. */
export const UNKNOWN_KEY = 'unknown key';

const integer = z
  .string('must be a whole number')
  .regex(INTEGER, 'must be a whole number: digits, `_` between thousands, no leading zero')
  .transform((text) => BigInt(text.replaceAll('_', '')));

function integerWithin(from: bigint, to: bigint) {
  return integer.refine((value) => value >= from && value <= to, `must be ${from} to ${to}`);
}

/** Satoshi, 0 to MAX_MONEY. */
export const amountText = integerWithin(0n, MAX_MONEY_SAT).transform((value) => value as Sat);
/** Satoshi per 1,000 vbytes, 1 to 10,000,000. */
export const feerateText = integerWithin(1n, FEERATE_MAX).transform((value) => value as FeeRate);
/** A share of something, 0 to 1,000,000 ppm. */
export const shareText = integerWithin(0n, WHOLE_PPM).transform((value) => value as Ppm);
/** A multiple of the own estimate: 1,000,000 ppm is the estimate itself, 2,000,000 twice that. */
export const multipleText = integerWithin(WHOLE_PPM, ESTIMATE_PPM_MAX).transform(
  (value) => value as Ppm,
);

/** A count of things, never of money: a number inside. */
export function countText(from: number, to: number) {
  return integerWithin(BigInt(from), BigInt(to)).transform((value) =>
    Number.parseInt(`${value}`, 10),
  );
}

/** Blocks of a window or a delay; `from` is 0 where "none" makes sense. */
export function blocksText(from: 0 | 1) {
  return countText(from, BLOCKS_MAX);
}

/** A block height. */
export const heightText = countText(0, 499_999_999).pipe(height);

export const yesNo = z.enum(['yes', 'no'], 'must be yes or no');
export type YesNo = z.infer<typeof yesNo>;

export const labelText = label;

/** scriptPubKey in hex, 2 to 100 bytes: every standard form of today. */
export const scriptText = z
  .string()
  .regex(/^([0-9a-f]{2}){2,}$/, 'must be whole bytes in lower-case hex')
  .max(SCRIPT_HEX_MAX);

/** A public ranged descriptor with its checksum; judged for real where descriptors are known. */
export const descriptorText = z
  .string()
  .max(DESCRIPTOR_TEXT_MAX)
  .regex(/^[a-z]+\([ -~]+\)#[02-9ac-hj-np-z]{8}$/, 'must be a descriptor with its checksum')
  .refine((text) => !/[a-z]prv/.test(text), 'must hold no private key')
  .refine((text) => text.includes('/*'), 'must be ranged');

/** `null` for the first policy, else `sha256:` and the hash of the one before. */
export const previousText = z
  .string()
  .regex(/^(null|sha256:[0-9a-f]{64})$/, 'must be null or sha256: and 32 bytes in lower-case hex')
  .transform((text) => (text === 'null' ? null : text));

/**
 * A list whose order means nothing: at most `max` items, no two of one key, kept sorted by key, so
 * that two files that mean the same have the same hash.
 */
export function keyedList<T>(
  item: z.ZodType<T>,
  options: { key: (item: T) => string; min: number; max: number },
) {
  const { key, min, max } = options;
  return z
    .array(item)
    .min(min, `must have at least ${min}`)
    .max(max, `must have at most ${max}`)
    .superRefine((items, context) => {
      const seen = new Set<string>();
      for (const [index, each] of items.entries()) {
        if (seen.has(key(each))) {
          context.addIssue({ code: 'custom', path: [index], message: `${key(each)} stands twice` });
        }
        seen.add(key(each));
      }
    })
    .transform((items) => items.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)));
}

/** The schema that fits what is written, so that an error names the field and not a union. */
export function shapedBy<T>(pick: (keys: ReadonlySet<string>) => z.ZodType<T>): z.ZodType<T> {
  return z.unknown().transform((value, context): T => {
    const isMap = typeof value === 'object' && value !== null;
    const parsed = pick(new Set(isMap ? Object.keys(value) : [])).safeParse(value);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) {
      // An unknown key would let the transforms behind it run on a value that is not there.
      const unknown = issue.code === 'unrecognized_keys' ? issue.keys : [];
      for (const key of unknown) {
        context.addIssue({ code: 'custom', path: [...issue.path, key], message: UNKNOWN_KEY });
      }
      if (unknown.length === 0) context.issues.push({ ...issue } as z.core.$ZodRawIssue);
    }
    return z.NEVER;
  });
}

/** As a person writes it: 50000000 -> 50_000_000. */
export function amountShown(value: bigint): string {
  return value.toString().replaceAll(/\B(?=(\d{3})+$)/g, '_');
}
