/** What the coordinator answers to a command in each state: events, nothing for what is known, or a failure. */
import { describe, expect, test } from 'vitest';
import { type Command, decide } from '../coordinator/machine.ts';
import { assembleWallet } from '../coordinator/vault.ts';
import { Failure } from '../policies/failure.ts';
import { type Proposal, proposalTxid } from '../policies/proposal.ts';
import { reason } from '../policies/reason.ts';
import { signStatement } from '../policies/statement.ts';
import { EMPTY_TREASURY, type ProposalState, type Treasury } from '../policies/treasury.ts';
import { applyEvent } from '../policies/treasury-fold.ts';
import { sat } from '../policies/units.ts';
import type { SeatClaim } from '../policies/wallet-record.ts';
import { spendScenario, strangerScript, TIP } from './spend-scenario.ts';
import { keyOf, keyRecordOf, policyText, secretOf, sit, testLog } from './treasury-scenario.ts';

const s = spendScenario({ threshold: 2, of: 3 });
const { t } = s;
const order = t.order('lp-one', { script: strangerScript(1) });
const batch = s.batch([order]);
const TREASURY = t.treasury;

/** What came of it: kinds of events, or the code of the failure. */
function answer(treasury: Treasury, command: Command): string {
  try {
    return decide(treasury, command)
      .map(({ kind }) => kind)
      .join();
  } catch (cause) {
    if (cause instanceof Failure) return cause.code;
    throw cause;
  }
}

function withState(change: Partial<ProposalState>): Treasury {
  const state = TREASURY.proposals.get(batch.id);
  if (state === undefined) throw new Error('lost');
  return {
    ...TREASURY,
    proposals: new Map(TREASURY.proposals).set(batch.id, { ...state, ...change }),
  };
}

function verdictOf(word: 'asks' | 'refused') {
  const event = t.verdict('ana', batch.id, word);
  if (event.kind !== 'verdict') throw new Error('no verdict');
  return event;
}

const ceremony = testLog(t.params);
ceremony.append({
  kind: 'ceremony-opened',
  params: t.params,
  policyText: policyText(t.seats),
});
const OPEN = ceremony.treasury;
for (const seatId of t.seats) sit(ceremony, t.params, seatId);
const JOINED = ceremony.treasury;

function claimOf(change: Partial<SeatClaim['body']> = {}): SeatClaim {
  const body = {
    treasuryId: t.id,
    network: 'regtest' as const,
    seatId: 'ana',
    identityKey: keyOf('ana identity'),
    protocol: { min: 1, max: 1 },
    version: '0.1.0',
    genesisHash: t.params.genesisHash,
    tipHeight: 0,
    unixTime: 1_000,
    ...change,
  };
  return signStatement('seat-claim', body, secretOf('ana identity'), new Uint8Array(32));
}

describe('claiming a seat', () => {
  test.each<[string, Treasury, Partial<SeatClaim['body']>, string]>([
    ['before the ceremony', EMPTY_TREASURY, {}, 'NOT_READY'],
    ['of an open ceremony', OPEN, {}, 'seat-claimed'],
    ['without a node', OPEN, { genesisHash: null }, 'seat-claimed'],
    ['on a clock within the bound', OPEN, { unixTime: 1_600 }, 'seat-claimed'],
    ['on a clock too far off', OPEN, { unixTime: 1_601 }, 'REQUEST_REFUSED'],
    ['of another network', OPEN, { genesisHash: '00'.repeat(32) }, 'REQUEST_REFUSED'],
    ['with a later protocol only', OPEN, { protocol: { min: 2, max: 3 } }, 'REQUEST_REFUSED'],
    ['with an earlier protocol only', OPEN, { protocol: { min: 0, max: 0 } }, 'REQUEST_REFUSED'],
    ['again by the same identity', JOINED, {}, ''],
    ['that is taken', JOINED, { identityKey: keyOf('thief') }, 'REQUEST_REFUSED'],
    ['by who has a seat', JOINED, { seatId: 'ben' }, 'REQUEST_REFUSED'],
  ])('%s', (_, treasury, change, verdict) => {
    const claim = claimOf(change);
    expect(answer(treasury, { kind: 'claim-seat', claim, unixTime: 1_000 })).toBe(verdict);
  });

  test('a second seat of one identity is refused though the seat is free', () => {
    const one = applyEvent(OPEN, { kind: 'seat-claimed', claim: claimOf() }, 2);
    const claim = claimOf({ seatId: 'ben' });
    expect(answer(one, { kind: 'claim-seat', claim, unixTime: 1_000 })).toBe('REQUEST_REFUSED');
  });
});

describe('joining, recording and confirming', () => {
  const record = keyRecordOf(t.params, 'ana');
  test.each<[string, Treasury, Command, string]>([
    ['a key record', OPEN, { kind: 'join-seat', record }, 'seat-joined'],
    ['the same record again', JOINED, { kind: 'join-seat', record }, ''],
    [
      'another record of the seat',
      JOINED,
      { kind: 'join-seat', record: keyRecordOf(t.params, 'ana', { fingerprint: '00000001' }) },
      'seat-joined',
    ],
    [
      'a path of mainnet',
      OPEN,
      { kind: 'join-seat', record: keyRecordOf(t.params, 'ana', { path: '48h/0h/0h/2h' }) },
      'DESCRIPTOR_INVALID',
    ],
    [
      'a key that is no account',
      OPEN,
      {
        kind: 'join-seat',
        record: keyRecordOf(t.params, 'ana', { xpub: `tpub${'1'.repeat(107)}` }),
      },
      'DESCRIPTOR_INVALID',
    ],
    [
      'the wallet of all seats',
      JOINED,
      { kind: 'record-wallet', record: assembleWallet(JOINED) },
      'wallet-recorded',
    ],
    ['a wallet that stands', TREASURY, { kind: 'record-wallet', record: t.wallet }, ''],
  ])('%s', (_, treasury, command, verdict) => {
    expect(answer(treasury, command)).toBe(verdict);
  });

  test('a wallet is assembled of all seats, the same each time, and the fold takes it', () => {
    expect(assembleWallet(JOINED)).toEqual(assembleWallet(JOINED));
    const recorded = { kind: 'wallet-recorded' as const, record: assembleWallet(JOINED) };
    expect(() => applyEvent(JOINED, recorded, 9)).not.toThrow();
    expect(() => assembleWallet(OPEN)).toThrow(/not every seat/);
  });

  test('a confirmation is logged once', () => {
    const confirmation = TREASURY.seats.get('ana')?.confirmation;
    if (confirmation === null || confirmation === undefined) throw new Error('unconfirmed');
    expect(answer(TREASURY, { kind: 'confirm-seat', confirmation })).toBe('');
    const before = new Map(TREASURY.seats);
    const ana = before.get('ana');
    if (ana === undefined) throw new Error('no ana');
    const seats = before.set('ana', { ...ana, confirmation: null });
    expect(answer({ ...TREASURY, seats }, { kind: 'confirm-seat', confirmation })).toBe(
      'seat-confirmed',
    );
  });
});

describe('queueing an order', () => {
  const QUEUED = applyEvent(TREASURY, { kind: 'order-queued', order }, TREASURY.seq + 1);
  const other = t.order('lp-one', { script: strangerScript(2), orderId: order.body.orderId });
  const forged = { ...order, signature: '00'.repeat(64) };
  const byAnother = signStatement(
    'lp-order',
    order.body,
    secretOf('lp-two lp'),
    new Uint8Array(32),
  );
  test.each<[string, Treasury, typeof order, string]>([
    ['of a registered LP', TREASURY, order, 'order-queued'],
    ['twice', QUEUED, order, ''],
    ['under an id that is another order', QUEUED, other, 'REQUEST_REFUSED'],
    ['with a forged signature', TREASURY, forged, 'SIGNATURE_INVALID'],
    ['signed by another LP', TREASURY, byAnother, 'SIGNATURE_INVALID'],
    [
      'of an LP nobody registered',
      TREASURY,
      t.order('lp-nine', { script: strangerScript(1) }),
      'REQUEST_REFUSED',
    ],
    [
      'for another treasury',
      TREASURY,
      t.order('lp-one', { script: strangerScript(1), treasuryId: '00'.repeat(32) }),
      'REQUEST_REFUSED',
    ],
    [
      'for another network',
      TREASURY,
      t.order('lp-one', { script: strangerScript(1), network: 'signet' }),
      'REQUEST_REFUSED',
    ],
    [
      'that expired',
      TREASURY,
      t.order('lp-one', { script: strangerScript(1), expiryHeight: TIP }),
      'REQUEST_REFUSED',
    ],
    ['to an OP_RETURN', TREASURY, t.order('lp-one', { script: '6a0100' }), 'REQUEST_REFUSED'],
    [
      'of dust',
      TREASURY,
      t.order('lp-one', { script: strangerScript(1), amountSat: sat(293n) }),
      'REQUEST_REFUSED',
    ],
    [
      'just above dust',
      TREASURY,
      t.order('lp-one', { script: strangerScript(1), amountSat: sat(294n) }),
      'order-queued',
    ],
  ])('%s', (_, treasury, value, verdict) => {
    expect(answer(treasury, { kind: 'queue-order', order: value, tipHeight: TIP })).toBe(verdict);
  });
});

describe('an approval', () => {
  const yes = t.approval('olga', 'operator', {
    id: batch.id,
    proposal: batch.proposal,
    txid: proposalTxid(batch.proposal),
  });
  const no = { ...yes, body: { ...yes.body, decision: 'reject' as const } };
  const SAID = withState({ approvals: [yes] });
  const SENT = withState({ broadcast: { txid: '', rawTx: '', answer: null } });
  const of = (change: Partial<typeof yes.body>) => ({ ...yes, body: { ...yes.body, ...change } });
  test.each<[string, Treasury, [typeof yes, number], string]>([
    ['of a proposal', TREASURY, [yes, TIP], 'approval'],
    ['said again', SAID, [yes, TIP], ''],
    ['of nothing', TREASURY, [of({ subject: '00'.repeat(32) }), TIP], 'NOT_FOUND'],
    ['of another transaction', TREASURY, [of({ txid: '00'.repeat(32) }), TIP], 'REQUEST_REFUSED'],
    [
      'under another policy',
      TREASURY,
      [of({ policyHash: '00'.repeat(32) }), TIP],
      'REQUEST_REFUSED',
    ],
    ['that ended', TREASURY, [of({ expiresHeight: TIP - 1 }), TIP], 'REQUEST_REFUSED'],
    ['of what expired', TREASURY, [yes, batch.proposal.expiryHeight + 1], 'WRONG_STATE'],
    ['withheld', TREASURY, [no, TIP], 'approval'],
    ['withheld from what is on its way', SENT, [no, TIP], 'WRONG_STATE'],
  ])('%s', (_, treasury, [approval, tipHeight], verdict) => {
    expect(answer(treasury, { kind: 'approve', approval, tipHeight })).toBe(verdict);
  });
});

describe('a contribution', () => {
  const contribution = {
    proposalId: batch.id,
    seatId: 'ana',
    round: 1,
    scheme: 'wsh-ecdsa' as const,
    signatures: ['00'.repeat(70)],
  };
  const rejected = t.approval(
    'olga',
    'operator',
    { id: batch.id, proposal: batch.proposal, txid: null },
    'reject',
  );
  const missing = [reason('W-APP-OPERATOR', '0 of 1 operators')];
  const KNOWN = withState({ contributions: new Map([['ana', contribution]]) });
  const SENT = withState({ broadcast: { txid: '', rawTx: '', answer: null } });
  const BLAMED = withState({ faults: new Map([['ana', 0]]) });
  const late = batch.proposal.expiryHeight + 1;
  type Change = Partial<Extract<Command, { kind: 'contribute' }>>;
  test.each<[string, Treasury, Change, string]>([
    ['that verifies', TREASURY, {}, 'contributed'],
    ['that does not', TREASURY, { fault: 0 }, 'contribution-faulty'],
    ['that does not, again', BLAMED, { fault: 0 }, ''],
    ['that verifies after one that did not', BLAMED, {}, 'contributed'],
    ['known already', KNOWN, {}, ''],
    ['after the broadcast', SENT, {}, ''],
    ['before people agreed', TREASURY, { missing }, 'NOT_READY'],
    ['too late', TREASURY, { tipHeight: late }, 'WRONG_STATE'],
    ['to what the operator rejected', withState({ approvals: [rejected] }), {}, 'WRONG_STATE'],
    [
      'of a second round',
      TREASURY,
      { contribution: { ...contribution, round: 2 } },
      'REQUEST_REFUSED',
    ],
    [
      'of no seat',
      TREASURY,
      { contribution: { ...contribution, seatId: 'zoe' } },
      'REQUEST_REFUSED',
    ],
    [
      'to nothing',
      TREASURY,
      { contribution: { ...contribution, proposalId: '00'.repeat(32) } },
      'NOT_FOUND',
    ],
  ])('%s', (_, treasury, change, verdict) => {
    const command = { kind: 'contribute', contribution, fault: null, missing: [], tipHeight: TIP };
    expect(answer(treasury, { ...command, ...change } as Command)).toBe(verdict);
  });
});

describe('a verdict', () => {
  const asked = applyEvent(TREASURY, verdictOf('asks'), 99);
  test.each<[string, Treasury, ['asks' | 'refused', number], string]>([
    ['is logged', TREASURY, ['asks', 0], 'verdict'],
    ['is not logged twice', asked, ['asks', 0], ''],
    ['may follow a question', asked, ['refused', 0], 'verdict'],
    ['names a head that there is', TREASURY, ['asks', 1], 'REQUEST_REFUSED'],
  ])('%s', (_, treasury, [word, ahead], verdict) => {
    const said = verdictOf(word).verdict;
    const body = { ...said.body, headSeq: TREASURY.seq + ahead };
    expect(answer(treasury, { kind: 'hear-verdict', verdict: { ...said, body } })).toBe(verdict);
  });

  test('on nothing is not found', () => {
    const said = verdictOf('asks').verdict;
    const verdict = { ...said, body: { ...said.body, subject: '00'.repeat(32) } };
    expect(answer(TREASURY, { kind: 'hear-verdict', verdict })).toBe('NOT_FOUND');
  });
});

describe('progress', () => {
  const txid = proposalTxid(batch.proposal);
  const proposalId = batch.id;
  const sent = { txid, rawTx: '00', answer: null };
  const noted = {
    kind: 'broadcast-answered' as const,
    proposalId,
    outcome: 'accepted' as const,
    reason: '',
  };
  const SENT = withState({ broadcast: sent });
  const NOTED = withState({ broadcast: { ...sent, answer: noted }, place: { in: 'mempool' } });
  const intend: Command = { kind: 'intend-broadcast', proposalId, txid, rawTx: '00' };
  const note: Extract<Command, { kind: 'note-answer' }> = {
    kind: 'note-answer',
    proposalId,
    outcome: 'accepted',
    reason: '',
  };
  const place: Command = { kind: 'note-place', proposalId, place: { in: 'mempool' } };
  test.each<[string, Treasury, Command, string]>([
    ['intends a broadcast', TREASURY, intend, 'broadcast-intended'],
    ['intends it once', SENT, intend, ''],
    [
      'never of another transaction',
      TREASURY,
      { ...intend, txid: '00'.repeat(32) },
      'REQUEST_REFUSED',
    ],
    ['notes an answer', SENT, note, 'broadcast-answered'],
    ['notes it once', NOTED, note, ''],
    ['notes another one', NOTED, { ...note, outcome: 'refused' }, 'broadcast-answered'],
    ['notes a place', TREASURY, place, 'tx-seen'],
    ['notes it once, too', NOTED, place, ''],
    ['of nothing', TREASURY, { ...place, proposalId: '00'.repeat(32) }, 'NOT_FOUND'],
  ])('%s', (_, treasury, command, verdict) => {
    expect(answer(treasury, command)).toBe(verdict);
  });

  test('a reason of the node is cut to what the log holds', () => {
    const [event] = decide(SENT, { ...note, reason: 'x'.repeat(500) });
    expect(event).toMatchObject({ reason: 'x'.repeat(200) });
  });
});

test('a proposal is logged as it is', () => {
  const proposal: Proposal = batch.proposal;
  expect(decide(TREASURY, { kind: 'propose', proposal })).toEqual([{ kind: 'proposed', proposal }]);
});
