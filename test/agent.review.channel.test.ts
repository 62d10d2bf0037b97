/** What a guardian reads of channels: what is checked, what is only claimed, and what a close does. */
import { beforeEach, expect, test } from 'vitest';
import type { AuthorizationIntent } from '../policies/intent.ts';
import { type Authorization, authorizationId } from '../policies/proposal.ts';
import type { FeeRate } from '../policies/units.ts';
import { EMPTY_BOOK } from '../signer-agent/address-book.ts';
import type { LightningSeen } from '../signer-agent/lightning-view.ts';
import { nextStepOf } from '../signer-agent/views/next-step.ts';
import { reviewOf } from '../signer-agent/views/review.ts';
import { reviewOfAuthorization } from '../signer-agent/views/review-authorization.ts';
import { addressText, type View, WIDTH } from '../signer-agent/views/wording.ts';
import {
  looking,
  type Opened,
  openScenario,
  pendingChannels,
  pendingOpen,
  proposedOpen,
  shown,
} from './hostile-channel.ts';
import { hashOf, rewinder } from './judge-scenario.ts';
import { TIP } from './spend-scenario.ts';

const s = openScenario();
const rewind = rewinder(s);
beforeEach(rewind);

function review(opened: Opened, lightning: LightningSeen): View {
  const judgement = s.judge(opened, looking(lightning));
  return reviewOf({
    judgement,
    state: s.t.treasury.proposals.get(opened.id) ?? opened.state,
    treasury: s.t.treasury,
    overlay: null,
    book: EMPTY_BOOK,
    seatId: 'ana',
    network: 'regtest',
    nextStep: nextStepOf(judgement, 'open'),
  });
}

function closeReview(
  change: Partial<Extract<AuthorizationIntent, { kind: 'channel_close' }>>,
): View {
  const authorization: Authorization = {
    schema: 'weir.authorization/v1',
    treasuryId: s.t.id,
    network: 'regtest',
    seq: s.t.treasury.seq + 1,
    epoch: 1,
    policyHash: s.t.params.policyHash,
    expiryHeight: TIP + 100,
    initiator: 'olga',
    intent: {
      kind: 'channel_close',
      channelPoint: `${hashOf('inbound')}:0`,
      force: 'cooperative',
      closeIndex: 10,
      maxFeeRateSatPerKvb: 10_000n as FeeRate,
      ...change,
    },
  };
  s.t.append({ kind: 'authorization-proposed', authorization });
  const state = s.t.treasury.authorizations.get(authorizationId(authorization));
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

/** Without what depends on the keys and ids of the scenario. */
function part(text: string, from: string, to: string): string {
  return text.slice(text.indexOf(from), text.indexOf(to)).trimEnd();
}

test('an open shows each channel with its peer, close address and what the node shows, and what is claimed', () => {
  const opened = pendingOpen(s);
  const { text, json } = review(opened, shown(pendingChannels(opened)));
  expect(text.split('\n')[0]).toContain(
    'Channel open: 2_000_001 sat go into 2 channels, 20_000 sat leave beside, fee',
  );
  expect(text).toContain(addressText(s.deriver.address(0, 10)).split('\n')[0]);
  expect(part(text, 'WHAT IS ONLY CLAIMED', 'WHAT LEAVES')).toMatchInlineSnapshot(`
    "WHAT IS ONLY CLAIMED
    - The pool signed that every channel is pending, so that what is funded can be left again.
    - That each output is the 2-of-2 of the pool’s node and this peer is the pool’s claim: the node
    shows no keys.
    - That a close together pays the address above is a claim until the channel is active. Then this
    agent compares, and stops signing alone when it is another.
    - A force close pays the Lightning node’s own wallet, not this treasury: that is not prevented here."
  `);
  expect(json).toMatchObject({
    channels: [
      { peerName: 'alpha', closeIndex: 10, seen: 'pending', attested: 'yes' },
      { peerName: 'beta', closeIndex: 11, seen: 'pending', attested: 'yes' },
    ],
  });
});

test.each<[seen: string, claim: string, make: (opened: Opened) => LightningSeen]>([
  ['NOT LOOKED', 'This agent looks at no Lightning node', () => ({ is: 'none' })],
  ['NO ANSWER', 'The pool signed', () => ({ is: 'silent' })],
  ['NOT LISTED', 'The pool signed', () => shown([])],
  [
    'ANOTHER',
    'The pool signed',
    (opened) =>
      shown(pendingChannels(opened).map((each) => ({ ...each, peer: `03${'dd'.repeat(32)}` }))),
  ],
])('an open says %s of a channel that the node does not show, beside: %s', (seen, claim, make) => {
  const opened = pendingOpen(s);
  const { text } = review(opened, make(opened));
  expect(part(text, 'CHANNELS', 'WHAT IS ONLY CLAIMED')).toContain(seen);
  expect(part(text, 'WHAT IS ONLY CLAIMED', 'WHAT LEAVES')).toContain(claim);
});

test('an open that is not pending yet says that nothing is signed before', () => {
  const opened = proposedOpen(s);
  const { text, json } = review(opened, shown(pendingChannels(opened)));
  expect(text).toContain('THE POOL HAS NOT SIGNED');
  expect(json).toMatchObject({ channels: [{ attested: 'no' }, { attested: 'no' }] });
});

test('a close together says where it pays, and that software alone asks for the approval', () => {
  const { built, vouts } = pendingOpen(s);
  const view = closeReview({ channelPoint: `${built.txid}:${vouts[0]}` });
  expect(view.text).toContain(addressText(s.deriver.address(0, 10)));
  expect(view.text).toContain('1_000_000 sat with 02aaaa');
  expect(view.text.replaceAll('\n', ' ')).toContain('The chain does not enforce it');
  expect(view.json).toMatchObject({ change: { pays: 'treasury', capacitySat: 1_000_000n } });
});

test('a close by force says that it pays the Lightning node’s own wallet, not this treasury', () => {
  const view = closeReview({ force: 'peer_offline' });
  expect(view.text.split('\n')[0]).toContain('BY FORCE, because its peer is away');
  expect(view.text).toContain('LIGHTNING NODE’S OWN WALLET');
  expect(view.text).toContain('NOT one that this treasury funded');
  expect(view.json).toMatchObject({ change: { pays: 'lightning-wallet', openedBy: null } });
});

test('no line about channels is wider than a page', () => {
  const opened = pendingOpen(s);
  const texts = [
    review(opened, { is: 'none' }).text,
    closeReview({}).text,
    closeReview({ force: 'breach_risk' }).text,
  ];
  const widest = Math.max(...texts.flatMap((text) => text.split('\n')).map(({ length }) => length));
  expect(widest).toBeLessThanOrEqual(WIDTH);
});
