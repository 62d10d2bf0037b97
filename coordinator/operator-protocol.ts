/**
 * What the operator's commands speak to `weir coordinator run` over its Unix socket. Every answer comes as
 * text for a person and as JSON for a script; the command only prints. The socket's mode says who may.
 */
import { initTRPC } from '@trpc/server';
import { z } from 'zod';
import type { Exit } from '../console/exit-code.ts';
import { toWire } from '../policies/canonical-json.ts';
import type { AuthorizationIntent, LpOrder } from '../policies/intent.ts';
import {
  authorizationIntent,
  childIndex,
  feerateAmount,
  hex32,
  label,
  lpOrder,
  networkName,
  satAmount,
} from '../policies/intent.ts';
import { type Approval, approval } from '../policies/proposal.ts';
import { codedShape, throwCoded } from '../transport/trpc-coded.ts';
import type { SpendRequest } from './propose.ts';

/** Largest request: a registry of a thousand registrations, or a policy. */
export const OPERATOR_BODY_BYTES_MAX = 4 * 1024 * 1024;

/** What a command prints and how it ends. */
export interface Answer {
  json: unknown;
  text: string;
  exit: Exit;
}

/** What an operator's statement on a proposal or an authorization names. */
export const approvable = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  subject: hex32,
  txid: hex32.nullable(),
  policyHash: hex32,
  expiresHeight: z.int().min(0),
});
export type Approvable = z.infer<typeof approvable>;

const spendRequest = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('withdrawal_batch') }),
  z.strictObject({
    kind: z.literal(['treasury_move', 'hot_topup']),
    entry: label,
    index: childIndex.nullable(),
    amountSat: satAmount,
  }),
  z.strictObject({ kind: z.literal('consolidate') }),
  z.strictObject({ kind: z.literal('fee_bump'), of: hex32, feerate: feerateAmount.nullable() }),
  z.strictObject({ kind: z.literal('cancel'), of: hex32, feerate: feerateAmount.nullable() }),
]);

export interface OperatorService {
  status(): Promise<Answer>;
  address(index: number | null): Promise<Answer>;
  queueOrder(order: LpOrder): Promise<Answer>;
  /** `initiator`: an operator's id, or null for nobody in particular. */
  proposeSpend(request: SpendRequest, initiator: string | null): Promise<Answer>;
  proposeAuthorization(intent: AuthorizationIntent, initiator: string | null): Promise<Answer>;
  proposals(): Promise<Answer>;
  show(id: string): Promise<Answer>;
  approvable(id: string): Promise<Approvable>;
  /** An operator's yes or no. */
  decide(value: Approval): Promise<Answer>;
}

const t = initTRPC.context<{ service: OperatorService }>().create({ errorFormatter: codedShape });

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

const subject = z.strictObject({ id: hex32 });
const initiator = label.nullable();

export const operatorRouter = t.router({
  status: call.query(async ({ ctx }) => wired(await ctx.service.status())),
  address: call
    .input(z.strictObject({ index: childIndex.nullable() }))
    .query(async ({ ctx, input }) => wired(await ctx.service.address(input.index))),
  queueOrder: call
    .input(lpOrder)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.queueOrder(input))),
  proposeSpend: call
    .input(z.strictObject({ request: spendRequest, initiator }))
    .mutation(async ({ ctx, input }) =>
      wired(await ctx.service.proposeSpend(input.request, input.initiator)),
    ),
  proposeAuthorization: call
    .input(z.strictObject({ intent: authorizationIntent, initiator }))
    .mutation(async ({ ctx, input }) =>
      wired(await ctx.service.proposeAuthorization(input.intent, input.initiator)),
    ),
  proposals: call.query(async ({ ctx }) => wired(await ctx.service.proposals())),
  show: call
    .input(subject)
    .query(async ({ ctx, input }) => wired(await ctx.service.show(input.id))),
  approvable: call.input(subject).query(({ ctx, input }) => ctx.service.approvable(input.id)),
  decide: call
    .input(approval)
    .mutation(async ({ ctx, input }) => wired(await ctx.service.decide(input))),
});
export type OperatorRouter = typeof operatorRouter;
