/** Rows G: channels, what the pool says of them, and what the agent's own look at the pool's node shows. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { beforeEach, expect, test } from 'vitest';
import type { SpendIntent } from '../policies/intent.ts';
import type { ChannelsPending } from '../policies/proposal.ts';
import { REASONS, type ReasonCode } from '../policies/reason.ts';
import { type FeeRate, sat } from '../policies/units.ts';
import type { Judgement } from '../signer-agent/judgement.ts';
import type { PendingChannelSeen } from '../signer-agent/lightning-view.ts';
import { ALPHA, funding, pendingOf, STRANGER } from './channel-cases.ts';
import {
  judgedOpen,
  looking,
  type Opened,
  openIntent,
  openScenario,
  paidBy,
  pendingChannels,
  pendingOpen,
  proposedOpen,
  reserveOf,
  shown,
  TWO,
} from './hostile-channel.ts';
import { withEditedTx } from './hostile-spend.ts';
import { codesOf, hashOf, rewinder, withMemory } from './judge-scenario.ts';
import { strangerScript } from './spend-scenario.ts';

const s = openScenario();
const rewind = rewinder(s);
beforeEach(rewind);

/** Codes named and no others, or with `*` these and whatever follows from them. */
type Row = [title: string, codes: string, decision: Judgement['decision'], make: () => Judgement];

/** All in order, but the first channel is shown otherwise. */
const firstShown = (change: Partial<PendingChannelSeen>) => (): Judgement =>
  judgedOpen(s, pendingOpen(s), ([first, ...rest]) =>
    shown(first === undefined ? [] : [{ ...first, ...change }, ...rest]),
  );

const firstActive = (closeAddress: string | null) => (): Judgement =>
  judgedOpen(s, pendingOpen(s), ([first, ...rest]) =>
    shown(rest, first === undefined ? [] : [{ ...first, closeAddress }]),
  );

/** An edited transaction, which the fold lets nobody call pending. */
const edited = (edit: Parameters<typeof withEditedTx>[1]) => (): Judgement => {
  const intent = openIntent(s);
  return s.judge(withEditedTx(s, edit, intent, paidBy(intent)), looking(shown([])));
};

/** Pool's word and node agree about these channels. */
const opening = (change: Parameters<typeof pendingOpen>[1]) => (): Judgement =>
  judgedOpen(s, pendingOpen(s, change));

/** Of an earlier intent's coin, so that only what is named is in the way. */
const second = () => s.plan({ coins: s.coins.slice(1, 2), change: { index: 1 } });

/** As if the fold had taken this word. The node shows every output of the transaction as a right channel. */
function judgedWithWord(built: Opened, pending: ChannelsPending): Judgement['decision'] {
  const logged = s.t.treasury.proposals.get(built.id) ?? built.state;
  const state = { ...logged, pending };
  const treasury = { ...s.t.treasury, proposals: new Map([[built.id, state]]) };
  const view = looking(shown(pendingChannels(built)));
  return s.judge(built, (input) => ({ ...view(input), treasury, state })).decision;
}

const rows: Row[] = [
  [
    'G1 waits while the pool has not signed that its channels are pending',
    'W-LN-ATTESTATION',
    'wait',
    () => judgedOpen(s, proposedOpen(s)),
  ],
  [
    'G1 takes no word of another key than the policy’s pool, whatever the log holds',
    'W-LN-ATTESTATION',
    'wait',
    () => {
      const built = proposedOpen(s);
      const pending = pendingOf(built.proposal, built.vouts, {}, 'stranger');
      const logged = s.t.treasury.proposals.get(built.id) ?? built.state;
      const state = { ...logged, pending };
      const treasury = { ...s.t.treasury, proposals: new Map([[built.id, state]]) };
      const view = looking(shown(pendingChannels(built)));
      return s.judge(built, (input) => ({ ...view(input), treasury, state }));
    },
  ],
  [
    'G1 waits while the node lists no such channel',
    'W-LN-NOT-PENDING',
    'wait',
    () => judgedOpen(s, pendingOpen(s), () => shown([])),
  ],
  [
    'G1 waits while the node does not answer',
    'W-LN-NOT-PENDING',
    'wait',
    () => judgedOpen(s, pendingOpen(s), () => ({ is: 'silent' })),
  ],
  [
    'G1 takes a channel of another transaction for none',
    'W-LN-NOT-PENDING',
    'wait',
    firstShown({ outpoint: `${hashOf('elsewhere')}:0` }),
  ],
  [
    'G1 asks its guardian where it looks at no node',
    'W-LN-UNSEEN',
    'ask',
    () => judgedOpen(s, pendingOpen(s), () => ({ is: 'none' })),
  ],
  [
    'G1 refuses a channel that is with another peer on the node',
    'W-LN-PENDING-MISMATCH',
    'refuse',
    firstShown({ peer: STRANGER }),
  ],
  [
    'G1 refuses a channel that is smaller on the node',
    'W-LN-PENDING-MISMATCH',
    'refuse',
    firstShown({ capacitySat: sat(999_999n) }),
  ],
  [
    'G2 refuses a channel of which the peer gets one satoshi',
    'W-LN-PENDING-MISMATCH',
    'refuse',
    firstShown({ peerSat: sat(1n) }),
  ],
  [
    'G2 refuses a funding output of another amount than its capacity',
    'W-OUT-CHANGED-AMOUNT W-OUT-MISSING W-ENV-REBUILD *',
    'refuse',
    edited((tx) => {
      const output = tx.outputs.find(({ amount }) => amount === TWO[0]?.capacitySat);
      if (output !== undefined) output.amount -= 1n;
    }),
  ],
  [
    'G2 refuses an output beside channels, reserve and change',
    'W-OUT-UNLISTED W-ENV-REBUILD *',
    'refuse',
    edited((tx) => {
      tx.outputs.push({ amount: 600n, script: hexToBytes(strangerScript(7)) });
    }),
  ],
  [
    'G2 refuses more for the node’s own wallet than the policy allows',
    'W-LN-RESERVE',
    'refuse',
    opening({ reserve: reserveOf(100_001n) }),
  ],
  [
    'G2 refuses a reserve at a place that no list of the policy has',
    'W-OUT-PAYEE-UNSIGNED *',
    'refuse',
    opening({ reserve: reserveOf(20_000n, 'elsewhere') }),
  ],
  [
    'G3 refuses a peer that the policy does not list',
    'W-LN-PEER',
    'refuse',
    opening({ channels: [funding(0, { peer: STRANGER })] }),
  ],
  [
    'G3 refuses a channel below the smallest',
    'W-LN-CAPACITY',
    'refuse',
    opening({ channels: [funding(0, { capacitySat: sat(99_999n) })] }),
  ],
  [
    'G3 refuses a channel above the largest',
    'W-LN-CAPACITY',
    'refuse',
    opening({ channels: [funding(0, { capacitySat: sat(3_000_001n) })] }),
  ],
  [
    'G3 refuses what is one satoshi more than all that may ever go to a peer',
    'W-LN-CAPACITY',
    'refuse',
    () => {
      pendingOpen(s, {
        channels: [funding(0, { capacitySat: sat(3_000_000n) })],
        reserve: null,
        plan: second(),
      });
      return opening({
        channels: [funding(1, { peer: ALPHA, capacitySat: sat(2_000_001n) })],
      })();
    },
  ],
  [
    'G3 refuses a fourth channel in one transaction',
    'W-LN-COUNT',
    'refuse',
    opening({
      channels: [0, 1, 2, 3].map((n) => funding(n, { peer: ALPHA, capacitySat: sat(200_000n) })),
    }),
  ],
  [
    'G4 refuses a close address further out than a recovery looks',
    'W-LN-CLOSE-INDEX',
    'refuse',
    opening({ channels: [funding(0, { closeIndex: 1_000_000 })] }),
  ],
  [
    'G4 refuses one close address for two channels',
    'W-LN-CLOSE-INDEX',
    'refuse',
    opening({ channels: [funding(0), funding(1, { closeIndex: 10 })] }),
  ],
  [
    'G4 refuses the close address of another intent’s channel',
    'W-LN-CLOSE-INDEX',
    'refuse',
    () => {
      pendingOpen(s, { channels: [funding(0)], reserve: null, plan: second() });
      return opening({ channels: [funding(1, { closeIndex: 10 })] })();
    },
  ],
  [
    'G4 refuses when an active channel closes to another address than the treasury’s',
    'W-LN-SHUTDOWN',
    'refuse',
    firstActive('bcrt1qstranger'),
  ],
  [
    'G4 refuses when an active channel may close to any address',
    'W-LN-SHUTDOWN',
    'refuse',
    firstActive(null),
  ],
  [
    'G5 waits for the second channel of a batch when the first is pending',
    'W-LN-NOT-PENDING',
    'wait',
    () => judgedOpen(s, pendingOpen(s), ([first]) => shown(first === undefined ? [] : [first])),
  ],
  [
    'G5 refuses the whole batch when one channel of it is another one',
    'W-LN-PENDING-MISMATCH',
    'refuse',
    () =>
      judgedOpen(s, pendingOpen(s), (all) =>
        shown(all.map((each, at) => (at === 1 ? { ...each, peer: STRANGER } : each))),
      ),
  ],
  [
    'G7 refuses a top-up of the hot wallet at a place that is not on its list',
    'W-OUT-PAYEE-UNSIGNED *',
    'refuse',
    () => {
      const payees = [reserveOf(50_000n, 'elsewhere')];
      const intent: SpendIntent = { kind: 'hot_topup', payees, plan: s.plan() };
      return s.judge(s.propose(intent, [{ script: strangerScript(3), amountSat: sat(50_000n) }]));
    },
  ],
  [
    'G9 refuses an open that leaves too little for a child to pay with',
    'W-LN-CHANGE *',
    'refuse',
    opening({ plan: { change: null } }),
  ],
  [
    'G9 refuses a bump: the txid of a channel_open never changes',
    'W-LN-BUMP *',
    'refuse',
    () => {
      const root = pendingOpen(s);
      const plan = s.plan({ feerateSatPerKvb: 9_000n as FeeRate });
      const bump = s.propose({ kind: 'fee_bump', of: root.id, plan }, paidBy(root.proposal.intent));
      return s.judge(bump, withMemory({ signed: new Set([root.id]) }));
    },
  ],
];

test.each(rows)('%s', (_title, codes, decision, make) => {
  const named = codes.split(' ').filter((code): code is ReasonCode => code in REASONS);
  const judgement = make();
  const all = codesOf(judgement);
  const [first] = named;
  const row = first === undefined ? '' : REASONS[first][0];
  expect({
    decision: judgement.decision,
    codes: codes.endsWith('*') ? all.filter((code) => named.includes(code)) : all,
    outcome: judgement.rows.find((each) => each.row === row)?.outcome,
  }).toEqual({
    decision,
    codes: named.toSorted(),
    outcome: decision === 'refuse' ? 'failed' : 'waiting',
  });
});

test('G1 signs once the pool’s word and the node agree, whatever it waited for before', () => {
  const built = proposedOpen(s);
  expect(judgedOpen(s, built).decision).toBe('wait');
  s.t.append({ kind: 'channels-pending', pending: pendingOf(built.proposal, built.vouts) });
  expect(judgedOpen(s, built, () => ({ is: 'silent' })).decision).toBe('wait');
  expect(judgedOpen(s, built, () => shown([])).decision).toBe('wait');
  const judgement = judgedOpen(s, built);
  expect(judgement).toMatchObject({ decision: 'sign', reasons: [] });
  expect(judgement.channels.map(({ seen, attested }) => [seen, attested])).toEqual([
    ['pending', 'yes'],
    ['pending', 'yes'],
  ]);
});

test('G1 without a look signs on its guardian’s word, and says what it did not see', () => {
  const built = pendingOpen(s);
  const judgement = s.judge(built, withMemory({ approvedHere: new Set([built.id]) }));
  expect(judgement.decision).toBe('sign');
  expect(judgement.rows.find(({ row }) => row === 'G1')?.outcome).toBe('not-checked');
});

test('G4 lets a channel that is active close to where it was approved', () => {
  const built = pendingOpen(s);
  const [first, ...rest] = pendingChannels(built);
  if (first === undefined) throw new Error('two channels are opened');
  const active = { ...first, closeAddress: s.deriver.address(0, 10) };
  const judgement = s.judge(built, looking(shown(rest, [active])));
  expect(judgement).toMatchObject({ decision: 'sign', reasons: [] });
});

test('G9 a cancel of a pending open takes everything back, and is no bump', () => {
  const root = pendingOpen(s);
  const plan = s.plan({ feerateSatPerKvb: 9_000n as FeeRate });
  const cancel = s.propose({ kind: 'cancel', of: root.id, plan }, []);
  expect(s.judge(cancel, looking(shown([]))).decision).toBe('sign');
});

test('G1 signs nothing when any one thing that the node shows, or the pool said, is another', () => {
  const built = pendingOpen(s);
  const right = pendingChannels(built);
  const lies: ((each: PendingChannelSeen) => PendingChannelSeen[])[] = [
    () => [],
    (each) => [{ ...each, outpoint: `${each.outpoint}0` }],
    (each) => [{ ...each, peer: STRANGER }],
    (each) => [{ ...each, capacitySat: sat(each.capacitySat + 1n) }],
    (each) => [{ ...each, peerSat: sat(1n) }],
  ];
  for (const lie of lies) {
    for (const at of right.keys()) {
      const seen = right.flatMap((each, n) => (n === at ? lie(each) : [each]));
      expect(s.judge(built, looking(shown(seen))).decision).not.toBe('sign');
    }
  }
  const { pending } = s.t.treasury.proposals.get(built.id) ?? built.state;
  if (pending === null) throw new Error('the pool spoke');
  const { body } = pending;
  const [first, ...rest] = body.channels;
  if (first === undefined) throw new Error('two channels are pending');
  const words: Partial<typeof body>[] = [
    { txid: hashOf('another') },
    { proposalId: hashOf('another') },
    { treasuryId: hashOf('another') },
    { network: 'signet' },
    { channels: rest },
    { channels: body.channels.toReversed() },
    { channels: [{ ...first, closeIndex: 12 }, ...rest] },
    { channels: [{ ...first, peer: STRANGER }, ...rest] },
    { channels: [{ ...first, capacitySat: sat(999_999n) }, ...rest] },
    { channels: [first, first] },
    { channels: [...body.channels, first] },
  ];
  for (const word of words) {
    const said = pendingOf(built.proposal, built.vouts, word);
    expect(judgedWithWord(built, said), JSON.stringify(Object.keys(word))).toBe('wait');
    // The right word under another one's signature is none either.
    expect(judgedWithWord(built, { ...pending, signature: said.signature })).toBe('wait');
  }
  expect(judgedWithWord(built, pending)).toBe('sign');
});

test('G1 takes no word that gives two channels of one size each other’s output, or one output to both', () => {
  const alike = [funding(0), funding(1, { capacitySat: sat(1_000_000n) })];
  const built = pendingOpen(s, { channels: alike });
  const swapped = pendingOf(built.proposal, built.vouts.toReversed());
  expect(judgedWithWord(built, swapped)).toBe('wait');
  rewind();
  const script = funding(0).fundingScript;
  const twins = [funding(0), funding(0, { fundingScript: script, closeIndex: 11 })];
  const both = proposedOpen(s, { channels: twins });
  const [vout = 0] = both.vouts;
  expect(judgedWithWord(both, pendingOf(both.proposal, [vout, vout]))).toBe('wait');
});

test('a withdrawn open is not signed', () => {
  const built = proposedOpen(s);
  s.t.append({ kind: 'withdrawn', proposalId: built.id, why: 'a peer said no' });
  expect(judgedOpen(s, built)).toMatchObject({ decision: 'refuse' });
});

test('rows about channels are not shown for a spend that opens none', () => {
  const { rows: shownRows } = s.judge(s.batch(s.orders(100_000n)));
  expect(shownRows.filter(({ row }) => row.startsWith('G'))).toEqual([]);
});
