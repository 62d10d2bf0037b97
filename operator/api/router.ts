/**
 * Every procedure of the pool once: tRPC serves them as they are, the HTTP routes call the same ones. Who may
 * call and what a caller hears of a fault is decided here, so that no transport can forget it.
 */
import { initTRPC, type TRPCError } from '@trpc/server';
import { ZodError } from 'zod';
import { Failure } from '../../policies/failure.ts';
import { isWholeText } from '../../policies/text.ts';
import type { Action, ApiRefusal, Caller, PoolApi, Reply } from '../pool-api.ts';
import {
  byPaymentHash,
  byQuoteId,
  byReceiptId,
  byTopupId,
  eventQuery,
  logQuery,
  paymentPage,
  payRequest,
  quotePayRequest,
  topupRequest,
  type Wire,
  wired,
  withdrawRequest,
} from '../protocol.ts';
import { refuse } from '../reasons.ts';
import { fieldName, printable } from './json-body.ts';
import {
  envelopeOf,
  faultRefusal,
  RefusalError,
  refusalError,
  refusalOf,
} from './refusal-error.ts';

/** `optional`: a credential is not needed, but one that is given must hold. */
export type Auth = 'required' | 'optional' | 'none';

interface ProcedureMeta {
  auth: Auth;
  /** What the credential must carry; null where any may. */
  action: Action | null;
}

/** One request. `refusal` is what the transport found wrong before: it is the answer. */
export interface PoolContext {
  api: PoolApi;
  caller: Caller | null;
  refusal: ApiRefusal | null;
  /** What the caller's credential does not give it, whatever is called: the answer, and put on record. */
  denied: ApiRefusal | null;
  /** What is wrong with the text of the body: the answer to a caller who may call, and put on record for him. */
  unreadable: ApiRefusal | null;
  /** Hears what no caller does: the cause of an `internal`. */
  fault: (cause: unknown) => void;
}

const t = initTRPC
  .context<PoolContext>()
  .meta<ProcedureMeta>()
  .create({
    errorFormatter: ({ shape, error }) => ({
      ...shape,
      data: {
        code: shape.data.code,
        httpStatus: shape.data.httpStatus,
        refusal: envelopeOf(refusalOf(error)).error,
      },
    }),
  });

const base = t.procedure.use(async ({ ctx, meta, path, next, getRawInput }) => {
  if (ctx.refusal !== null) throw refusalError(ctx.refusal);
  const { caller } = ctx;
  const denied = ctx.denied ?? denial(caller, meta) ?? ctx.unreadable;
  const record = async (refusal: ApiRefusal): Promise<TRPCError> => {
    if (caller === null || isOnRecord(refusal)) return refusalError(refusal);
    const action = path.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const about = { caller, action, refusal, ...named(await getRawInput()) };
    try {
      return refusalError(await ctx.api.recordRefusal(about));
    } catch (failure) {
      if (isOverload(failure)) return overloadError();
      throw failure;
    }
  };
  if (denied !== null) throw await record(denied);
  const result = await next();
  if (result.ok) return result;
  const { cause, code } = result.error;
  if (cause instanceof RefusalError) throw await record(cause.refusal);
  if (isOverload(cause)) throw overloadError();
  // A schema of ours that fails inside a procedure is a fault; tRPC marks the input's own so.
  if (code === 'BAD_REQUEST' && cause instanceof ZodError) throw await record(inputRefusal(cause));
  ctx.fault(cause ?? result.error);
  throw refusalError(faultRefusal());
});

/** The disk does not keep up: nothing was decided, and no receipt would find room either. */
function isOverload(cause: unknown): boolean {
  return cause instanceof Failure && cause.code === 'NOT_READY';
}

function overloadError(): TRPCError {
  return refusalError(refuse('overloaded', 'too much waits for the disk'));
}

/** Has its receipt, or is no refusal: a payment in flight has an end that nobody knows yet. */
function isOnRecord({ receiptId, reasonCode }: ApiRefusal): boolean {
  return receiptId !== null || reasonCode === 'payment_in_flight';
}

/** Why this caller may not call, or null. */
function denial(caller: Caller | null, meta: ProcedureMeta | undefined): ApiRefusal | null {
  if (meta === undefined || meta.auth !== 'required') return null;
  if (caller === null) {
    return refuse('unauthenticated', 'authenticate with a bearer token or NIP-98');
  }
  if (meta.action === null || caller.actions.includes(meta.action)) return null;
  return refuse('action_not_allowed', `this credential does not carry the action ${meta.action}`);
}

/** The first rule that the input breaks, by its field. */
function inputRefusal({ issues }: ZodError): ApiRefusal {
  const issue = issues[0];
  if (issue === undefined) return refuse('body_invalid', 'the request is not of this schema');
  const unknown = issue.code === 'unrecognized_keys' ? (issue.keys[0] ?? '') : null;
  const field = fieldName(unknown === null ? issue.path : [...issue.path, unknown]);
  const rule = unknown === null ? printable(issue.message) : 'unknown field';
  return refuse(field === 'body' ? 'body_invalid' : 'field_invalid', `${field}: ${rule}`, {
    field,
  });
}

/** What a refused request was about, as far as it says so in a readable way. */
function named(input: unknown): { quoteId: string | null; idempotencyKey: string | null } {
  const of = (key: 'quote_id' | 'idempotency_key', charsMax: number): string | null => {
    if (typeof input !== 'object' || input === null) return null;
    const value = (input as Record<string, unknown>)[key];
    return typeof value === 'string' && value.length <= charsMax && isWholeText(value)
      ? value
      : null;
  };
  return { quoteId: of('quote_id', 64), idempotencyKey: of('idempotency_key', 256) };
}

function open(auth: 'optional' | 'none') {
  return base.meta({ auth, action: null });
}

function admitted(action: Action) {
  return base.meta({ auth: 'required', action }).use(({ ctx, next }) => {
    if (ctx.caller === null) throw refusalError(refuse('unauthenticated', 'no credential'));
    return next({ ctx: { ...ctx, caller: ctx.caller } });
  });
}

/** The body as it travels, or the refusal as an error. */
async function answer<T>(reply: Promise<Reply<T>>): Promise<Wire<T>> {
  const settled = await reply;
  if (settled.is === 'refused') throw refusalError(settled.refusal);
  return wired(settled.body);
}

export const poolRouter = t.router({
  quotePay: admitted('pay')
    .input(quotePayRequest)
    .mutation(({ ctx, input }) => answer(ctx.api.quotePay(ctx.caller, input))),
  pay: admitted('pay')
    .input(payRequest)
    .mutation(({ ctx, input }) => answer(ctx.api.pay(ctx.caller, input))),
  status: open('none').query(async ({ ctx }) => wired(await ctx.api.status())),
  quote: admitted('read')
    .input(byQuoteId)
    .query(({ ctx, input }) => answer(ctx.api.quote(ctx.caller, input.quote_id))),
  payment: admitted('read')
    .input(byPaymentHash)
    .query(({ ctx, input }) => answer(ctx.api.payment(ctx.caller, input.payment_hash))),
  payments: admitted('read')
    .input(paymentPage)
    .query(({ ctx, input }) => answer(ctx.api.payments(ctx.caller, input))),
  prepaid: admitted('read').query(({ ctx }) => answer(ctx.api.prepaid(ctx.caller))),
  topup: admitted('topup')
    .input(topupRequest)
    .mutation(({ ctx, input }) => answer(ctx.api.topup(ctx.caller, input))),
  topupOf: admitted('read')
    .input(byTopupId)
    .query(({ ctx, input }) => answer(ctx.api.topupOf(ctx.caller, input.id))),
  withdraw: admitted('withdraw')
    .input(withdrawRequest)
    .mutation(({ ctx, input }) => answer(ctx.api.withdraw(ctx.caller, input))),
  receipt: open('optional')
    .input(byReceiptId)
    .query(({ ctx, input }) => answer(ctx.api.receipt(ctx.caller, input.receipt_id))),
  proof: open('none')
    .input(byReceiptId)
    .query(({ ctx, input }) => answer(ctx.api.proof(input.receipt_id))),
  events: admitted('read')
    .input(eventQuery)
    .query(({ ctx, input }) =>
      answer(ctx.api.events(ctx.caller, input.after, input.limit, input.wait_ms)),
    ),
  log: open('none')
    .input(logQuery)
    .query(({ ctx, input }) => answer(ctx.api.logRecords(input.after, input.limit))),
  checkpoint: open('none').query(({ ctx }) => answer(ctx.api.checkpoint())),
});

/** For a tRPC client: `createTRPCClient<PoolRouter>` with an `httpLink` to `/trpc`. */
export type PoolRouter = typeof poolRouter;
export type ProcedureName = keyof PoolRouter['_def']['procedures'];
export const createPoolCaller = t.createCallerFactory(poolRouter);
