/** Whether one policy may follow another: the next version, of this hash, and not looser too soon. */
import { diffPolicies } from './diff.ts';
import { type Policy, policyHash } from './policy.ts';
import { LOOSEN_BLOCKS_MIN } from './policy-references.ts';
import { type Reason, reason } from './reason.ts';

/**
 * Reasons why `next` may not follow `current` when announced at a height; empty when it may. A
 * loosening waits the delay of the current policy, a week at least on bitcoin; a new allowlist entry
 * waits by its own `active_from`, so that the rest of a policy need not wait for it.
 */
export function checkSuccession(current: Policy, next: Policy, announceHeight: number): Reason[] {
  const reasons: Reason[] = [];
  if (next.network !== current.network) {
    reasons.push(reason('W-ENV-NETWORK', `for ${next.network}, not for ${current.network}`));
  }
  if (next.version !== current.version + 1) {
    const detail = `version ${next.version} after ${current.version}`;
    reasons.push(reason('W-POL-VERSION', detail));
  }
  if (next.previous !== `sha256:${policyHash(current)}`) {
    reasons.push(reason('W-POL-VERSION', 'previous is not the hash of the current policy'));
  }
  const earliest = announceHeight + loosenDelay(current);
  for (const { path, change, activeFrom } of diffPolicies(current, next).changes) {
    const from = Math.max(next.activates_at_height, activeFrom ?? 0);
    if (change !== 'loosen' || from >= earliest) continue;
    reasons.push(reason('W-POL-LOOSENED-EARLY', `${path} from ${from}, not before ${earliest}`));
  }
  return reasons;
}

/** Blocks between the announcement of a looser policy and its first. */
export function loosenDelay(current: Policy): number {
  const least = current.network === 'bitcoin' ? LOOSEN_BLOCKS_MIN : 0;
  return Math.max(current.delays.loosen, least);
}
