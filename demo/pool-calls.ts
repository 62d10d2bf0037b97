/** Calls of the pool's API as a program in any language would make them: JSON over HTTP, the answer as text. */
import type { PoolWorld } from './lightning-world.ts';

export interface ApiAnswer {
  status: number;
  text: string;
}

/** Longer than the pool holds a call open. */
const CALL_MS_MAX = 40_000;

export async function rawPost(
  { operator }: Pick<PoolWorld, 'operator'>,
  token: string,
  route: string,
  body: object,
): Promise<ApiAnswer> {
  const answer = await fetch(`${operator.url}${route}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(CALL_MS_MAX),
  });
  return { status: answer.status, text: await answer.text() };
}

/** The body of an answer that is a yes. @throws Error with the envelope of a no */
export async function post(
  world: Pick<PoolWorld, 'operator'>,
  token: string,
  route: string,
  body: object,
): Promise<Record<string, unknown>> {
  const { status, text } = await rawPost(world, token, route, body);
  if (status !== 200) throw new Error(`${route} answered ${status}: ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}
