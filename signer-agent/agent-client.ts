/** How a command speaks to `weir signer-agent run`: over the socket in the agent's own folder. */
import path from 'node:path';
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client';
import { z } from 'zod';
import { EXIT, type Exit } from '../console/exit-code.ts';
import { Failure } from '../policies/failure.ts';
import { approvalBody } from '../policies/proposal.ts';
import { failureOfCall } from '../transport/trpc-failure.ts';
import { SOCKET_URL, unixFetch } from '../transport/trpc-fetch.ts';
import {
  type AgentRouter,
  type Answer,
  type CeremonyAnswer,
  type ReviewAnswer,
  SOCKET_NAME,
} from './local-protocol.ts';

export type AgentClient = TRPCClient<AgentRouter>;

const exit = z.int().refine((value) => new Set<number>(Object.values(EXIT)).has(value));
const answer = z.object({
  json: z.unknown(),
  text: z.string(),
  exit: exit.transform((value) => value as Exit),
});
const reviewAnswer = answer.extend({ approves: approvalBody.nullable() });
const ceremonyAnswer = answer.extend({
  recordHash: z.string().nullable(),
  state: z.enum(['waiting', 'to-confirm', 'confirmed', 'complete']),
});

/**
 * One call to the agent that runs on a folder.
 *
 * @throws Failure AGENT_UNREACHABLE when none runs there, and whatever the agent failed with.
 */
export async function askAgent(
  dir: string,
  call: (client: AgentClient) => Promise<unknown>,
): Promise<Answer> {
  return parsed(answer, await called(dir, call));
}

/** The review of one subject, with the statement that approving it would sign. */
export async function askReview(dir: string, id: string): Promise<ReviewAnswer> {
  return parsed(reviewAnswer, await called(dir, (client) => client.review.query({ id })));
}

/** How far the ceremony is, and what is to be compared. */
export async function askCeremony(dir: string): Promise<CeremonyAnswer> {
  return parsed(ceremonyAnswer, await called(dir, (client) => client.ceremony.query()));
}

async function called(
  dir: string,
  call: (client: AgentClient) => Promise<unknown>,
): Promise<unknown> {
  const client = createTRPCClient<AgentRouter>({
    links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(path.join(dir, SOCKET_NAME)) })],
  });
  try {
    return await call(client);
  } catch (cause) {
    throw failureOfCall(cause, 'AGENT_UNREACHABLE');
  }
}

function parsed<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new Failure('INPUT_INVALID', 'the agent answers in another form: is it of this version?');
}
