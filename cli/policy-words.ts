/** A policy in words: one row for each limit, its path and what it says to a person. */
import { feerateText, satText } from '../console/print.ts';
import type { Policy } from '../policies/policy.ts';
import type { EscalationStep, IntentWindow } from '../policies/policy-limits.ts';
import type { SlackUnit } from '../policies/rules/finding.ts';

/** Path in the policy, and the limit in words. */
export type LimitInWords = readonly [path: string, words: string];

/** 1 % in parts per million. */
const PERCENT_PPM = 10_000n;

/** Every limit on what is spent and decided, in the order of the policy; the escalation is apart. */
export function limitsInWords(policy: Policy): LimitInWords[] {
  return [
    ...treasuryRows(policy),
    ...feeRows(policy),
    ...coinRows(policy),
    ...placeRows(policy),
    ...payoutRows(policy),
    ...ownFeeRows(policy),
    ...decisionRows(policy),
    ...agentRows(policy),
  ];
}

/** The escalation, one line a step. */
export function escalationInWords({ escalation }: Policy): string[] {
  return escalation.map((step) => {
    if ('window' in step) {
      const more = guardians(step.add_approvals);
      return `when window ${step.window} is used over ${share(step.value)}: ${more} more`;
    }
    const when =
      'over' in step ? `over ${satText(step.over)}` : 'to a destination never paid before';
    return `${when}: ${askedPeople(step)}`;
  });
}

/** Parts per million as percent, exactly. */
export function share(ppm: bigint): string {
  const part = (ppm % PERCENT_PPM).toString().padStart(4, '0').replace(/0+$/, '');
  return `${ppm / PERCENT_PPM}${part === '' ? '' : `.${part}`} %`;
}

/** A measure of a rule as its unit says; below zero too. */
export function measureText(value: bigint, unit: SlackUnit): string {
  const sign = value < 0n ? '-' : '';
  const size = value < 0n ? -value : value;
  switch (unit) {
    case 'sat':
      return `${sign}${satText(size)}`;
    case 'sat/kvB':
      return `${sign}${feerateText(size)}`;
    case 'blocks':
      return `${sign}${size} ${size === 1n ? 'block' : 'blocks'}`;
    case 'count':
    case 'height':
      return value.toString();
  }
}

function treasuryRows({ limits }: Policy): LimitInWords[] {
  const { per_tx, windows, count, floor_balance } = limits;
  return [
    ['limits.per_tx', `at most ${satText(per_tx)} in one transaction, fee included`],
    ...windows.map((window): LimitInWords => {
      const what =
        'max' in window
          ? satText(window.max)
          : `${share(window.max_ppm_of_treasury)} of the treasury`;
      return [`limits.windows.${window.name}`, `at most ${what} in any ${blocks(window.blocks)}`];
    }),
    ['limits.count', `at most ${count.max_tx} spends in any ${blocks(count.blocks)}`],
    ['limits.floor_balance', `at least ${satText(floor_balance)} stays`],
  ];
}

function feeRows({ fees }: Policy): LimitInWords[] {
  const { min_rate, max_rate, max_over_estimate_ppm, max_abs, max_ppm_of_amount } = fees;
  return [
    ['fees.min_rate', `at least ${feerateText(min_rate)}`],
    ['fees.max_rate', `at most ${feerateText(max_rate)}`],
    ['fees.max_over_estimate_ppm', `at most ${share(max_over_estimate_ppm)} of the own estimate`],
    ['fees.max_abs', `at most ${satText(max_abs)} of fee in one transaction`],
    ['fees.max_ppm_of_amount', `fee at most ${share(max_ppm_of_amount)} of the amount`],
    ...fees.windows.map((window): LimitInWords => {
      return [
        `fees.windows.${window.blocks}`,
        `at most ${satText(window.max)} of fees in any ${blocks(window.blocks)}`,
      ];
    }),
  ];
}

function coinRows({ inputs, outputs }: Policy): LimitInWords[] {
  const { min_conf, own_change_min_conf, max, gap } = inputs;
  return [
    ['inputs.min_conf', `coins ${blocks(min_conf)} deep`],
    ['inputs.own_change_min_conf', `own change ${blocks(own_change_min_conf)} deep`],
    ['inputs.max', `at most ${max} coins`],
    ['inputs.gap', `coins at most ${gap} indexes past the last one known`],
    ['outputs.max', `at most ${outputs.max} outputs`],
    ['outputs.min_change', `change of at least ${satText(outputs.min_change)}`],
  ];
}

function placeRows({ allowlists }: Policy): LimitInWords[] {
  return Object.entries(allowlists).flatMap(([list, entries]): LimitInWords[] => {
    if (entries.length === 0) return [[`allowlists.${list}`, 'empty: nobody on it can be paid']];
    return entries.map(({ name, active_from, per_day }) => {
      const cap = per_day === undefined ? 'no cap of its own' : `at most ${satText(per_day)} a day`;
      return [`allowlists.${list}.${name}`, `from height ${active_from} on, ${cap}`];
    });
  });
}

function payoutRows({ intents }: Policy): LimitInWords[] {
  const { withdrawal_batch: batch, treasury_move: move, hot_topup: topup } = intents;
  const { max, per_day } = batch.per_payee;
  return [
    ['intents.withdrawal_batch', `pays orders LPs signed, each once; ${own(batch.approvals)}`],
    ['intents.withdrawal_batch.max_payees', `at most ${batch.max_payees} payees`],
    [
      'intents.withdrawal_batch.per_payee',
      `at most ${satText(max)} each, ${satText(per_day)} a day`,
    ],
    ...windowRows('intents.withdrawal_batch', batch.windows),
    ['intents.treasury_move', `pays the list ${move.to}; ${own(move.approvals)}`],
    ...windowRows('intents.treasury_move', move.windows),
    ['intents.hot_topup', `pays the list ${topup.to}; ${own(topup.approvals)}`],
    ['intents.hot_topup.max', `at most ${satText(topup.max)} in one`],
    ['intents.hot_topup.min_interval', `${blocks(topup.min_interval)} from one to the next`],
    ...windowRows('intents.hot_topup', topup.windows),
  ];
}

function ownFeeRows({ intents }: Policy): LimitInWords[] {
  const { consolidate, fee_bump: bump, cancel } = intents;
  return [
    [
      'intents.consolidate',
      `all but the fee comes back; at most ${feerateText(consolidate.max_rate)} and ${consolidate.max_inputs} coins; ${own(consolidate.approvals)}`,
    ],
    ['intents.fee_bump', `of ${bump.of.join(', ') || 'nothing'}; ${own(bump.approvals)}`],
    ['intents.fee_bump.max_bumps', `at most ${bump.max_bumps} bumps of one spend`],
    ['intents.fee_bump.max_abs', `fee ${upTo(bump)}`],
    ['intents.cancel', `brings coins home outside the windows; ${own(cancel.approvals)}`],
    ['intents.cancel.max_abs', `fee ${upTo(cancel)}`],
    ...channelRows(intents.channel_open),
  ];
}

function channelRows(rules: Policy['intents']['channel_open']): LimitInWords[] {
  const path = 'intents.channel_open';
  if (rules === 'not_yet') return [[path, 'refused: this policy opens no channels yet']];
  const { peers, min_channel, max_channel, max_channels, reserve, min_change } = rules;
  return [
    [
      path,
      `opens channels with ${peers.length === 0 ? 'nobody' : 'the peers below'}; ${own(rules.approvals)}`,
    ],
    ...peers.map(
      ({ name, node, max_capacity }): LimitInWords => [
        `${path}.peers.${name}`,
        `at most ${satText(max_capacity)} over all channels ever opened to ${node}`,
      ],
    ),
    [`${path}.min_channel`, `each channel at least ${satText(min_channel)}`],
    [`${path}.max_channel`, `each channel at most ${satText(max_channel)}`],
    [`${path}.max_channels`, `at most ${max_channels} channels in one transaction`],
    [`${path}.attested_by`, `nobody signs before ${rules.attested_by} says that all are pending`],
    [
      `${path}.reserve`,
      `at most ${satText(reserve.max)} more for the Lightning node's wallet, to the list ${reserve.to}`,
    ],
    [`${path}.min_change`, `at least ${satText(min_change)} comes back, for a child that pays`],
    ...windowRows(path, rules.windows),
  ];
}

function upTo(fees: { max_rate: bigint; max_abs: bigint; max_ppm_of_inputs: bigint }): string {
  const { max_rate, max_abs, max_ppm_of_inputs } = fees;
  return `at most ${feerateText(max_rate)}, ${satText(max_abs)} and ${share(max_ppm_of_inputs)} of the coins`;
}

function windowRows(path: string, windows: readonly IntentWindow[]): LimitInWords[] {
  return windows.map(({ blocks: length, max, max_count }): LimitInWords => {
    const often = max_count === undefined ? '' : ` and ${max_count} spends`;
    return [
      `${path}.windows.${length}`,
      `at most ${satText(max)}${often} in any ${blocks(length)}`,
    ];
  });
}

function decisionRows({ intents, delays, no_self_approval }: Policy): LimitInWords[] {
  const { policy_change: change, breaker, large_ln_payout: payout, channel_close } = intents;
  return [
    ['delays.loosen', `a looser policy waits ${blocks(delays.loosen)}`],
    ['delays.expire_after', `a proposal lives ${blocks(delays.expire_after)} at most`],
    [
      'no_self_approval',
      no_self_approval === 'yes'
        ? 'who proposes does not approve'
        : 'who proposes may approve as well',
    ],
    ['intents.policy_change.tighten', own(change.tighten.approvals)],
    ['intents.policy_change.loosen', own(change.loosen.approvals)],
    ['intents.registry_change', own(intents.registry_change.approvals)],
    ['intents.breaker.trip', own(breaker.trip.approvals)],
    ['intents.breaker.reset', own(breaker.reset.approvals)],
    [
      'intents.large_ln_payout',
      `over ${satText(payout.over)}, at most ${satText(payout.max)}; ${own(payout.approvals)}`,
    ],
    ['intents.channel_close.cooperative', own(channel_close.cooperative.approvals)],
    [
      'intents.channel_close.force',
      `for ${channel_close.force.reasons.join(', ') || 'no reason'}; ${own(channel_close.force.approvals)}`,
    ],
    ['intents.channel_close.max_rate', `at most ${feerateText(channel_close.max_rate)}`],
    ['intents.snapshot', own(intents.snapshot.approvals)],
  ];
}

function agentRows({ tip, breaker }: Policy): LimitInWords[] {
  const { pause_after_refusals: pause, trips_per_guardian: trips } = breaker;
  return [
    [
      'tip.max_age',
      `a node without a block for the time of ${blocks(tip.max_age)} is not believed`,
    ],
    ['tip.max_skew', `nor one whose time is off by ${blocks(tip.max_skew)}`],
    ['tip.reorg_halt_depth', `nor one that took back ${blocks(tip.reorg_halt_depth)}`],
    [
      'breaker.pause_after_refusals',
      `${pause.max} refusals in ${blocks(pause.blocks)} pause signing alone`,
    ],
    [
      'breaker.trips_per_guardian',
      `a guardian trips the breaker ${trips.max} times at most in ${blocks(trips.blocks)}`,
    ],
  ];
}

function askedPeople(step: Exclude<EscalationStep, { window: string }>): string {
  const people = [
    ...(step.approvals > 0 ? [guardians(step.approvals)] : []),
    ...((step.operator ?? 0) > 0 ? ['an operator'] : []),
  ];
  const who = people.length === 0 ? 'nobody is asked' : people.join(' and ');
  return step.distinct === undefined ? who : `${who}, distinct by ${step.distinct.join(' and ')}`;
}

function own(approvals: number): string {
  return approvals === 0 ? 'asks nobody by itself' : `asks ${guardians(approvals)}`;
}

function guardians(count: number): string {
  return count === 1 ? 'one guardian' : `${count} guardians`;
}

function blocks(count: number): string {
  return count === 1 ? 'one block' : `${count} blocks`;
}
