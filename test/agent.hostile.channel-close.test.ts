/** Rows G6 and G8: decisions about Lightning that have no transaction here: a close, a large payout. */
import { beforeEach, expect, test } from 'vitest';
import type { AuthorizationIntent } from '../policies/intent.ts';
import { type Authorization, authorizationId } from '../policies/proposal.ts';
import type { FeeRate } from '../policies/units.ts';
import {
  type AuthorizationJudgement,
  judgeAuthorization,
} from '../signer-agent/authorization-judge.ts';
import { ALPHA } from './channel-cases.ts';
import { openScenario, pendingOpen, proposedOpen } from './hostile-channel.ts';
import { chainView, hashOf, rewinder } from './judge-scenario.ts';
import { TIP } from './spend-scenario.ts';

const s = openScenario();
const rewind = rewinder(s);
beforeEach(rewind);

function decided(intent: AuthorizationIntent): AuthorizationJudgement {
  const authorization: Authorization = {
    schema: 'weir.authorization/v1',
    treasuryId: s.t.id,
    network: 'regtest',
    seq: s.t.treasury.seq + 1,
    epoch: 1,
    policyHash: s.t.params.policyHash,
    expiryHeight: TIP + 100,
    initiator: 'olga',
    intent,
  };
  s.t.append({ kind: 'authorization-proposed', authorization });
  const state = s.t.treasury.authorizations.get(authorizationId(authorization));
  if (state === undefined) throw new Error('the fold lost an authorization');
  const mark = rewinder(s);
  const { pinned } = s.input(proposedOpen(s));
  mark();
  return judgeAuthorization({
    pinned,
    treasury: s.t.treasury,
    heads: s.t.entries.map(({ hash }) => ({ hash })),
    state,
    chain: chainView(s),
    memory: { approvedHere: new Set(), refused: new Set(), fork: null },
    overlay: null,
    acknowledgements: ['ben', 'cleo'].map((seatId) => s.acknowledgement(seatId)),
    firstSeenHeight: null,
    now: chainView(s).medianTime,
  });
}

type Close = Extract<AuthorizationIntent, { kind: 'channel_close' }>;
const close = (change: Partial<Close>): Close => ({
  kind: 'channel_close',
  channelPoint: `${hashOf('inbound')}:0`,
  force: 'cooperative',
  closeIndex: 5,
  maxFeeRateSatPerKvb: 10_000n as FeeRate,
  ...change,
});

type Payout = Extract<AuthorizationIntent, { kind: 'large_ln_payout' }>;
const payout = (change: Partial<Payout>): Payout => ({
  kind: 'large_ln_payout',
  paymentHash: hashOf('payment'),
  amountMsat: '5000000000',
  maxFeeMsat: '1000000',
  payee: ALPHA,
  expiryHeight: TIP + 10,
  account: 'agents',
  ...change,
});

test.each<[title: string, code: string, make: () => AuthorizationJudgement]>([
  [
    'G6 refuses to close a channel of ours at another channel’s address',
    'W-LN-CLOSE-INDEX',
    () => {
      const { built, vouts } = pendingOpen(s);
      return decided(close({ channelPoint: `${built.txid}:${vouts[0]}`, closeIndex: 11 }));
    },
  ],
  [
    'G6 refuses to close a peer’s channel at the address of one of ours',
    'W-LN-CLOSE-INDEX',
    () => {
      pendingOpen(s);
      return decided(close({ closeIndex: 10 }));
    },
  ],
  [
    'G6 refuses to close further out than a recovery looks',
    'W-LN-CLOSE-INDEX',
    () => decided(close({ closeIndex: 1_000_000 })),
  ],
  [
    'G6 refuses a close at a feerate above the policy’s',
    'W-FEE-RATE',
    () => decided(close({ maxFeeRateSatPerKvb: 1_000_000n as FeeRate })),
  ],
  [
    'G8 refuses a payout that is too large with its fee',
    'W-LIM-PER-TX',
    () => decided(payout({ amountMsat: '20000000000', maxFeeMsat: '1' })),
  ],
  [
    'G8 refuses a payout whose invoice runs out before it could be paid',
    'W-ENV-EXPIRED',
    () => decided(payout({ expiryHeight: TIP - 1 })),
  ],
])('%s', (_title, code, make) => {
  const { decision, reasons } = make();
  expect({ decision, codes: reasons.map((each) => each.code) }).toEqual({
    decision: 'refuse',
    codes: [code],
  });
});

test('G6 asks its guardian for a close of our channel at its own address, and of a peer’s at a free one', () => {
  const { built, vouts } = pendingOpen(s);
  const ours = close({ channelPoint: `${built.txid}:${vouts[0]}`, closeIndex: 10 });
  expect(decided(ours).decision).toBe('ask');
  expect(decided(close({ closeIndex: 5 })).decision).toBe('ask');
});

test('G8 asks its guardian for a payout within the policy', () => {
  expect(decided(payout({})).decision).toBe('ask');
});
