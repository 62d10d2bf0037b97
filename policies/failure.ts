/**
 * Failures: what went wrong outside the rules of spending, thrown once, with a code from one closed
 * list that says whether asking again can help. Refusals are not failures: they are values (`reason.ts`).
 */

/** `later`: the same call may work. `same-key-only`: outcome unknown, ask again under the same key. */
export type Retry = 'never' | 'later' | 'same-key-only';

/** Every failure of every process. Each code is explained in the README (`test/tidy.test.ts`). */
export const FAILURES = {
  // Bytes and values at the edge
  AMOUNT_OUT_OF_RANGE: { retry: 'never' },
  INPUT_INVALID: { retry: 'never' },
  INPUT_TOO_LARGE: { retry: 'never' },
  POLICY_INVALID: { retry: 'never' },
  DESCRIPTOR_INVALID: { retry: 'never' },
  PSBT_INVALID: { retry: 'never' },
  NETWORK_MISMATCH: { retry: 'never' },
  SIGNATURE_INVALID: { retry: 'never' },
  // Durable state
  JOURNAL_CORRUPT: { retry: 'never' },
  JOURNAL_ROLLED_BACK: { retry: 'never' },
  JOURNAL_LOCKED: { retry: 'later' },
  // Keys
  PASSPHRASE_WRONG: { retry: 'never' },
  KEY_MISSING: { retry: 'never' },
  // Other processes
  BITCOIND_UNREACHABLE: { retry: 'later' },
  BITCOIND_REFUSED: { retry: 'never' },
  LND_UNREACHABLE: { retry: 'later' },
  LND_REFUSED: { retry: 'never' },
  COORDINATOR_UNREACHABLE: { retry: 'later' },
  OPERATOR_UNREACHABLE: { retry: 'later' },
  AGENT_UNREACHABLE: { retry: 'later' },
  AGENT_LOCKED: { retry: 'later' },
  REQUEST_REFUSED: { retry: 'never' },
  REQUEST_REPLAYED: { retry: 'never' },
  NOT_FOUND: { retry: 'never' },
  NOT_READY: { retry: 'later' },
  WRONG_STATE: { retry: 'never' },
  // Money
  INSUFFICIENT_FUNDS: { retry: 'later' },
  BROADCAST_OUTCOME_UNKNOWN: { retry: 'same-key-only' },
} as const satisfies Record<string, { retry: Retry }>;

export type FailureCode = keyof typeof FAILURES;

/** An expected failure. The message is one lower-case sentence, never with a key, seed or passphrase. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: FailureCode;
  readonly retry: Retry;

  constructor(code: FailureCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.retry = FAILURES[code].retry;
  }
}

/** A broken assumption of ours. Nobody catches it: the process stops. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
}

/** @throws BrokenInvariant when `holds` is false. */
export function invariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new BrokenInvariant(message);
}
