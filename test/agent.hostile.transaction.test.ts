/** Rows C and I6: the shape of the transaction, and what else a PSBT can carry. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { beforeEach, expect, test } from 'vitest';
import type { CoinRef } from '../policies/intent.ts';
import {
  batchIntent,
  found,
  givenBatch,
  type Hostile,
  loggedWith,
  payeesOf,
  validBatch,
  wanted,
  withEditedTx,
  withPsbt,
  withTx,
} from './hostile-spend.ts';
import {
  codesOf,
  type JudgeScenario,
  judgeScenario,
  rewinder,
  withChain,
  withMemory,
} from './judge-scenario.ts';
import { TIP } from './spend-scenario.ts';
import { accountOf, keyOf } from './treasury-scenario.ts';

const s = judgeScenario();
beforeEach(rewinder(s));

/** The one coin of the batch. */
const coinOf = (of: JudgeScenario): CoinRef => of.coins[0] as CoinRef;

const OTHER_KEY = hexToBytes(`02${keyOf('somebody')}`);
const SIGNATURE = hexToBytes('300602010102010101');

const refused: Hostile[] = [
  [
    'C1 refuses a PSBT with another transaction than the proposal',
    'W-TX-MISMATCH',
    (of) => {
      const built = validBatch(of);
      const intent = batchIntent(of, { plan: of.plan({ lockTime: TIP - 1 }), orders: [] });
      const { proposal } = built;
      const other = of.propose(
        { ...proposal.intent, plan: { ...intent.plan, anchor: coinOf(of).outpoint } },
        built.built.outputs.filter(({ script }) => script.startsWith('0014')),
      );
      return of.judge({ ...built, psbt: other.psbt }, (input) => ({
        ...input,
        treasury: {
          ...input.treasury,
          proposals: new Map([[built.id, input.state]]),
        },
      }));
    },
  ],
  [
    'C2 refuses version 1, where relative locktimes mean nothing',
    'W-TX-VERSION W-ENV-REBUILD',
    withTx((tx) => {
      tx.version = 1;
    }),
  ],
  [
    'C2 refuses sequence ffffffff, which switches the locktime off',
    'W-TX-SEQUENCE W-ENV-REBUILD',
    withTx((tx) => {
      for (const input of tx.inputs) input.sequence = 0xffffffff;
    }),
  ],
  [
    'C3 refuses a locktime that is a time',
    'W-TX-LOCKTIME W-ENV-REBUILD',
    withTx((tx) => {
      tx.lockTime = 1_700_000_000;
    }),
  ],
  [
    'C3 refuses a locktime far above the own tip',
    'W-TX-LOCKTIME',
    (of) => {
      const intent = batchIntent(of, { plan: of.plan({ lockTime: TIP + 7 }) });
      return of.judge(of.propose(intent, payeesOf(intent)));
    },
  ],
  [
    'C3 refuses a locktime below the last one signed',
    'W-TX-LOCKTIME',
    givenBatch(withMemory({ lockTimeSigned: TIP + 1 })),
  ],
  [
    'C4 refuses one outpoint twice',
    'W-TX-DUPLICATE-INPUT W-ENV-REBUILD W-FEE-MISMATCH *',
    withTx((tx) => {
      const [first] = tx.inputs;
      if (first !== undefined) tx.inputs.push({ ...first });
    }),
  ],
  [
    'C5 refuses an OP_RETURN',
    'W-TX-OPRETURN W-OUT-UNLISTED W-OUT-PAYEE-UNSIGNED W-ENV-REBUILD',
    withTx((tx) => {
      tx.outputs.push({ amount: 0n, script: hexToBytes('6a0401020304') });
    }),
  ],
  [
    'C5 refuses an output of a witness version nobody knows',
    'W-TX-WITNESS-VERSION',
    (of) => {
      const orders = [of.t.order('lp-one', { script: `5220${'ab'.repeat(32)}` })];
      return of.judge(of.batch(orders));
    },
  ],
  [
    'C6 refuses an unknown PSBT field of an input',
    'W-TX-EXTRA-FIELD',
    withPsbt((raw) => {
      Object.assign(raw.inputs[0] ?? {}, {
        unknown: [[{ type: 0x7b, key: new Uint8Array() }, Uint8Array.of(1)]],
      });
    }),
  ],
  [
    'C6 refuses an unknown global PSBT field',
    'W-TX-EXTRA-FIELD',
    withPsbt((raw) => {
      Object.assign(raw.global, {
        unknown: [[{ type: 0x7b, key: new Uint8Array() }, Uint8Array.of(1)]],
      });
    }),
  ],
  [
    'C6 refuses a proprietary PSBT field of an output',
    'W-TX-EXTRA-FIELD',
    withPsbt((raw) => {
      Object.assign(raw.outputs[0] ?? {}, {
        proprietary: [[Uint8Array.of(1, 0x77, 0), Uint8Array.of(1)]],
      });
    }),
  ],
  [
    'C6 refuses a redeem script, a field wsh inputs do not have',
    'W-TX-EXTRA-FIELD',
    withPsbt((raw) => {
      Object.assign(raw.inputs[0] ?? {}, { redeemScript: Uint8Array.of(0x51) });
    }),
  ],
  [
    'C6 refuses an input that is final already',
    'W-TX-FINAL',
    withPsbt((raw) => {
      Object.assign(raw.inputs[0] ?? {}, { finalScriptWitness: [Uint8Array.of(1)] });
    }),
  ],
  [
    'C6 refuses a signature by a key outside the quorum',
    'W-TX-FOREIGN-SIGNATURE',
    withPsbt((raw) => {
      Object.assign(raw.inputs[0] ?? {}, { partialSig: [[OTHER_KEY, SIGNATURE]] });
    }),
  ],
  [
    'C7 refuses another extended key',
    'W-TX-XPUB',
    withPsbt((raw) => {
      const [first] = raw.global.xpub ?? [];
      const stranger = accountOf('mallory').publicKey;
      if (first !== undefined && stranger !== null)
        Object.assign(first[0], { publicKey: stranger });
    }),
  ],
  [
    'I6 refuses a message dressed as a spend: a proof-of-reserves field',
    'W-TX-MESSAGE',
    withPsbt((raw) => {
      Object.assign(raw.inputs[0] ?? {}, { porCommitment: Uint8Array.of(1, 2, 3) });
    }),
  ],
  [
    'I6 refuses the shape of a signed message: one empty OP_RETURN of nothing',
    'W-TX-MESSAGE W-TX-OPRETURN W-OUT-MISSING *',
    withTx((tx) => {
      tx.outputs = [{ amount: 0n, script: hexToBytes('6a') }];
    }),
  ],
];

test.each(refused)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'refuse'));
});

const waited: Hostile[] = [
  [
    'C3 waits for a locktime a few blocks above the own tip',
    'W-TX-LOCKTIME',
    (of) => {
      const intent = batchIntent(of, { plan: of.plan({ lockTime: TIP + 3 }) });
      return of.judge(of.propose(intent, payeesOf(intent)));
    },
  ],
];

test.each(waited)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'wait'));
});

test('C5 refuses what is too heavy to relay', () => {
  const many = judgeScenario({ amounts: Array.from({ length: 150 }, () => 1_000_000n) });
  const heavy = withEditedTx(
    many,
    (tx) => {
      const output = { amount: 1_000n, script: hexToBytes(`5120${'ab'.repeat(32)}`) };
      tx.outputs = Array.from({ length: 1_990 }, () => output);
    },
    batchIntent(many, { plan: many.plan({ coins: many.coins }) }),
  );
  expect(codesOf(many.judge(heavy))).toContain('W-TX-WEIGHT');
});

test('C3 a proposal that waited for people may be older than one signed after it', () => {
  const [first, second] = s.coins.map((coin) => ({ coins: [coin] }));
  const older = s.batch(s.orders(100_000n), first);
  const newer = s.batch(s.orders(100_000n), { ...second, lockTime: TIP + 1 });
  const signed = withMemory({ lockTimeSigned: TIP + 1, signed: new Set([newer.id]) });
  const judgement = s.judge(older, (input) => withChain({ tipHeight: TIP + 1 })(signed(input)));
  expect([judgement.decision, codesOf(judgement)]).toEqual(['sign', []]);
});

test('I6 names a PSBT that carries a message to sign', () => {
  const judgement = withPsbt((raw) => {
    Object.assign(raw.global, { genericSignedMessage: Uint8Array.of(1) });
  })(s);
  expect(judgement.decision).toBe('refuse');
  expect(codesOf(judgement)).toContain('W-TX-MESSAGE');
});

test('what the hostile rows start from is in order', () => {
  expect(loggedWith(() => ({ initiator: 'olga' }))(s).decision).toBe('sign');
});
