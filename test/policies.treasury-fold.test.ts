/** The treasury's log: what an entry may say, who may say it, and what follows from it. */
import { expect, test } from 'vitest';
import { taggedHashHex } from '../policies/canonical-json.ts';
import {
  chargesOf,
  deadByRefusal,
  families,
  reservedCoins,
  spendsByOutpoint,
  takenOrders,
} from '../policies/commitments.ts';
import type { LpOrder, SpendIntent } from '../policies/intent.ts';
import type { LogEvent } from '../policies/log-entry.ts';
import { type Proposal, proposalId, proposalTxid } from '../policies/proposal.ts';
import { ceremonyDone, policyAt, registrationAt } from '../policies/treasury.ts';
import { type FeeRate, sat } from '../policies/units.ts';
import {
  keyOf,
  keyRecordOf,
  policyText,
  registrationOf,
  secretOf,
  sit,
  type TreasuryScenario,
  testLog,
  treasuryScenario,
} from './treasury-scenario.ts';

const ANCHOR = `${'11'.repeat(32)}:0`;
const OTHER = `${'22'.repeat(32)}:1`;
const PAYEE = `0014${'33'.repeat(20)}`;

function plan(coins: readonly string[], fee: bigint): SpendIntent['plan'] {
  return {
    coins: coins.map((outpoint) => ({
      outpoint,
      amountSat: sat(1_000_000n),
      branch: 0,
      index: 0,
    })),
    feerateSatPerKvb: fee as FeeRate,
    lockTime: 100,
    change: { index: 0 },
    orderSeed: 'cd'.repeat(32),
    anchor: ANCHOR,
  };
}

function proposal(
  t: TreasuryScenario,
  intent: SpendIntent,
  options: { tx: string; feeSat: bigint },
): Proposal {
  return {
    schema: 'weir.proposal/v1',
    treasuryId: t.id,
    network: 'regtest',
    seq: t.treasury.seq + 1,
    epoch: 1,
    policyHash: t.params.policyHash,
    expiryHeight: 200,
    initiator: 'queue',
    descriptorHash: taggedHashHex('test', 'descriptor'),
    intent,
    unsignedTx: options.tx,
    prevouts: intent.plan.coins.map(({ outpoint, amountSat }) => ({
      outpoint,
      amountSat,
      script: `0020${'44'.repeat(32)}`,
    })),
    feeSat: sat(options.feeSat),
  };
}

function propose(t: TreasuryScenario, value: Proposal): string {
  t.append({ kind: 'proposed', proposal: value });
  return proposalId(value);
}

function batch(t: TreasuryScenario, orders: LpOrder[], tx = '01', feeSat = 500n): Proposal {
  const intent = { kind: 'withdrawal_batch', orders, plan: plan([ANCHOR, OTHER], 1_000n) } as const;
  return proposal(t, intent, { tx, feeSat });
}

test('a ceremony ends when every guardian confirmed the same wallet, and not before', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  expect(ceremonyDone(t.treasury)).toBe(true);
  const unfinished = testLog(t.params);
  for (const { body } of t.entries.slice(0, -1)) unfinished.append(body);
  expect(ceremonyDone(unfinished.treasury)).toBe(false);
});

test('a seat that redoes its part takes back every confirmation', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  const log = testLog(t.params);
  for (const { body } of t.entries.slice(0, -1)) log.append(body);
  const redone = keyRecordOf(t.params, 'ben', { approvalKey: keyOf('ben second approval') });
  log.append({ kind: 'seat-joined', record: redone });
  expect(log.treasury.wallet).toBeNull();
  expect([...log.treasury.seats.values()].map((seat) => seat.confirmation)).toEqual([
    null,
    null,
    null,
  ]);
});

const early = (t: TreasuryScenario, upTo: LogEvent['kind']) => {
  const log = testLog(t.params);
  for (const { body } of t.entries) {
    if (body.kind === upTo) break;
    log.append(body);
  }
  return log;
};

test.each<[string, (t: TreasuryScenario) => unknown, string]>([
  [
    'an entry out of place',
    (t) =>
      early(t, 'seat-claimed').append({
        kind: 'seat-joined',
        record: keyRecordOf(t.params, 'ana'),
      }),
    'INPUT_INVALID',
  ],
  [
    'a second opening of the ceremony',
    (t) => t.append(t.entries[0]?.body as LogEvent),
    'INPUT_INVALID',
  ],
  [
    'a policy that is not the one of the parameters',
    (t) =>
      testLog(t.params).append({
        kind: 'ceremony-opened',
        params: t.params,
        policyText: policyText(t.seats).replace('per_tx: 50_000_000', 'per_tx: 50_000_001'),
      }),
    'INPUT_INVALID',
  ],
  [
    'a seat taken by a second identity',
    (t) => {
      const log = early(t, 'wallet-recorded');
      const stolen = t.entries.find(({ body }) => body.kind === 'seat-claimed')?.body;
      if (stolen?.kind !== 'seat-claimed') throw new Error('no claim');
      const body = { ...stolen.claim.body, identityKey: keyOf('mallory') };
      return log.append({ kind: 'seat-claimed', claim: { ...stolen.claim, body } });
    },
    'SIGNATURE_INVALID',
  ],
  [
    'two seats that share a key',
    (t) => {
      const log = early(t, 'seat-joined');
      log.append({ kind: 'seat-joined', record: keyRecordOf(t.params, 'ana') });
      const claim = t.entries.find(
        ({ body }) => body.kind === 'seat-claimed' && body.claim.body.seatId === 'ben',
      )?.body as LogEvent;
      log.append(claim);
      const approvalKey = keyOf('ana approval');
      return log.append({
        kind: 'seat-joined',
        record: keyRecordOf(t.params, 'ben', { approvalKey }),
      });
    },
    'INPUT_INVALID',
  ],
  [
    'a key record of another treasury',
    (t) => {
      const log = early(t, 'seat-joined');
      const record = keyRecordOf(t.params, 'ana', { treasuryId: 'ff'.repeat(32) });
      return log.append({ kind: 'seat-joined', record });
    },
    'INPUT_INVALID',
  ],
  [
    'a proposal at another place than it was made for',
    (t) => t.append({ kind: 'proposed', proposal: { ...batch(t, []), seq: 3 } }),
    'INPUT_INVALID',
  ],
  [
    'a bump of a proposal that does not exist',
    (t) => {
      const intent = {
        kind: 'fee_bump',
        of: 'ee'.repeat(32),
        plan: plan([ANCHOR], 2_000n),
      } as const;
      return propose(t, proposal(t, intent, { tx: '02', feeSat: 900n }));
    },
    'INPUT_INVALID',
  ],
  [
    'an approval by a key that is nobody’s',
    (t) => {
      const id = propose(t, batch(t, [t.order('lp-one', { script: PAYEE })]));
      const yes = t.approval('ana', 'guardian', { id, txid: null });
      return t.append({ kind: 'approval', approval: { ...yes, key: keyOf('mallory') } });
    },
    'SIGNATURE_INVALID',
  ],
  [
    'an operator who poses as a guardian',
    (t) => {
      const id = propose(t, batch(t, [t.order('lp-one', { script: PAYEE })]));
      const yes = t.approval('olga', 'operator', { id, txid: null });
      return t.append({
        kind: 'approval',
        approval: { ...yes, body: { ...yes.body, role: 'guardian' } },
      });
    },
    'SIGNATURE_INVALID',
  ],
  [
    'a second word of the same person',
    (t) => {
      const id = propose(t, batch(t, [t.order('lp-one', { script: PAYEE })]));
      t.append({
        kind: 'approval',
        approval: t.approval('ana', 'guardian', { id, txid: null }, 'reject'),
      });
      return t.append({
        kind: 'approval',
        approval: t.approval('ana', 'guardian', { id, txid: null }),
      });
    },
    'INPUT_INVALID',
  ],
  [
    'a signature after a refusal',
    (t) => {
      const id = propose(t, batch(t, [t.order('lp-one', { script: PAYEE })]));
      t.append(t.verdict('ana', id, 'refused'));
      return t.append(t.verdict('ana', id, 'signed'));
    },
    'INPUT_INVALID',
  ],
])('the log refuses %s', (_what, attempt, code) => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  expect(() => attempt(t)).toThrow(expect.objectContaining({ code }));
});

test('an LP is registered by k guardians, from its activation height on', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  t.authorize({
    kind: 'registry_change',
    entries: [registrationOf(t.params, 'lp-one', { activeFromHeight: 50 })],
  });
  expect(registrationAt(t.treasury, 'lp-one', 49)).toBeNull();
  expect(registrationAt(t.treasury, 'lp-one', 50)?.key).toBe(keyOf('lp-one lp'));
});

test('one guardian trips the breaker, and only k reset it', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  t.authorize({ kind: 'breaker', action: 'trip' });
  expect(t.treasury.breaker).toBe('tripped');
  t.authorize({ kind: 'breaker', action: 'reset' });
  expect(t.treasury.breaker).toBe('armed');
});

test('a policy that k guardians approved rules from its height on', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  const next = policyText(t.seats)
    .replace('version: 1', 'version: 2')
    .replace('previous: null', `previous: sha256:${t.params.policyHash}`)
    .replace('activates_at_height: 0', 'activates_at_height: 500')
    .replace('per_tx: 50_000_000', 'per_tx: 40_000_000');
  t.authorize({ kind: 'policy_change', policyText: next, activatesAtHeight: 500 });
  expect(policyAt(t.treasury, 499).hash).toBe(t.params.policyHash);
  expect(policyAt(t.treasury, 500).policy.limits.per_tx).toBe(40_000_000n);
});

const at = (
  t: TreasuryScenario,
  spend: { txid: string; height: number | null } | null,
  tip: number,
) => {
  const spends = spendsByOutpoint(spend === null ? [] : [{ ...spend, outpoints: [ANCHOR, OTHER] }]);
  const all = families(t.treasury, spends, tip);
  return {
    fate: all[0]?.fate.is,
    charges: chargesOf(all, t.treasury),
    coins: [...reservedCoins(all, t.treasury).keys()],
    orders: takenOrders(all).size,
  };
};

test('a proposal holds its coins, its order and its charge from the moment it is in the log', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  propose(t, batch(t, [t.order('lp-one', { script: PAYEE })]));
  const now = at(t, null, 100);
  expect(now).toMatchObject({ fate: 'live', coins: [ANCHOR, OTHER], orders: 1 });
  expect(now.charges).toMatchObject([{ at: 'live', outflowSat: 100_000n, feeSat: 500n }]);
});

test('n-k+1 refusals free everything; one fewer frees nothing', () => {
  const t = treasuryScenario({ threshold: 3, of: 5 });
  const id = propose(t, batch(t, [t.order('lp-one', { script: PAYEE })]));
  t.append(t.verdict('ana', id, 'refused'));
  t.append(t.verdict('ben', id, 'never'));
  expect(at(t, null, 100)).toMatchObject({ fate: 'live', orders: 1 });
  t.append(t.verdict('cleo', id, 'refused'));
  const state = t.treasury.proposals.get(id);
  expect(state !== undefined && deadByRefusal(t.treasury, state)).toBe(true);
  expect(at(t, null, 100)).toMatchObject({ fate: 'dead', orders: 0, coins: [], charges: [] });
});

test('all variants count together with the highest fee, until one is buried', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  const first = batch(t, [t.order('lp-one', { script: PAYEE })], '01', 500n);
  const of = propose(t, first);
  const bump = proposal(
    t,
    { kind: 'fee_bump', of, plan: plan([ANCHOR], 3_000n) },
    { tx: '02', feeSat: 900n },
  );
  propose(t, bump);
  const fees = (tip: number, txid: string) =>
    at(t, { txid, height: 100 }, tip).charges.map((each) => [each.at, each.feeSat]);
  expect(fees(104, proposalTxid(first))).toEqual([['live', 900n]]);
  expect(fees(105, proposalTxid(first))).toEqual([[100, 500n]]);
  expect(fees(105, proposalTxid(bump))).toEqual([[100, 900n]]);
});

test('a buried cancel frees the order and costs only its fee', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  const of = propose(t, batch(t, [t.order('lp-one', { script: PAYEE })]));
  const cancel = proposal(
    t,
    { kind: 'cancel', of, plan: plan([ANCHOR], 5_000n) },
    { tx: '03', feeSat: 700n },
  );
  propose(t, cancel);
  expect(at(t, { txid: proposalTxid(cancel), height: 100 }, 102).orders).toBe(1);
  const buried = at(t, { txid: proposalTxid(cancel), height: 100 }, 105);
  expect(buried).toMatchObject({ fate: 'buried', orders: 0, coins: [] });
  expect(buried.charges).toMatchObject([{ at: 100, outflowSat: 0n, feeSat: 700n }]);
});

test('a foreign spend of the anchor kills a proposal only once it is six deep', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  propose(t, batch(t, [t.order('lp-one', { script: PAYEE })]));
  const foreign = { txid: '99'.repeat(32), height: 100 };
  expect(at(t, foreign, 104).fate).toBe('live');
  expect(at(t, foreign, 105).fate).toBe('dead');
  expect(at(t, { ...foreign, height: null }, 500).fate).toBe('live');
});

test('the same log folds to the same treasury, whoever folds it', () => {
  const t = treasuryScenario({ threshold: 3, of: 5 });
  propose(t, batch(t, [t.order('lp-one', { script: PAYEE })]));
  const replica = testLog(t.params);
  for (const { body } of t.entries) replica.append(body);
  expect(replica.treasury).toEqual(t.treasury);
  expect(replica.entries.map(({ signature }) => signature)).toEqual(
    t.entries.map(({ signature }) => signature),
  );
});

test('a claim is needed before a key record', () => {
  const t = treasuryScenario({ threshold: 2, of: 3 });
  const log = early(t, 'seat-claimed');
  expect(sit(log, t.params, 'ana').body.seatId).toBe('ana');
  expect(() => log.append({ kind: 'seat-joined', record: keyRecordOf(t.params, 'ben') })).toThrow(
    'not claimed',
  );
  expect(secretOf('ana')).toHaveLength(32);
});
