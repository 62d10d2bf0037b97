/** What the pool sees for itself in a transaction that is to fund channels, before its node sees it. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import { describe, expect, test } from 'vitest';
import { checkFunding, readFunding } from '../operator/channels/funding-check.ts';
import { feerate, sat } from '../policies/units.ts';

const CHANNEL = `0020${'11'.repeat(32)}`;
const CHANGE = `0020${'22'.repeat(32)}`;
const RESERVE = `0014${'33'.repeat(20)}`;
const COIN = `0020${'44'.repeat(32)}`;
const STRANGER = `0014${'55'.repeat(20)}`;

interface Sketch {
  outputs: [script: string, sat: bigint][];
  sequence: number;
  scriptSig: string;
  partialSig: boolean;
}

const GOOD: Sketch = {
  outputs: [
    [CHANNEL, 300_000n],
    [RESERVE, 20_000n],
    [CHANGE, 679_000n],
  ],
  sequence: 0xfffffffd,
  scriptSig: '',
  partialSig: false,
};

function psbtOf({ outputs, sequence, scriptSig, partialSig }: Sketch): string {
  const unsignedTx = {
    version: 2,
    inputs: [
      {
        txid: hexToBytes('ab'.repeat(32)),
        index: 1,
        finalScriptSig: hexToBytes(scriptSig),
        sequence,
      },
    ],
    outputs: outputs.map(([script, amount]) => ({ amount, script: hexToBytes(script) })),
    lockTime: 0,
  };
  const signature = [[hexToBytes(`02${'77'.repeat(32)}`), hexToBytes('30'.repeat(9))]];
  const input = partialSig ? { partialSig: signature } : {};
  return base64.encode(
    RawPSBTV0.encode({
      global: { unsignedTx },
      inputs: [input],
      outputs: outputs.map(() => ({})),
    } as never),
  );
}

interface Case {
  sketch?: Partial<Sketch>;
  coin?: { script: string; amountSat: bigint } | null;
  claimedTxid?: string;
  withReserve?: boolean;
}

function verdictOf({ sketch = {}, coin, claimedTxid, withReserve = true }: Case): string {
  const tx = readFunding(psbtOf({ ...GOOD, ...sketch }));
  if (tx === null) return 'unreadable';
  const seen = coin === undefined ? { script: COIN, amountSat: 1_000_000n } : coin;
  const check = checkFunding({
    tx,
    claimedTxid: claimedTxid ?? tx.txid,
    batch: {
      funding: [{ pendingId: '0'.repeat(64), fundingScript: CHANNEL, amountSat: sat(300_000n) }],
    },
    reserve: withReserve ? { script: RESERVE, amountSat: sat(20_000n) } : null,
    coins: [seen === null ? null : { ...seen, amountSat: sat(seen.amountSat) }],
    maxFeerate: feerate(1_000_000n),
    isOurs: (script) => script === CHANGE,
  });
  return check.is === 'good' ? `good ${check.vouts.join()} fee ${check.feeSat}` : check.why;
}

describe('LN-11 a proposed funding transaction', () => {
  test.each<[what: string, change: Case, verdict: string]>([
    ['as asked', {}, 'good 0 fee 1000'],
    [
      'with another txid than was said',
      { claimedTxid: 'f'.repeat(64) },
      'its txid is another one than was said',
    ],
    [
      'that pays the channel less',
      {
        sketch: {
          outputs: [
            [CHANNEL, 299_999n],
            [RESERVE, 20_000n],
            [CHANGE, 679_000n],
          ],
        },
      },
      'channel 1 is not funded once, with its amount',
    ],
    [
      'that pays the channel twice',
      {
        sketch: {
          outputs: [
            [CHANNEL, 300_000n],
            [CHANNEL, 300_000n],
            [RESERVE, 20_000n],
            [CHANGE, 9_000n],
          ],
        },
      },
      'channel 1 is not funded once, with its amount',
    ],
    [
      'without the reserve',
      {
        sketch: {
          outputs: [
            [CHANNEL, 300_000n],
            [CHANGE, 699_000n],
          ],
        },
      },
      'the reserve of the node is not paid once, with its amount',
    ],
    [
      'with a stranger among its payees',
      {
        sketch: { outputs: [...GOOD.outputs.slice(0, 2), [CHANGE, 600_000n], [STRANGER, 1_000n]] },
      },
      'an output pays neither a channel, nor the reserve, nor the treasury',
    ],
    [
      'whose reserve nobody asked for',
      { withReserve: false },
      'an output pays neither a channel, nor the reserve, nor the treasury',
    ],
    [
      'without change',
      { sketch: { outputs: GOOD.outputs.slice(0, 2) } },
      'there is no change that a child could spend',
    ],
    ['with a signature in it', { sketch: { partialSig: true } }, 'input 0 is signed already'],
    [
      'with a relative locktime',
      { sketch: { sequence: 144 } },
      'input 0 waits for a relative locktime',
    ],
    [
      'that spends a coin our node does not know',
      { coin: null },
      'input 0 is no coin that our node knows',
    ],
    [
      'that spends a nested coin, whose signature changes the txid',
      { coin: { script: `a914${'66'.repeat(20)}87`, amountSat: 1_000_000n } },
      'input 0 is not native segwit',
    ],
    [
      'that creates money',
      { coin: { script: COIN, amountSat: 999_000n } },
      'its outputs are worth more than its inputs',
    ],
    [
      'that gives it to miners',
      { coin: { script: COIN, amountSat: 2_000_000n } },
      'a fee of 1001000 sat is out of all proportion',
    ],
  ])('%s: %o', (_, change, verdict) => {
    expect(verdictOf(change)).toBe(verdict);
  });

  test('what is no PSBT is not read at all', () => {
    expect(['', 'AAAA', psbtOf(GOOD).slice(8)].map(readFunding)).toEqual([null, null, null]);
  });
});
