/**
 * PUBLISHED: what an agent speaks to the coordinator. Types, schemas and the router that parses; no
 * behaviour. Bigints travel as decimal text (`toWire`), so both sides parse with the same schemas.
 */
import { initTRPC, TRPCError } from '@trpc/server';
import { z } from 'zod';
import { toWire } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { hex32, hexBytes, label } from '../policies/intent.ts';
import type { LogEntry } from '../policies/log-entry.ts';
import {
  type Acknowledgement,
  type AgentVerdict,
  type Approval,
  acknowledgement,
  approval,
  type Contribution,
  contribution,
  type Freshness,
  freshness,
  verdict,
} from '../policies/proposal.ts';
import { signedSchema } from '../policies/statement.ts';
import {
  type KeyRecord,
  keyRecord,
  type SeatClaim,
  type SeatConfirmation,
  seatClaim,
  seatConfirmation,
} from '../policies/wallet-record.ts';
import { codedShape, throwCoded } from '../transport/trpc-coded.ts';

/** Entries in one answer of `log`; the agent asks again from where it stands. */
export const LOG_PAGE_MAX = 200;
/** Longest a `log` call is held open when there is nothing new. */
export const LONG_POLL_MS_MAX = 25_000;
/** Largest request or answer: 500 inputs of partial signatures, or all previous transactions. */
export const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** A signed request is accepted this long after its time, in either direction, and once. */
export const REQUEST_AGE_MS_MAX = 60_000;
/** Header that carries the signed request: base64 of its canonical JSON. */
export const REQUEST_HEADER = 'weir-request';

/** Signed by the caller's identity key: who calls what, with which body, once. */
export const requestBody = z.strictObject({
  treasuryId: hex32,
  seatId: label,
  /** tRPC path, e.g. `postVerdict`. */
  procedure: z.string().max(64),
  /** SHA-256 of the HTTP body, or of the decoded `input` parameter of a query. */
  bodyHash: hex32,
  id: hex32,
  unixTimeMs: z.int().min(0),
});
export const signedRequest = signedSchema(requestBody);
export type SignedRequest = z.infer<typeof signedRequest>;

/** Everything beside the id's content: the PSBT and each previous transaction once. */
export const parcel = z.strictObject({
  /** Base64 (BIP-174), without previous transactions. */
  psbt: z.string().max(2_800_000),
  /** Raw previous transactions, each once, in hex. */
  previousTxs: z.array(hexBytes).max(500),
});
export type Parcel = z.infer<typeof parcel>;

/** A restored agent's question to its peers (H5). */
export const freshnessQuestion = z.strictObject({ askingSeatId: label, nonce: hex32 });
export type FreshnessQuestion = z.infer<typeof freshnessQuestion>;

/** What a coordinator does for agents. `seatId` is the authenticated caller. */
export interface CoordinatorService {
  /** Takes a seat under its one-time token; idempotent for the same identity key. */
  claimSeat(token: string, claim: SeatClaim): Promise<void>;
  joinSeat(record: KeyRecord): Promise<void>;
  confirmSeat(confirmation: SeatConfirmation): Promise<void>;
  /** Entries after a place, oldest first; waits up to `waitMs` for the first one. */
  log(afterSeq: number, limit: number, waitMs: number): Promise<readonly LogEntry[]>;
  acknowledge(value: Acknowledgement): Promise<void>;
  /** The newest acknowledgement of every seat. */
  acknowledgements(): Promise<readonly Acknowledgement[]>;
  /** @throws Failure NOT_FOUND */
  parcel(proposalId: string): Promise<Parcel>;
  postVerdict(value: AgentVerdict): Promise<void>;
  postContribution(value: Contribution): Promise<void>;
  postApproval(value: Approval): Promise<void>;
  askFreshness(question: FreshnessQuestion): Promise<void>;
  freshnessQuestions(): Promise<readonly FreshnessQuestion[]>;
  answerFreshness(answer: Freshness): Promise<void>;
  freshnessAnswers(nonce: string): Promise<readonly Freshness[]>;
}

/** Per request: the service, and which seat's key signed this request (null before a seat is taken). */
export interface CoordinatorContext {
  service: CoordinatorService;
  seatId: string | null;
}

const t = initTRPC.context<CoordinatorContext>().create({ errorFormatter: codedShape });

/** Turns a Failure into an answer that carries its code, and nothing of a stack. */
const coded = t.middleware(async ({ next }) => {
  const result = await next();
  if (!result.ok) throwCoded(result.error);
  return result;
});

const open = t.procedure.use(coded);
const seated = open.use(({ ctx, next }) => {
  if (ctx.seatId === null) {
    throw new TRPCError({ code: 'UNAUTHORIZED', message: 'sign the request with a seat key' });
  }
  return next({ ctx: { ...ctx, seatId: ctx.seatId } });
});

/** The caller may speak for its own seat only. */
function own(seatId: string, named: string): void {
  if (seatId !== named) throw new Failure('REQUEST_REFUSED', `seat ${seatId} speaks for ${named}`);
}

export const coordinatorRouter = t.router({
  claimSeat: open
    .input(z.strictObject({ token: z.string().max(128), claim: seatClaim }))
    .mutation(({ ctx, input }) => ctx.service.claimSeat(input.token, input.claim)),
  joinSeat: seated.input(keyRecord).mutation(({ ctx, input }) => {
    own(ctx.seatId, input.body.seatId);
    return ctx.service.joinSeat(input);
  }),
  confirmSeat: seated.input(seatConfirmation).mutation(({ ctx, input }) => {
    own(ctx.seatId, input.body.seatId);
    return ctx.service.confirmSeat(input);
  }),
  log: seated
    .input(
      z.strictObject({
        afterSeq: z.int().min(0),
        limit: z.int().min(1).max(LOG_PAGE_MAX),
        waitMs: z.int().min(0).max(LONG_POLL_MS_MAX),
      }),
    )
    .query(async ({ ctx, input }) =>
      toWire(await ctx.service.log(input.afterSeq, input.limit, input.waitMs)),
    ),
  acknowledge: seated.input(acknowledgement).mutation(({ ctx, input }) => {
    own(ctx.seatId, input.body.seatId);
    return ctx.service.acknowledge(input);
  }),
  acknowledgements: seated.query(async ({ ctx }) => toWire(await ctx.service.acknowledgements())),
  parcel: seated
    .input(z.strictObject({ proposalId: hex32 }))
    .query(async ({ ctx, input }) => toWire(await ctx.service.parcel(input.proposalId))),
  postVerdict: seated.input(verdict).mutation(({ ctx, input }) => {
    own(ctx.seatId, input.body.seatId);
    return ctx.service.postVerdict(input);
  }),
  postContribution: seated.input(contribution).mutation(({ ctx, input }) => {
    own(ctx.seatId, input.seatId);
    return ctx.service.postContribution(input);
  }),
  postApproval: seated.input(approval).mutation(({ ctx, input }) => {
    own(ctx.seatId, input.body.signerId);
    return ctx.service.postApproval(input);
  }),
  askFreshness: seated.input(freshnessQuestion).mutation(({ ctx, input }) => {
    own(ctx.seatId, input.askingSeatId);
    return ctx.service.askFreshness(input);
  }),
  freshnessQuestions: seated.query(({ ctx }) => ctx.service.freshnessQuestions()),
  answerFreshness: seated.input(freshness).mutation(({ ctx, input }) => {
    own(ctx.seatId, input.body.seatId);
    return ctx.service.answerFreshness(input);
  }),
  freshnessAnswers: seated
    .input(z.strictObject({ nonce: hex32 }))
    .query(({ ctx, input }) => ctx.service.freshnessAnswers(input.nonce)),
});
export type CoordinatorRouter = typeof coordinatorRouter;

/** What a guardian receives to join: where the coordinator is, whom to believe, and a seat's token. */
export const invite = z.strictObject({
  schema: z.literal('weir.invite/v1'),
  url: z.url({ protocol: /^https?$/ }),
  treasuryId: hex32,
  coordinatorKey: hex32,
  seatId: label,
  token: z.string().regex(/^[0-9a-f]{32}$/),
});
export type Invite = z.infer<typeof invite>;
