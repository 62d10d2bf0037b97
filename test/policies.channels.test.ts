/** Channel opens under a policy: each rule beside the twin that just passes, and how two policies compare. */
import { describe, expect, test } from 'vitest';
import { limitsInWords } from '../cli/policy-words.ts';
import { diffPolicies } from '../policies/diff.ts';
import type { SpendQuestion } from '../policies/evaluate.ts';
import type { Charge } from '../policies/facts.ts';
import { emptyOverlay, parseOverlay } from '../policies/overlay.ts';
import { parsePolicy, policyHash, printPolicy } from '../policies/policy.ts';
import { feerate, sat } from '../policies/units.ts';
import {
  ALPHA,
  BETA,
  CHANNEL_RULES,
  channel,
  opening,
  POOL_KEY,
  reserve,
  STRANGER,
  withChannels,
} from './channel-cases.ts';
import {
  approvedBy,
  bumpOf,
  charge,
  coin,
  edited,
  everybody,
  inAutomaticSeat,
  listed,
  move,
  overlay,
  POLICY,
  POLICY_TEXT,
  payee,
  policyWith,
  question,
  type Row,
  spendOf,
  TIP,
  verdictOf,
} from './policy-cases.ts';

const RULES = withChannels();
const ask = (facts = opening(), more: Partial<SpendQuestion> = {}) =>
  question(facts, { policy: RULES, approvals: approvedBy('ana', 'olga'), ...more });
const edit = (...edits: readonly (readonly [string, string])[]) => ({
  policy: withChannels(...edits),
});

function opened(at: number | 'live', amount: bigint, peer = ALPHA): Charge {
  const paid = { script: '00', amountSat: sat(amount), lpId: null, entry: null, peer };
  return charge(at, amount, { kind: 'channel_open', payees: [paid] });
}

const ROWS: Row[] = [
  ['W-LN-NOT-YET', ask(opening(), { policy: POLICY }), ask()],
  [
    'W-LN-PEER',
    ask(opening([channel(1_000_000n, STRANGER)])),
    ask(opening([channel(1_000_000n, BETA)])),
  ],
  [
    'W-LN-CAPACITY',
    ask(opening([channel(99_999n)], { feeSat: sat(1_000n) })),
    ask(opening([channel(100_000n)], { feeSat: sat(1_000n) })),
  ],
  ['W-LN-CAPACITY', ask(opening([channel(3_000_001n)])), ask(opening([channel(3_000_000n)]))],
  [
    'W-LN-CAPACITY',
    ask(opening([channel(1_000_001n, BETA), channel(1_000_000n, BETA, 1)])),
    ask(opening([channel(1_000_000n, BETA), channel(1_000_000n, BETA, 1)])),
  ],
  [
    'W-LN-CAPACITY',
    ask(opening(), { charges: [opened(1, 2_000_001n), opened('live', 2_000_000n)] }),
    ask(opening(), {
      charges: [opened(1, 2_000_000n), opened('live', 2_000_000n), opened(1, 9n, BETA)],
    }),
  ],
  ['W-LN-COUNT', ask(opening([])), ask()],
  [
    'W-LN-COUNT',
    ask(opening([0, 1, 2, 3].map((n) => channel(100_000n, ALPHA, n)))),
    ask(opening([0, 1, 2].map((n) => channel(100_000n, ALPHA, n)))),
  ],
  [
    'W-LN-RESERVE',
    ask(opening([channel(1_000_000n), reserve(100_001n)])),
    ask(opening([channel(1_000_000n), reserve(100_000n)])),
  ],
  [
    'W-LN-RESERVE',
    ask(opening([channel(1_000_000n), reserve(10_000n), reserve(10_000n)])),
    ask(opening([channel(1_000_000n), reserve(20_000n)])),
  ],
  [
    'W-LN-CHANGE',
    ask(opening([channel(1_000_000n)], { inputs: [coin(1_051_999n)] })),
    ask(opening([channel(1_000_000n)], { inputs: [coin(1_052_000n)] })),
  ],
  ['W-LN-CHANGE', ask(opening([channel(1_000_000n)], { inputs: [coin(1_002_000n)] })), ask()],
  [
    'W-OUT-PAYEE-UNSIGNED',
    ask(opening([channel(1_000_000n), listed(9_000n, 'vaults')])),
    ask(opening([channel(1_000_000n), reserve(9_000n)])),
  ],
  [
    'W-OUT-PAYEE-UNSIGNED',
    ask(opening([channel(1_000_000n), payee(9_000n)])),
    ask(opening([channel(1_009_000n)])),
  ],
  ['W-OUT-PAYEE-UNSIGNED', ask(spendOf([channel(600_000n)])), ask(spendOf([payee(600_000n)]))],
  [
    'W-OUT-PAYEE-UNSIGNED',
    ask(move(600_000n, { payees: [channel(600_000n)] }), { approvals: everybody }),
    ask(move(600_000n), { approvals: everybody }),
  ],
  [
    'W-LN-BUMP',
    ask(
      bumpOf({
        bump: {
          of: 'channel_open',
          feeSat: sat(2_000n),
          feerate: feerate(10_000n),
          earlierBumps: 0,
        },
      }),
    ),
    ask(bumpOf()),
  ],
  [
    'W-LIM-INTENT-WINDOW',
    ask(opening(), {
      charges: [opened(TIP, 6_998_001n, BETA)],
      ...edit(['name: beta, max_capacity: 2_000_000', 'name: beta, max_capacity: 9_000_000']),
    }),
    ask(opening(), {
      charges: [opened(TIP, 6_998_000n, BETA)],
      ...edit(['name: beta, max_capacity: 2_000_000', 'name: beta, max_capacity: 9_000_000']),
    }),
  ],
  [
    'W-LIM-INTENT-WINDOW',
    ask(opening(), { charges: [1, 2, 3, 4].map(() => opened('live', 1n)) }),
    ask(opening(), { charges: [1, 2, 3].map(() => opened('live', 1n)) }),
  ],
  [
    'W-POL-OVERLAY',
    ask(opening(), { overlay: overlay(`refuse_peers: [${ALPHA}]`) }),
    ask(opening(), { overlay: overlay(`refuse_peers: [${BETA}]`) }),
  ],
  [
    'W-POL-OVERLAY',
    ask(opening(), { overlay: overlay('refuse_intents: [channel_open]') }),
    ask(opening(), { overlay: overlay('refuse_intents: [cancel]') }),
  ],
  [
    'W-LN-CAPACITY',
    ask(opening(), { overlay: overlay('channel_open: { max_channel: 999_999 }') }),
    ask(opening(), {
      overlay: overlay('channel_open: { max_channel: 1_000_000, min_channel: 1_000_000 }'),
    }),
  ],
  [
    'W-LN-COUNT',
    ask(opening([channel(500_000n), channel(500_000n, BETA, 1)]), {
      overlay: overlay('channel_open: { max_channels: 1 }'),
    }),
    ask(opening(), { overlay: overlay('channel_open: { max_channels: 1 }') }),
  ],
  [
    'W-LN-CHANGE',
    ask(opening([channel(1_000_000n)], { inputs: [coin(1_099_999n)] }), {
      overlay: overlay('channel_open: { min_change: 98_000 }'),
    }),
    ask(opening([channel(1_000_000n)], { inputs: [coin(1_100_000n)] }), {
      overlay: overlay('channel_open: { min_change: 98_000 }'),
    }),
  ],
];

test.each(ROWS)('%s (row %#)', (code, failing, twin) => {
  const refused = { kind: 'refuse', codes: expect.arrayContaining([code]) };
  expect(verdictOf(failing)).toStrictEqual(refused);
  expect(verdictOf(twin)).toStrictEqual({ kind: 'ok', codes: [] });
});

test.each(ROWS)(
  'an empty overlay of an automatic seat leaves %s as it is (row %#)',
  (_, failing, twin) => {
    expect(verdictOf(inAutomaticSeat(failing))).toStrictEqual(verdictOf(failing));
    expect(verdictOf(inAutomaticSeat(twin))).toStrictEqual(verdictOf(twin));
  },
);

const tight = (max: string) => edit(['blocks: 6, max: 100_000_000', `blocks: 6, max: ${max}`]);

test('capacities, reserve and fee count in the windows of every spend', () => {
  const facts = opening([channel(1_000_000n), reserve(50_000n)]);
  expect(verdictOf(ask(facts, tight('1_051_999'))).codes).toStrictEqual(['W-LIM-WINDOW']);
  expect(verdictOf(ask(facts, tight('1_052_000'))).codes).toStrictEqual([]);
});

test('a channel_open asks as many guardians as the policy says', () => {
  const asking = edit([
    '    approvals: 0\n    windows:\n      - { blocks: 144, max: 8',
    '    approvals: 2\n    windows:\n      - { blocks: 144, max: 8',
  ]);
  expect(verdictOf(ask(opening(), asking))).toStrictEqual({
    kind: 'needs',
    codes: ['W-APP-TOO-FEW'],
  });
  const two = { ...asking, approvals: approvedBy('ana ben', 'olga') };
  expect(verdictOf(ask(opening(), two)).kind).toBe('ok');
});

describe('a policy that opens channels', () => {
  test('is printed and read again as the same', () => {
    expect(policyHash(parsePolicy(printPolicy(RULES)))).toBe(policyHash(RULES));
  });

  test('is the same whatever the order of its peers', () => {
    const lines = CHANNEL_RULES.split('\n');
    const [head = '', peers = '', one = '', two = '', ...rest] = lines;
    const turned = [head, peers, two, one, ...rest].join('\n');
    expect(policyHash(policyWith(['channel_open: not_yet', turned]))).toBe(policyHash(RULES));
  });

  test('is read aloud: whom, how much, how often, and who says that they are pending', () => {
    const words = limitsInWords(RULES).filter(([path]) => path.startsWith('intents.channel_open'));
    expect(words).toStrictEqual([
      ['intents.channel_open', 'opens channels with the peers below; asks nobody by itself'],
      [
        'intents.channel_open.peers.alpha',
        `at most 5_000_000 sat over all channels ever opened to ${ALPHA}`,
      ],
      [
        'intents.channel_open.peers.beta',
        `at most 2_000_000 sat over all channels ever opened to ${BETA}`,
      ],
      ['intents.channel_open.min_channel', 'each channel at least 100_000 sat'],
      ['intents.channel_open.max_channel', 'each channel at most 3_000_000 sat'],
      ['intents.channel_open.max_channels', 'at most 3 channels in one transaction'],
      [
        'intents.channel_open.attested_by',
        `nobody signs before ${POOL_KEY} says that all are pending`,
      ],
      [
        'intents.channel_open.reserve',
        "at most 100_000 sat more for the Lightning node's wallet, to the list hot",
      ],
      ['intents.channel_open.min_change', 'at least 50_000 sat comes back, for a child that pays'],
      ['intents.channel_open.windows.144', 'at most 8_000_000 sat and 4 spends in any 144 blocks'],
    ]);
    expect(limitsInWords(POLICY)).toContainEqual([
      'intents.channel_open',
      'refused: this policy opens no channels yet',
    ]);
  });

  test.each([
    ['a peer without a node', [`node: ${ALPHA}, `, ''], /peers\.0\.node: missing/],
    ['a key that is no compressed one', [ALPHA, `04${'aa'.repeat(32)}`], /peers\.0\.node/],
    ['one node under two names', [BETA, ALPHA], /channel_open\.peers: beta is the node of another/],
    ['a name twice', ['name: beta', 'name: alpha'], /alpha stands twice/],
    ['a list that is not there', ['reserve: { to: hot', 'reserve: { to: lnd'], /no allowlist lnd/],
    [
      'sizes that nothing fits',
      ['min_channel: 100_000', 'min_channel: 3_000_001'],
      /above max_channel/,
    ],
    [
      'more channels than one transaction opens',
      ['max_channels: 3', 'max_channels: 11'],
      /max_channels/,
    ],
    ['no pool', [`attested_by: ${POOL_KEY}`, 'attested_by: pool'], /attested_by/],
    [
      'more approvals than owners',
      [
        '    approvals: 0\n    windows:\n      - { blocks: 144, max: 8',
        '    approvals: 4\n    windows:\n      - { blocks: 144, max: 8',
      ],
      /4 approvals of 3 owners/,
    ],
    [
      'a key of its own making',
      ['min_change: 50_000', 'min_change: 50_000\n    push: 1'],
      /channel_open\.push: unknown key/,
    ],
    [
      'a bump of it',
      ['of: [withdrawal_batch, ', 'of: [channel_open, withdrawal_batch, '],
      /fee_bump\.of/,
    ],
  ] as const)('refuses %s', (_, change, why) => {
    const text = edited(POLICY_TEXT, ['channel_open: not_yet', CHANNEL_RULES], change);
    expect(() => parsePolicy(text)).toThrow(
      expect.objectContaining({ code: 'POLICY_INVALID', message: expect.stringMatching(why) }),
    );
  });
});

describe('between two policies', () => {
  test.each([
    [
      'name: alpha, max_capacity: 5_000_000',
      'name: alpha, max_capacity: 5_000_001',
      'peers.alpha.max_capacity',
      'loosen',
    ],
    [
      'name: alpha, max_capacity: 5_000_000',
      'name: alpha, max_capacity: 4_999_999',
      'peers.alpha.max_capacity',
      'tighten',
    ],
    [BETA, STRANGER, 'peers.beta.node', 'loosen'],
    [
      `      - { node: ${BETA}, name: beta, max_capacity: 2_000_000 }\n`,
      '',
      'peers.beta',
      'tighten',
    ],
    [
      '    min_channel',
      `      - { node: ${STRANGER}, name: cara, max_capacity: 1 }\n    min_channel`,
      'peers.cara',
      'loosen',
    ],
    ['min_channel: 100_000', 'min_channel: 100_001', 'min_channel', 'tighten'],
    ['max_channel: 3_000_000', 'max_channel: 3_000_001', 'max_channel', 'loosen'],
    ['max_channels: 3', 'max_channels: 2', 'max_channels', 'tighten'],
    [POOL_KEY, 'ee'.repeat(32), 'attested_by', 'loosen'],
    [
      'reserve: { to: hot, max: 100_000',
      'reserve: { to: hot, max: 99_999',
      'reserve.max',
      'tighten',
    ],
    ['reserve: { to: hot', 'reserve: { to: vaults', 'reserve.to', 'loosen'],
    ['min_change: 50_000', 'min_change: 49_999', 'min_change', 'loosen'],
    ['max: 8_000_000', 'max: 8_000_001', 'windows.144.max', 'loosen'],
    [', max_count: 4', '', 'windows.144.max_count', 'loosen'],
  ] as const)('%s to %s: %s is a change to %s', (from, to, path, change) => {
    const diff = diffPolicies(RULES, withChannels([from, to]));
    const where = `intents.channel_open.${path}`;
    expect(diff.changes).toStrictEqual([expect.objectContaining({ path: where, change })]);
  });

  test('opening channels at all loosens, and opening none any more tightens', () => {
    const path = 'intents.channel_open';
    expect(diffPolicies(POLICY, RULES).changes).toStrictEqual([
      expect.objectContaining({ path, change: 'loosen' }),
    ]);
    expect(diffPolicies(RULES, POLICY).changes).toStrictEqual([
      expect.objectContaining({ path, change: 'tighten' }),
    ]);
  });
});

test('an overlay bounds channels and refuses peers, and names no others', () => {
  const head = 'schema: weir.overlay/v1\nguardian: ana\n';
  expect(
    parseOverlay(`${head}channel_open: { max_channel: 5 }\nrefuse_peers: [${BETA}]`),
  ).toStrictEqual({
    ...emptyOverlay('ana'),
    channel_open: { max_channel: 5n },
    refuse_peers: [BETA],
  });
  for (const more of ['channel_open: { peers: [] }', 'channel_open: { approvals: 0 }']) {
    expect(() => parseOverlay(`${head}${more}`)).toThrow(/unknown key/);
  }
});
