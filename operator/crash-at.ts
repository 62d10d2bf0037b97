/**
 * The moments at the edges of every effect, so that a test can stop the process at each of them:
 * `WEIR_CRASH_AT=<moment>:<count>` makes `weir operator run` kill itself as a power cut would. Unset it does nothing.
 */
import { Failure } from '../policies/failure.ts';

export const CRASH_MOMENTS = [
  'before-append',
  'after-append',
  'before-dispatch',
  'after-dispatch',
  'before-look-up',
  'before-create-invoice',
  'after-create-invoice',
  'before-cancel-invoice',
  'after-cancel-invoice',
  'before-open-channels',
  'after-open-channels',
  'before-propose',
  'after-propose',
  'before-verify',
  'after-verify',
  'before-word',
  'after-word',
  'before-forget',
  'after-forget',
  'before-close',
  'after-close',
] as const;
export type CrashMoment = (typeof CRASH_MOMENTS)[number];

/** Called at each moment. */
export type CrashPoint = (moment: CrashMoment) => void;

export const NO_CRASH: CrashPoint = () => undefined;

/** @throws Failure INPUT_INVALID for a setting that names no moment and count */
export function crashPointOf(setting: string | undefined, crash: () => void): CrashPoint {
  if (setting === undefined || setting === '') return NO_CRASH;
  const [, wanted = '', digits = ''] = /^([a-z-]+):([1-9][0-9]{0,5})$/.exec(setting) ?? [];
  if (!CRASH_MOMENTS.some((moment) => moment === wanted)) {
    throw new Failure(
      'INPUT_INVALID',
      `WEIR_CRASH_AT is moment:count, of ${CRASH_MOMENTS.join(', ')}`,
    );
  }
  let left = Number.parseInt(digits, 10);
  return (moment) => {
    if (moment !== wanted) return;
    left -= 1;
    if (left === 0) crash();
  };
}
