/** Limits of a policy: how much may leave, at what fee, from which coins, and who must be asked. */
import { z } from 'zod';
import { INPUTS_MAX, OUTPUTS_MAX } from './intent.ts';
import {
  amountText,
  blocksText,
  countText,
  feerateText,
  keyedList,
  labelText,
  multipleText,
  shapedBy,
  shareText,
} from './scalar.ts';

/** More windows than a person can hold in the head. */
const WINDOWS_MAX = 12;
const STEPS_MAX = 20;
/** Seats of one quorum; `sortedmulti` ends at 20 keys. */
export const GUARDIANS_MAX = 15;
const TXS_MAX = 10_000;

const amountWindow = z.strictObject({ name: labelText, blocks: blocksText(1), max: amountText });
const shareWindow = z.strictObject({
  name: labelText,
  blocks: blocksText(1),
  max_ppm_of_treasury: shareText,
});
/** A sliding window over everything that leaves, in sat or as a share of the treasury. */
export type LimitWindow = z.infer<typeof amountWindow> | z.infer<typeof shareWindow>;
export const limitWindow = shapedBy<LimitWindow>((keys) =>
  keys.has('max_ppm_of_treasury') ? shareWindow : amountWindow,
);

const feeWindow = z.strictObject({ blocks: blocksText(1), max: amountText });
export type FeeWindow = z.infer<typeof feeWindow>;
const intentWindow = z.strictObject({
  blocks: blocksText(1),
  max: amountText,
  max_count: countText(0, TXS_MAX).exactOptional(),
});
/** A window over the spends of one kind. */
export type IntentWindow = z.infer<typeof intentWindow>;

/** `windows` of fees and of intents are named by their length. */
export function windowsOf<T extends { blocks: number }>(item: z.ZodType<T>, min: 0 | 1) {
  return keyedList(item, {
    key: ({ blocks }) => blocks.toString().padStart(5, '0'),
    min,
    max: WINDOWS_MAX,
  });
}
export const intentWindows = windowsOf(intentWindow, 1);
export const feeWindows = windowsOf(feeWindow, 1);
export const limitWindows = keyedList(limitWindow, {
  key: ({ name }) => name,
  min: 1,
  max: WINDOWS_MAX,
});

export const countLimit = z.strictObject({
  blocks: blocksText(1),
  max_tx: countText(0, TXS_MAX),
});

/** Global: every intent adds up here, outflow and fee together. */
export const limits = z.strictObject({
  per_tx: amountText,
  windows: limitWindows,
  count: countLimit,
  floor_balance: amountText,
});
export type Limits = z.infer<typeof limits>;

export const fees = z.strictObject({
  min_rate: feerateText,
  max_rate: feerateText,
  max_over_estimate_ppm: multipleText,
  max_abs: amountText,
  max_ppm_of_amount: shareText,
  windows: feeWindows,
});
export type Fees = z.infer<typeof fees>;

export const inputs = z.strictObject({
  min_conf: countText(1, 1_000),
  own_change_min_conf: countText(0, 1_000),
  max: countText(1, INPUTS_MAX),
  types: z.array(z.literal('wsh', 'must be wsh: other types are not there yet')).length(1),
  gap: countText(1, 10_000),
});
export type Inputs = z.infer<typeof inputs>;

export const outputs = z.strictObject({
  max: countText(1, OUTPUTS_MAX),
  min_change: amountText,
  dust: z.literal('standard'),
  op_return: z.literal('deny'),
});
export type Outputs = z.infer<typeof outputs>;

/** How many guardians must say yes. */
export const approvalsText = countText(0, GUARDIANS_MAX);
const asked = {
  approvals: approvalsText,
  operator: countText(1, 1).exactOptional(),
  distinct: keyedList(z.enum(['owner', 'region']), {
    key: (by) => by,
    min: 1,
    max: 2,
  }).exactOptional(),
};
const overStep = z.strictObject({ over: amountText, ...asked });
const firstPaymentStep = z.strictObject({
  when: z.literal('first_payment_to_destination'),
  ...asked,
});
const windowUsedStep = z.strictObject({
  when: z.literal('window_used_over_ppm'),
  window: labelText,
  value: shareText,
  add_approvals: countText(1, GUARDIANS_MAX),
});
/** Who must be asked from where on. Steps combine by the highest; `add_approvals` comes on top. */
export type EscalationStep =
  | z.infer<typeof overStep>
  | z.infer<typeof firstPaymentStep>
  | z.infer<typeof windowUsedStep>;
export const escalationStep = shapedBy<EscalationStep>((keys) => {
  if (!keys.has('when')) return overStep;
  return keys.has('value') || keys.has('window') ? windowUsedStep : firstPaymentStep;
});
export const escalation = keyedList(escalationStep, { key: stepKey, min: 1, max: STEPS_MAX });

/** What makes a step one and the same in two policies: its condition. */
export function stepKey(step: EscalationStep): string {
  if ('over' in step) return `over=${step.over.toString().padStart(16, '0')}`;
  if (step.when === 'first_payment_to_destination') return step.when;
  return `${step.window}_used_over_ppm=${step.value.toString().padStart(7, '0')}`;
}
