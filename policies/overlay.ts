/**
 * The overlay of one guardian: limits of their own agent's, judged beside the shared policy and never
 * instead of it. It has no way to say "allow", so it can only tighten.
 */
import { z } from 'zod';
import { nodeKey, outpoint } from './intent.ts';
import { ownChannelBounds, perPayee } from './policy-intents.ts';
import { fees, inputs, limits, outputs } from './policy-limits.ts';
import { requireShape } from './policy-shape.ts';
import { countText, keyedList, labelText, yesNo } from './scalar.ts';
import { parseYamlTree } from './yaml.ts';

const FROZEN_MAX = 10_000;
const PEERS_REFUSED_MAX = 1_000;

const refusable = z.enum([
  'withdrawal_batch',
  'treasury_move',
  'hot_topup',
  'consolidate',
  'fee_bump',
  'cancel',
  'channel_open',
  'policy_change',
  'registry_change',
  'breaker',
  'large_ln_payout',
  'channel_close',
  'snapshot',
]);

const overlaySchema = z.strictObject({
  schema: z.literal('weir.overlay/v1'),
  /** Whose agent this is: with `always_ask` it waits for this guardian's own approval. */
  guardian: labelText,
  always_ask: yesNo.default('no'),
  frozen_outpoints: keyedList(outpoint, { key: (each) => each, min: 0, max: FROZEN_MAX }).default(
    [],
  ),
  refuse_intents: keyedList(refusable, { key: (kind) => kind, min: 0, max: 13 }).default([]),
  limits: limits.partial().default({}),
  fees: fees.partial().default({}),
  inputs: inputs
    .pick({ min_conf: true, own_change_min_conf: true, max: true })
    .partial()
    .default({}),
  outputs: outputs.pick({ max: true, min_change: true }).partial().default({}),
  per_payee: perPayee.partial().default({}),
  max_payees: countText(0, 2_000).optional(),
  channel_open: ownChannelBounds.partial().default({}),
  refuse_peers: keyedList(nodeKey, {
    key: (each) => each,
    min: 0,
    max: PEERS_REFUSED_MAX,
  }).default([]),
});

/** A decoded overlay. What it leaves out, the shared policy alone decides. */
export type Overlay = z.infer<typeof overlaySchema>;

/** Reads an overlay, YAML text. @throws Failure POLICY_INVALID naming path and rule. */
export function parseOverlay(text: string): Overlay {
  return requireShape(overlaySchema, parseYamlTree(text, 'overlay'), 'overlay');
}

/** The overlay of a guardian who adds nothing. */
export function emptyOverlay(guardian: string): Overlay {
  const schema = 'weir.overlay/v1';
  return requireShape(overlaySchema, { schema, guardian }, 'overlay');
}
