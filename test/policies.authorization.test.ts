/** Intents without a transaction: who must agree, and the limits they have. */
import { expect, test } from 'vitest';
import { type AuthorizationQuestion, evaluateAuthorization } from '../policies/authorization.ts';
import { diffPolicies } from '../policies/diff.ts';
import type { AuthorizationIntent } from '../policies/intent.ts';
import { emptyOverlay } from '../policies/overlay.ts';
import type { ReasonCode } from '../policies/reason.ts';
import { feerate } from '../policies/units.ts';
import { approvedBy, overlay, POLICY, policyWith, TIP } from './policy-cases.ts';

const policyChange: AuthorizationIntent = {
  kind: 'policy_change',
  policyText: '',
  activatesAtHeight: TIP,
};
const registryChange: AuthorizationIntent = { kind: 'registry_change', entries: [] };
const trip: AuthorizationIntent = { kind: 'breaker', action: 'trip' };
const reset: AuthorizationIntent = { kind: 'breaker', action: 'reset' };
const snapshot: AuthorizationIntent = {
  kind: 'snapshot',
  snapshotHash: 'ab'.repeat(32),
  number: 2,
  previousHash: 'cd'.repeat(32),
};
const payout = (amountMsat: string, expiryHeight = TIP): AuthorizationIntent => ({
  kind: 'large_ln_payout',
  paymentHash: 'ab'.repeat(32),
  amountMsat,
  maxFeeMsat: '1000',
  payee: `02${'ab'.repeat(32)}`,
  expiryHeight,
  account: 'lp-1',
});
const close = (force: 'cooperative' | 'peer_offline', rate = 100_000n): AuthorizationIntent => ({
  kind: 'channel_close',
  channelPoint: `${'ab'.repeat(32)}:0`,
  force,
  closeIndex: 0,
  maxFeeRateSatPerKvb: feerate(rate),
});

const two = approvedBy('ana ben');
const one = approvedBy('ana');
const ownTrip = { ...one, initiator: 'ana' };
const tightening = diffPolicies(POLICY, policyWith(['per_tx: 50_000_000', 'per_tx: 1']));
const thriceToTighten = policyWith(['tighten: { approvals: 2 }', 'tighten: { approvals: 3 }']);
const noReasons = policyWith(['reasons: [peer_offline, ', 'reasons: [']);
const later = policyWith(['activates_at_height: 0', `activates_at_height: ${TIP + 1}`]);

function ask(intent: AuthorizationIntent, more: Partial<AuthorizationQuestion> = {}) {
  const asked = { policy: POLICY, intent, approvals: approvedBy(''), tipHeight: TIP, ...more };
  const { kind, reasons } = evaluateAuthorization(asked);
  return { kind, codes: reasons.map(({ code }) => code) };
}

type Row = [what: string, verdict: ReturnType<typeof ask>, kind: string, codes: ReasonCode[]];
test.each<Row>([
  [
    'a policy change by one guardian',
    ask(policyChange, { approvals: one }),
    'needs',
    ['W-APP-TOO-FEW'],
  ],
  ['a policy change by two', ask(policyChange, { approvals: two }), 'ok', []],
  [
    'a policy change by two, one of them its proposer',
    ask(policyChange, { approvals: { ...two, initiator: 'ana' } }),
    'needs',
    ['W-APP-SELF', 'W-APP-TOO-FEW'],
  ],
  [
    'a change of unknown direction counts as looser',
    ask(policyChange, { approvals: two, policy: thriceToTighten }),
    'ok',
    [],
  ],
  [
    'a tightening asks what tightening asks',
    ask(policyChange, { approvals: two, policy: thriceToTighten, diff: tightening }),
    'needs',
    ['W-APP-TOO-FEW'],
  ],
  ['a registry change by one', ask(registryChange, { approvals: one }), 'needs', ['W-APP-TOO-FEW']],
  ['a registry change by two', ask(registryChange, { approvals: two }), 'ok', []],
  [
    'a registry change by operators',
    ask(registryChange, { approvals: approvedBy('', 'olga') }),
    'needs',
    ['W-APP-TOO-FEW'],
  ],
  ['a trip by the guardian who wants it', ask(trip, { approvals: ownTrip }), 'ok', []],
  ['a trip by nobody', ask(trip), 'needs', ['W-APP-TOO-FEW']],
  ['a reset by one', ask(reset, { approvals: one }), 'needs', ['W-APP-TOO-FEW']],
  ['a reset by two', ask(reset, { approvals: two }), 'ok', []],
  ['a snapshot asks nobody', ask(snapshot), 'ok', []],
  [
    'a snapshot asks a guardian who always wants to be asked',
    ask(snapshot, { overlay: overlay('always_ask: yes') }),
    'needs',
    ['W-APP-TOO-FEW'],
  ],
  ['a snapshot of an automatic seat', ask(snapshot, { overlay: emptyOverlay('ana') }), 'ok', []],
  [
    'a snapshot that the overlay refuses',
    ask(snapshot, { overlay: overlay('refuse_intents: [snapshot]') }),
    'refuse',
    ['W-POL-OVERLAY'],
  ],
  [
    'a snapshot under a policy that does not rule yet',
    ask(snapshot, { policy: later }),
    'refuse',
    ['W-POL-LOOSENED-EARLY'],
  ],
  ['a payout at the limit', ask(payout('19999999000'), { approvals: one }), 'ok', []],
  [
    'a payout a millisatoshi above',
    ask(payout('19999999001'), { approvals: one }),
    'refuse',
    ['W-LIM-PER-TX'],
  ],
  ['a payout nobody approved', ask(payout('1')), 'needs', ['W-APP-TOO-FEW']],
  [
    'a payout that expired',
    ask(payout('1', TIP - 1), { approvals: one }),
    'refuse',
    ['W-ENV-EXPIRED'],
  ],
  ['a cooperative close', ask(close('cooperative')), 'ok', []],
  ['a close above the feerate', ask(close('cooperative', 100_001n)), 'refuse', ['W-FEE-RATE']],
  [
    'a force close by one',
    ask(close('peer_offline'), { approvals: one }),
    'needs',
    ['W-APP-TOO-FEW'],
  ],
  ['a force close by two', ask(close('peer_offline'), { approvals: two }), 'ok', []],
  [
    'a force close for a reason not named',
    ask(close('peer_offline'), { approvals: two, policy: noReasons }),
    'refuse',
    ['W-POL-INTENT'],
  ],
])('%s', (_, verdict, kind, codes) => {
  expect(verdict).toStrictEqual({ kind, codes });
});
