/** Numbers among the options of policy commands. */
import { Failure } from '../policies/failure.ts';
import { GUARDIANS_MAX } from '../policies/policy-limits.ts';
import { countText, heightText } from '../policies/scalar.ts';

/** @throws Failure INPUT_INVALID for what is no block height. */
export function heightOption(text: string, flag: string): number {
  const read = heightText.safeParse(text);
  if (read.success) return read.data;
  throw new Failure('INPUT_INVALID', `${flag}: must be a block height`);
}

/** Signatures that a spend needs. @throws Failure INPUT_INVALID below 1 and above the guardians. */
export function thresholdOption(text: string, guardians: number): number {
  const read = countText(1, Math.min(guardians, GUARDIANS_MAX)).safeParse(text);
  if (read.success) return read.data;
  throw new Failure('INPUT_INVALID', `--threshold: must be 1 to ${guardians}, the guardians`);
}
