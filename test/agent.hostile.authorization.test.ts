/** Decisions without a transaction: what an agent lets its guardian approve, and what it refuses. */
import { beforeEach, expect, test } from 'vitest';
import type { AuthorizationIntent, LpRegistration } from '../policies/intent.ts';
import { parseOverlay } from '../policies/overlay.ts';
import { type Authorization, authorizationId } from '../policies/proposal.ts';
import { REASONS, type ReasonCode } from '../policies/reason.ts';
import type { Signed } from '../policies/statement.ts';
import {
  type AuthorizationInput,
  type AuthorizationJudgement,
  judgeAuthorization,
} from '../signer-agent/authorization-judge.ts';
import { validBatch } from './hostile-spend.ts';
import {
  chainView,
  hashOf,
  type JudgeScenario,
  judgeScenario,
  rewinder,
} from './judge-scenario.ts';
import { TIP } from './spend-scenario.ts';
import { policyText, registrationOf, SEATS_OF_THREE } from './treasury-scenario.ts';

const s = judgeScenario();
const rewind = rewinder(s);
beforeEach(rewind);

/** Logs an authorization and gives what ana's agent is told of it. */
function input(
  of: JudgeScenario,
  intent: AuthorizationIntent,
  edit: Partial<Authorization> = {},
): AuthorizationInput {
  const authorization: Authorization = {
    schema: 'weir.authorization/v1',
    treasuryId: of.t.id,
    network: 'regtest',
    seq: of.t.treasury.seq + 1,
    epoch: 1,
    policyHash: of.t.params.policyHash,
    expiryHeight: TIP + 100,
    initiator: 'olga',
    intent,
    ...edit,
  };
  of.t.append({ kind: 'authorization-proposed', authorization });
  return view(of, authorizationId(authorization));
}

/** The same after more was said. */
function view(of: JudgeScenario, id: string): AuthorizationInput {
  const state = of.t.treasury.authorizations.get(id);
  if (state === undefined) throw new Error('the fold lost an authorization');
  // Pins, peers and clock are as for a spend; the batch itself is taken back.
  const mark = rewinder(of);
  const { pinned } = of.input(validBatch(of));
  mark();
  return {
    pinned,
    treasury: of.t.treasury,
    heads: of.t.entries.map(({ hash }) => ({ hash })),
    state,
    chain: chainView(of),
    memory: { approvedHere: new Set(), refused: new Set(), fork: null },
    overlay: null,
    acknowledgements: ['ben', 'cleo'].map((seatId) => of.acknowledgement(seatId)),
    firstSeenHeight: null,
    now: chainView(of).medianTime,
  };
}

/** Version 2, with edits of its text, from a height on. */
function successor(activates: number, ...edits: readonly (readonly [string, string])[]): string {
  const previous = `previous: sha256:${s.t.params.policyHash}`;
  const all = [
    ['version: 1', 'version: 2'],
    ['previous: null', previous],
    ['activates_at_height: 0', `activates_at_height: ${activates}`],
    ...edits,
  ] as const;
  return all.reduce((text, [from, to]) => {
    expect(text).toContain(from);
    return text.replace(from, to);
  }, policyText(SEATS_OF_THREE));
}

const LOOSER = ['per_tx: 50_000_000', 'per_tx: 60_000_000'] as const;
const TIGHTER = ['per_tx: 50_000_000', 'per_tx: 40_000_000'] as const;

const change = (policy: string, activatesAtHeight: number): AuthorizationIntent => ({
  kind: 'policy_change',
  policyText: policy,
  activatesAtHeight,
});
const registry = (...entries: Signed<LpRegistration>[]): AuthorizationIntent => ({
  kind: 'registry_change',
  entries,
});
const trip: AuthorizationIntent = { kind: 'breaker', action: 'trip' };
const registration = (edit: Partial<LpRegistration>, name?: string) =>
  registrationOf(s.t.params, 'lp-one', edit, name);

type Row = [title: string, codes: string, make: () => AuthorizationInput];

const refused: Row[] = [
  [
    'A1 refuses an authorization that another treasury pinned',
    'W-ENV-NETWORK W-DESC-PIN',
    () => {
      const asked = input(s, trip);
      const record = { ...asked.pinned.record, treasuryId: hashOf('another') };
      return { ...asked, pinned: { ...asked.pinned, record, recordHash: hashOf('another') } };
    },
  ],
  [
    'A2 refuses content under another id',
    'W-ENV-PROPOSAL-ID',
    () => {
      const asked = input(s, trip);
      const authorization = { ...asked.state.authorization, initiator: 'ben' };
      const state = { ...asked.state, authorization };
      const authorizations = new Map([[state.id, state]]);
      return { ...asked, state, treasury: { ...asked.treasury, authorizations } };
    },
  ],
  [
    'A2 refuses a policy that cannot be read',
    'W-ENV-INTENT',
    () => input(s, change('schema: weir.policy/v1', TIP)),
  ],
  [
    'A2 refuses a policy announced for another height than its text says',
    'W-ENV-INTENT',
    () => input(s, change(successor(TIP + 30, LOOSER), TIP + 5)),
  ],
  [
    'A2 refuses a policy whose guardians are not the seats',
    'W-ENV-INTENT',
    () => input(s, change(successor(TIP + 30, ['id: cleo', 'id: clea']), TIP + 30)),
  ],
  [
    'A2 refuses one LP twice in a change',
    'W-ENV-INTENT',
    () => input(s, registry(registration({}), registration({}))),
  ],
  ['A3 refuses an expired one', 'W-ENV-EXPIRED', () => input(s, trip, { expiryHeight: TIP - 1 })],
  [
    'A3 refuses one that lives too long',
    'W-ENV-EXPIRY-FAR',
    () => input(s, trip, { expiryHeight: TIP + 145 }),
  ],
  [
    'A4 refuses what this log does not hold',
    'W-ENV-SEQ',
    () => {
      const asked = input(s, trip);
      return { ...asked, state: { ...asked.state } };
    },
  ],
  [
    'A5 refuses everything once two logs are proved',
    'W-ENV-FORK',
    () => {
      const asked = input(s, trip);
      return { ...asked, memory: { ...asked.memory, fork: { seq: 3 } } };
    },
  ],
  ['B1 refuses another epoch', 'W-DESC-HASH', () => input(s, trip, { epoch: 2 })],
  [
    'E4 refuses a registration that the LP did not sign',
    'W-OUT-PAYEE-UNSIGNED',
    () => input(s, registry({ ...registration({}), signature: 'ab'.repeat(64) })),
  ],
  [
    "E4 refuses a registration signed by another key than the LP's new one",
    'W-OUT-PAYEE-UNSIGNED',
    () => input(s, registry(registration({ key: registration({}).key }, 'lp-one new'))),
  ],
  [
    'E6 refuses a registration with another treasury',
    'W-OUT-NETWORK',
    () => input(s, registry(registration({ treasuryId: hashOf('another') }))),
  ],
  [
    'H1 refuses to replace the key of a known LP before the delay',
    'W-POL-LOOSENED-EARLY',
    () => input(s, registry(registration({ activeFromHeight: TIP + 19 }, 'lp-one new'))),
  ],
  [
    'H1 refuses a looser policy before the delay',
    'W-POL-LOOSENED-EARLY',
    () => input(s, change(successor(TIP + 19, LOOSER), TIP + 19)),
  ],
  [
    'H1 refuses a policy that is no successor',
    'W-POL-VERSION',
    () => input(s, change(successor(TIP, TIGHTER, ['version: 2', 'version: 3']), TIP)),
  ],
  [
    'H1 refuses an authorization under another policy',
    'W-POL-HASH',
    () => input(s, trip, { policyHash: hashOf('another policy') }),
  ],
  [
    'H1 refuses what the overlay of its guardian forbids',
    'W-POL-OVERLAY',
    () => ({
      ...input(s, trip),
      overlay: parseOverlay('schema: weir.overlay/v1\nguardian: ana\nrefuse_intents: [breaker]'),
    }),
  ],
  [
    'F2 refuses a close at a feerate above the cap',
    'W-FEE-RATE',
    () =>
      input(s, {
        kind: 'channel_close',
        channelPoint: `${hashOf('channel')}:0`,
        force: 'cooperative',
        closeIndex: 0,
        maxFeeRateSatPerKvb: 100_001n as never,
      }),
  ],
  [
    'H2 refuses a Lightning payout above its limit',
    'W-LIM-PER-TX',
    () =>
      input(s, {
        kind: 'large_ln_payout',
        paymentHash: hashOf('invoice'),
        amountMsat: '20000000001',
        maxFeeMsat: '0',
        payee: `02${hashOf('node')}`,
        expiryHeight: TIP + 10,
        account: 'lp-one',
      }),
  ],
  [
    'I1 refuses what its guardian refused',
    'W-APP-REJECTED',
    () => {
      const { state } = input(s, trip);
      const approval = s.t.approval('ana', 'guardian', { id: state.id, txid: null }, 'reject');
      s.t.append({ kind: 'approval', approval });
      return view(s, state.id);
    },
  ],
];

const codesOf = ({ reasons }: AuthorizationJudgement): ReasonCode[] =>
  [...new Set(reasons.map(({ code }) => code))]
    .filter((code) => code !== 'W-APP-TOO-FEW')
    .toSorted();

test.each(refused)('%s', (title, codes, make) => {
  const judgement = judgeAuthorization(make());
  const named = codes.split(' ') as ReasonCode[];
  expect(codesOf(judgement)).toEqual(named.toSorted());
  expect(judgement.decision).toBe('refuse');
  expect(named.map((code) => REASONS[code][0])).toContain(title.split(' ')[0]);
});

test.each([
  ['a tighter policy at once', () => change(successor(TIP, TIGHTER), TIP)],
  ['a looser policy after the delay', () => change(successor(TIP + 20, LOOSER), TIP + 20)],
  ['a new LP at once', () => registry(registrationOf(s.t.params, 'lp-new'))],
  [
    'a new key of a known LP after the delay',
    () => registry(registration({ activeFromHeight: TIP + 20 }, 'lp-one new')),
  ],
  ['a trip of the breaker', () => trip],
  ['a reset of the breaker', (): AuthorizationIntent => ({ kind: 'breaker', action: 'reset' })],
] as const)('H8 asks its guardian about %s, and never says yes itself', (_, intent) => {
  const asked = input(s, intent());
  const judgement = judgeAuthorization(asked);
  expect([judgement.decision, codesOf(judgement)]).toEqual(['ask', []]);
  const said = { ...asked.memory, approvedHere: new Set([asked.state.id]) };
  expect(judgeAuthorization({ ...asked, memory: said }).decision).toBe('wait');
});

test('H1 shows what a policy changes, and which way', () => {
  const { diff } = judgeAuthorization(input(s, change(successor(TIP + 20, LOOSER), TIP + 20)));
  expect(diff?.overall).toBe('loosen');
  expect(diff?.changes).toContainEqual({
    path: 'limits.per_tx',
    change: 'loosen',
    from: '50_000_000',
    to: '60_000_000',
  });
});

test('H1 the delay counts from where this agent first saw it, whatever anybody claims', () => {
  const asked = input(s, change(successor(TIP + 20, LOOSER), TIP + 20));
  const later = { ...asked, chain: { ...chainView(s), tipHeight: TIP + 10 } };
  expect(judgeAuthorization(later).decision).toBe('refuse');
  expect(judgeAuthorization({ ...later, firstSeenHeight: TIP }).decision).toBe('ask');
});

const alone = (intent: AuthorizationIntent) =>
  judgeAuthorization({ ...input(s, intent), acknowledgements: [] });

test('A4 waits for peers before anything but a trip', () => {
  const reset = alone({ kind: 'breaker', action: 'reset' });
  expect([reset.decision, codesOf(reset)]).toEqual(['wait', ['W-ENV-ACKS']]);
  rewind();
  expect(alone(trip).decision).toBe('ask');
});

test('H7 without a node heights are named as not checked, and the guardian is still asked', () => {
  const asked = input(s, change(successor(TIP + 20, LOOSER), TIP + 20));
  const judgement = judgeAuthorization({ ...asked, chain: null });
  expect(judgement.decision).toBe('ask');
  expect(judgement.rows.find(({ row }) => row === 'H1')?.outcome).toBe('not-checked');
});
