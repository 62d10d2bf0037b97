/** What a guardian reads of a decision without a transaction: a policy, the registry, the breaker. */
import { beforeEach, expect, test } from 'vitest';
import type { AuthorizationIntent } from '../policies/intent.ts';
import { parsePolicy, printPolicy } from '../policies/policy.ts';
import { type Authorization, authorizationId } from '../policies/proposal.ts';
import { sat } from '../policies/units.ts';
import { reviewOfAuthorization } from '../signer-agent/views/review-authorization.ts';
import type { View } from '../signer-agent/views/wording.ts';
import { judgeScenario, rewinder } from './judge-scenario.ts';
import { TIP } from './spend-scenario.ts';
import { policyText, registrationOf } from './treasury-scenario.ts';

const policy = policyText(['ana', 'ben', 'cleo']);
const s = judgeScenario({ policy });
const rewind = rewinder(s);
beforeEach(() => {
  rewind();
});

/** Of an authorization that ana approved, and nobody else yet. */
function decision(intent: AuthorizationIntent): View {
  const authorization: Authorization = {
    schema: 'weir.authorization/v1',
    treasuryId: s.t.id,
    network: 'regtest',
    seq: s.t.treasury.seq + 1,
    epoch: 1,
    policyHash: s.t.params.policyHash,
    expiryHeight: TIP + 1_000,
    initiator: 'olga',
    intent,
  };
  const id = authorizationId(authorization);
  s.t.append({ kind: 'authorization-proposed', authorization });
  const approval = s.t.approval('ana', 'guardian', { id, txid: null });
  s.t.append({ kind: 'approval', approval });
  const state = s.t.treasury.authorizations.get(id);
  if (state === undefined) throw new Error('the fold lost it');
  return reviewOfAuthorization({
    judgement: { decision: 'ask', reasons: [], rows: [] },
    state,
    treasury: s.t.treasury,
    seatId: 'ana',
    tipHeight: TIP,
    addressAt: (index) => s.deriver.address(0, index),
    nextStep: 'counts',
  });
}

test('a policy change shows what loosens before what tightens', () => {
  const now = parsePolicy(policy);
  const next = printPolicy({
    ...now,
    version: 2,
    previous: `sha256:${'1'.repeat(64)}`,
    activates_at_height: TIP + 50,
    limits: { ...now.limits, per_tx: sat(40_000_000n), floor_balance: sat(5_000_000n) },
  });
  const view = decision({
    kind: 'policy_change',
    policyText: next,
    activatesAtHeight: TIP + 50,
  });
  expect(view.text.replaceAll(/[0-9a-f]{64}/g, '<32 bytes>')).toMatchInlineSnapshot(`
    "Change of the policy: version 1 becomes 2; it LOOSENS what may leave
    This agent ASKS YOU: only its guardian can decide this
    authorization <32 bytes>
    asked for by olga

    WHAT CHANGES
    ┌──────────┬──────────────────────┬────────────┬────────────────────┐
    │          │ rule                 │ now        │ then               │
    ├──────────┼──────────────────────┼────────────┼────────────────────┤
    │ LOOSENS  │ limits.floor_balance │ 10_000_000 │ 5_000_000          │
    │ tightens │ limits.per_tx        │ 50_000_000 │ 40_000_000         │
    │ neutral  │ version              │ 1          │ 2                  │
    │ neutral  │ previous             │ null       │ sha256:11111111111 │
    │          │                      │            │ 111111111111111111 │
    │          │                      │            │ 111111111111111111 │
    │          │                      │            │ 11111111111111111  │
    │ neutral  │ activates_at_height  │ 0          │ 550                │
    └──────────┴──────────────────────┴────────────┴────────────────────┘
    from height 550 on

    SO FAR
    approved by ana (guardian)

    EXPIRES
    in 1000 blocks, at height 1500

    WHAT APPROVING WILL DO
    Your approval key signs “ana approves this id, under this policy”. It comes into force for every
    agent once enough guardians approved."
  `);
});

test('a policy text that does not load is said to be none', () => {
  const { text } = decision({
    kind: 'policy_change',
    policyText: 'schema: weir.policy/v1\nnote: x',
    activatesAtHeight: TIP,
  });
  expect(text.split('\n')[0]).toBe('Change of the policy: a text that is no policy');
});

test('tripping the breaker says that nothing is signed any more', () => {
  const { text } = decision({ kind: 'breaker', action: 'trip' });
  expect(text.split('\n')[0]).toBe('Breaker: TRIP it, so that no agent signs anything');
  expect(text).toContain('it is tripped now');
  expect(text).toContain('In force since entry');
});

test('a new key of a known LP stands out among registry entries', () => {
  const { text, json } = decision({
    kind: 'registry_change',
    entries: [
      registrationOf(s.t.params, 'lp-four', { lifetimeCapSat: sat(7_000_000n) }),
      registrationOf(s.t.params, 'lp-one', { activeFromHeight: TIP + 5 }),
    ],
  });
  expect(text).toContain('Change of the LP registry: 2 entries');
  expect(text).toContain('7_000_000 sat');
  expect(json).toMatchObject({
    kind: 'registry_change',
    change: { entries: [{ lpId: 'lp-four' }, {}] },
  });
});
