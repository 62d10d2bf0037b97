/**
 * What the agent's own commands speak to `weir signer-agent run` over its Unix socket. Every answer comes
 * as text for a person and as JSON for a script; the command only prints. The socket's mode says who may.
 */
import { initTRPC } from '@trpc/server';
import { z } from 'zod';
import { type Exit } from '../console/exit-code.ts';
import { type Invite, invite } from '../coordinator/protocol.ts';
import { toWire } from '../policies/canonical-json.ts';
import { childIndex, hex32, outpoint } from '../policies/intent.ts';
import { type Approval, approval, type approvalBody } from '../policies/proposal.ts';
import { xOnlyKey } from '../policies/statement.ts';
import { codedShape, throwCoded } from '../transport/trpc-coded.ts';

/** Largest request: a PSBT file with its previous transactions, in base64. */
export const LOCAL_BODY_BYTES_MAX = 40 * 1024 * 1024;
export const SOCKET_NAME = 'agent.sock';

/** What a command prints and how it ends. */
export interface Answer {
  json: unknown;
  text: string;
  exit: Exit;
}

/** A review with the statement that approving would sign; null where there is nothing to approve. */
export interface ReviewAnswer extends Answer {
  approves: z.infer<typeof approvalBody> | null;
}

/** What `accept` shows, and what confirming it names. */
export interface CeremonyAnswer extends Answer {
  /** Null until every seat brought its keys. */
  recordHash: string | null;
  state: 'waiting' | 'to-confirm' | 'confirmed' | 'complete';
}

export const WALLET_FORMATS = ['core', 'sparrow', 'specter', 'caravan'] as const;
export type WalletFormat = (typeof WALLET_FORMATS)[number];

export interface AgentService {
  status(): Promise<Answer>;
  /** Claims the seat, waits for no one: called again it goes on where it stands. */
  join(value: Invite, approvalKey: string): Promise<Answer>;
  ceremony(): Promise<CeremonyAnswer>;
  accept(recordHash: string): Promise<Answer>;
  pending(): Promise<Answer>;
  review(id: string): Promise<ReviewAnswer>;
  approve(value: Approval): Promise<Answer>;
  refuse(id: string, note: string): Promise<Answer>;
  history(): Promise<Answer>;
  limits(): Promise<Answer>;
  address(index: number | null): Promise<Answer>;
  /** `json` is `{ "psbt": base64 }` with previous transactions embedded. */
  exportProposal(id: string): Promise<Answer>;
  /** A PSBT signed elsewhere by this seat's device. */
  importPsbt(psbt: string): Promise<Answer>;
  exportWallet(format: WalletFormat): Promise<Answer>;
  /** `json` is `{ "backup": base64 }`. */
  backup(): Promise<Answer>;
  unlock(): Promise<Answer>;
  trip(): Promise<Answer>;
  freeze(value: string, change: 'freeze' | 'thaw'): Promise<Answer>;
}

const t = initTRPC.context<{ service: AgentService }>().create({ errorFormatter: codedShape });

const call = t.procedure.use(
  t.middleware(async ({ next }) => {
    const result = await next();
    if (!result.ok) throwCoded(result.error);
    return result;
  }),
);

/** Answers as they travel: bigints as decimal text. */
function wired<A extends Answer>(answer: A): A {
  return { ...answer, json: toWire(answer.json) };
}

const subject = z.strictObject({ id: hex32 });

export const agentRouter = t.router({
  status: call.query(async ({ ctx }) => wired(await ctx.service.status())),
  join: call
    .input(z.strictObject({ invite, approvalKey: xOnlyKey }))
    .mutation(async ({ ctx, input }) =>
      wired(await ctx.service.join(input.invite, input.approvalKey)),
    ),
  ceremony: call.query(async ({ ctx }) => wired(await ctx.service.ceremony())),
  accept: call
    .input(z.strictObject({ recordHash: hex32 }))
    .mutation(async ({ ctx, input }) => wired(await ctx.service.accept(input.recordHash))),
  pending: call.query(async ({ ctx }) => wired(await ctx.service.pending())),
  review: call
    .input(subject)
    .query(async ({ ctx, input }) => wired(await ctx.service.review(input.id))),
  approve: call
    .input(approval)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.approve(input))),
  refuse: call
    .input(z.strictObject({ id: hex32, note: z.string().max(280) }))
    .mutation(async ({ ctx, input }) => wired(await ctx.service.refuse(input.id, input.note))),
  history: call.query(async ({ ctx }) => wired(await ctx.service.history())),
  limits: call.query(async ({ ctx }) => wired(await ctx.service.limits())),
  address: call
    .input(z.strictObject({ index: childIndex.nullable() }))
    .query(async ({ ctx, input }) => wired(await ctx.service.address(input.index))),
  exportProposal: call
    .input(subject)
    .query(async ({ ctx, input }) => wired(await ctx.service.exportProposal(input.id))),
  importPsbt: call
    .input(z.strictObject({ psbt: z.string().max(LOCAL_BODY_BYTES_MAX) }))
    .mutation(async ({ ctx, input }) => wired(await ctx.service.importPsbt(input.psbt))),
  exportWallet: call
    .input(z.strictObject({ format: z.enum(WALLET_FORMATS) }))
    .query(async ({ ctx, input }) => wired(await ctx.service.exportWallet(input.format))),
  backup: call.mutation(async ({ ctx }) => wired(await ctx.service.backup())),
  unlock: call.mutation(async ({ ctx }) => wired(await ctx.service.unlock())),
  trip: call.mutation(async ({ ctx }) => wired(await ctx.service.trip())),
  freeze: call
    .input(z.strictObject({ outpoint, change: z.enum(['freeze', 'thaw']) }))
    .mutation(async ({ ctx, input }) =>
      wired(await ctx.service.freeze(input.outpoint, input.change)),
    ),
});
export type AgentRouter = typeof agentRouter;
