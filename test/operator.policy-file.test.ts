/** The operator's policy file: the sample holds, everything that reads as something else is refused by name. */
import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { rulesOf } from '../operator/operator-policy.ts';
import { parseOperatorPolicy, policyWords, readPolicyFile } from '../operator/policy-file.ts';

const EXAMPLE_FILE = 'operator/policy.example.yaml';
const EXAMPLE = readFileSync(EXAMPLE_FILE, 'utf8');

function changed(from: string, to: string): string {
  expect(EXAMPLE).toContain(from);
  return EXAMPLE.replace(from, to);
}

test('the sample is a policy, and is read aloud', async () => {
  const policy = await readPolicyFile(EXAMPLE_FILE);
  expect(policy).toMatchObject({
    poolId: 'harbour',
    network: 'regtest',
    quotes: { ttlMs: 60_000 },
  });
  expect(policyWords(policy)).toMatchInlineSnapshot(`
    "pool harbour on regtest
    hash cea644c57e5fed33300858fcfbe643daa169471209a0f11a8e748cef90614182
    pays 1 sat to 500_000 sat, quotes live 60 s
    takes 0 sat and 1000 ppm
    an agent: 50_000 sat a payment, 500_000 sat a day, 20 in flight, 600 requests a minute
    agents with rules of their own: 1
    opens no more above 50_000_000 sat in channels"
  `);
});

test('an agent has the defaults but for what the file says of it', () => {
  const policy = parseOperatorPolicy(EXAMPLE);
  expect(rulesOf(policy, 'anybody')).toEqual(policy.agentDefaults);
  expect(rulesOf(policy, 'careful')).toEqual({
    ...policy.agentDefaults,
    perPaymentMsat: 1_000_000n,
    perDayMsat: 5_000_000n,
    hosts: ['example.com'],
  });
});

test('the hash is of the meaning, not of the bytes', () => {
  const { hash } = parseOperatorPolicy(EXAMPLE);
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  const other = changed('hosts: [example.com]', 'hosts: [b.example, a.example]');
  const turned = changed('hosts: [example.com]', 'hosts: [A.example, b.example]');
  expect(parseOperatorPolicy(other).hash).toBe(parseOperatorPolicy(turned).hash);
  expect(parseOperatorPolicy(EXAMPLE.replaceAll(/#.*$/gm, '')).hash).toBe(hash);
  expect(parseOperatorPolicy(other).hash).not.toBe(hash);
});

test('every line of the sample counts: without it the file is refused', () => {
  const lines = EXAMPLE.split('\n');
  const rules = lines.flatMap((line, index) => (/^\s*[a-z_]+: [^#\s]/.test(line) ? [index] : []));
  expect(rules.length).toBeGreaterThan(25);
  for (const index of rules) {
    const without = lines.filter((_, at) => at !== index).join('\n');
    expect(() => parseOperatorPolicy(without), lines[index]).toThrow(/missing|not YAML|policy/);
  }
});

test.each<[string, string, string, string]>([
  ['an unknown key', 'pool_id: harbour', 'pool_id: harbour\ncolour: red', 'colour: unknown key'],
  [
    'an unknown key of a section',
    'quotes: { ttl_ms: 60_000 }',
    'quotes: { ttl_ms: 60_000, ttl: 1 }',
    'quotes.ttl: unknown key',
  ],
  [
    'an unknown key of an agent',
    '- { id: careful,',
    '- { id: careful, per_hour_msat: 1,',
    'agents.named.0.per_hour_msat: unknown key',
  ],
  ['another schema', 'weir.operator-policy/v1', 'weir.policy/v1', 'schema:'],
  ['a network that is none', 'network: regtest', 'network: testnet', 'network:'],
  [
    'a quote that lives too long',
    'ttl_ms: 60_000',
    'ttl_ms: 60_001',
    'quotes.ttl_ms: must be 5000 to 60000',
  ],
  [
    'a fraction',
    'rate_ppm: 1_000 }',
    'rate_ppm: 0.1 }',
    'service_fee.rate_ppm: must be a whole number',
  ],
  [
    'a percent sign',
    'max_fee_ppm: 10_000',
    'max_fee_ppm: 1%',
    'pay.max_fee_ppm: must be a whole number',
  ],
  [
    'a share above the whole',
    'max_fee_ppm: 10_000',
    'max_fee_ppm: 1_000_001',
    'pay.max_fee_ppm: must be 0 to 1000000',
  ],
  [
    'an amount below zero',
    'min_amount_msat: 1_000',
    'min_amount_msat: -1',
    'pay.min_amount_msat: must be a whole number',
  ],
  [
    'an amount with a wrong comma',
    'max_amount_msat: 500_000_000',
    'max_amount_msat: 500_00',
    'pay.max_amount_msat: must be a whole number',
  ],
  ['nobody meant by a word', 'payees: any', 'payees: all', 'agents.defaults.payees:'],
  [
    'a payee that is no key',
    'payees: any',
    'payees: [02ab]',
    'agents.defaults.payees.0: must be a compressed public key; or the word any',
  ],
  [
    'an agent twice',
    '  named:',
    '  named:\n    - { id: careful }',
    'agents.named.1: careful stands twice',
  ],
  ['an agent without a name', '- { id: careful,', '- {', 'agents.named.0.id: missing'],
  ['an agent whose id is no id', 'id: careful', 'id: "care ful"', 'agents.named.0.id: must be'],
  [
    'least above most',
    'min_amount_msat: 1_000',
    'min_amount_msat: 500_000_001',
    'pay.min_amount_msat is above max_amount_msat',
  ],
  [
    'a least top-up above the most',
    'topup_min_msat: 1_000',
    'topup_min_msat: 100_000_001',
    'prepaid.topup_min_msat is above topup_max_msat',
  ],
  [
    'a payment above the day',
    'per_day_msat: 5_000_000',
    'per_day_msat: 5',
    'agents careful: per_payment_msat is above per_day_msat',
  ],
  [
    'a payment above what may be in flight',
    'in_flight_msat: 200_000_000',
    'in_flight_msat: 2',
    'agents defaults: per_payment_msat is above in_flight_msat',
  ],
  [
    'an inbound channel turned round',
    'inbound: []',
    `inbound: [{ node: "02${'ab'.repeat(32)}", name: peer, min_sat: 2, max_sat: 1 }]`,
    'channels.inbound peer: min_sat is above max_sat',
  ],
  ['an anchor', 'pool_id: harbour', 'pool_id: &a harbour', 'anchors are not allowed'],
  [
    'a key twice',
    'pool_id: harbour',
    'pool_id: harbour\npool_id: other',
    'the key pool_id stands twice',
  ],
])('%s is refused, by its place and rule', (_, from, to, says) => {
  expect(() => parseOperatorPolicy(changed(from, to))).toThrow(says);
});

test('a file that is not there, or too long, is refused by its name', async () => {
  await expect(readPolicyFile('nowhere.yaml')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const long = path.join(await mkdtemp(path.join(tmpdir(), 'weir-policy-')), 'long.yaml');
  await writeFile(long, EXAMPLE + '#'.repeat(200_000));
  await expect(readPolicyFile(long)).rejects.toMatchObject({ code: 'INPUT_TOO_LARGE' });
});
