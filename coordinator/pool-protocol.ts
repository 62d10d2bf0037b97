/**
 * PUBLISHED: what the pool's operator process speaks to the coordinator over a Unix socket of its own (mode
 * 0600). The pool drives LND and holds no treasury key; the coordinator holds no macaroon. Bigints travel as
 * decimal text.
 */
import { initTRPC } from '@trpc/server';
import { z } from 'zod';
import { toWire } from '../policies/canonical-json.ts';
import {
  CHANNELS_MAX,
  channelFunding,
  childIndex,
  feerateAmount,
  hex32,
  label,
  outpoint,
  satAmount,
} from '../policies/intent.ts';
import type { LogEntry } from '../policies/log-entry.ts';
import { channelsPending } from '../policies/proposal.ts';
import type { Reason } from '../policies/reason.ts';
import { codedShape, throwCoded } from '../transport/trpc-coded.ts';

/** Entries in one answer of `log`. */
export const POOL_LOG_PAGE_MAX = 200;
/** Largest request: ten channels, or one signed statement. */
export const POOL_BODY_BYTES_MAX = 256 * 1024;

/** A treasury address that no channel has as its close address yet. */
export interface CloseAddress {
  index: number;
  address: string;
}

const channelOpenRequest = z.strictObject({
  channels: z.array(channelFunding).min(1).max(CHANNELS_MAX),
  /** An address of LND's own wallet, derived from an entry of the policy's list. */
  reserve: z.strictObject({ address: z.string().max(100), amountSat: satAmount }).nullable(),
  initiator: label,
});
export type ChannelOpenRequest = z.infer<typeof channelOpenRequest>;

const channelCloseRequest = z.strictObject({
  channelPoint: outpoint,
  force: z.enum(['cooperative', 'peer_offline', 'htlc_deadline', 'breach_risk']),
  closeIndex: childIndex,
  maxFeeRateSatPerKvb: feerateAmount,
  initiator: label,
});
export type ChannelCloseRequest = z.infer<typeof channelCloseRequest>;

/** `id` is null where the coordinator's own policy refuses; then nothing is logged. */
export interface Proposed {
  id: string | null;
  reasons: readonly Reason[];
}

export interface ChannelOpenProposed extends Proposed {
  txid: string;
  /** Base64 (BIP-174), unsigned: what LND verifies before anybody signs. */
  psbt: string;
  expiryHeight: number;
}

/**
 * Where a proposal stands. `collecting` waits for attestation, people or signatures; `dead` can never confirm;
 * `buried` is six deep.
 */
export interface ProposalStanding {
  id: string;
  txid: string;
  standing: 'collecting' | 'expired' | 'broadcast' | 'confirmed' | 'buried' | 'dead';
  /** Somebody's signature is in the log: treat as published. */
  signed: 'nobody' | 'somebody' | 'enough';
  confirmations: number;
  feeSat: bigint;
}

/** What the coordinator does for the pool. */
export interface PoolService {
  /** Treasury and chain as the coordinator sees them; the pool checks what it can from the log. */
  standing(): Promise<{ treasuryId: string; tipHeight: number; treasurySat: bigint }>;
  /** Hands out indexes once; unused ones are not reclaimed. */
  closeAddresses(count: number): Promise<readonly CloseAddress[]>;
  proposeChannelOpen(request: ChannelOpenRequest): Promise<ChannelOpenProposed>;
  /** Idempotent. Refused unless it is the policy's pool key and matches the proposal. */
  channelsPending(value: z.infer<typeof channelsPending>): Promise<void>;
  /** Drops a proposal that nobody signed, at once; one that is signed needs `cancelChannelOpen`. */
  withdrawProposal(id: string, why: string): Promise<void>;
  /** Spends the anchor back to the treasury: an intent of its own. */
  cancelChannelOpen(id: string): Promise<Proposed>;
  proposal(id: string): Promise<ProposalStanding>;
  proposeChannelClose(request: ChannelCloseRequest): Promise<Proposed>;
  /** The treasury log, so that the pool itself counts who approved. */
  log(afterSeq: number, limit: number): Promise<readonly LogEntry[]>;
}

const t = initTRPC.context<{ service: PoolService }>().create({ errorFormatter: codedShape });

const call = t.procedure.use(
  t.middleware(async ({ next }) => {
    const result = await next();
    if (!result.ok) throwCoded(result.error);
    return result;
  }),
);
const byId = z.strictObject({ id: hex32 });

/** Answers as they travel: bigints as decimal text. */
function wired<T>(value: T): T {
  return toWire(value) as T;
}

export const poolRouter = t.router({
  standing: call.query(async ({ ctx }) => wired(await ctx.service.standing())),
  closeAddresses: call
    .input(z.strictObject({ count: z.int().min(1).max(CHANNELS_MAX) }))
    .mutation(({ ctx, input }) => ctx.service.closeAddresses(input.count)),
  proposeChannelOpen: call
    .input(channelOpenRequest)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.proposeChannelOpen(input))),
  channelsPending: call
    .input(channelsPending)
    .mutation(({ ctx, input }) => ctx.service.channelsPending(input)),
  withdrawProposal: call
    .input(z.strictObject({ id: hex32, why: z.string().max(200) }))
    .mutation(({ ctx, input }) => ctx.service.withdrawProposal(input.id, input.why)),
  cancelChannelOpen: call
    .input(byId)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.cancelChannelOpen(input.id))),
  proposal: call
    .input(byId)
    .query(async ({ ctx, input }) => wired(await ctx.service.proposal(input.id))),
  proposeChannelClose: call
    .input(channelCloseRequest)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.proposeChannelClose(input))),
  log: call
    .input(
      z.strictObject({
        afterSeq: z.int().min(0),
        limit: z.int().min(1).max(POOL_LOG_PAGE_MAX),
      }),
    )
    .query(async ({ ctx, input }) => wired(await ctx.service.log(input.afterSeq, input.limit))),
});
export type PoolRouter = typeof poolRouter;
