/** Attacks on decisions without a transaction: an old yes that comes into force after the policy moved on. */
import { expect, test } from 'vitest';
import { type AuthorizationIntent } from '../policies/intent.ts';
import { parsePolicy, policyHash } from '../policies/policy.ts';
import { type Authorization, authorizationId } from '../policies/proposal.ts';
import {
  keyOf,
  policyText,
  registrationOf,
  type TreasuryScenario,
  treasuryScenario,
} from './treasury-scenario.ts';

/** The second version of the first policy, changed. */
function second(t: TreasuryScenario, from: string, to: string): string {
  const text = policyText(t.seats)
    .replace('version: 1', 'version: 2')
    .replace('previous: null', `previous: sha256:${t.params.policyHash}`)
    .replace(from, to);
  expect(parsePolicy(text).version).toBe(2);
  return text;
}

function asked(
  t: TreasuryScenario,
  intent: AuthorizationIntent,
  policy = t.params.policyHash,
): string {
  const value: Authorization = {
    schema: 'weir.authorization/v1',
    treasuryId: t.id,
    network: 'regtest',
    seq: t.treasury.seq + 1,
    epoch: 1,
    policyHash: policy,
    expiryHeight: 1_000_000,
    initiator: 'olga',
    intent,
  };
  t.append({ kind: 'authorization-proposed', authorization: value });
  return authorizationId(value);
}

const yes = (t: TreasuryScenario, seatId: string, id: string): void =>
  void t.append({ kind: 'approval', approval: t.approval(seatId, 'guardian', { id, txid: null }) });

test('refuses the last yes to a policy that no longer follows the newest one', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  const loose = second(t, 'max_abs: 500_000', 'max_abs: 600_000');
  const tight = second(t, 'per_tx: 50_000_000', 'per_tx: 1_000_000');
  const old = asked(t, { kind: 'policy_change', policyText: loose, activatesAtHeight: 0 });
  yes(t, 'ana', old);
  const now = asked(t, { kind: 'policy_change', policyText: tight, activatesAtHeight: 0 });
  yes(t, 'ana', now);
  yes(t, 'cleo', now);
  expect(t.treasury.policies.at(-1)?.policy.limits.per_tx).toBe(1_000_000n);
  // One hacked guardian brings out ana's yes of before, and what was tightened is loose again.
  expect(() => yes(t, 'ben', old)).toThrow('does not follow');
  expect(t.treasury.policies).toHaveLength(2);
});

test('fewer approvals count only from the height on from which the policy that says so rules', () => {
  const first = policyText(['ana', 'ben', 'cleo']).replace(
    'registry_change: { kind: authorization, approvals: 2 }',
    'registry_change: { kind: authorization, approvals: 3 }',
  );
  const t = treasuryScenario({ threshold: 2, of: 3, policy: first });
  const text = first
    .replace('version: 1', 'version: 2')
    .replace('previous: null', `previous: sha256:${t.params.policyHash}`)
    .replace('activates_at_height: 0', 'activates_at_height: 900')
    .replace(
      'registry_change: { kind: authorization, approvals: 3 }',
      'registry_change: { kind: authorization, approvals: 2 }',
    );
  t.authorize({ kind: 'policy_change', policyText: text, activatesAtHeight: 900 });
  expect(t.treasury.policies).toHaveLength(2);
  const reset: AuthorizationIntent = {
    kind: 'registry_change',
    entries: [registrationOf(t.params, 'lp-new')],
  };
  const early = asked(t, reset);
  yes(t, 'ana', early);
  yes(t, 'ben', early);
  expect(t.treasury.authorizations.get(early)?.passedAtSeq).toBeNull();
  // Agents let their guardian approve this one only once the second policy rules at their own tip.
  const due = asked(t, reset, policyHash(parsePolicy(text)));
  for (const seatId of ['ana', 'ben']) {
    const approval = t.approval(seatId, 'guardian', { id: due, txid: null });
    t.append({ kind: 'approval', approval });
  }
  expect(t.treasury.authorizations.get(due)?.passedAtSeq).not.toBeNull();
});

test('one owner of two seats counts once where a decision comes into force', () => {
  const policy = policyText(['ana', 'ben', 'cleo']).replace(
    /\{ id: (ana|ben), automatic: yes \}/g,
    '{ id: $1, owner: firm, automatic: yes }',
  );
  const t = treasuryScenario({ threshold: 2, of: 3, policy });
  const id = asked(t, {
    kind: 'registry_change',
    entries: [registrationOf(t.params, 'lp-new')],
  });
  yes(t, 'ana', id);
  yes(t, 'ben', id);
  expect(t.treasury.registry.has('lp-new')).toBe(false);
  yes(t, 'cleo', id);
  expect(t.treasury.registry.has('lp-new')).toBe(true);
});

test('refuses a late yes to re-arm a breaker that was tripped again since', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  t.authorize({ kind: 'breaker', action: 'trip' });
  const left = asked(t, { kind: 'breaker', action: 'reset' });
  yes(t, 'ana', left);
  t.authorize({ kind: 'breaker', action: 'reset' });
  t.authorize({ kind: 'breaker', action: 'trip' });
  expect(() => yes(t, 'ben', left)).toThrow('decided since');
  expect(t.treasury.breaker).toBe('tripped');
});

test('refuses a late yes to a key of an LP that has another one since', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  const keyed = (name: string): AuthorizationIntent => ({
    kind: 'registry_change',
    entries: [registrationOf(t.params, 'lp-one', { key: keyOf(name) }, name)],
  });
  const left = asked(t, keyed('stolen'));
  yes(t, 'ana', left);
  t.authorize(keyed('new'));
  expect(() => yes(t, 'ben', left)).toThrow('decided since');
  expect(t.treasury.registry.get('lp-one')?.at(-1)?.key).toBe(keyOf('new'));
});

test('hears a third yes to what two already decided', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  const id = t.authorize({
    kind: 'registry_change',
    entries: [registrationOf(t.params, 'lp-one')],
  });
  yes(t, 'cleo', id);
  expect(t.treasury.authorizations.get(id)?.approvals).toHaveLength(3);
});
