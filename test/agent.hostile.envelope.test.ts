/** Rows A, H5, I1: a valid proposal, one thing changed around it, and the code of that row. */
import { beforeEach, expect, test } from 'vitest';
import { PREVIOUS_TXS_BYTES_MAX, PSBT_BYTES_MAX } from '../descriptors/psbt.ts';
import { signHead } from '../policies/log-entry.ts';
import { sat } from '../policies/units.ts';
import { changedSince } from '../signer-agent/judge.ts';
import {
  found,
  givenBatch,
  type Hostile,
  loggedWith,
  smuggled,
  validBatch,
  wanted,
  withPrevious,
} from './hostile-spend.ts';
import {
  codesOf,
  hashOf,
  type JudgeScenario,
  judgeScenario,
  rewinder,
  withMemory,
} from './judge-scenario.ts';
import { TIP } from './spend-scenario.ts';
import { secretOf } from './treasury-scenario.ts';

const s = judgeScenario();
beforeEach(rewinder(s));

/** A head that the coordinator signed beside the one in this log. */
function forkedHead(of: JudgeScenario, seq: number) {
  const hash = hashOf('the other story');
  const head = { treasuryId: of.t.id, network: of.t.params.network, seq, hash };
  return { seq, hash, headSignature: signHead(head, secretOf('coordinator')) };
}

const refused: Hostile[] = [
  [
    'A1 refuses a proposal for another network',
    'W-ENV-NETWORK',
    smuggled(() => ({ network: 'signet' })),
  ],
  [
    'A1 refuses a proposal for another treasury',
    'W-ENV-NETWORK',
    smuggled(() => ({ treasuryId: hashOf('another treasury') })),
  ],
  [
    'A2 refuses content under the id of other content',
    'W-ENV-PROPOSAL-ID',
    givenBatch((input) => {
      const state = { ...input.state, proposal: { ...input.state.proposal, initiator: 'olga' } };
      const proposals = new Map([[state.id, state]]);
      return { ...input, state, treasury: { ...input.treasury, proposals } };
    }),
  ],
  [
    'A2 refuses a transaction that the intent does not build',
    'W-ENV-REBUILD',
    loggedWith(({ prevouts }) => ({
      prevouts: prevouts.map((each) => ({ ...each, amountSat: sat(each.amountSat - 1n) })),
    })),
  ],
  [
    'A2 refuses an order seed that the transaction was not built with',
    'W-ENV-REBUILD',
    loggedWith(({ intent }) => ({
      intent: { ...intent, plan: { ...intent.plan, orderSeed: 'ef'.repeat(32) } },
    })),
  ],
  [
    'A2 refuses an intent that places a coin elsewhere than it is',
    'W-ENV-INTENT W-ENV-REBUILD',
    loggedWith(({ intent }) => ({
      intent: {
        ...intent,
        plan: { ...intent.plan, coins: intent.plan.coins.map((coin) => ({ ...coin, index: 3 })) },
      },
    })),
  ],
  [
    'A3 refuses an expired proposal',
    'W-ENV-EXPIRED',
    loggedWith(() => ({ expiryHeight: TIP - 1 })),
  ],
  [
    'A3 refuses a proposal that lives longer than the policy lets it',
    'W-ENV-EXPIRY-FAR',
    loggedWith(() => ({ expiryHeight: TIP + 145 })),
  ],
  [
    'A4 refuses a proposal that stands elsewhere in this log',
    'W-ENV-SEQ',
    smuggled(({ seq }) => ({ seq: seq + 1 })),
  ],
  [
    'A4 refuses a proposal that this log does not hold',
    'W-ENV-SEQ',
    givenBatch((input) => ({ ...input, state: { ...input.state } })),
  ],
  [
    'A5 refuses everything once two logs are proved',
    'W-ENV-FORK',
    givenBatch(withMemory({ fork: { seq: 7 } })),
  ],
  [
    'A5 refuses when a peer shows another head that the coordinator signed',
    'W-ENV-FORK',
    givenBatch((input, of) => ({
      ...input,
      acknowledgements: [
        ...input.acknowledgements,
        of.acknowledgement('cleo', forkedHead(of, input.state.entrySeq - 1)),
      ],
    })),
  ],
  [
    'A7 refuses a PSBT larger than it reads',
    'W-ENV-SIZE',
    givenBatch((input) => ({
      ...input,
      parcel: { ...input.parcel, psbt: new Uint8Array(PSBT_BYTES_MAX + 1) },
    })),
  ],
  [
    'A7 refuses more previous transactions than it reads',
    'W-ENV-SIZE W-IN-PREVIOUS-TX',
    givenBatch((input) => withPrevious(input, [new Uint8Array(PREVIOUS_TXS_BYTES_MAX + 1)])),
  ],
  [
    'A7 refuses a truncated PSBT',
    'W-ENV-PARSE',
    givenBatch((input) => ({
      ...input,
      parcel: { ...input.parcel, psbt: input.parcel.psbt.subarray(0, -1) },
    })),
  ],
  [
    'A7 refuses a PSBT with bytes after its end',
    'W-ENV-PARSE',
    givenBatch((input) => ({
      ...input,
      parcel: { ...input.parcel, psbt: Uint8Array.of(...input.parcel.psbt, 0) },
    })),
  ],
  [
    'A7 refuses a previous transaction that is none',
    'W-ENV-PARSE',
    givenBatch((input) => withPrevious(input, [...input.parcel.previousTxs, Uint8Array.of(1)])),
  ],
  [
    'I1 refuses what an operator rejected',
    'W-APP-REJECTED',
    (of) => {
      const built = validBatch(of);
      const subject = { id: built.id, proposal: built.proposal, txid: built.built.txid };
      const approval = of.t.approval('olga', 'operator', subject, 'reject');
      of.t.append({ kind: 'approval', approval });
      return of.judge(built);
    },
  ],
  [
    'I1 refuses what its own guardian rejected',
    'W-APP-REJECTED',
    (of) => {
      const built = validBatch(of);
      const subject = { id: built.id, proposal: built.proposal, txid: built.built.txid };
      const approval = of.t.approval('ana', 'guardian', subject, 'reject');
      of.t.append({ kind: 'approval', approval });
      return of.judge(built);
    },
  ],
  [
    'I1 refuses for good what it refused before',
    'W-APP-REJECTED',
    (of) => {
      const built = validBatch(of);
      return of.judge(built, withMemory({ refused: new Set([built.id]) }));
    },
  ],
];

test.each(refused)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'refuse'));
});

const waited: Hostile[] = [
  [
    'A4 waits where no peer acknowledged this log',
    'W-ENV-ACKS',
    givenBatch((input) => ({ ...input, acknowledgements: [] })),
  ],
  [
    'A4 does not count its own acknowledgement',
    'W-ENV-ACKS',
    givenBatch((input, of) => ({ ...input, acknowledgements: [of.acknowledgement('ana')] })),
  ],
  [
    'A4 does not count an acknowledgement of the log before the proposal',
    'W-ENV-ACKS',
    givenBatch((input, of) => {
      const before = of.t.entries.at(-2);
      const said = { seq: before?.seq ?? 0, hash: before?.hash ?? '' };
      return { ...input, acknowledgements: [of.acknowledgement('ben', said)] };
    }),
  ],
  [
    'A4 does not count an acknowledgement of a log this agent has not read',
    'W-ENV-ACKS',
    givenBatch((input, of) => ({
      ...input,
      acknowledgements: [of.acknowledgement('ben', { seq: of.t.treasury.seq + 1 })],
    })),
  ],
  [
    'A4 does not count an acknowledgement of another head',
    'W-ENV-ACKS',
    givenBatch((input, of) => ({
      ...input,
      acknowledgements: [of.acknowledgement('ben', { hash: hashOf('another head') })],
    })),
  ],
  [
    'A4 does not count an acknowledgement for another treasury',
    'W-ENV-ACKS',
    givenBatch((input, of) => ({
      ...input,
      acknowledgements: [of.acknowledgement('ben', { treasuryId: hashOf('another treasury') })],
    })),
  ],
  [
    'A4 does not count a forged acknowledgement',
    'W-ENV-ACKS',
    givenBatch((input, of) => ({
      ...input,
      acknowledgements: [{ ...of.acknowledgement('ben'), signature: 'ab'.repeat(64) }],
    })),
  ],
  [
    'A4 does not count one seat speaking for another',
    'W-ENV-ACKS',
    givenBatch((input, of) => {
      const ben = of.acknowledgement('ben');
      const dora = of.acknowledgement('dora');
      return { ...input, acknowledgements: [{ ...ben, key: dora.key }, dora] };
    }),
  ],
  [
    'H5 waits while it may have forgotten signatures, whoever approves',
    'W-CNT-ROLLBACK',
    (of) => {
      const built = validBatch(of);
      const memory = { automation: 'locked', approvedHere: new Set([built.id]) } as const;
      return of.judge(built, withMemory(memory));
    },
  ],
];

test.each(waited)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'wait'));
});

const asked: Hostile[] = [
  [
    'A9 asks its guardian after too many refusals',
    'W-BRK-PAUSED',
    givenBatch(withMemory({ automation: 'paused' })),
  ],
  [
    'H9 asks its guardian when that guardian stopped it',
    'W-BRK-TRIPPED',
    givenBatch(withMemory({ automation: 'tripped' })),
  ],
  [
    'H7 asks its guardian without a node',
    'W-BRK-NO-CHAIN-VIEW',
    givenBatch((input) => ({ ...input, chain: null })),
  ],
];

test.each(asked)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'ask'));
});

test('A6 one acknowledgement said twice is one peer', () => {
  const five = judgeScenario({ threshold: 3, of: 5 });
  const judgement = five.judge(five.batch(five.orders(100_000n)), (input) => ({
    ...input,
    acknowledgements: [five.acknowledgement('ben'), five.acknowledgement('ben')],
  }));
  expect([judgement.decision, codesOf(judgement)]).toEqual(['wait', ['W-ENV-ACKS']]);
});

test('A8 W-ENV-CHANGED names a parcel that is not the one judged, whichever part changed', () => {
  const built = validBatch(s);
  const { parcel } = s.input(built);
  const judged = s.judge(built);
  expect(changedSince(judged, parcel)).toBeNull();
  const [first = new Uint8Array(), ...rest] = parcel.previousTxs;
  const others = [
    { ...parcel, psbt: Uint8Array.of(...parcel.psbt, 0) },
    { ...parcel, previousTxs: [] },
    { ...parcel, previousTxs: [first.subarray(0, 10), first.subarray(10), ...rest] },
    { psbt: first, previousTxs: [parcel.psbt, ...rest] },
  ];
  for (const other of others) expect(changedSince(judged, other)?.code).toBe('W-ENV-CHANGED');
});
