/** CPU time of another process, from Linux' /proc. */
import { readFile } from 'node:fs/promises';

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on (USER_HZ). */
const TICK_MS = 10;
/** Fields after the name in parentheses: state is the first, utime and stime these (proc_pid_stat(5)). */
const USER_FIELD = 11;
const SYSTEM_FIELD = 12;

/** Milliseconds of user and system time so far; null where there is no /proc. */
export async function cpuMsOf(pid: number | null): Promise<number | null> {
  if (pid === null) return null;
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [fields[USER_FIELD], fields[SYSTEM_FIELD]];
  return (Number.parseInt(user ?? '0', 10) + Number.parseInt(system ?? '0', 10)) * TICK_MS;
}
