/** The coordinator as an agent calls it: signed requests with one-time ids, every answer parsed. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { createTRPCClient, httpLink } from '@trpc/client';
import { z } from 'zod';
import {
  type CoordinatorRouter,
  type CoordinatorService,
  freshnessQuestion,
  parcel,
  REQUEST_HEADER,
  type SignedRequest,
} from '../../coordinator/protocol.ts';
import { canonicalJson } from '../../policies/canonical-json.ts';
import { Failure } from '../../policies/failure.ts';
import { logEntry } from '../../policies/log-entry.ts';
import { acknowledgement, freshness } from '../../policies/proposal.ts';
import type { Domain, Signed } from '../../policies/statement.ts';
import { failureOfCall } from '../../transport/trpc-failure.ts';
import { type SignableRequest, signedFetch } from '../../transport/trpc-fetch.ts';

export interface CoordinatorCaller {
  url: string;
  treasuryId: string;
  seatId: string;
  say<T>(domain: Domain, body: T): Signed<T>;
  random32(): string;
  now(): number;
}

const ENTRIES_MAX = 1_000;
const SEATS_MAX = 64;

/** @throws Failure of the coordinator's own code, or COORDINATOR_UNREACHABLE; INPUT_INVALID for a garbled answer. */
export function coordinatorDoor(caller: CoordinatorCaller): CoordinatorService {
  const client = createTRPCClient<CoordinatorRouter>({
    links: [
      httpLink({
        url: caller.url.replace(/\/$/, ''),
        fetch: signedFetch((request) => ({ [REQUEST_HEADER]: headerOf(caller, request) })),
      }),
    ],
  });
  return {
    claimSeat: (token, claim) => sent(client.claimSeat.mutate({ token, claim })),
    joinSeat: (record) => sent(client.joinSeat.mutate(record)),
    confirmSeat: (confirmation) => sent(client.confirmSeat.mutate(confirmation)),
    log: (afterSeq, limit, waitMs) =>
      parsed(client.log.query({ afterSeq, limit, waitMs }), z.array(logEntry).max(ENTRIES_MAX)),
    acknowledge: (value) => sent(client.acknowledge.mutate(value)),
    acknowledgements: () =>
      parsed(client.acknowledgements.query(), z.array(acknowledgement).max(SEATS_MAX)),
    parcel: (proposalId) => parsed(client.parcel.query({ proposalId }), parcel),
    postVerdict: (value) => sent(client.postVerdict.mutate(value)),
    postContribution: (value) => sent(client.postContribution.mutate(value)),
    postApproval: (value) => sent(client.postApproval.mutate(value)),
    askFreshness: (question) => sent(client.askFreshness.mutate(question)),
    freshnessQuestions: () =>
      parsed(client.freshnessQuestions.query(), z.array(freshnessQuestion).max(SEATS_MAX)),
    answerFreshness: (answer) => sent(client.answerFreshness.mutate(answer)),
    freshnessAnswers: (nonce) =>
      parsed(client.freshnessAnswers.query({ nonce }), z.array(freshness).max(SEATS_MAX)),
  };
}

/** Base64 of the canonical signed request: who calls what, with which body, once. */
function headerOf(caller: CoordinatorCaller, { procedure, input }: SignableRequest): string {
  const body = {
    treasuryId: caller.treasuryId,
    seatId: caller.seatId,
    procedure,
    bodyHash: bytesToHex(sha256(utf8ToBytes(input))),
    id: caller.random32(),
    unixTimeMs: caller.now(),
  };
  const request: SignedRequest = caller.say('request', body);
  return base64.encode(utf8ToBytes(canonicalJson(request)));
}

async function sent(call: Promise<unknown>): Promise<void> {
  await answered(call);
}

async function parsed<T>(call: Promise<unknown>, schema: z.ZodType<T>): Promise<T> {
  const answer = schema.safeParse(await answered(call));
  if (answer.success) return answer.data;
  throw new Failure('INPUT_INVALID', 'the coordinator gave a garbled answer', {
    cause: answer.error,
  });
}

async function answered(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (cause) {
    throw failureOfCall(cause, 'COORDINATOR_UNREACHABLE');
  }
}
