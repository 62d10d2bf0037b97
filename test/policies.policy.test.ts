/** Policy files: what loads, what never loads, and what a hash covers. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Failure } from '../policies/failure.ts';
import { parsePolicy, policyHash, printPolicy } from '../policies/policy.ts';

const demo = readFileSync(new URL('../demo/policy.yaml', import.meta.url), 'utf8');
const example = readFileSync(new URL('../policies/treasury.example.yaml', import.meta.url), 'utf8');

/** One exact replacement; a needle that is not there is a broken test. */
function changed(text: string, from: string, to: string): string {
  expect(text).toContain(from);
  return text.replace(from, to);
}

test('the example and the demo policy load', () => {
  expect(parsePolicy(example).limits.per_tx).toBe(50_000_000n);
  expect(parsePolicy(demo).guardians.map(({ id }) => id)).toStrictEqual(['ana', 'ben', 'cleo']);
});

test.each([example, demo])('a printed policy parses back to the same policy', (text) => {
  const policy = parsePolicy(text);
  expect(parsePolicy(printPolicy(policy))).toStrictEqual(policy);
});

test('the hash covers meaning, not bytes', () => {
  const hash = policyHash(parsePolicy(demo));
  const rewritten = [
    changed(demo, 'per_tx: 50_000_000', 'per_tx: 50000000'),
    `${demo}\n# a remark\n`,
    demo.replaceAll('\n', '\r\n'),
    changed(demo, 'network: regtest', 'network: "regtest"'),
    changed(
      demo,
      '  - { id: ana, automatic: yes }\n  - { id: ben, automatic: yes }',
      '  - { automatic: yes, id: ben }\n  - { id: ana, automatic: yes }',
    ),
  ];
  expect(rewritten.map((text) => policyHash(parsePolicy(text)))).toStrictEqual(
    rewritten.map(() => hash),
  );
  expect(
    policyHash(parsePolicy(changed(demo, 'per_tx: 50_000_000', 'per_tx: 50_000_001'))),
  ).not.toBe(hash);
});

test.each([
  [
    'an unknown key',
    'snapshot: {',
    'snapshots: {',
    /intents\.snapshot.*missing|intents\.snapshots: unknown key/,
  ],
  ['a missing section', 'no_self_approval: yes\n', '', /no_self_approval: .*/],
  ['a missing limit', '  per_tx: 50_000_000\n', '', /limits\.per_tx: missing/],
  [
    'a window without a limit',
    '{ name: hour, blocks: 6, max: 100_000_000 }',
    '{ name: hour, blocks: 6 }',
    /limits\.windows\.\d\.max: missing/,
  ],
  ['no windows at all', '    - { blocks: 144, max: 2_000_000 }', '    []', /fees\.windows/],
  [
    'a boolean that is not yes or no',
    'automatic: yes',
    'automatic: true',
    /guardians\.0\.automatic: must be yes or no/,
  ],
  [
    'an approval count with a sign',
    'over: 5_000_000, approvals: 1',
    'over: 5_000_000, approvals: +1',
    /escalation\.2\.approvals: must be a whole number/,
  ],
  [
    'an amount with an exponent',
    'per_tx: 50_000_000',
    'per_tx: 5e7',
    /limits\.per_tx: must be a whole number/,
  ],
  ['a negative amount', 'per_tx: 50_000_000', 'per_tx: -1', /limits\.per_tx/],
  [
    'an amount above all money',
    'per_tx: 50_000_000',
    'per_tx: 2_100_000_000_000_001',
    /limits\.per_tx: must be 0 to/,
  ],
  [
    'unconfirmed coins of others',
    'min_conf: 1, own',
    'min_conf: 0, own',
    /inputs\.min_conf: must be 1 to/,
  ],
  ['another network', 'network: regtest', 'network: testnet3', /network/],
  ['another schema', 'weir.policy/v1', 'weir.policy/v2', /schema/],
  [
    'a previous hash in version 1',
    'previous: null',
    `previous: sha256:${'a'.repeat(64)}`,
    /previous: must be null in version 1/,
  ],
  [
    'a later version without a previous hash',
    'version: 1',
    'version: 2',
    /previous: must be null in version 1/,
  ],
  ['two guardians of one id', 'id: ben', 'id: ana', /guardians\.1: ana stands twice/],
  [
    'an operator with the id of a guardian',
    'id: olga',
    'id: ana',
    /operators: ana is the id of a guardian/,
  ],
  ['two windows of one name', 'name: hour', 'name: day', /limits\.windows\.1: day stands twice/],
  [
    'two fee windows of one length',
    '    - { blocks: 144, max: 2_000_000 }',
    '    - { blocks: 144, max: 2_000_000 }\n    - { blocks: 144, max: 1 }',
    /fees\.windows\.1: 00144 stands twice/,
  ],
  [
    'a window step without its window',
    '  - { over: 0, approvals: 0 }',
    '  - { over: 0, approvals: 0 }\n  - { when: window_used_over_ppm, window: week, value: 1, add_approvals: 1 }',
    /no window week/,
  ],
  [
    'nothing said about small spends',
    '  - { over: 0, approvals: 0 }\n',
    '',
    /must say what a spend over 0 needs/,
  ],
  [
    'an operator asked where there is none',
    '  - { id: olga }',
    '  []',
    /escalation: asks an operator/,
  ],
  [
    'distinct regions of guardians without one',
    'approvals: 2, operator: 1 }',
    'approvals: 2, operator: 1, distinct: [region] }',
    /need a region for every guardian/,
  ],
  [
    'more approvals than there are owners',
    'over: 20_000_000, approvals: 2',
    'over: 20_000_000, approvals: 4',
    /4 approvals of 3 owners/,
  ],
  [
    'a step that adds nothing',
    '  - { over: 0, approvals: 0 }',
    '  - { over: 0, approvals: 0 }\n  - { when: window_used_over_ppm, window: day, value: 1, add_approvals: 0 }',
    /add_approvals: must be 1 to/,
  ],
  [
    'a list that does not exist',
    'to: hot\n',
    'to: exchanges\n',
    /intents\.hot_topup\.to: no allowlist exchanges/,
  ],
  [
    'a minority that changes the policy',
    'loosen: { approvals: 2 }',
    'loosen: { approvals: 1 }',
    /policy_change\.loosen\.approvals: must be at least 2/,
  ],
  [
    'a minority that changes the registry',
    'registry_change: { kind: authorization, approvals: 2 }',
    'registry_change: { kind: authorization, approvals: 1 }',
    /registry_change\.approvals/,
  ],
  ['a breaker nobody trips', 'trip: { approvals: 1 }', 'trip: { approvals: 0 }', /breaker\.trip/],
  [
    'a floor above the cap of fees',
    'min_rate: 1_000',
    'min_rate: 100_001',
    /fees\.min_rate: above/,
  ],
  [
    'an estimate cap below the estimate',
    'max_over_estimate_ppm: 10_000_000',
    'max_over_estimate_ppm: 999_999',
    /fees\.max_over_estimate_ppm/,
  ],
  [
    'a share above the whole',
    'max_ppm_of_amount: 50_000',
    'max_ppm_of_amount: 1_000_001',
    /fees\.max_ppm_of_amount/,
  ],
  ['a bump of a bump', 'of: [withdrawal_batch,', 'of: [fee_bump,', /fee_bump\.of\.0/],
  ['another payee authority', 'lp_signature', 'coordinator', /authorised_by/],
])('refuses %s', (_, from, to, why) => {
  expect(() => parsePolicy(changed(demo, from, to))).toThrow(
    expect.objectContaining({ code: 'POLICY_INVALID', message: expect.stringMatching(why) }),
  );
});

test('one owner may hold two seats', () => {
  const text = changed(
    demo,
    '{ id: ben, automatic: yes }',
    '{ id: ben, owner: ana, automatic: yes }',
  );
  expect(parsePolicy(text).guardians[1]).toStrictEqual({
    id: 'ben',
    owner: 'ana',
    automatic: 'yes',
  });
});

test.each([
  [
    'delay of an escalation step',
    'over: 5_000_000, approvals: 1',
    'over: 5_000_000, delay: 144, approvals: 1',
    /escalation\.2\.delay: not there yet/,
  ],
  [
    'delay of a move',
    '    to: vaults\n',
    '    to: vaults\n    delay: 72\n',
    /treasury_move\.delay: not there yet/,
  ],
  [
    'pre-signed cancels',
    'delays: { ',
    'delays: { cancel_presigned: required, ',
    /delays\.cancel_presigned: not there yet/,
  ],
  [
    'announcements',
    'delays: { ',
    'delays: { announce: agent_first_seen, ',
    /delays\.announce: not there yet/,
  ],
  [
    'locktime delays',
    'delays: { ',
    'delays: { mechanism: nlocktime, ',
    /delays\.mechanism: not there yet/,
  ],
  [
    'hot_after_max',
    '    to: hot\n',
    '    to: hot\n    hot_after_max: 1\n',
    /hot_topup\.hot_after_max: not there yet/,
  ],
  [
    'test spends',
    '    to: vaults\n',
    '    to: vaults\n    test_spend_first: { over: 1 }\n',
    /treasury_move\.test_spend_first: not there yet/,
  ],
  [
    'emergency moves',
    '  channel_open:',
    '  emergency_move: {}\n  channel_open:',
    /intents\.emergency_move: not there yet/,
  ],
  [
    'signer set changes',
    '  channel_open:',
    '  signer_set_change: {}\n  channel_open:',
    /intents\.signer_set_change: not there yet/,
  ],
  [
    'channel opens that are neither not_yet nor whole',
    'channel_open: not_yet',
    'channel_open: { max_per_tx: 10 }',
    /intents\.channel_open\.peers: missing/,
  ],
  ['taproot coins', 'types: [wsh]', 'types: [tr]', /inputs\.types\.0: .*not there yet/],
  [
    'vaults',
    'network: regtest',
    'network: regtest\nvaults: {}',
    /vaults: belongs to the wallet record/,
  ],
  [
    'approval keys',
    '{ id: ana,',
    '{ id: ana, approval_key: "02",',
    /guardians\.0\.approval_key: belongs to the wallet record/,
  ],
])('refuses %s and says why', (_, from, to, why) => {
  expect(() => parsePolicy(changed(demo, from, to))).toThrow(
    expect.objectContaining({ code: 'POLICY_INVALID', message: expect.stringMatching(why) }),
  );
});

function loadsAtAll(text: string): boolean {
  try {
    parsePolicy(text);
    return true;
  } catch (error) {
    if (error instanceof Failure && error.code === 'POLICY_INVALID') return false;
    throw error;
  }
}

const entry = '{ name: vault, script: "0014", active_from: 0 }';
const ranged =
  '{ name: ln, descriptor: "wpkh(tpubD6/0/*)#qqqqqqqq", max_index_gap: 5, active_from: 0, per_day: 1 }';
test.each([
  ['a script', `[${entry}]`, true],
  ['a ranged descriptor', `[${ranged}]`, true],
  ['two of one name', `[${entry}, ${entry}]`, false],
  ['both at once', `[${entry.replace('script', 'descriptor: "x", script')}]`, false],
  ['half a byte', `[${entry.replace('0014', '001')}]`, false],
  ['no activation height', `[${entry.replace(', active_from: 0', '')}]`, false],
  ['a descriptor without a checksum', `[${ranged.replace('#qqqqqqqq', '')}]`, false],
  ['a private key', `[${ranged.replace('tpub', 'tprv')}]`, false],
  ['a single address as a descriptor', `[${ranged.replace('/*', '')}]`, false],
])('an allowlist entry of %s loads: %s', (_, list, loads) => {
  expect(loadsAtAll(changed(demo, 'vaults: []', `vaults: ${list}`))).toBe(loads);
});

test('an entry name belongs to one list only', () => {
  const text = changed(
    changed(demo, 'vaults: []', `vaults: [${entry}]`),
    'hot: []',
    `hot: [${entry}]`,
  );
  expect(() => parsePolicy(text)).toThrow(/vault is the name of another entry/);
});

test('loosening on bitcoin waits a week at least', () => {
  expect(() => parsePolicy(changed(example, 'loosen: 1_008', 'loosen: 1_007'))).toThrow(
    /delays\.loosen: must be at least 1008 on bitcoin/,
  );
});

test('an error names the first problems and counts the rest', () => {
  expect(() => parsePolicy('schema: weir.policy/v1')).toThrow(/; and \d+ more$/);
});
