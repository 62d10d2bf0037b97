/** Rows D: the coins that go in, and what is claimed of them. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { beforeEach, expect, test } from 'vitest';
import type { CoinRef } from '../policies/intent.ts';
import { sat } from '../policies/units.ts';
import {
  batchIntent,
  found,
  givenBatch,
  type Hostile,
  payeesOf,
  payment,
  validBatch,
  wanted,
  withPrevious,
  withPsbt,
  withTx,
} from './hostile-spend.ts';
import {
  chainView,
  hashOf,
  type JudgeScenario,
  judgeScenario,
  rewinder,
  withChain,
  withMemory,
} from './judge-scenario.ts';
import { strangerScript, TIP } from './spend-scenario.ts';

const s = judgeScenario();
beforeEach(rewinder(s));

/** The one coin of the batch. */
const coinOf = (of: JudgeScenario): CoinRef => of.coins[0] as CoinRef;

/** The intent spends these coins, their funding is sent along, and the own node knows them all. */
function spending(
  of: JudgeScenario,
  coins: CoinRef[],
  previous: readonly Uint8Array[] = [],
  script?: string,
) {
  const plan = of.plan({ coins });
  const intent = batchIntent(of, { plan });
  const built = of.propose(intent, payeesOf(intent));
  return of.judge(built, (input) => ({
    ...withPrevious(input, [...input.parcel.previousTxs, ...previous]),
    chain: {
      ...chainView(of),
      coins: new Map([
        ...chainView(of).coins,
        ...coins.map(
          ({ outpoint, amountSat, branch, index }) =>
            [
              outpoint,
              {
                amountSat,
                script: script ?? of.deriver.at(branch, index).script,
                confirmations: 50,
                coinbase: 'ordinary' as const,
              },
            ] as const,
        ),
      ]),
    },
  }));
}

/** A coin with that script, which the intent claims to be ours at 0/1. */
function claimed(of: JudgeScenario, script: string) {
  const funding = payment('a claimed coin', [{ script, amountSat: 30_000_000n }]);
  const coin: CoinRef = {
    outpoint: `${funding.txid}:0`,
    amountSat: sat(30_000_000n),
    branch: 0,
    index: 1,
  };
  return spending(of, [coinOf(of), coin], [funding.raw], script);
}

/** A coin of ours at an index far out. */
function farOut(of: JudgeScenario, index: number) {
  const { script } = of.deriver.at(0, index);
  const funding = payment('far out', [{ script, amountSat: 30_000_000n }]);
  const outpoint = `${funding.txid}:0`;
  const coin: CoinRef = { outpoint, amountSat: sat(30_000_000n), branch: 0, index };
  return spending(of, [coinOf(of), coin], [funding.raw]);
}

const SIGNATURE = hexToBytes('300602010102010101');

const refused: Hostile[] = [
  [
    'D1 refuses a foreign input',
    'W-IN-NOT-OURS W-IN-AMOUNT',
    (of) => claimed(of, `0020${'ab'.repeat(32)}`),
  ],
  [
    'D2 refuses an input that is not native segwit',
    'W-IN-TYPE W-IN-NOT-OURS W-IN-AMOUNT',
    (of) => claimed(of, `76a914${'ab'.repeat(20)}88ac`),
  ],
  [
    'D3 refuses an input without its previous transaction',
    'W-IN-PREVIOUS-TX',
    givenBatch((input) => withPrevious(input, [])),
  ],
  [
    'D3 refuses a previous transaction with a larger amount, the first of two passes of a fee theft',
    'W-IN-PREVIOUS-TX',
    givenBatch((input) => {
      const [raw = new Uint8Array()] = input.parcel.previousTxs;
      const tx = RawOldTx.decode(raw);
      for (const output of tx.outputs) output.amount += 1_000_000n;
      return withPrevious(input, [RawOldTx.encode(tx)]);
    }),
  ],
  [
    'D3 refuses an embedded previous transaction that is another one',
    'W-IN-PREVIOUS-TX',
    withPsbt((raw) => {
      const other = payment('embedded', [{ script: strangerScript(1), amountSat: 1_000n }]);
      Object.assign(raw.inputs[0] ?? {}, {
        nonWitnessUtxo: { ...RawOldTx.decode(other.raw), segwitFlag: false },
      });
    }),
  ],
  [
    'D3 refuses an input that claims another amount than its coin has',
    'W-IN-AMOUNT',
    withPsbt((raw) => {
      const utxo = raw.inputs[0]?.witnessUtxo;
      if (utxo !== undefined) utxo.amount += 1n;
    }),
  ],
  [
    'D3 refuses an intent that claims another amount than the coin has',
    'W-IN-AMOUNT W-FEE-MISMATCH',
    (of) => {
      const coin = coinOf(of);
      const less = { ...coin, amountSat: sat(coin.amountSat - 500n) };
      return of.judge(of.batch(of.orders(100_000n, 200_000n), { coins: [less] }));
    },
  ],
  [
    'D4 refuses another witness script',
    'W-IN-SCRIPT',
    withPsbt((raw, of) => {
      Object.assign(raw.inputs[0] ?? {}, { witnessScript: of.deriver.at(0, 9).witnessScript });
    }),
  ],
  [
    'D5 refuses a coin that the own node does not know',
    'W-IN-UNKNOWN-COIN',
    givenBatch(withChain({ coins: new Map() })),
  ],
  [
    'D5 refuses a coin that the own node saw spent',
    'W-IN-SPENT W-BRK-UNKNOWN-SPEND',
    givenBatch((input, of) => {
      const spent = { txid: hashOf('theft'), height: null, outpoints: [coinOf(of).outpoint] };
      return withChain({ spends: [spent] })(input);
    }),
  ],
  [
    'D6 refuses a coin that this agent signed away for another intent',
    'W-IN-LOCKED',
    givenBatch((input, of) =>
      withMemory({ signedOutpoints: new Map([[coinOf(of).outpoint, hashOf('another')]]) })(input),
    ),
  ],
  [
    'D6 refuses a coin that an earlier live proposal holds',
    'W-IN-LOCKED',
    (of) => {
      validBatch(of);
      return of.judge(validBatch(of));
    },
  ],
  [
    'D6 refuses a coin its guardian froze',
    'W-IN-FROZEN',
    givenBatch((input, of) => withMemory({ frozen: new Set([coinOf(of).outpoint]) })(input)),
  ],
  ['D7 refuses a coin derived too far out', 'W-IN-GAP', (of) => farOut(of, 5_000)],
  [
    'D8 refuses SIGHASH_SINGLE on an input',
    'W-IN-SIGHASH',
    withPsbt((raw) => {
      Object.assign(raw.inputs[0] ?? {}, { sighashType: 3 });
    }),
  ],
  [
    'D8 refuses ANYONECANPAY on an input',
    'W-IN-SIGHASH',
    withPsbt((raw) => {
      Object.assign(raw.inputs[0] ?? {}, { sighashType: 0x81 });
    }),
  ],
  [
    "D8 refuses another seat's signature of SIGHASH_NONE",
    'W-IN-SIGHASH',
    withPsbt((raw, of) => {
      const [key = new Uint8Array()] = of.deriver.at(0, 0).publicKeys;
      Object.assign(raw.inputs[0] ?? {}, {
        partialSig: [[key, Uint8Array.of(...SIGNATURE.subarray(0, -1), 2)]],
      });
    }),
  ],
  [
    'D9 refuses a relative locktime: the recovery path, which no intent names',
    'W-IN-PATH W-TX-SEQUENCE W-ENV-REBUILD',
    withTx((tx) => {
      for (const input of tx.inputs) input.sequence = 4_464;
    }),
  ],
];

test.each(refused)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'refuse'));
});

const waited: Hostile[] = [
  [
    'D5 waits for a coin too young',
    'W-IN-UNCONFIRMED',
    givenBatch((input) => withCoins(input.chain?.coins ?? new Map(), { confirmations: 0 })(input)),
  ],
  [
    'D5 waits for a coinbase to mature',
    'W-IN-IMMATURE',
    givenBatch((input) =>
      withCoins(input.chain?.coins ?? new Map(), { confirmations: 99, coinbase: 'coinbase' })(
        input,
      ),
    ),
  ],
  [
    'D5 waits for a coin that may be in a block this agent has not seen',
    'W-IN-UNKNOWN-COIN W-TX-LOCKTIME',
    givenBatch(withChain({ tipHeight: TIP - 1, coins: new Map() })),
  ],
  [
    'D5 waits, and does not refuse, when a quorum sent this very transaction already',
    'W-IN-SPENT',
    (of) => {
      const built = validBatch(of);
      const { txid } = built.built;
      const spent = { txid, height: TIP, outpoints: [coinOf(of).outpoint] };
      return of.judge(built, withChain({ spends: [spent], changeIndexUsed: 0, coins: new Map() }));
    },
  ],
];

test.each(waited)('%s', (...row) => {
  expect(found(row, row[2](s))).toEqual(wanted(row, 'wait'));
});

function withCoins(
  coins: ReturnType<typeof chainView>['coins'],
  change: Partial<{ confirmations: number; coinbase: 'coinbase' }>,
) {
  return withChain({
    coins: new Map([...coins].map(([outpoint, coin]) => [outpoint, { ...coin, ...change }])),
  });
}
