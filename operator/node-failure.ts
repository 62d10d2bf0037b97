/** Whose failure it is. Pure. */
import { Failure } from '../policies/failure.ts';

/**
 * The node's, or of the way to it, and not of our books: it is away, or says no to what it would answer at any other
 * time, as while its own bitcoind starts. Whoever asks by himself asks again later; it ends no process.
 */
export function isNodeFailure(cause: unknown): boolean {
  return cause instanceof Failure && (cause.retry === 'later' || cause.code === 'LND_REFUSED');
}
