/** One call of ln-service with a bound and an error that can be read: its own are arrays, and it waits for ever. */

/** Longest ordinary call on loopback; slower by far only on a machine that does much else. */
const CALL_TIMEOUT_MS = 60_000;

/** What ln-service rejected with, as an Error: `[503, 'UnexpectedError', {err}]` stays in `reply`. */
export class LnError extends Error {
  readonly reply: unknown;
  /** ln-service's own number and name for it; 0 and '' when the call was never answered. */
  readonly code: number;
  readonly type: string;
  constructor(what: string, reply: unknown) {
    const [code, type, more] = Array.isArray(reply) ? (reply as unknown[]) : [0, '', reply];
    super(`${what}: ${String(code)} ${String(type)} ${details(more)}`.trim());
    this.name = 'LnError';
    this.reply = reply;
    this.code = typeof code === 'number' ? code : 0;
    this.type = typeof type === 'string' ? type : '';
  }
}

/** The answer. Rejects with LnError when the node refuses or does not answer in time. */
export async function called<T>(
  what: string,
  call: Promise<T>,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([call, late]);
  } catch (cause) {
    throw new LnError(what, cause);
  } finally {
    clearTimeout(timer);
  }
}

/** gRPC's own sentence, where there is one. */
function details(more: unknown): string {
  if (more instanceof Error) return more.message;
  if (typeof more !== 'object' || more === null) return '';
  if ('err' in more) return details(more.err);
  return 'details' in more ? String(more.details) : '';
}
