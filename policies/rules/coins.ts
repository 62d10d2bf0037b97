/** Rules about coins in and change out. */
import type { SpendCase } from './case.ts';
import { atLeast, atMost, type Finding, failed, nearest } from './finding.ts';

export function inputCountRules({ policy, overlay, facts }: SpendCase): Finding[] {
  const { consolidate } = policy.intents;
  const bounds: [string, number | undefined][] = [
    ['inputs.max', policy.inputs.max],
    ['overlay.inputs.max', overlay?.inputs.max],
  ];
  if (facts.kind === 'consolidate') {
    bounds.push(['intents.consolidate.max_inputs', consolidate.max_inputs]);
  }
  const used = facts.inputs.length;
  return bounds.flatMap(([rule, limit]) =>
    limit === undefined ? [] : [atMost({ code: 'W-IN-COUNT', rule, limit, used, unit: 'count' })],
  );
}

/** One outpoint twice would be counted as two coins. */
export function distinctInputsRule({ facts }: SpendCase): Finding[] {
  const seen = new Set(facts.inputs.map(({ outpoint }) => outpoint));
  if (facts.inputs.length > 0 && seen.size === facts.inputs.length) return [];
  if (facts.inputs.length === 0) return [failed('W-ENV-INTENT', 'spends no coin')];
  return [failed('W-TX-DUPLICATE-INPUT', 'spends one outpoint twice')];
}

export function confirmationRules({ policy, overlay, facts }: SpendCase): Finding[] {
  const findings = (['received', 'own-change'] as const).flatMap((origin) => {
    const key = origin === 'received' ? 'min_conf' : 'own_change_min_conf';
    const coins = facts.inputs.filter((coin) => coin.origin === origin);
    const bounds: [string, number | undefined][] = [
      [`inputs.${key}`, policy.inputs[key]],
      [`overlay.inputs.${key}`, overlay?.inputs[key]],
    ];
    return bounds.flatMap(([rule, limit]) =>
      limit === undefined
        ? []
        : nearest(
            coins.map(({ confirmations: used }) =>
              atLeast({ code: 'W-IN-UNCONFIRMED', rule, limit, used, unit: 'blocks' }),
            ),
          ),
    );
  });
  return findings;
}

export function frozenRule({ overlay, facts }: SpendCase): Finding[] {
  const frozen = new Set(overlay?.frozen_outpoints);
  return facts.inputs
    .filter(({ outpoint }) => frozen.has(outpoint))
    .map(({ outpoint }) => failed('W-IN-FROZEN', `overlay.frozen_outpoints names ${outpoint}`));
}

export function outputCountRules({ policy, overlay, facts }: SpendCase): Finding[] {
  const used = facts.payees.length + (facts.changeSat === null ? 0 : 1);
  const bounds: [string, number | undefined, number][] = [
    ['outputs.max', policy.outputs.max, used],
    ['overlay.outputs.max', overlay?.outputs.max, used],
  ];
  if (facts.kind === 'withdrawal_batch') {
    const { max_payees } = policy.intents.withdrawal_batch;
    bounds.push(['intents.withdrawal_batch.max_payees', max_payees, facts.payees.length]);
    bounds.push(['overlay.max_payees', overlay?.max_payees, facts.payees.length]);
  }
  return bounds.flatMap(([rule, limit, count]) =>
    limit === undefined
      ? []
      : [atMost({ code: 'W-OUT-COUNT', rule, limit, used: count, unit: 'count' })],
  );
}

export function changeRules({ policy, overlay, facts }: SpendCase): Finding[] {
  const used = facts.changeSat;
  if (used === null) return [];
  const bounds: [string, bigint | undefined][] = [
    ['outputs.min_change', policy.outputs.min_change],
    ['overlay.outputs.min_change', overlay?.outputs.min_change],
  ];
  return bounds.flatMap(([rule, limit]) =>
    limit === undefined
      ? []
      : [atLeast({ code: 'W-OUT-MIN-CHANGE', rule, limit, used, unit: 'sat' })],
  );
}

/** What a consolidation and a cancel spend comes back, all but the fee. */
export function selfTransferRule({ facts }: SpendCase): Finding[] {
  if (facts.kind !== 'consolidate' && facts.kind !== 'cancel') return [];
  if (facts.payees.length === 0 && facts.changeSat !== null) return [];
  return [failed('W-OUT-SELF-TRANSFER', `a ${facts.kind} pays nobody but ourselves`)];
}
