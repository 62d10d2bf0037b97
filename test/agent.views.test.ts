/** What the agent's other screens say: what waits, what it did, what is left, where it stands, what to compare. */
import { beforeEach, expect, test } from 'vitest';
import { type Acknowledgement, type AgentVerdict, authorizationId } from '../policies/proposal.ts';
import { reason } from '../policies/reason.ts';
import { EMPTY_TREASURY } from '../policies/treasury.ts';
import type { FeeRate } from '../policies/units.ts';
import { walletRecordHash } from '../policies/wallet-record.ts';
import { type AgentState, EMPTY_STATE, remember } from '../signer-agent/memory.ts';
import type { OwnEvent } from '../signer-agent/own-event.ts';
import { ceremonyView } from '../signer-agent/views/ceremony.ts';
import { historyView } from '../signer-agent/views/history.ts';
import { limitsView } from '../signer-agent/views/limits.ts';
import { type Judged, pendingView } from '../signer-agent/views/pending.ts';
import { type StatusQuestion, statusView } from '../signer-agent/views/status.ts';
import { wordsOf } from '../signer-agent/word-fingerprint.ts';
import { chainView, judgeScenario, rewinder } from './judge-scenario.ts';
import { type Built, TIP } from './spend-scenario.ts';
import { keyOf } from './treasury-scenario.ts';

const s = judgeScenario();
const rewind = rewinder(s);
beforeEach(() => {
  rewind();
});

/** What ana's agent remembers of the log as it is now, and of what it did. */
function stateOf(...did: readonly OwnEvent[]): AgentState {
  const log = s.t.entries.map((entry): OwnEvent => ({ kind: 'log', entry }));
  let state = EMPTY_STATE;
  for (const event of [invited(), ...log, ...did]) state = remember(state, event);
  return state;
}

function invited(): OwnEvent {
  return {
    kind: 'invited',
    url: 'http://127.0.0.1:1',
    treasuryId: s.t.id,
    coordinatorKey: keyOf('coordinator'),
    seatId: 'ana',
  };
}

function verdictOf(subject: string, verdict: AgentVerdict['body']['verdict']): AgentVerdict {
  const event = s.t.verdict('ana', subject, verdict);
  if (event.kind !== 'verdict') throw new Error('a verdict');
  return event.verdict;
}

function released({ id }: Built): OwnEvent {
  return {
    kind: 'released',
    proposalId: id,
    signaturesHash: 'ab'.repeat(32),
    contribution: {
      proposalId: id,
      seatId: 'ana',
      round: 1,
      scheme: 'wsh-ecdsa',
      signatures: ['30'.repeat(20)],
    },
    verdict: verdictOf(id, 'signed'),
  };
}

function refused({ id }: Built, by: 'agent' | 'guardian' = 'agent'): OwnEvent {
  const codes = by === 'agent' ? ['W-FEE-ABS', 'W-IN-SIGHASH'] : ['W-APP-REJECTED'];
  const verdict = verdictOf(id, 'refused');
  return { kind: 'refused', subject: id, by, initiator: 'queue', height: TIP, codes, verdict };
}

const second = () => ({ coins: s.coins.slice(1, 2), anchor: s.coins[1]?.outpoint ?? '' });

test('pending: what it is, how much leaves, why it waits, how long it lives', () => {
  const built = s.batch(s.orders(1_000_000n, 500_000n));
  const judged = new Map<string, Judged>([
    [built.id, { decision: 'wait', reasons: [reason('W-APP-OPERATOR', '0 of 1 operators')] }],
  ]);
  const { text, json } = pendingView(stateOf(), TIP, judged);
  expect(text).toBe(
    [
      'Withdrawals, 1_500_000 sat leave · waits',
      `  ${built.id}`,
      `  expires in 100 blocks, at height ${TIP + 100}`,
      '  - the operator has not approved: 0 of 1 operators',
    ].join('\n'),
  );
  expect(json).toMatchObject([
    { id: built.id, amountSat: 1_500_000n, decision: 'wait', expiresInBlocks: 100 },
  ]);
});

test('pending: a decision without a transaction waits, too, until this guardian approved it', () => {
  const authorization = {
    schema: 'weir.authorization/v1' as const,
    treasuryId: s.t.id,
    network: 'regtest' as const,
    seq: s.t.treasury.seq + 1,
    epoch: 1,
    policyHash: s.t.params.policyHash,
    expiryHeight: TIP + 10,
    initiator: 'olga',
    intent: { kind: 'breaker' as const, action: 'reset' as const },
  };
  s.t.append({ kind: 'authorization-proposed', authorization });
  const id = authorizationId(authorization);
  expect(pendingView(stateOf(), TIP, new Map()).json).toMatchObject([
    { id, kind: 'breaker', amountSat: null, expiresInBlocks: 10 },
  ]);
  const approval = s.t.approval('ana', 'guardian', { id, txid: null });
  const after = stateOf({ kind: 'approved-here', approval });
  expect(pendingView(after, TIP, new Map()).json).toEqual([]);
});

type Gone = [
  title: string,
  tip: number,
  did: (built: Built) => OwnEvent[],
  log: (b: Built) => void,
];
const nothing = (): void => undefined;
test.each<Gone>([
  ['this agent signed', TIP, (built) => [released(built)], nothing],
  ['this agent refused', TIP, (built) => [refused(built)], nothing],
  [
    'this agent never will sign',
    TIP,
    ({ id }) => [{ kind: 'never', subject: id, verdict: verdictOf(id, 'never') }],
    nothing,
  ],
  ['expired', TIP + 101, () => [], nothing],
  [
    'so many refused that it can not be signed',
    TIP,
    () => [],
    ({ id }) => {
      for (const seat of ['ben', 'cleo']) s.t.append(s.t.verdict(seat, id, 'refused'));
    },
  ],
  [
    'was replaced on the chain',
    TIP,
    () => [],
    ({ id }) => {
      const place = { in: 'conflict' as const, txid: 'ab'.repeat(32), height: null };
      s.t.append({ kind: 'tx-seen', proposalId: id, place });
    },
  ],
])('pending leaves out what %s', (_, tip, did, log) => {
  const built = s.batch(s.orders(1_000_000n));
  expect(pendingView(stateOf(), TIP, new Map()).json).toHaveLength(1);
  log(built);
  const { json, text } = pendingView(stateOf(...did(built)), tip, new Map());
  expect([json, text]).toEqual([[], 'nothing waits for this seat']);
});

test('history: signed, refused with the own codes, asked, by height and transaction', () => {
  const one = s.batch(s.orders(1_000_000n));
  const two = s.batch(s.orders(2_000_000n), second());
  const place = { in: 'block' as const, height: TIP + 3, blockHash: 'ee'.repeat(32) };
  s.t.append({ kind: 'tx-seen', proposalId: one.id, place });
  const asked: OwnEvent = { kind: 'asked', subject: two.id, verdict: verdictOf(two.id, 'asks') };
  const { text, json } = historyView(stateOf(released(one), asked, refused(two, 'guardian')));
  expect(text).toBe(
    [
      `signed: Withdrawals, 1_000_000 sat, confirmed, height ${TIP + 3}`,
      `  ${one.id}`,
      `  transaction ${one.built.txid}`,
      '',
      `asked, refused by its guardian: Withdrawals, 2_000_000 sat, height ${TIP}`,
      `  ${two.id}`,
      `  transaction ${two.built.txid}`,
      '  W-APP-REJECTED',
    ].join('\n'),
  );
  expect(json).toMatchObject([
    { did: ['signed'] },
    { did: ['asked', 'refused'], codes: ['W-APP-REJECTED'] },
  ]);
});

test('limits: what live spends hold, at their highest fee, and what is left', () => {
  const first = s.batch(s.orders(1_000_000n, 500_000n));
  const { intent } = first.proposal;
  if (intent.kind !== 'withdrawal_batch') throw new Error('a batch');
  const bump = s.propose(
    { kind: 'fee_bump', of: first.id, plan: s.plan({ feerateSatPerKvb: 8_000n as FeeRate }) },
    intent.orders.map(({ body }) => ({ script: body.script, amountSat: body.amountSat })),
  );
  const used = 1_500_000n + bump.proposal.feeSat;
  const { json, text } = limitsView(s.t.treasury, chainView(s), null);
  const rows = (json as { rows: { rule: string; limit: bigint; used: bigint; slack: bigint }[] })
    .rows;
  const row = (rule: string) => rows.find((each) => each.rule === rule);
  expect(row('limits.windows.day')).toMatchObject({
    used,
    limit: 200_000_000n,
    slack: 200_000_000n - used,
  });
  expect(row('limits.windows.day-share')?.limit).toBe(60_000_000n);
  expect(row('limits.count')).toMatchObject({ used: 1n });
  expect(row('limits.floor_balance')).toMatchObject({ used: 240_000_000n - used });
  expect(row('fees.windows.144')).toMatchObject({ used: bump.proposal.feeSat });
  expect(row('intents.withdrawal_batch.windows.144')).toMatchObject({ used });
  expect(row('intents.treasury_move.windows.144')).toMatchObject({ used: 0n });
  expect(text).toContain('the treasury holds 240_000_000 sat');
  expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
});

test('limits of a treasury without spends are unused; without a node nothing is claimed', () => {
  const { json } = limitsView(s.t.treasury, chainView(s), null);
  const { rows } = json as { rows: { rule: string; used: bigint }[] };
  const adding = rows.filter(({ rule }) => rule !== 'limits.floor_balance');
  expect(adding.map(({ used }) => used)).toEqual(adding.map(() => 0n));
  expect(limitsView(s.t.treasury, null, null).json).toMatchObject({ known: 'no' });
});

function status(change: Partial<StatusQuestion> = {}): ReturnType<typeof statusView> {
  return statusView({
    state: stateOf(),
    node: { version: 'Bitcoin Knots 29.4', tipHeight: TIP, sync: 'synced' },
    automation: 'on',
    acknowledgements: [s.acknowledgement('ben'), s.acknowledgement('cleo')],
    backedUp: '2026-01-02',
    troubles: new Map(),
    version: '0.1.0',
    ...change,
  });
}

test('status: seat, four words of the log, node, hand, peers, backup', () => {
  const { text } = status();
  const head = s.t.treasury;
  const lines = text.split('\n');
  expect(lines.slice(0, 8)).toEqual([
    'seat ana',
    `treasury ${s.t.id}`,
    `log entry ${head.seq}: ${wordsOf(head.hash, 4)}`,
    `own node Bitcoin Knots 29.4, height ${TIP}, synced`,
    'automatic signing: on',
    'treasury breaker: armed',
    'last backup 2026-01-02',
    'weir 0.1.0',
  ]);
  expect(text).toMatch(new RegExp(`│ ben +│ ${head.seq} +│ same`));
  expect(text).not.toMatch(/FROZEN|ALARMS|NOT WORKING|TWO LOGS/);
});

const other: Acknowledgement['body']['hash'] = 'ab'.repeat(32);
test.each<[title: string, change: () => Partial<StatusQuestion>, shown: RegExp]>([
  ['no node', () => ({ node: 'none' }), /^no node of its own: it never signs by itself$/m],
  ['a silent node', () => ({ node: 'silent' }), /OWN NODE DOES NOT ANSWER/],
  ['no backup', () => ({ backedUp: null }), /NEVER BACKED UP/],
  ['a pause', () => ({ automation: 'paused' }), /PAUSED after too many refusals/],
  [
    'a trip and why',
    () => {
      const nonce = null;
      const event: OwnEvent = {
        kind: 'automation',
        state: 'tripped',
        why: 'by hand',
        height: 1,
        nonce,
      };
      return { automation: 'tripped', state: stateOf(event) };
    },
    /TRIPPED: by hand/,
  ],
  ['a lock', () => ({ automation: 'locked' }), /LOCKED: .*every peer proved/],
  [
    'a frozen coin',
    () => ({ state: stateOf({ kind: 'frozen', outpoint: `${other}:1`, change: 'freeze' }) }),
    new RegExp(`FROZEN COINS\n${other}:1`),
  ],
  [
    'an alarm, made plain',
    () => ({
      state: stateOf({ kind: 'alarm', code: 'W-BRK-UNKNOWN-SPEND', detail: 'a\u001b[2Jb' }),
    }),
    /ALARMS\nW-BRK-UNKNOWN-SPEND a \[2Jb/,
  ],
  [
    'two logs',
    () => {
      const ours = { hash: other, signature: 'cd'.repeat(64) };
      return { state: stateOf({ kind: 'fork-proof', seq: 3, ours, theirs: ours, from: 'ben' }) };
    },
    /TWO LOGS: the coordinator signed two heads at entry 3/,
  ],
  [
    'a peer with another log',
    () => ({ acknowledgements: [s.acknowledgement('ben', { hash: other })] }),
    /│ ben +│ [0-9]+ +│ ANOTHER LOG/,
  ],
  ['a peer that was never heard', () => ({ acknowledgements: [] }), /│ cleo +│ never seen +│ -/],
  [
    'what does not work',
    () => ({ troubles: new Map([['coordinator', 'nobody answered']]) }),
    /NOT WORKING\ncoordinator: nobody answered/,
  ],
  ['no seat yet', () => ({ state: EMPTY_STATE }), /^no seat yet: join with an invite$/m],
])('status shows %s', (_, change, shown) => {
  expect(status(change()).text).toMatch(shown);
});

test('the ceremony: every seat’s key, the address alone, six words, and what to do with them', () => {
  const recordHash = walletRecordHash(s.t.wallet);
  const { text, json, state } = ceremonyView({
    treasury: s.t.treasury,
    seatId: 'ana',
    problems: [],
    pinnedHash: null,
  });
  const words = wordsOf(recordHash, 6);
  const address = s.deriver.address(0, 0);
  expect(state).toBe('to-confirm');
  expect(words.split(' ')).toHaveLength(6);
  const groups = address.match(/.{1,4}/g) ?? [];
  expect(text).toContain(
    `FIRST ADDRESS\n\n    ${groups.slice(0, 8).join(' ')}\n    ${groups.slice(8).join(' ')}\n\n    ${address}\n`,
  );
  expect(text).toContain(`SIX WORDS\n\n    ${words}\n`);
  expect(text).toContain('Compare this address and these words with the other guardians by voice.');
  for (const { body } of s.t.wallet.keyRecords) {
    expect(text).toContain(body.fingerprint);
    expect(text).toContain(body.path);
  }
  expect(text.replaceAll('\n', '')).toContain(s.t.wallet.descriptor);
  expect(json).toMatchObject({ firstAddress: address, recordHash, words, threshold: 2 });
  expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
});

test('the ceremony: confirmed here, complete, wrong, and not there yet', () => {
  const { treasury, wallet } = s.t;
  const pinnedHash = walletRecordHash(wallet);
  const view = (change: Partial<Parameters<typeof ceremonyView>[0]>) =>
    ceremonyView({ treasury, seatId: 'ana', problems: [], pinnedHash, ...change });
  expect(view({}).state).toBe('complete');
  const [seatId = '', seat] = [...treasury.seats][1] ?? [];
  if (seat === undefined) throw new Error('three seats');
  const seats = new Map(treasury.seats).set(seatId, { ...seat, confirmation: null });
  const open = view({ treasury: { ...treasury, seats } });
  expect(open.state).toBe('confirmed');
  expect(open.text).toContain('2 of 3 guardians did');
  const wrong = view({ pinnedHash: null, problems: [reason('W-DESC-OWN-KEY', 'not there')] });
  expect(wrong.state).toBe('waiting');
  expect(wrong.text).toContain('W-DESC-OWN-KEY');
  expect(wrong.text).not.toContain('Compare this address');
  const early = view({ treasury: { ...EMPTY_TREASURY, seats }, pinnedHash: null });
  expect([early.state, early.recordHash]).toEqual(['waiting', null]);
  expect(early.json).toMatchObject({ firstAddress: null });
});
