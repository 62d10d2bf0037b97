/**
 * What the operator's commands speak to `weir operator run` over its Unix socket (mode 0600). Answers come as text
 * for a person and as JSON for a script; the command only prints.
 */
import { initTRPC } from '@trpc/server';
import { z } from 'zod';
import type { Exit } from '../console/exit-code.ts';
import { toWire } from '../policies/canonical-json.ts';
import { hex32, label } from '../policies/intent.ts';
import { codedShape, throwCoded } from '../transport/trpc-coded.ts';
import type { ChannelService } from './channels/channel-protocol.ts';
import { channelsRouterOf } from './channels/channel-protocol.ts';
import { ACTIONS } from './pool-api.ts';
import { agentId, INVOICE_CHARS_MAX, msatAmount } from './pool-event.ts';

/** Largest request: a credential for a thousand agents. */
export const ADMIN_BODY_BYTES_MAX = 1024 * 1024;

export interface Answer {
  json: unknown;
  text: string;
  exit: Exit;
}

export const credentialAsk = z.strictObject({
  id: label,
  role: z.enum(['agent', 'operator']),
  agents: z.array(agentId).min(1).max(1_000),
  actions: z.array(z.enum(ACTIONS)).min(1).max(ACTIONS.length),
  perPaymentMsat: msatAmount.nullable(),
  perDayMsat: msatAmount.nullable(),
  lifetimeMs: z.int().min(1),
  /** Null: a bearer token is made, and shown once. */
  nostrKey: hex32.nullable(),
});
export type CredentialAsk = z.infer<typeof credentialAsk>;

export const payAsk = z.strictObject({
  invoice: z.string().max(INVOICE_CHARS_MAX),
  agentId,
  funding: z.enum(['prepaid', 'treasury']),
  maxFeeMsat: msatAmount,
  idempotencyKey: z.string().min(1).max(256),
});

export const modeAsk = z.strictObject({
  verb: z.enum(['freeze', 'unfreeze', 'wind-down', 'reopen']),
  why: z.string().max(300),
  by: label,
});

export const capitalAsk = z.strictObject({
  rail: z.enum(['cold', 'ln.local', 'chain.conf']),
  amountMsat: msatAmount,
  why: z.string().max(300),
});

export const differenceAsk = z.strictObject({
  rail: z.enum(['cold', 'ln.local', 'chain.conf']),
  found: z.enum(['less', 'more']),
  amountMsat: msatAmount,
  why: z.string().max(300),
  by: label,
});

export const giveUpAsk = z.strictObject({
  quoteId: z.string().max(64),
  why: z.string().min(1).max(200),
  by: label,
});

export interface AdminService {
  status(): Promise<Answer>;
  books(): Promise<Answer>;
  credentials(): Promise<Answer>;
  issue(ask: CredentialAsk): Promise<Answer>;
  revoke(id: string): Promise<Answer>;
  pay(ask: z.infer<typeof payAsk>): Promise<Answer>;
  payments(limit: number): Promise<Answer>;
  setMode(ask: z.infer<typeof modeAsk>): Promise<Answer>;
  bringCapital(ask: z.infer<typeof capitalAsk>): Promise<Answer>;
  bookDifference(ask: z.infer<typeof differenceAsk>): Promise<Answer>;
  giveUp(ask: z.infer<typeof giveUpAsk>): Promise<Answer>;
  receipts(limit: number): Promise<Answer>;
  receipt(id: string): Promise<Answer>;
  reconcile(): Promise<Answer>;
}

export interface AdminContext {
  service: AdminService;
  channels: ChannelService;
}

const t = initTRPC.context<AdminContext>().create({ errorFormatter: codedShape });

const call = t.procedure.use(
  t.middleware(async ({ next }) => {
    const result = await next();
    if (!result.ok) throwCoded(result.error);
    return result;
  }),
);

/** Answers as they travel: bigints as decimal text. */
function wired(answer: Answer): Answer {
  return { ...answer, json: toWire(answer.json) };
}
const listed = z.strictObject({ limit: z.int().min(1).max(1_000) });

export const adminRouter = t.router({
  status: call.query(async ({ ctx }) => wired(await ctx.service.status())),
  books: call.query(async ({ ctx }) => wired(await ctx.service.books())),
  credentials: call.query(async ({ ctx }) => wired(await ctx.service.credentials())),
  issue: call
    .input(credentialAsk)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.issue(input))),
  revoke: call
    .input(z.strictObject({ id: label }))
    .mutation(async ({ ctx, input }) => wired(await ctx.service.revoke(input.id))),
  pay: call.input(payAsk).mutation(async ({ ctx, input }) => wired(await ctx.service.pay(input))),
  payments: call
    .input(listed)
    .query(async ({ ctx, input }) => wired(await ctx.service.payments(input.limit))),
  setMode: call
    .input(modeAsk)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.setMode(input))),
  bringCapital: call
    .input(capitalAsk)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.bringCapital(input))),
  bookDifference: call
    .input(differenceAsk)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.bookDifference(input))),
  giveUp: call
    .input(giveUpAsk)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.giveUp(input))),
  receipts: call
    .input(listed)
    .query(async ({ ctx, input }) => wired(await ctx.service.receipts(input.limit))),
  receipt: call
    .input(z.strictObject({ id: z.string().max(64) }))
    .query(async ({ ctx, input }) => wired(await ctx.service.receipt(input.id))),
  reconcile: call.mutation(async ({ ctx }) => wired(await ctx.service.reconcile())),
  channels: channelsRouterOf(),
});
export type AdminRouter = typeof adminRouter;
