/** Contradictions inside one policy: names that lead nowhere and rules nobody could ever meet. */
import { Failure } from './failure.ts';
import type { Policy } from './policy-schema.ts';

/** A loosening on the main network waits a week at least, whatever the policy says. */
export const LOOSEN_BLOCKS_MIN = 1_008;

/** @throws Failure POLICY_INVALID naming the first path whose rule contradicts another. */
export function policyContradictions(policy: Policy): void {
  checkSuccessionFields(policy);
  checkPeople(policy);
  checkEscalation(policy);
  checkLists(policy);
  checkChannels(policy);
  checkMajorities(policy);
  if (policy.fees.min_rate > policy.fees.max_rate) refuse('fees.min_rate', 'above fees.max_rate');
}

/** The lower bound of what a policy may ask before it changes itself: more than half. */
export function majorityOf(guardians: number): number {
  return Math.floor(guardians / 2) + 1;
}

function refuse(path: string, rule: string): never {
  throw new Failure('POLICY_INVALID', `policy: ${path}: ${rule}`);
}

function checkSuccessionFields(policy: Policy): void {
  if ((policy.version === 1) !== (policy.previous === null)) {
    refuse('previous', 'must be null in version 1 and only there');
  }
  if (policy.network === 'bitcoin' && policy.delays.loosen < LOOSEN_BLOCKS_MIN) {
    refuse('delays.loosen', `must be at least ${LOOSEN_BLOCKS_MIN} on bitcoin`);
  }
}

function checkPeople(policy: Policy): void {
  const ids = new Set(policy.guardians.map(({ id }) => id));
  for (const { id } of policy.operators) {
    if (ids.has(id)) refuse('operators', `${id} is the id of a guardian`);
  }
}

function checkEscalation(policy: Policy): void {
  const windows = new Set(policy.limits.windows.map(({ name }) => name));
  for (const step of policy.escalation) {
    if ('window' in step) {
      if (!windows.has(step.window)) refuse('escalation', `no window ${step.window} in limits`);
      continue;
    }
    if (step.operator !== undefined && policy.operators.length === 0) {
      refuse('escalation', 'asks an operator where there is none');
    }
    const byRegion = step.distinct?.includes('region') === true;
    if (byRegion && policy.guardians.some(({ region }) => region === undefined)) {
      refuse('escalation', 'distinct regions need a region for every guardian');
    }
    requireMet(policy, ['escalation', step.approvals]);
  }
  if (!policy.escalation.some((step) => 'over' in step && step.over === 0n)) {
    refuse('escalation', 'must say what a spend over 0 needs');
  }
}

function checkLists(policy: Policy): void {
  for (const kind of ['treasury_move', 'hot_topup'] as const) {
    const { to } = policy.intents[kind];
    if (!Object.hasOwn(policy.allowlists, to)) refuse(`intents.${kind}.to`, `no allowlist ${to}`);
  }
  // An intent names an entry without its list, and its counters are kept by the entry's name.
  const seen = new Set<string>();
  for (const [list, entries] of Object.entries(policy.allowlists)) {
    for (const { name } of entries) {
      if (seen.has(name)) refuse(`allowlists.${list}`, `${name} is the name of another entry`);
      seen.add(name);
    }
  }
}

function checkChannels({ intents, allowlists }: Policy): void {
  const rules = intents.channel_open;
  if (rules === 'not_yet') return;
  const path = 'intents.channel_open';
  const { peers, min_channel, max_channel, reserve } = rules;
  if (!Object.hasOwn(allowlists, reserve.to)) {
    refuse(`${path}.reserve.to`, `no allowlist ${reserve.to}`);
  }
  if (min_channel > max_channel) refuse(`${path}.min_channel`, 'above max_channel');
  // Two names for one node would be two caps for one peer.
  const nodes = new Set<string>();
  for (const { node, name } of peers) {
    if (nodes.has(node)) refuse(`${path}.peers`, `${name} is the node of another peer`);
    nodes.add(node);
  }
}

function checkMajorities(policy: Policy): void {
  const { intents } = policy;
  const majority = majorityOf(policy.guardians.length);
  const byMajority: [string, number][] = [
    ['intents.policy_change.tighten.approvals', intents.policy_change.tighten.approvals],
    ['intents.policy_change.loosen.approvals', intents.policy_change.loosen.approvals],
    ['intents.registry_change.approvals', intents.registry_change.approvals],
    ['intents.breaker.reset.approvals', intents.breaker.reset.approvals],
  ];
  for (const [path, approvals] of byMajority) {
    if (approvals < majority) refuse(path, `must be at least ${majority}, more than half`);
  }
  if (intents.breaker.trip.approvals < 1)
    refuse('intents.breaker.trip.approvals', 'must be at least 1');
  const others: [string, number][] = [
    ['intents.withdrawal_batch.approvals', intents.withdrawal_batch.approvals],
    ['intents.treasury_move.approvals', intents.treasury_move.approvals],
    ['intents.hot_topup.approvals', intents.hot_topup.approvals],
    ['intents.consolidate.approvals', intents.consolidate.approvals],
    ['intents.fee_bump.approvals', intents.fee_bump.approvals],
    ['intents.cancel.approvals', intents.cancel.approvals],
    ['intents.breaker.trip.approvals', intents.breaker.trip.approvals],
    ['intents.large_ln_payout.approvals', intents.large_ln_payout.approvals],
    ['intents.channel_close.cooperative.approvals', intents.channel_close.cooperative.approvals],
    ['intents.channel_close.force.approvals', intents.channel_close.force.approvals],
    ['intents.snapshot.approvals', intents.snapshot.approvals],
  ];
  const { channel_open: opens } = intents;
  if (opens !== 'not_yet') others.push(['intents.channel_open.approvals', opens.approvals]);
  for (const row of [...byMajority, ...others]) requireMet(policy, row);
}

function requireMet(policy: Policy, [path, approvals]: [string, number]): void {
  const owners = new Set(policy.guardians.map(({ id, owner }) => owner ?? id));
  if (approvals > owners.size) refuse(path, `${approvals} approvals of ${owners.size} owners`);
}
