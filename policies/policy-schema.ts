/** The whole shape of `weir.policy/v1`: every section required, every key known. */
import { z } from 'zod';
import { networkName } from './intent.ts';
import { intents } from './policy-intents.ts';
import { escalation, fees, inputs, limits, outputs } from './policy-limits.ts';
import { allowlists, guardians, operators } from './policy-people.ts';
import { blocksText, countText, heightText, previousText, yesNo } from './scalar.ts';

const versionText = countText(1, 1_000_000);

export const policySchema = z.strictObject({
  schema: z.literal('weir.policy/v1'),
  network: networkName,
  version: versionText,
  previous: previousText,
  activates_at_height: heightText,
  guardians,
  operators,
  /** Sanity of an agent's own node, in blocks of ten minutes; never a limit of money. */
  tip: z.strictObject({
    max_age: blocksText(1),
    max_skew: blocksText(1),
    reorg_halt_depth: blocksText(1),
  }),
  limits,
  fees,
  inputs,
  outputs,
  allowlists,
  escalation,
  delays: z.strictObject({ loosen: blocksText(0), expire_after: blocksText(1) }),
  no_self_approval: yesNo,
  /** What an agent bounds by itself: refusals pause its automatic hand, trips are rationed. */
  breaker: z.strictObject({
    pause_after_refusals: z.strictObject({ blocks: blocksText(1), max: countText(1, 10_000) }),
    trips_per_guardian: z.strictObject({ blocks: blocksText(1), max: countText(1, 10_000) }),
  }),
  intents,
});

/**
 * A decoded policy. Keys are the ones of the file; amounts are bigint with their unit, counts and
 * heights numbers, yes and no text; lists whose order means nothing are sorted.
 */
export type Policy = z.infer<typeof policySchema>;
