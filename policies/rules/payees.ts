/** Rules about who is paid: on which authority, from which height on, and how much in a day. */
import type { PayeeFact } from '../facts.ts';
import type { SpendKind } from '../intent.ts';
import type { AllowlistEntry } from '../policy-people.ts';
import { chargesWithin, type SpendCase, total } from './case.ts';
import { atMost, type Finding, failed, nearest } from './finding.ts';

/** Blocks of ten minutes: what `per_day` counts. */
export const BLOCKS_PER_DAY = 144;

/** Every payee has the authority its kind of spend asks for. A bump pays what was judged before. */
export function authorityRule(spend: SpendCase): Finding[] {
  const { facts } = spend;
  if (facts.kind === 'fee_bump') return [];
  return facts.payees.flatMap((payee) => {
    if (facts.kind === 'withdrawal_batch') return orderFindings(payee, facts.tipHeight);
    return listedFindings(payee, spend);
  });
}

/** A payout with nobody in it is no payout. */
export function somebodyPaidRule({ facts }: SpendCase): Finding[] {
  const pays = ['withdrawal_batch', 'treasury_move', 'hot_topup'].includes(facts.kind);
  if (!pays || facts.payees.length > 0) return [];
  return [failed('W-OUT-MISSING', `a ${facts.kind} without a payee`)];
}

/** An LP is counted by its name and by its script: neither a second script nor a second name helps. */
export function perPayeeRules({ policy, overlay, facts, charges }: SpendCase): Finding[] {
  if (facts.kind !== 'withdrawal_batch') return [];
  const day = chargesWithin(charges, BLOCKS_PER_DAY, facts.tipHeight).flatMap(
    ({ payees }) => payees,
  );
  const now = groups(facts.payees.map((payee) => [payeeKeys(payee), payee.amountSat]));
  const before = groups(day.map((paid) => [chargeKeys(paid), paid.amountSat]));
  const bounds: [string, bigint | undefined, 'max' | 'per_day'][] = [
    [
      'intents.withdrawal_batch.per_payee.max',
      policy.intents.withdrawal_batch.per_payee.max,
      'max',
    ],
    [
      'intents.withdrawal_batch.per_payee.per_day',
      policy.intents.withdrawal_batch.per_payee.per_day,
      'per_day',
    ],
    ['overlay.per_payee.max', overlay?.per_payee.max, 'max'],
    ['overlay.per_payee.per_day', overlay?.per_payee.per_day, 'per_day'],
  ];
  return bounds.flatMap(([rule, limit, which]) => {
    if (limit === undefined) return [];
    return nearest(
      [...now].map(([key, amount]) => {
        const used = which === 'max' ? amount : amount + (before.get(key) ?? 0n);
        return atMost({ code: 'W-LIM-PAYEE', rule, limit, used, unit: 'sat' });
      }),
    );
  });
}

/** The cap of an allowlist entry over a day. */
export function entryCapRules({ policy, facts, charges }: SpendCase): Finding[] {
  if (facts.kind === 'fee_bump') return [];
  const day = chargesWithin(charges, BLOCKS_PER_DAY, facts.tipHeight).flatMap(
    ({ payees }) => payees,
  );
  return Object.entries(policy.allowlists).flatMap(([list, entries]) =>
    entries.flatMap(({ name, per_day: limit }) => {
      const now = facts.payees.filter(
        ({ authority }) => authority.kind === 'allowlist' && authority.entry === name,
      );
      if (limit === undefined || now.length === 0) return [];
      const before = day.filter(({ entry }) => entry === name);
      const used = total([...now, ...before].map(({ amountSat }) => amountSat));
      const rule = `allowlists.${list}.${name}.per_day`;
      return [atMost({ code: 'W-OUT-PAYEE-CAP', rule, limit, used, unit: 'sat' })];
    }),
  );
}

function orderFindings({ authority }: PayeeFact, tipHeight: number): Finding[] {
  if (authority.kind !== 'lp-order') {
    return unsigned('a withdrawal that no LP signed');
  }
  if (authority.expiryHeight >= tipHeight) return [];
  const { orderId, expiryHeight } = authority;
  return [failed('W-OUT-ORDER-EXPIRED', `order ${orderId} expired at ${expiryHeight}`)];
}

function listedFindings(payee: PayeeFact, { policy, facts }: SpendCase): Finding[] {
  const { authority } = payee;
  // Judged by the rules of channels.
  if (authority.kind === 'channel' && facts.kind === 'channel_open') return [];
  const to = listPaid(policy, facts.kind);
  if (to === null) return unsigned(`a ${facts.kind} pays nobody`);
  if (authority.kind !== 'allowlist' || authority.list !== to) {
    return unsigned(`a ${facts.kind} pays the list ${to} only`);
  }
  const entry = policy.allowlists[to]?.find(({ name }) => name === authority.entry);
  if (entry === undefined) return unsigned(`no ${authority.entry} in the list ${to}`);
  const findings =
    'script' in entry ? scriptFindings(payee, entry.script) : gapFindings(payee, entry);
  if (entry.active_from > facts.tipHeight) {
    findings.push(
      failed('W-OUT-PAYEE-INACTIVE', `${entry.name} is active from ${entry.active_from}`),
    );
  }
  return findings;
}

/** The list whose places a kind may pay; null where it pays none. */
function listPaid({ intents }: SpendCase['policy'], kind: SpendKind): string | null {
  if (kind === 'treasury_move' || kind === 'hot_topup') return intents[kind].to;
  const { channel_open: rules } = intents;
  return kind === 'channel_open' && rules !== 'not_yet' ? rules.reserve.to : null;
}

function unsigned(why: string): Finding[] {
  return [failed('W-OUT-PAYEE-UNSIGNED', why)];
}

function scriptFindings({ script, authority }: PayeeFact, listed: string): Finding[] {
  const index = authority.kind === 'allowlist' ? authority.index : null;
  if (script === listed && index === null) return [];
  return unsigned('pays another script than the one listed');
}

function gapFindings(
  { authority }: PayeeFact,
  entry: Extract<AllowlistEntry, { descriptor: string }>,
): Finding[] {
  if (authority.kind !== 'allowlist' || authority.index === null) {
    return unsigned(`${entry.name} is paid at an index`);
  }
  const furthest = (authority.usedIndex ?? -1) + entry.max_index_gap;
  if (authority.index <= furthest) return [];
  return unsigned(`index ${authority.index} of ${entry.name} is too far out`);
}

function payeeKeys({ script, authority }: PayeeFact): string[] {
  const lp = authority.kind === 'lp-order' ? [`lp ${authority.lpId}`] : [];
  return [`script ${script}`, ...lp];
}

function chargeKeys({ script, lpId }: { script: string; lpId: string | null }): string[] {
  return [`script ${script}`, ...(lpId === null ? [] : [`lp ${lpId}`])];
}

function groups(paid: readonly (readonly [readonly string[], bigint])[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const [keys, amount] of paid) {
    for (const key of keys) sums.set(key, (sums.get(key) ?? 0n) + amount);
  }
  return sums;
}
