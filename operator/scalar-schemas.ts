/** Amounts and times as they parse at the pool's edges: bigint inside, decimal text outside. */
import { z } from 'zod';
import { MAX_MONEY_SAT, type Msat, msat } from '../policies/units.ts';

export const digits = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,18})$/, 'must be decimal digits in a string');

/** Millisatoshi: bigint, or its decimal text. */
export const msatAmount = z
  .union([z.bigint(), digits.transform(BigInt)])
  .refine(
    (value) => value >= 0n && value <= MAX_MONEY_SAT * 1_000n,
    'must be between 0 and 21 million BTC',
  )
  .transform((value): Msat => msat(value));

/** Unix time in milliseconds. */
export const unixMs = z.int().min(0);
