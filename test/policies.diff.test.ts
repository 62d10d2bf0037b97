/** From one policy to the next: what tightens, what loosens, and how long a loosening waits. */
import { expect, test } from 'vitest';
import { diffPolicies } from '../policies/diff.ts';
import { type Policy, parsePolicy, policyHash } from '../policies/policy.ts';
import { checkSuccession } from '../policies/succession.ts';
import { edited, POLICY, POLICY_TEXT, policyWith } from './policy-cases.ts';

type Row = [from: string, to: string, path: string, change: 'tighten' | 'loosen' | 'neutral'];
const window = '{ name: hour, blocks: 6, max: 100_000_000 }';
const step = '{ over: 5_000_000, approvals: 1, operator: 1 }';

test.each<Row>([
  ['per_tx: 50_000_000', 'per_tx: 49_999_999', 'limits.per_tx', 'tighten'],
  ['per_tx: 50_000_000', 'per_tx: 50_000_001', 'limits.per_tx', 'loosen'],
  [window, '{ name: hour, blocks: 6, max: 99_999_999 }', 'limits.windows.hour.max', 'tighten'],
  [window, '{ name: hour, blocks: 7, max: 100_000_000 }', 'limits.windows.hour.blocks', 'tighten'],
  [window, '{ name: hour, blocks: 5, max: 100_000_000 }', 'limits.windows.hour.blocks', 'loosen'],
  [window, `${window}\n    - { name: two, blocks: 12, max: 1 }`, 'limits.windows.two', 'tighten'],
  [`    - ${window}\n`, '', 'limits.windows.hour', 'loosen'],
  [
    'max_ppm_of_treasury: 250_000',
    'max_ppm_of_treasury: 250_001',
    'limits.windows.day-share.max_ppm_of_treasury',
    'loosen',
  ],
  ['max_tx: 40', 'max_tx: 41', 'limits.count.max_tx', 'loosen'],
  ['floor_balance: 10_000_000', 'floor_balance: 10_000_001', 'limits.floor_balance', 'tighten'],
  ['min_rate: 1_000', 'min_rate: 999', 'fees.min_rate', 'loosen'],
  ['max_rate: 100_000', 'max_rate: 99_999', 'fees.max_rate', 'tighten'],
  ['min_conf: 1, own', 'min_conf: 2, own', 'inputs.min_conf', 'tighten'],
  ['own_change_min_conf: 1', 'own_change_min_conf: 0', 'inputs.own_change_min_conf', 'loosen'],
  ['min_change: 10_000', 'min_change: 9_999', 'outputs.min_change', 'loosen'],
  ['max_age: 144', 'max_age: 143', 'tip.max_age', 'tighten'],
  ['expire_after: 144', 'expire_after: 145', 'delays.expire_after', 'loosen'],
  ['loosen: 20', 'loosen: 19', 'delays.loosen', 'loosen'],
  ['no_self_approval: yes', 'no_self_approval: no', 'no_self_approval', 'loosen'],
  ['region: eu, automatic: yes', 'region: eu, automatic: no', 'guardians.ana.automatic', 'tighten'],
  ['region: eu, automatic: yes', 'region: us, automatic: yes', 'guardians.ana.region', 'loosen'],
  ['{ id: olga }', '{ id: olga }\n  - { id: oleg }', 'operators.oleg', 'loosen'],
  ['active_from: 900', 'active_from: 901', 'allowlists.vaults.vault.active_from', 'tighten'],
  ['active_from: 900', 'active_from: 899', 'allowlists.vaults.vault.active_from', 'loosen'],
  [
    'active_from: 900, per_day: 30_000_000',
    'active_from: 900',
    'allowlists.vaults.vault.per_day',
    'loosen',
  ],
  [
    `script: 0020${'11'.repeat(32)}`,
    `script: 0020${'12'.repeat(32)}`,
    'allowlists.vaults.vault.script',
    'loosen',
  ],
  ['to: vaults', 'to: hot', 'intents.treasury_move.to', 'loosen'],
  ['max_payees: 500', 'max_payees: 499', 'intents.withdrawal_batch.max_payees', 'tighten'],
  [
    'max: 150_000_000 }',
    'max: 150_000_000, max_count: 9 }',
    'intents.withdrawal_batch.windows.144.max_count',
    'tighten',
  ],
  ['min_interval: 6', 'min_interval: 5', 'intents.hot_topup.min_interval', 'loosen'],
  ['of: [withdrawal_batch, ', 'of: [', 'intents.fee_bump.of', 'tighten'],
  ['max_bumps: 5', 'max_bumps: 6', 'intents.fee_bump.max_bumps', 'loosen'],
  ['trip: { approvals: 1 }', 'trip: { approvals: 2 }', 'intents.breaker.trip.approvals', 'loosen'],
  [
    'reset: { approvals: 2 }',
    'reset: { approvals: 3 }',
    'intents.breaker.reset.approvals',
    'tighten',
  ],
  [
    'loosen: { approvals: 2 }',
    'loosen: { approvals: 3 }',
    'intents.policy_change.loosen.approvals',
    'tighten',
  ],
  ['over: 2_000_000', 'over: 2_000_001', 'intents.large_ln_payout.over', 'loosen'],
  ['reasons: [peer_offline, ', 'reasons: [', 'intents.channel_close.force.reasons', 'tighten'],
  [
    step,
    '{ over: 5_000_000, approvals: 2, operator: 1 }',
    'escalation.over=0000000005000000',
    'tighten',
  ],
  [
    step,
    '{ over: 5_000_000, approvals: 0, operator: 1 }',
    'escalation.over=0000000005000000',
    'loosen',
  ],
  [step, '{ over: 5_000_000, approvals: 1 }', 'escalation.over=0000000005000000', 'loosen'],
  [`  - ${step}\n`, '', 'escalation.over=0000000005000000', 'loosen'],
  [
    step,
    `${step}\n  - { over: 6_000_000, approvals: 1 }`,
    'escalation.over=0000000006000000',
    'neutral',
  ],
  [
    step,
    `${step}\n  - { over: 6_000_000, approvals: 2 }`,
    'escalation.over=0000000006000000',
    'tighten',
  ],
  ['network: regtest', 'network: signet', 'network', 'loosen'],
  ['activates_at_height: 0', 'activates_at_height: 9', 'activates_at_height', 'neutral'],
])('%s to %s: %s is a change to %s', (from, to, path, change) => {
  const diff = diffPolicies(POLICY, policyWith([from, to]));
  expect(diff.changes).toStrictEqual([expect.objectContaining({ path, change })]);
  expect(diff.overall).toBe(change);
});

test('a policy does not differ from itself, whatever its spelling', () => {
  const respelled = parsePolicy(POLICY_TEXT.replaceAll('_000', '000'));
  expect(diffPolicies(POLICY, respelled)).toStrictEqual({ overall: 'neutral', changes: [] });
});

test('a step that moves down covers the one that goes', () => {
  const lower = policyWith([step, '{ over: 4_000_000, approvals: 1, operator: 1 }']);
  expect(diffPolicies(POLICY, lower).overall).toBe('tighten');
  expect(diffPolicies(lower, POLICY).overall).toBe('loosen');
});

test('one looser field among tighter ones is a looser policy', () => {
  const next = policyWith(['per_tx: 50_000_000', 'per_tx: 1'], ['max_tx: 40', 'max_tx: 41']);
  expect(diffPolicies(POLICY, next).overall).toBe('loosen');
});

test('a new allowlist entry loosens with a height of its own, a removed one tightens', () => {
  const emptied = policyWith([/vaults: \[\{.*\}\]/.exec(POLICY_TEXT)?.[0] ?? '', 'vaults: []']);
  expect(diffPolicies(emptied, POLICY).changes).toStrictEqual([
    expect.objectContaining({ path: 'allowlists.vaults.vault', change: 'loosen', activeFrom: 900 }),
  ]);
  expect(diffPolicies(POLICY, emptied).overall).toBe('tighten');
});

test('a new list of places is nothing until it has an entry', () => {
  expect(diffPolicies(POLICY, policyWith(['  hot: [', '  more: []\n  hot: [']))).toStrictEqual({
    overall: 'neutral',
    changes: [],
  });
});

/** The next version of the policy, with edits. */
function successor(...edits: readonly (readonly [string, string])[]): Policy {
  const previous = `previous: sha256:${policyHash(POLICY)}`;
  return parsePolicy(
    edited(POLICY_TEXT, ['version: 1', 'version: 2'], ['previous: null', previous], ...edits),
  );
}
const ANNOUNCED = 1_000;
const early = (height: number) =>
  ['activates_at_height: 0', `activates_at_height: ${height}`] as const;
const looser = ['per_tx: 50_000_000', 'per_tx: 50_000_001'] as const;
const newEntry = (height: number) =>
  ['vaults: [', `vaults: [{ name: new, script: 0014, active_from: ${height} }, `] as const;

test.each([
  ['a tighter policy at once', successor(['per_tx: 50_000_000', 'per_tx: 1']), []],
  ['a looser policy at once', successor(looser), ['W-POL-LOOSENED-EARLY']],
  ['a looser policy a block early', successor(looser, early(1_019)), ['W-POL-LOOSENED-EARLY']],
  ['a looser policy in time', successor(looser, early(1_020)), []],
  [
    'a shorter delay that shortens its own wait',
    successor(['loosen: 20', 'loosen: 1'], early(1_001)),
    ['W-POL-LOOSENED-EARLY'],
  ],
  ['a new entry at once', successor(newEntry(1_000)), ['W-POL-LOOSENED-EARLY']],
  ['a new entry with a height in time', successor(newEntry(1_020)), []],
  [
    'a looser policy beside an entry in time',
    successor(newEntry(1_020), looser),
    ['W-POL-LOOSENED-EARLY'],
  ],
  ['a version that skips one', successor(['version: 2', 'version: 3']), ['W-POL-VERSION']],
  ['another previous policy', successor([policyHash(POLICY), 'ab'.repeat(32)]), ['W-POL-VERSION']],
  ['the same policy again', POLICY, ['W-POL-VERSION', 'W-POL-VERSION']],
  [
    'another network',
    successor(['network: regtest', 'network: signet'], early(1_020)),
    ['W-ENV-NETWORK'],
  ],
])('succession by %s', (_, next, codes) => {
  expect(checkSuccession(POLICY, next, ANNOUNCED).map(({ code }) => code)).toStrictEqual(codes);
});

test('on bitcoin a loosening waits a week', () => {
  const edits = [
    ['network: regtest', 'network: bitcoin'],
    ['loosen: 20', 'loosen: 1_008'],
  ] as const;
  const main = policyWith(...edits);
  const next = (height: number) => ({
    ...main,
    version: 2,
    previous: `sha256:${policyHash(main)}`,
    activates_at_height: height,
    delays: { ...main.delays, expire_after: 145 },
  });
  expect(checkSuccession(main, next(2_007), ANNOUNCED)).toHaveLength(1);
  expect(checkSuccession(main, next(2_008), ANNOUNCED)).toStrictEqual([]);
});
