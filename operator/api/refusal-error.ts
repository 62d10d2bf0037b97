/** How a refusal leaves a procedure, and how it reads on the wire: one envelope for every route and for tRPC. */
import { TRPCError } from '@trpc/server';
import type { ApiRefusal } from '../pool-api.ts';
import type { ErrorEnvelope } from '../protocol.ts';
import { type RefusalReason, refuse } from '../reasons.ts';

type TrpcCode = TRPCError['code'];

const TRPC_CODES: Readonly<Record<ApiRefusal['status'], TrpcCode>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_SUPPORTED',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  429: 'TOO_MANY_REQUESTS',
  500: 'INTERNAL_SERVER_ERROR',
  502: 'BAD_GATEWAY',
  503: 'SERVICE_UNAVAILABLE',
};

/** Carries a refusal through tRPC, which knows errors only. */
export class RefusalError extends Error {
  override readonly name = 'RefusalError';
  readonly refusal: ApiRefusal;
  constructor(refusal: ApiRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

export function refusalError(refusal: ApiRefusal): TRPCError {
  const cause = new RefusalError(refusal);
  return new TRPCError({ code: TRPC_CODES[refusal.status], message: refusal.message, cause });
}

/** What tRPC itself refuses, before any procedure; everything else that carries no refusal is a fault. */
const OWN_REFUSALS: Partial<Record<TrpcCode, { reason: RefusalReason; message: string }>> = {
  NOT_FOUND: { reason: 'route_unknown', message: 'there is no such procedure' },
  METHOD_NOT_SUPPORTED: {
    reason: 'method_unknown',
    message: 'this procedure is called with the other method',
  },
  PAYLOAD_TOO_LARGE: { reason: 'body_too_large', message: 'the body is too large' },
  PARSE_ERROR: { reason: 'body_invalid', message: 'the request is no call of this procedure' },
  BAD_REQUEST: { reason: 'body_invalid', message: 'the request is no call of this procedure' },
  UNSUPPORTED_MEDIA_TYPE: { reason: 'body_invalid', message: 'send application/json' },
};

/** The refusal in an error of tRPC. */
export function refusalOf(error: TRPCError): ApiRefusal {
  if (error.cause instanceof RefusalError) return error.cause.refusal;
  const own = OWN_REFUSALS[error.code];
  return own === undefined ? faultRefusal() : refuse(own.reason, own.message);
}

/** A fault of ours: nothing is known of the outcome, so the same request is sent again. */
export function faultRefusal(): ApiRefusal {
  return refuse('internal', 'a fault of ours: send the identical request again');
}

/** Members in a fixed order; what is absent is left out. */
export function envelopeOf(refusal: ApiRefusal): ErrorEnvelope {
  const { code, message, reasonCode, field, retryable, retryAfterMs } = refusal;
  return {
    error: {
      code,
      message,
      reason_code: reasonCode,
      ...(field === null ? {} : { field }),
      retryable,
      ...(retryAfterMs === null ? {} : { retry_after_ms: retryAfterMs }),
      ...(refusal.paymentHash === null ? {} : { payment_hash: refusal.paymentHash }),
      ...(refusal.receiptId === null ? {} : { receipt_id: refusal.receiptId }),
    },
  };
}

/** Headers that belong to a refusal: whole seconds to wait (RFC 9110 §10.2.3), and how to authenticate. */
export function refusalHeaders(refusal: ApiRefusal): Record<string, string> {
  return {
    ...(refusal.retryAfterMs === null
      ? {}
      : { 'retry-after': Math.ceil(refusal.retryAfterMs / 1_000).toString() }),
    ...(refusal.status === 401 ? { 'www-authenticate': 'Bearer, Nostr' } : {}),
  };
}
