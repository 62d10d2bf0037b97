/** A channel_open in the log: pending everywhere first, then signatures; withdrawn before, cancelled after. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  chargesOf,
  deadByRefusal,
  reservedCoins,
  takenCloseIndexes,
} from '../policies/commitments.ts';
import { Failure } from '../policies/failure.ts';
import type { SpendIntent } from '../policies/intent.ts';
import type { LogEvent } from '../policies/log-entry.ts';
import type { ChannelsPending } from '../policies/proposal.ts';
import { outputsOfTx } from '../policies/tx-outputs.ts';
import { sat } from '../policies/units.ts';
import {
  channelScenario,
  familiesOf,
  funding,
  fundingScript,
  opened,
  pend,
  pendingOf,
} from './channel-cases.ts';
import { type SpendScenario, spendScenario } from './spend-scenario.ts';

function contributed(proposalId: string, seatId = 'ana'): LogEvent {
  const signatures = ['30'.repeat(20)];
  return {
    kind: 'contributed',
    contribution: { proposalId, seatId, round: 1, scheme: 'wsh-ecdsa', signatures },
  };
}

function withdrawn(proposalId: string): LogEvent {
  return { kind: 'withdrawn', proposalId, why: 'a peer said no' };
}

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'nothing';
  } catch (cause) {
    if (cause instanceof Failure) return cause.code;
    throw cause;
  }
}

const first = ({ body }: ChannelsPending) => body.channels[0] as (typeof body.channels)[number];
const changed = (
  value: ChannelsPending,
  change: Partial<ReturnType<typeof first>>,
): ChannelsPending['body']['channels'] => [
  { ...first(value), ...change },
  ...value.body.channels.slice(1),
];
describe("the pool's word", () => {
  test('is taken for the channels as they stand in the transaction, and once', () => {
    const s = channelScenario();
    const made = opened(s);
    expect(s.t.treasury.proposals.get(made.id)?.pending).toBeNull();
    pend(s, made);
    const heard = s.t.treasury.proposals.get(made.id)?.pending;
    expect(heard?.body.channels.map(({ vout }) => vout)).toEqual(made.vouts);
    // The same again, signed anew, is no other word.
    pend(s, made);
    expect(s.t.treasury.proposals.get(made.id)?.pending).toEqual(heard);
  });

  type Wrong = [
    what: string,
    make: (made: ReturnType<typeof opened>, right: ChannelsPending) => ChannelsPending,
    code: string,
  ];
  test.each<Wrong>([
    [
      'by another key',
      ({ proposal, vouts }) => pendingOf(proposal, vouts, {}, 'stranger'),
      'SIGNATURE_INVALID',
    ],
    [
      'by the coordinator',
      ({ proposal, vouts }) => pendingOf(proposal, vouts, {}, 'coordinator'),
      'SIGNATURE_INVALID',
    ],
    [
      'with a changed word under the old signature',
      (_, right) => ({ ...right, body: { ...right.body, txid: '00'.repeat(32) } }),
      'SIGNATURE_INVALID',
    ],
    [
      'of another transaction',
      ({ proposal, vouts }) => pendingOf(proposal, vouts, { txid: '00'.repeat(32) }),
      'INPUT_INVALID',
    ],
    [
      'of another treasury',
      ({ proposal, vouts }) => pendingOf(proposal, vouts, { treasuryId: '00'.repeat(32) }),
      'INPUT_INVALID',
    ],
    [
      'of a proposal that is not there',
      ({ proposal, vouts }) => pendingOf(proposal, vouts, { proposalId: '00'.repeat(32) }),
      'INPUT_INVALID',
    ],
    [
      'with the outputs swapped',
      ({ proposal, vouts }) => pendingOf(proposal, vouts.toReversed()),
      'INPUT_INVALID',
    ],
    [
      'with the change as an output',
      ({ proposal, vouts, built }) => pendingOf(proposal, [built.changeVout ?? 0, vouts[1] ?? 0]),
      'INPUT_INVALID',
    ],
    [
      'with one output twice',
      ({ proposal, vouts }) => pendingOf(proposal, [vouts[0] ?? 0, vouts[0] ?? 0]),
      'INPUT_INVALID',
    ],
    [
      'with an output beyond the last',
      ({ proposal, vouts }) => pendingOf(proposal, [99, vouts[1] ?? 0]),
      'INPUT_INVALID',
    ],
    [
      'with another capacity',
      ({ proposal, vouts }, right) =>
        pendingOf(proposal, vouts, { channels: changed(right, { capacitySat: sat(5n) }) }),
      'INPUT_INVALID',
    ],
    [
      'with another peer',
      ({ proposal, vouts }, right) =>
        pendingOf(proposal, vouts, { channels: changed(right, { peer: `02${'dd'.repeat(32)}` }) }),
      'INPUT_INVALID',
    ],
    [
      'with another close index',
      ({ proposal, vouts }, right) =>
        pendingOf(proposal, vouts, { channels: changed(right, { closeIndex: 99 }) }),
      'INPUT_INVALID',
    ],
    [
      'of half the batch',
      ({ proposal, vouts }, right) =>
        pendingOf(proposal, vouts, { channels: right.body.channels.slice(0, 1) }),
      'INPUT_INVALID',
    ],
    [
      'in another order',
      ({ proposal, vouts }, right) =>
        pendingOf(proposal, vouts, { channels: right.body.channels.toReversed() }),
      'INPUT_INVALID',
    ],
  ])('G1 G5 is refused %s', (_, make, code) => {
    const s = channelScenario();
    const made = opened(s);
    const right = pendingOf(made.proposal, made.vouts);
    const event = { kind: 'channels-pending', pending: make(made, right) } as const;
    expect(codeOf(() => s.t.append(event))).toBe(code);
    expect(s.t.treasury.proposals.get(made.id)?.pending).toBeNull();
  });

  test('is refused of a spend that opens no channel', () => {
    const s = channelScenario();
    const { proposal } = s.batch([s.t.order('lp-one', { script: `0014${'01'.repeat(20)}` })]);
    const right = pendingOf(opened(s).proposal, []);
    const pending = pendingOf(proposal, [], { channels: right.body.channels });
    expect(codeOf(() => s.t.append({ kind: 'channels-pending', pending }))).toBe('INPUT_INVALID');
  });

  test('is refused where the policy of the proposal names no pool', () => {
    const s = spendScenario({ threshold: 2, of: 3 });
    const made = opened(s);
    expect(codeOf(() => pend(s, made))).toBe('SIGNATURE_INVALID');
  });
});

describe('G9 signatures wait for it', () => {
  test.each<[string, (id: string, s: SpendScenario) => LogEvent]>([
    ['a signature', (id) => contributed(id)],
    ['the word that one was made', (id, s) => s.t.verdict('ana', id, 'signed')],
    [
      'a broadcast',
      (proposalId) => ({
        kind: 'broadcast-intended',
        proposalId,
        txid: '00'.repeat(32),
        rawTx: '',
      }),
    ],
  ])('%s is refused before and taken after', (_, event) => {
    const s = channelScenario();
    const made = opened(s);
    expect(codeOf(() => s.t.append(event(made.id, s)))).toBe('INPUT_INVALID');
    pend(s, made);
    expect(codeOf(() => s.t.append(event(made.id, s)))).toBe('nothing');
  });

  test('what is no signature is heard before it', () => {
    const s = channelScenario();
    const { id } = opened(s);
    s.t.append(s.t.verdict('ana', id, 'asks'));
    s.t.append(s.t.verdict('ben', id, 'refused'));
    expect(s.t.treasury.proposals.get(id)?.verdicts.size).toBe(2);
  });

  test('a cancel needs no word of the pool', () => {
    const s = channelScenario();
    const { id } = opened(s);
    const cancel = s.propose({ kind: 'cancel', of: id, plan: s.plan() }, []);
    expect(codeOf(() => s.t.append(contributed(cancel.id)))).toBe('nothing');
  });
});

describe('an open that came to nothing', () => {
  test('is dead at once when it is withdrawn: its coins, limits and close addresses are free', () => {
    const s = channelScenario();
    const { id, state } = opened(s);
    expect([...takenCloseIndexes(familiesOf(s)).keys()]).toEqual([10, 11]);
    expect(reservedCoins(familiesOf(s), s.t.treasury).size).toBe(1);
    expect(chargesOf(familiesOf(s), s.t.treasury)).toHaveLength(1);
    expect(deadByRefusal(s.t.treasury, state)).toBe(false);
    s.t.append(withdrawn(id));
    const [family] = familiesOf(s);
    expect(family?.fate.is).toBe('dead');
    expect(takenCloseIndexes(familiesOf(s)).size).toBe(0);
    expect(reservedCoins(familiesOf(s), s.t.treasury).size).toBe(0);
    expect(chargesOf(familiesOf(s), s.t.treasury)).toHaveLength(0);
  });

  test('takes neither the word of the pool nor a signature afterwards', () => {
    const s = channelScenario();
    const made = opened(s);
    s.t.append(withdrawn(made.id));
    expect(codeOf(() => pend(s, made))).toBe('INPUT_INVALID');
    expect(codeOf(() => s.t.append(contributed(made.id)))).toBe('INPUT_INVALID');
    expect(codeOf(() => s.t.append(s.t.verdict('ana', made.id, 'signed')))).toBe('INPUT_INVALID');
    expect(codeOf(() => s.t.append(withdrawn(made.id)))).toBe('INPUT_INVALID');
  });

  test('is not withdrawn once it is pending: somebody may have signed', () => {
    const s = channelScenario();
    const made = opened(s);
    pend(s, made);
    expect(codeOf(() => s.t.append(withdrawn(made.id)))).toBe('INPUT_INVALID');
  });

  test('no other spend is withdrawn', () => {
    const s = channelScenario();
    const { id } = s.batch([s.t.order('lp-one', { script: `0014${'01'.repeat(20)}` })]);
    expect(codeOf(() => s.t.append(withdrawn(id)))).toBe('INPUT_INVALID');
    expect(codeOf(() => s.t.append(withdrawn('00'.repeat(32))))).toBe('INPUT_INVALID');
  });
});

test('a channel counts under its peer, and the reserve under its entry', () => {
  const s = channelScenario();
  const reserve = { entry: 'ln', index: 3, amountSat: sat(20_000n) };
  const intent: SpendIntent = {
    kind: 'channel_open',
    channels: [funding(0)],
    reserve,
    plan: s.plan(),
  };
  s.propose(intent, [
    { script: fundingScript(0), amountSat: sat(1_000_000n) },
    { script: fundingScript(9), amountSat: sat(20_000n) },
  ]);
  const [charge] = chargesOf(familiesOf(s), s.t.treasury);
  expect(charge).toMatchObject({ kind: 'channel_open', at: 'live', outflowSat: 1_020_000n });
  expect(charge?.payees).toEqual([
    {
      script: fundingScript(0),
      amountSat: 1_000_000n,
      lpId: null,
      entry: null,
      peer: funding(0).peer,
    },
    { script: 'ln/3', amountSat: 20_000n, lpId: null, entry: 'ln' },
  ]);
});

describe('outputs of a transaction', () => {
  test('are those that were built', () => {
    const { built, proposal } = opened(channelScenario());
    expect(outputsOfTx(proposal.unsignedTx)).toEqual(built.outputs);
  });

  test('are read of whole transactions only', () => {
    const hex = opened(channelScenario()).proposal.unsignedTx;
    fc.assert(
      fc.property(fc.nat({ max: hex.length / 2 - 1 }), (bytes) => {
        expect(codeOf(() => outputsOfTx(hex.slice(0, 2 * bytes)))).toBe('INPUT_INVALID');
      }),
    );
    expect(codeOf(() => outputsOfTx(`${hex}00`))).toBe('INPUT_INVALID');
  });

  test('garbage is refused, and read without end never', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const hex = Buffer.from(bytes).toString('hex');
        expect(['INPUT_INVALID', 'nothing']).toContain(codeOf(() => outputsOfTx(hex)));
      }),
    );
  });
});
