/**
 * What passes by itself. A refusal is final for an id, so a node that is a block behind, or a peer that
 * has not spoken yet, must not bury a good proposal: nothing is signed while one waits, and what never
 * comes right expires. Whatever is not named here refuses.
 */
import type { ReasonCode } from '../../policies/reason.ts';
import type { Case } from './case.ts';

/** A proposal made at a tip that reached the coordinator first is this much ahead at most. */
const AHEAD_BLOCKS_MAX = 6;

/** Waits whenever it is found: code -> why. */
const ALWAYS: Partial<Record<ReasonCode, string>> = {
  'W-ENV-ACKS': 'peers are slow or away, not wrong',
  'W-BRK-TIP-STALE': 'the own node catches up',
  'W-BRK-REORG': 'the chain settles',
  'W-CNT-ROLLBACK': 'peers answer, or the guardian unlocks',
  'W-IN-UNCONFIRMED': 'blocks come',
  'W-IN-IMMATURE': 'blocks come',
  'W-LN-ATTESTATION': 'the pool speaks once every peer has signed',
  'W-LN-NOT-PENDING': 'the Lightning node comes back, or lists the channel a moment later',
};

/**
 * Waits while the own node has not reached the height that the proposal was made at: these rows read the
 * height, the coins or the spends of a chain that the coordinator saw further than this agent does.
 */
const UNTIL_CAUGHT_UP: ReadonlySet<ReasonCode> = new Set([
  'W-TX-LOCKTIME',
  'W-ENV-EXPIRY-FAR',
  'W-IN-UNKNOWN-COIN',
  'W-IN-LOCKED',
  'W-OUT-CHANGE-INDEX',
  'W-OUT-PAYEE-INACTIVE',
  'W-OUT-PAYEE-UNSIGNED',
  'W-OUT-PAYEE-CAP',
  'W-OUT-PAID-BEFORE',
  'W-FEE-WINDOW',
  'W-LIM-WINDOW',
  'W-LIM-SHARE',
  'W-LIM-COUNT',
  'W-LIM-FLOOR',
  'W-LIM-INTENT-WINDOW',
  'W-LIM-PAYEE',
  'W-LIM-INTERVAL',
  'W-LN-CLOSE-INDEX',
  'W-POL-HASH',
  'W-POL-LOOSENED-EARLY',
] satisfies ReasonCode[]);

/**
 * Waits when the own node sees this very transaction: a quorum signed it, and a refusal now would only say
 * that its own coins, change and fee are used up by itself.
 */
const BY_ITSELF: ReadonlySet<ReasonCode> = new Set([
  'W-IN-SPENT',
  'W-OUT-CHANGE-INDEX',
  'W-LIM-FLOOR',
  'W-LIM-SHARE',
] satisfies ReasonCode[]);

/** Whether a code, found in this case, is waited out. */
export function passesByItself(c: Case, code: ReasonCode): boolean {
  if (code in ALWAYS) return true;
  if (c.seen === 'out' && BY_ITSELF.has(code)) return true;
  return isBehind(c) && UNTIL_CAUGHT_UP.has(code);
}

function isBehind({ chain, input }: Case): boolean {
  if (chain === null) return false;
  const ahead = input.state.proposal.intent.plan.lockTime - chain.tipHeight;
  return ahead > 0 && (chain.sync === 'syncing' || ahead <= AHEAD_BLOCKS_MAX);
}
