/** The coordinator over the pool's socket: every answer parsed, since who answers may be hostile. */
import { createTRPCClient, httpLink } from '@trpc/client';
import { z } from 'zod';
import {
  POOL_LOG_PAGE_MAX,
  type PoolRouter,
  type PoolService,
} from '../../coordinator/pool-protocol.ts';
import { toWire } from '../../policies/canonical-json.ts';
import { Failure } from '../../policies/failure.ts';
import { CHANNELS_MAX, childIndex, height, hex32, satAmount } from '../../policies/intent.ts';
import { logEntry } from '../../policies/log-entry.ts';
import { REASONS, type ReasonCode, reason } from '../../policies/reason.ts';
import { failureOfCall } from '../../transport/trpc-failure.ts';
import { SOCKET_URL, unixFetch } from '../../transport/trpc-fetch.ts';
import { PSBT_CHARS_MAX } from '../channels/channel-event.ts';

const REASONS_MAX = 200;

const CODES = Object.keys(REASONS) as [ReasonCode, ...ReasonCode[]];
const reasons = z
  .array(
    z
      .object({ code: z.enum(CODES), detail: z.string().max(2_000) })
      .transform(({ code, detail }) => reason(code, detail)),
  )
  .max(REASONS_MAX);
const proposed = z.object({ id: hex32.nullable(), reasons });
const openProposed = proposed.extend({
  txid: z.union([hex32, z.literal('')]),
  psbt: z.string().max(PSBT_CHARS_MAX),
  expiryHeight: height,
});
const standing = z.object({
  treasuryId: hex32,
  tipHeight: height,
  treasurySat: satAmount,
});
const proposalStanding = z.object({
  id: hex32,
  txid: hex32,
  standing: z.enum(['collecting', 'expired', 'broadcast', 'confirmed', 'buried', 'dead']),
  signed: z.enum(['nobody', 'somebody', 'enough']),
  confirmations: z.int().min(0),
  feeSat: satAmount,
});
const closeAddresses = z
  .array(z.object({ index: childIndex, address: z.string().max(100) }))
  .max(CHANNELS_MAX);

/** @throws Failure of the coordinator's own code, COORDINATOR_UNREACHABLE, INPUT_INVALID for a garbled answer */
export function treasuryDoor(socketPath: string): PoolService {
  const client = createTRPCClient<PoolRouter>({
    links: [httpLink({ url: SOCKET_URL, fetch: unixFetch(socketPath) })],
  });
  return {
    standing: () => parsed(client.standing.query(), standing),
    closeAddresses: (count) => parsed(client.closeAddresses.mutate({ count }), closeAddresses),
    proposeChannelOpen: (request) =>
      parsed(client.proposeChannelOpen.mutate(toWire(request) as never), openProposed),
    channelsPending: (value) => sent(client.channelsPending.mutate(toWire(value) as never)),
    withdrawProposal: (id, why) => sent(client.withdrawProposal.mutate({ id, why })),
    cancelChannelOpen: (id) => parsed(client.cancelChannelOpen.mutate({ id }), proposed),
    proposal: (id) => parsed(client.proposal.query({ id }), proposalStanding),
    proposeChannelClose: (request) =>
      parsed(client.proposeChannelClose.mutate(toWire(request) as never), proposed),
    log: (afterSeq, limit) =>
      parsed(client.log.query({ afterSeq, limit }), z.array(logEntry).max(POOL_LOG_PAGE_MAX)),
  };
}

async function parsed<S extends z.ZodType>(
  answer: Promise<unknown>,
  schema: S,
): Promise<z.infer<S>> {
  const value = await called(answer);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new Failure('INPUT_INVALID', `the coordinator answered ${where}: ${issue?.message ?? ''}`);
}

async function sent(answer: Promise<unknown>): Promise<void> {
  await called(answer);
}

async function called(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (cause) {
    throw failureOfCall(cause, 'COORDINATOR_UNREACHABLE');
  }
}
