/** What `weir operator channels …` speaks to the running operator: a part of its admin router. */
import { initTRPC } from '@trpc/server';
import { z } from 'zod';
import type { Exit } from '../../console/exit-code.ts';
import { toWire } from '../../policies/canonical-json.ts';
import {
  CHANNELS_MAX,
  feerateAmount,
  hex32,
  label,
  nodeKey,
  outpoint,
  satAmount,
} from '../../policies/intent.ts';
import { codedShape, throwCoded } from '../../transport/trpc-coded.ts';

/** As the admin's other answers. */
export interface ChannelAnswer {
  json: unknown;
  text: string;
  exit: Exit;
}

export const openAsk = z.strictObject({
  initiator: label,
  channels: z
    .array(
      z.strictObject({
        peer: nodeKey,
        /** `host:port`; null where the node is connected already. */
        socket: z
          .string()
          .max(300)
          .regex(/^\S+:[0-9]{1,5}$/)
          .nullable(),
        capacitySat: satAmount,
        announced: z.enum(['public', 'private']),
      }),
    )
    .min(1)
    .max(CHANNELS_MAX),
});
export type OpenAsk = z.infer<typeof openAsk>;

export const closeAsk = z.strictObject({
  initiator: label,
  outpoint,
  force: z.enum(['cooperative', 'peer_offline', 'htlc_deadline', 'breach_risk']),
  maxFeeRateSatPerKvb: feerateAmount,
});
export type CloseAsk = z.infer<typeof closeAsk>;

export const abortAsk = z.strictObject({ batchId: hex32, why: z.string().max(200) });
export type AbortAsk = z.infer<typeof abortAsk>;

/** @throws Failure NOT_READY where the operator has no treasury or no bitcoind */
export interface ChannelService {
  list(): Promise<ChannelAnswer>;
  /** Answers when the pool has given its word, when it came to nothing, or after a bounded time. */
  open(ask: OpenAsk): Promise<ChannelAnswer>;
  abort(ask: AbortAsk): Promise<ChannelAnswer>;
  /** Proposes it to the quorum; the channel closes once that agreed. */
  close(ask: CloseAsk): Promise<ChannelAnswer>;
  backup(): Promise<ChannelAnswer>;
  /** Who may open to us, and what was promised to whom. */
  inbound(): Promise<ChannelAnswer>;
}

const t = initTRPC.context<{ channels: ChannelService }>().create({ errorFormatter: codedShape });

const call = t.procedure.use(
  t.middleware(async ({ next }) => {
    const result = await next();
    if (!result.ok) throwCoded(result.error);
    return result;
  }),
);

function wired(answer: ChannelAnswer): ChannelAnswer {
  return { ...answer, json: toWire(answer.json) };
}

/** The part of the admin router; its context has `channels`. */
export function channelsRouterOf() {
  return t.router({
    list: call.query(async ({ ctx }) => wired(await ctx.channels.list())),
    open: call
      .input(openAsk)
      .mutation(async ({ ctx, input }) => wired(await ctx.channels.open(input))),
    abort: call
      .input(abortAsk)
      .mutation(async ({ ctx, input }) => wired(await ctx.channels.abort(input))),
    close: call
      .input(closeAsk)
      .mutation(async ({ ctx, input }) => wired(await ctx.channels.close(input))),
    backup: call.mutation(async ({ ctx }) => wired(await ctx.channels.backup())),
    inbound: call.query(async ({ ctx }) => wired(await ctx.channels.inbound())),
  });
}
