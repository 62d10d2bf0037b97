/** Rules about the spend as a whole: its network, its time, its kind, and whether money moves at all. */
import type { SpendCase } from './case.ts';
import { atLeast, atMost, type Finding, failed } from './finding.ts';

export function networkRule({ policy, facts }: SpendCase): Finding[] {
  if (facts.network === policy.network) return [];
  return [failed('W-ENV-NETWORK', `the spend is on ${facts.network}, not on ${policy.network}`)];
}

/** A policy is no policy before its height. */
export function activeRule({ policy, facts }: SpendCase): Finding[] {
  if (facts.tipHeight >= policy.activates_at_height) return [];
  const from = policy.activates_at_height;
  return [failed('W-POL-LOOSENED-EARLY', `version ${policy.version} rules from ${from} on`)];
}

export function expiryRules({ policy, facts }: SpendCase): Finding[] {
  const used = facts.expiryHeight;
  const latest = facts.tipHeight + policy.delays.expire_after;
  return [
    atLeast({ code: 'W-ENV-EXPIRED', rule: 'tip', limit: facts.tipHeight, used, unit: 'height' }),
    atMost({
      code: 'W-ENV-EXPIRY-FAR',
      rule: 'delays.expire_after',
      limit: latest,
      used,
      unit: 'height',
    }),
  ];
}

export function lockTimeRule({ facts }: SpendCase): Finding[] {
  if (facts.lockTime >= 0 && facts.lockTime <= facts.tipHeight) return [];
  return [failed('W-TX-LOCKTIME', `locktime ${facts.lockTime} at tip ${facts.tipHeight}`)];
}

/** Which kinds there are. Only a bump may speak of what it bumps. */
export function kindRules({ policy, overlay, facts }: SpendCase): Finding[] {
  const findings: Finding[] = [];
  if (facts.kind === 'channel_open' && policy.intents.channel_open === 'not_yet') {
    findings.push(failed('W-LN-NOT-YET', 'intents.channel_open: not_yet'));
  }
  if (facts.kind === 'fee_bump') {
    if (facts.bump === null) {
      findings.push(failed('W-ENV-INTENT', 'a fee_bump of nothing'));
    } else if (facts.bump.of === 'channel_open') {
      findings.push(failed('W-LN-BUMP', 'another txid would orphan its channels: a child pays'));
    } else if (!policy.intents.fee_bump.of.some((kind) => kind === facts.bump?.of)) {
      findings.push(failed('W-POL-INTENT', `intents.fee_bump.of does not name ${facts.bump.of}`));
    }
  }
  if (overlay?.refuse_intents.includes(facts.kind) === true) {
    findings.push(failed('W-POL-OVERLAY', `overlay.refuse_intents names ${facts.kind}`));
  }
  return findings;
}

/** A tripped breaker stops all but cancels: they free coins that somebody hoards (K4). */
export function breakerRule({ breaker, facts }: SpendCase): Finding[] {
  if (breaker === 'armed' || facts.kind === 'cancel') return [];
  return [failed('W-BRK-TRIPPED', 'the breaker is tripped; only cancels pass')];
}
