/**
 * What one transaction can take while nobody is asked: upper bounds in sat, fee included, by kind of
 * spend. Never below what `evaluate` lets pass; rules that only tighten further may be left out.
 */

import type { Policy } from '../policies/policy.ts';
import type { IntentWindow, LimitWindow } from '../policies/policy-limits.ts';

/** Who gives no approval. `operators-given`: those of operators are there, a guardian's are not. */
export type Unasked = 'nobody-asked' | 'operators-given';

export const PAYING = [
  'withdrawal_batch',
  'treasury_move',
  'hot_topup',
  'consolidate',
  'channel_open',
] as const;
export type PayingKind = (typeof PAYING)[number];

const WHOLE_PPM = 1_000_000n;

/** A spend of a kind with its fee, before any bump; 0 where the kind always asks or pays nobody. */
export function spendCapSat(policy: Policy, kind: PayingKind, unasked: Unasked): bigint {
  if (approvalsOf(policy, kind) > 0 || !canHappen(policy, kind)) return 0n;
  return lowest([
    policy.limits.per_tx,
    ...stepCaps(policy, unasked),
    ...windowCaps(policy, kind),
    ownCapSat(policy, kind) + policy.fees.max_abs,
  ]);
}

/** The fee a bump of this kind can reach. A bump weighs its fee alone, whoever agreed to the payees. */
export function bumpCapSat(policy: Policy, kind: PayingKind, unasked: Unasked): bigint {
  const { fee_bump: bump } = policy.intents;
  const named = bump.of.some((each) => each === kind);
  const allowed = bump.approvals === 0 && bump.max_bumps > 0 && named;
  if (!allowed || !canHappen(policy, kind)) return 0n;
  return lowest([bump.max_abs, policy.limits.per_tx, ...stepCaps(policy, unasked)]);
}

/** The fee of a cancel: no window holds it. */
export function cancelCapSat(policy: Policy, unasked: Unasked): bigint {
  const { cancel } = policy.intents;
  if (cancel.approvals > 0) return 0n;
  return lowest([cancel.max_abs, policy.limits.per_tx, ...stepCaps(policy, unasked)]);
}

/** A spend and the bumps of its fee: windows hold both together. */
export function bumpedCapSat(policy: Policy, kind: PayingKind, unasked: Unasked): bigint {
  const both = spendCapSat(policy, kind, unasked) + bumpCapSat(policy, kind, unasked);
  return lowest([both, ...windowCaps(policy, kind)]);
}

/** The amount above which somebody is asked; null where no amount asks by itself. */
export function firstAskedAbove(policy: Policy): bigint | null {
  const caps = stepCaps(policy, 'nobody-asked');
  return caps.length === 0 ? null : lowest(caps);
}

/** Whether a step asks for something else than an amount. */
export function asksOtherwise({ escalation }: Policy): boolean {
  return escalation.some(
    (step) => 'window' in step || (!('over' in step) && step.approvals + (step.operator ?? 0) > 0),
  );
}

/** What a window holds before a step asks a guardian more; null for a share of the treasury. */
export function windowCapSat(policy: Policy, window: LimitWindow): bigint | null {
  return 'max' in window ? (window.max * askedFromPpm(policy, window.name)) / WHOLE_PPM : null;
}

/** The same for a share, in ppm of the treasury, rounded up. */
export function shareCapPpm(policy: Policy, window: LimitWindow): bigint | null {
  if ('max' in window) return null;
  const parts = window.max_ppm_of_treasury * askedFromPpm(policy, window.name);
  return (parts + WHOLE_PPM - 1n) / WHOLE_PPM;
}

/** What the lists that a kind pays may get in a day; null where an entry has no cap, or no list is paid. */
export function listedPerDaySat(policy: Policy, kind: PayingKind): bigint | null {
  if (kind !== 'treasury_move' && kind !== 'hot_topup') return null;
  let total = 0n;
  for (const { per_day } of policy.allowlists[policy.intents[kind].to] ?? []) {
    if (per_day === undefined) return null;
    total += per_day;
  }
  return total;
}

export function lowest(values: readonly bigint[]): bigint {
  return values.reduce((least, value) => (value < least ? value : least), values[0] ?? 0n);
}

export function highest(values: readonly bigint[]): bigint {
  return values.reduce((most, value) => (value > most ? value : most), 0n);
}

function canHappen(policy: Policy, kind: PayingKind): boolean {
  if (kind === 'consolidate') return true;
  const { intents, allowlists } = policy;
  if (windowsOf(policy, kind).some(({ max_count }) => max_count === 0)) return false;
  if (kind === 'withdrawal_batch') return intents.withdrawal_batch.max_payees > 0;
  if (kind === 'channel_open') return peersOf(policy).length > 0;
  return (allowlists[intents[kind].to] ?? []).length > 0;
}

/** What the kind itself allows to leave in one transaction, without the fee. */
function ownCapSat(policy: Policy, kind: PayingKind): bigint {
  const { intents, limits, outputs } = policy;
  const listed = listedPerDaySat(policy, kind) ?? limits.per_tx;
  switch (kind) {
    case 'withdrawal_batch': {
      const { max_payees, per_payee } = intents.withdrawal_batch;
      return BigInt(Math.min(max_payees, outputs.max)) * per_payee.max;
    }
    case 'treasury_move':
      return listed;
    case 'hot_topup':
      return lowest([intents.hot_topup.max, listed]);
    case 'consolidate':
      return 0n;
    case 'channel_open':
      return channelCapSat(policy);
  }
}

/** Its own windows; none where there are none, or no channels are opened. */
export function windowsOf({ intents }: Policy, kind: PayingKind): readonly IntentWindow[] {
  if (kind === 'consolidate') return [];
  const rules = intents[kind];
  return rules === 'not_yet' ? [] : rules.windows;
}

/** Guardians whom a kind asks whatever the amount. */
export function approvalsOf({ intents }: Policy, kind: PayingKind | 'fee_bump' | 'cancel'): number {
  const rules = intents[kind];
  return rules === 'not_yet' ? 0 : rules.approvals;
}

function peersOf({ intents: { channel_open: rules } }: Policy) {
  return rules === 'not_yet' ? [] : rules.peers;
}

function channelCapSat({ intents: { channel_open: rules } }: Policy): bigint {
  if (rules === 'not_yet') return 0n;
  return BigInt(rules.max_channels) * rules.max_channel + rules.reserve.max;
}

/** A step bites above `over`. A step for somebody new is left out: a payee can be known. */
function stepCaps(policy: Policy, unasked: Unasked): bigint[] {
  return policy.escalation.flatMap((step) => {
    if (!('over' in step)) return [];
    const asks = step.approvals > 0 || (unasked === 'nobody-asked' && (step.operator ?? 0) > 0);
    return asks ? [step.over] : [];
  });
}

/** One transaction is in every window once. */
function windowCaps(policy: Policy, kind: PayingKind): bigint[] {
  const global = policy.limits.windows.flatMap((each) => windowCapSat(policy, each) ?? []);
  const own = windowsOf(policy, kind).map(({ max }) => max);
  return [...global, ...own];
}

function askedFromPpm(policy: Policy, window: string): bigint {
  const values = policy.escalation.flatMap((step) =>
    'window' in step && step.window === window ? [step.value] : [],
  );
  return lowest([WHOLE_PPM, ...values]);
}
