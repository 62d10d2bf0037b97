/** Who and where of a policy: guardians, operators, and the lists of places money may go. */
import { z } from 'zod';
import { label } from './intent.ts';
import { GUARDIANS_MAX } from './policy-limits.ts';
import {
  amountText,
  countText,
  descriptorText,
  heightText,
  keyedList,
  labelText,
  scriptText,
  shapedBy,
  yesNo,
} from './scalar.ts';

const OPERATORS_MAX = 15;
const LISTS_MAX = 50;
const ENTRIES_MAX = 1_000;

const guardian = z.strictObject({
  id: labelText,
  /** Approvals of one owner count once; absent: the guardian is its own. */
  owner: labelText.exactOptional(),
  region: labelText.exactOptional(),
  /** `yes`: the agent signs within policy while nobody watches. */
  automatic: yesNo,
});
export type PolicyGuardian = z.infer<typeof guardian>;
export const guardians = keyedList(guardian, { key: ({ id }) => id, min: 1, max: GUARDIANS_MAX });

const operator = z.strictObject({ id: labelText, owner: labelText.exactOptional() });
export type PolicyOperator = z.infer<typeof operator>;
export const operators = keyedList(operator, { key: ({ id }) => id, min: 0, max: OPERATORS_MAX });

const scriptEntry = z.strictObject({
  name: labelText,
  script: scriptText,
  active_from: heightText,
  per_day: amountText.exactOptional(),
});
const descriptorEntry = z.strictObject({
  name: labelText,
  descriptor: descriptorText,
  max_index_gap: countText(1, 10_000),
  active_from: heightText,
  per_day: amountText.exactOptional(),
});
/** A place money may go, from a height on: one script, or the scripts of a descriptor. */
export type AllowlistEntry = z.infer<typeof scriptEntry> | z.infer<typeof descriptorEntry>;
const entry = shapedBy<AllowlistEntry>((keys) =>
  keys.has('descriptor') ? descriptorEntry : scriptEntry,
);

export const allowlists = z
  .record(label, keyedList(entry, { key: ({ name }) => name, min: 0, max: ENTRIES_MAX }))
  .refine(
    (lists) => Object.keys(lists).length <= LISTS_MAX,
    `must have at most ${LISTS_MAX} lists`,
  );
export type Allowlists = z.infer<typeof allowlists>;
