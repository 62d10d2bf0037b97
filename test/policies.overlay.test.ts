/** Overlays: what one guardian may add, and that there is nothing to loosen with. */
import { expect, test } from 'vitest';
import { emptyOverlay, parseOverlay } from '../policies/overlay.ts';

const head = 'schema: weir.overlay/v1\nguardian: ana\n';

test('an overlay says only what it adds', () => {
  const overlay = parseOverlay(`${head}limits: { per_tx: 1_000_000 }\nalways_ask: yes\n`);
  expect(overlay).toStrictEqual({
    ...emptyOverlay('ana'),
    always_ask: 'yes',
    limits: { per_tx: 1_000_000n },
  });
});

test.each([
  ['another schema', 'schema: weir.policy/v1\nguardian: ana', /schema/],
  ['no guardian', 'schema: weir.overlay/v1', /guardian: missing/],
  ['approvals', `${head}escalation: []`, /escalation: unknown key/],
  ['intents', `${head}intents: {}`, /intents: unknown key/],
  ['lists to pay', `${head}allowlists: {}`, /allowlists: unknown key/],
  ['a limit with a typo', `${head}limits: { per_txx: 1 }`, /limits\.per_txx: unknown key/],
  ['a limit that is no number', `${head}limits: { per_tx: none }`, /limits\.per_tx: must be/],
  ['an intent that does not exist', `${head}refuse_intents: [withdrawals]`, /refuse_intents\.0/],
  [
    'an outpoint that is none',
    `${head}frozen_outpoints: [abc]`,
    /frozen_outpoints\.0: must be txid/,
  ],
  ['a boolean', `${head}always_ask: true`, /always_ask: must be yes or no/],
])('refuses %s', (_, text, why) => {
  expect(() => parseOverlay(text)).toThrow(
    expect.objectContaining({ code: 'POLICY_INVALID', message: expect.stringMatching(why) }),
  );
});
