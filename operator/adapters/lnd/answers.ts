/**
 * What ln-service rejects with, read once. It throws arrays, `[503, 'Name', { err }]`, whose number says little:
 * what the node answered is gRPC's own status inside (grpc.io, status codes) and LND's sentence beside it.
 */
import { printable } from '../../../console/print.ts';
import { BrokenInvariant, Failure } from '../../../policies/failure.ts';

/**
 * `deadline`, `unreachable`: nobody knows whether the node did it. `denied`: not with this macaroon, or not while
 * it starts. `exists`, `not_found`, `refused`: the node's own words. `unrecognised`: an answer of another shape.
 */
export type AnswerKind =
  | 'deadline'
  | 'unreachable'
  | 'denied'
  | 'exists'
  | 'not_found'
  | 'refused'
  | 'unrecognised';

export interface NodeAnswer {
  kind: AnswerKind;
  /** gRPC's status; null where the call did not get that far. */
  grpcCode: number | null;
  /** One printable line, of the node where it said something. */
  details: string;
  /** Whether the same call may work later without anybody doing anything. */
  retryable: boolean;
  /** Whether the node may have done what it was asked. */
  moneyUnknown: boolean;
}

/** Of what the node said, as much as helps. */
const DETAIL_CHARS_MAX = 300;
/** An error inside an error inside an array: deeper, ln-service does not nest them. */
const DEPTH_MAX = 6;

const GRPC = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  UNIMPLEMENTED: 12,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

const BY_CODE: Partial<Record<number, AnswerKind>> = {
  [GRPC.CANCELLED]: 'unreachable',
  [GRPC.DEADLINE_EXCEEDED]: 'deadline',
  [GRPC.NOT_FOUND]: 'not_found',
  [GRPC.ALREADY_EXISTS]: 'exists',
  [GRPC.PERMISSION_DENIED]: 'denied',
  // A wallet that is locked serves none of these methods yet.
  [GRPC.UNIMPLEMENTED]: 'denied',
  [GRPC.UNAVAILABLE]: 'unreachable',
  [GRPC.UNAUTHENTICATED]: 'denied',
};

/** LND says these with status UNKNOWN, so that only the sentence tells (rpcperms/interceptor.go, macaroons). */
const BY_SENTENCE: readonly (readonly [RegExp, AnswerKind])[] = [
  [/permission denied|verification failed|cannot get macaroon|expected 1 macaroon/i, 'denied'],
  [/waiting to start|wallet (locked|not created)|in the process of starting/i, 'denied'],
  [/server is still in the process|shutting down/i, 'unreachable'],
  [/unable to locate invoice|there are no existing invoices/i, 'not_found'],
];

/** A call that was given up by us. */
export class PastDeadline extends Error {
  override readonly name = 'PastDeadline';
}

interface Status {
  code: number;
  details: string;
}

/** Reads an error of ln-service or of gRPC. @throws BrokenInvariant when that is what is inside */
export function readAnswer(cause: unknown): NodeAnswer {
  const status = statusIn(cause, 0);
  if (status instanceof PastDeadline) return answer('deadline', null, status.message);
  if (status !== null) return answer(kindOf(status), status.code, status.details);
  return answer('unrecognised', null, nameOf(cause));
}

function kindOf({ code, details }: Status): AnswerKind {
  const said = BY_SENTENCE.find(([pattern]) => pattern.test(details));
  return said?.[1] ?? BY_CODE[code] ?? 'refused';
}

function answer(kind: AnswerKind, grpcCode: number | null, details: string): NodeAnswer {
  const away = kind === 'deadline' || kind === 'unreachable';
  return {
    kind,
    grpcCode,
    details: printable(details).slice(0, DETAIL_CHARS_MAX),
    retryable: away || kind === 'denied',
    moneyUnknown: away || kind === 'unrecognised',
  };
}

function statusIn(cause: unknown, depth: number): Status | PastDeadline | null {
  if (cause instanceof BrokenInvariant) throw cause;
  if (cause instanceof PastDeadline) return cause;
  if (typeof cause !== 'object' || cause === null || depth > DEPTH_MAX) return null;
  if (Array.isArray(cause)) return inArray(cause, depth);
  if ('code' in cause && typeof cause.code === 'number' && 'details' in cause) {
    return { code: cause.code, details: String(cause.details) };
  }
  return 'err' in cause ? statusIn(cause.err, depth + 1) : null;
}

/** ln-service's own refusal, before any call, has a number of the 400s and nothing of gRPC. */
function inArray(cause: readonly unknown[], depth: number): Status | PastDeadline | null {
  const [number, name, more] = cause;
  const inside = statusIn(more, depth + 1);
  if (inside !== null || typeof number !== 'number') return inside;
  if (number === 404) return { code: GRPC.NOT_FOUND, details: String(name) };
  if (number === 409) return { code: GRPC.ALREADY_EXISTS, details: String(name) };
  const isRefusal = (number >= 400 && number < 500) || number === 501;
  return isRefusal ? { code: GRPC.INVALID_ARGUMENT, details: String(name) } : null;
}

function nameOf(cause: unknown): string {
  if (Array.isArray(cause)) return `${String(cause[0])} ${String(cause[1])}`;
  return cause instanceof Error ? cause.message : 'an error of no known shape';
}

/** The Failure a call ends with: LND_REFUSED where the node said no, else LND_UNREACHABLE. */
export function failureOf(what: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  const { kind, details } = readAnswer(cause);
  const said = kind === 'refused' || kind === 'not_found' || kind === 'exists';
  return said
    ? new Failure('LND_REFUSED', `the Lightning node refuses ${what}: ${details}`)
    : new Failure('LND_UNREACHABLE', `the Lightning node does not answer ${what}: ${details}`);
}
