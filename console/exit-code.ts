/** How a command ends: one table for all commands, so that a script can tell a no from a not yet. */
import type { FailureCode } from '../policies/failure.ts';

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  needsPerson: 3,
  refused: 4,
  outcomeUnknown: 5,
  notReady: 6,
  integrityViolated: 7,
} as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Codes that do not end with `failed`. */
const EXITS: Partial<Record<FailureCode, Exit>> = {
  REQUEST_REFUSED: EXIT.refused,
  REQUEST_REPLAYED: EXIT.refused,
  BITCOIND_REFUSED: EXIT.refused,
  BROADCAST_OUTCOME_UNKNOWN: EXIT.outcomeUnknown,
  BITCOIND_UNREACHABLE: EXIT.notReady,
  LND_UNREACHABLE: EXIT.notReady,
  COORDINATOR_UNREACHABLE: EXIT.notReady,
  OPERATOR_UNREACHABLE: EXIT.notReady,
  AGENT_UNREACHABLE: EXIT.notReady,
  AGENT_LOCKED: EXIT.notReady,
  NOT_READY: EXIT.notReady,
  JOURNAL_CORRUPT: EXIT.integrityViolated,
  JOURNAL_ROLLED_BACK: EXIT.integrityViolated,
};

/** The exit code of a failed command. */
export function exitOf(code: FailureCode): Exit {
  return EXITS[code] ?? EXIT.failed;
}
