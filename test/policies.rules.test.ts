/** Spend × policy → verdict: envelope, coins and payees, each row beside the twin that just passes. */
import { expect, test } from 'vitest';
import { sat } from '../policies/units.ts';
import {
  bumpOf,
  cancelling,
  coin,
  consolidation,
  everybody,
  inAutomaticSeat,
  listed,
  move,
  overlay,
  paidVault,
  payee,
  policyWith,
  question,
  type Row,
  small,
  spendOf,
  TIP,
  topup,
  varied,
  verdictOf,
} from './policy-cases.ts';

const q = question;
const ROWS: Row[] = [
  ['W-ENV-NETWORK', varied({ network: 'signet' }), varied({})],
  [
    'W-POL-LOOSENED-EARLY',
    q(small, { policy: policyWith(['activates_at_height: 0', `activates_at_height: ${TIP + 1}`]) }),
    q(small, { policy: policyWith(['activates_at_height: 0', `activates_at_height: ${TIP}`]) }),
  ],
  ['W-ENV-EXPIRED', varied({ expiryHeight: TIP - 1 }), varied({ expiryHeight: TIP })],
  ['W-ENV-EXPIRY-FAR', varied({ expiryHeight: TIP + 145 }), varied({ expiryHeight: TIP + 144 })],
  ['W-TX-LOCKTIME', varied({ lockTime: TIP + 1 }), varied({ lockTime: TIP })],
  ['W-LN-NOT-YET', varied({ kind: 'channel_open' }), varied({})],
  ['W-ENV-INTENT', q(bumpOf({ bump: null })), q(bumpOf())],
  ['W-ENV-INTENT', varied({ inputs: [] }), varied({})],
  [
    'W-POL-INTENT',
    q(bumpOf(), { policy: policyWith(['of: [withdrawal_batch, ', 'of: [']) }),
    q(bumpOf()),
  ],
  [
    'W-POL-OVERLAY',
    q(small, { overlay: overlay('refuse_intents: [withdrawal_batch]') }),
    q(small, { overlay: overlay('refuse_intents: [hot_topup]') }),
  ],
  ['W-BRK-TRIPPED', q(small, { breaker: 'tripped' }), q(cancelling(), { breaker: 'tripped' })],
  [
    'W-IN-COUNT',
    q(small, {
      policy: policyWith([
        'inputs: { min_conf: 1, own_change_min_conf: 1, max: 200',
        'inputs: { min_conf: 1, own_change_min_conf: 1, max: 1',
      ]),
      facts: spendOf([payee(600_000n)], { inputs: [coin(1_000_000n), coin(1_000_000n, 1)] }),
    }),
    q(spendOf([payee(600_000n)], { inputs: [coin(1_000_000n), coin(1_000_000n, 1)] })),
  ],
  [
    'W-IN-COUNT',
    q(consolidation({ inputs: [coin(1_000_000n), coin(1_000_000n, 1)] }), {
      policy: policyWith(['max_inputs: 200', 'max_inputs: 1']),
    }),
    q(consolidation({ inputs: [coin(1_000_000n), coin(1_000_000n, 1)] }), {
      policy: policyWith(['max_inputs: 200', 'max_inputs: 2']),
    }),
  ],
  [
    'W-TX-DUPLICATE-INPUT',
    q(spendOf([payee(600_000n)], { inputs: [coin(1_000_000n), coin(1_000_000n)] })),
    q(spendOf([payee(600_000n)], { inputs: [coin(1_000_000n), coin(1_000_000n, 1)] })),
  ],
  [
    'W-IN-UNCONFIRMED',
    varied({ inputs: [{ ...coin(400_000_000n), confirmations: 0 }] }),
    varied({ inputs: [{ ...coin(400_000_000n), confirmations: 1 }] }),
  ],
  [
    'W-IN-UNCONFIRMED',
    varied({ inputs: [{ ...coin(400_000_000n), confirmations: 0, origin: 'own-change' }] }),
    q(
      { ...small, inputs: [{ ...coin(400_000_000n), confirmations: 0, origin: 'own-change' }] },
      { policy: policyWith(['own_change_min_conf: 1', 'own_change_min_conf: 0']) },
    ),
  ],
  [
    'W-IN-UNCONFIRMED',
    q(small, { overlay: overlay('inputs: { min_conf: 7 }') }),
    q(small, { overlay: overlay('inputs: { min_conf: 6 }') }),
  ],
  [
    'W-IN-FROZEN',
    q(small, { overlay: overlay(`frozen_outpoints: ["${'cd'.repeat(32)}:0"]`) }),
    q(small, { overlay: overlay(`frozen_outpoints: ["${'cd'.repeat(32)}:1"]`) }),
  ],
  [
    'W-OUT-COUNT',
    q(small, { policy: policyWith(['outputs: { max: 600', 'outputs: { max: 1']) }),
    q(small, { policy: policyWith(['outputs: { max: 600', 'outputs: { max: 2']) }),
  ],
  [
    'W-OUT-COUNT',
    q(spendOf([payee(300_000n), payee(300_000n, 2)]), {
      policy: policyWith(['max_payees: 500', 'max_payees: 1']),
    }),
    q(spendOf([payee(300_000n), payee(300_000n, 2)]), {
      policy: policyWith(['max_payees: 500', 'max_payees: 2']),
    }),
  ],
  [
    'W-OUT-MIN-CHANGE',
    q(spendOf([payee(600_000n)], { inputs: [coin(611_999n)] })),
    q(spendOf([payee(600_000n)], { inputs: [coin(612_000n)] })),
  ],
  [
    'W-OUT-SELF-TRANSFER',
    q(spendOf([payee(600_000n)], { kind: 'consolidate', feeSat: sat(1_000n) })),
    q(consolidation()),
  ],
  ['W-OUT-SELF-TRANSFER', q(consolidation({ changeSat: null })), q(consolidation())],
  ['W-OUT-SELF-TRANSFER', q(spendOf([payee(600_000n)], { kind: 'cancel' })), q(cancelling())],
  ['W-OUT-MISSING', q(spendOf([])), q(small)],
  ['W-OUT-PAYEE-UNSIGNED', q(spendOf([listed(600_000n, 'vaults')])), q(small)],
  [
    'W-OUT-PAYEE-UNSIGNED',
    q(move(600_000n, { payees: [payee(600_000n)] }), { approvals: everybody }),
    q(move(600_000n), { approvals: everybody }),
  ],
  [
    'W-OUT-PAYEE-UNSIGNED',
    q(move(600_000n, { payees: [listed(600_000n, 'hot')] }), { approvals: everybody }),
    q(move(600_000n), { approvals: everybody }),
  ],
  [
    'W-OUT-PAYEE-UNSIGNED',
    q(move(600_000n, { payees: [{ ...listed(600_000n, 'vaults'), script: '0014' }] }), {
      approvals: everybody,
    }),
    q(move(600_000n), { approvals: everybody }),
  ],
  [
    'W-OUT-PAYEE-UNSIGNED',
    q(
      move(600_000n, {
        payees: [
          {
            ...listed(600_000n, 'vaults'),
            authority: { kind: 'allowlist', list: 'vaults', entry: 'vualt', index: null },
          },
        ],
      }),
      { approvals: everybody },
    ),
    q(move(600_000n), { approvals: everybody }),
  ],
  [
    'W-OUT-PAYEE-UNSIGNED',
    q(
      topup(600_000n, {
        payees: [
          {
            ...listed(600_000n, 'hot'),
            authority: { kind: 'allowlist', list: 'hot', entry: 'ln', index: 5 },
          },
        ],
      }),
    ),
    q(
      topup(600_000n, {
        payees: [
          {
            ...listed(600_000n, 'hot'),
            authority: { kind: 'allowlist', list: 'hot', entry: 'ln', index: 4 },
          },
        ],
      }),
    ),
  ],
  [
    'W-OUT-PAYEE-UNSIGNED',
    q(
      topup(600_000n, {
        payees: [
          {
            ...listed(600_000n, 'hot'),
            authority: { kind: 'allowlist', list: 'hot', entry: 'ln', index: null },
          },
        ],
      }),
    ),
    q(
      topup(600_000n, {
        payees: [
          {
            ...listed(600_000n, 'hot'),
            authority: { kind: 'allowlist', list: 'hot', entry: 'ln', index: 14, usedIndex: 9 },
          },
        ],
      }),
    ),
  ],
  [
    'W-OUT-PAYEE-INACTIVE',
    q(move(600_000n), {
      approvals: everybody,
      policy: policyWith(['active_from: 900', `active_from: ${TIP + 1}`]),
    }),
    q(move(600_000n), {
      approvals: everybody,
      policy: policyWith(['active_from: 900', `active_from: ${TIP}`]),
    }),
  ],
  [
    'W-OUT-PAYEE-CAP',
    q(move(600_000n), { approvals: everybody, charges: [paidVault(TIP - 143, 29_400_001n)] }),
    q(move(600_000n), { approvals: everybody, charges: [paidVault(TIP - 144, 29_400_001n)] }),
  ],
  [
    'W-OUT-ORDER-EXPIRED',
    q(
      spendOf([
        {
          ...payee(600_000n),
          authority: {
            kind: 'lp-order',
            lpId: 'lp-1',
            orderId: 'ab'.repeat(32),
            expiryHeight: TIP - 1,
          },
        },
      ]),
    ),
    q(small),
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
