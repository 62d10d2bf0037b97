/**
 * A test's knife: with WEIR_CRASH_AT=moment:count in the environment the process kills itself, as a power
 * cut would, when that moment comes for the count-th time. Unset it does nothing.
 */

/** @throws Error for a value that names no moment and count. */
export function crashAt(setting: string | undefined): (moment: string) => void {
  if (setting === undefined || setting === '') return () => undefined;
  const [, wanted, digits] = /^([a-z-]+):([1-9][0-9]{0,5})$/.exec(setting) ?? [];
  if (wanted === undefined || digits === undefined) {
    throw new Error('WEIR_CRASH_AT is moment:count');
  }
  let left = Number.parseInt(digits, 10);
  return (moment) => {
    if (moment !== wanted) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
}
