/** What the pool sees for itself: the proposed transaction, the reserve, the quorum's word, the order of events. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { missingReserveSat } from '../operator/channels/anchor-reserve.ts';
import { applyBatchEvent, type BatchEvent } from '../operator/channels/batch-apply.ts';
import { remainderMsat } from '../operator/channels/books-check.ts';
import { closedEntry, closingEntry } from '../operator/channels/channel-postings.ts';
import { emptyChannels } from '../operator/channels/channel-state.ts';
import { backoffMs, CLOSE_BACKOFF_MAX_MS } from '../operator/channels/close-steps.ts';
import { checkFunding, readFunding } from '../operator/channels/funding-check.ts';
import { cr, dr, entryOf } from '../operator/ledger/entry.ts';
import { available, checkEntry, emptyLedger, postEntry } from '../operator/ledger/ledger.ts';
import { capitalBrought } from '../operator/ledger/rows.ts';
import { BrokenInvariant } from '../policies/failure.ts';
import { feerate, msat, sat } from '../policies/units.ts';

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

describe('LN-9 the reserve for anchors', () => {
  const channels = (count: number, announced: 'public' | 'private' = 'public') =>
    Array.from({ length: count }, () => ({ announced }));
  const pending = (count: number) =>
    Array.from({ length: count }, () => ({ phase: 'opening' as const }));

  test.each<[has: bigint, open: number, opening: number, adds: number, missing: bigint]>([
    [0n, 0, 0, 1, 10_000n],
    [0n, 0, 0, 2, 20_000n],
    [9_999n, 0, 0, 1, 10_000n],
    [10_000n, 0, 0, 1, 0n],
    [10_001n, 0, 0, 2, 10_000n],
    [30_000n, 2, 1, 1, 10_000n],
    [0n, 9, 0, 1, 100_000n],
    [0n, 30, 5, 3, 100_000n],
    [100_000n, 30, 5, 3, 0n],
    [0n, 5, 2, 0, 0n],
  ])(
    'with %s sat, %s open, %s opening, %s public ones more: %s sat',
    (has, open, opening, adds, missing) => {
      const asked = missingReserveSat({
        balance: { chainConfirmedSat: sat(has), chainUnconfirmedSat: sat(0n) },
        channels: channels(open),
        pending: pending(opening),
        adding: channels(adds),
      });
      expect(asked).toBe(missing);
    },
  );

  test('private channels ask for none, and count for none', () => {
    const asked = missingReserveSat({
      balance: { chainConfirmedSat: sat(10_000n), chainUnconfirmedSat: sat(0n) },
      channels: channels(5, 'private'),
      pending: [],
      adding: [...channels(1), ...channels(3, 'private')],
    });
    expect(asked).toBe(0n);
  });
});

describe('what a close posts', () => {
  const amount = (max: bigint) => fc.bigInt({ min: 0n, max });

  test('whatever was ours, it balances, overdraws nothing, and gives agents theirs first', () => {
    fc.assert(
      fc.property(
        amount(10n ** 9n),
        amount(10n ** 9n),
        amount(10n ** 6n),
        amount(10n ** 9n),
        amount(10n ** 7n),
        amount(2n * 10n ** 9n),
        (pool, others, reserved, totalMsat, feeMsat, paidMsat) => {
          const ledger = emptyLedger();
          postEntry(
            ledger,
            capitalBrought({ rail: 'ln.local', amountMsat: msat(pool + reserved) }),
          );
          postEntry(
            ledger,
            entryOf(
              dr('LLP:asset:ln.reserved', reserved),
              cr('LLP:asset:ln.local', reserved),
              dr('SYS:asset:ln.local', others),
              cr('SYS:liab:unattributed', others),
            ),
          );
          const closing = closingEntry(ledger, { totalMsat, reservedMsat: reserved, feeMsat });
          expect(checkEntry(ledger, closing.entry)).toBe(null);
          postEntry(ledger, closing.entry);
          const closed = closedEntry(ledger, { ...closing, paidMsat, to: 'cold' });
          expect(checkEntry(ledger, closed)).toBe(null);
          postEntry(ledger, closed);
          expect(available(ledger, 'LLP:asset:ln.reserved')).toBe(0n);
          expect(available(ledger, 'LLP:asset:ln.pending_close')).toBe(0n);
          expect(available(ledger, 'SYS:asset:ln.pending_close')).toBe(0n);
          const cold = available(ledger, 'LLP:asset:cold') + available(ledger, 'SYS:asset:cold');
          expect(cold).toBe(paidMsat);
          const owed = closing.othersMsat < paidMsat ? closing.othersMsat : paidMsat;
          expect(available(ledger, 'SYS:asset:cold')).toBeGreaterThanOrEqual(owed);
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each<[difference: bigint, closes: number, quiet: boolean, booked: bigint | null]>([
    [999n, 1, true, 999n],
    [1_000n, 1, true, null],
    [1_999n, 2, true, 1_999n],
    [0n, 1, true, null],
    [-5n, 1, true, null],
    [5n, 0, true, null],
    [5n, 1, false, null],
  ])(
    '%s msat too many in the books after %s closes, quiet %s: %s',
    (differenceMsat, closes, quiet, booked) => {
      expect(remainderMsat({ differenceMsat, closes, quiet })).toBe(booked);
    },
  );
});

test('a refused close is tried again later and later, and never later than an hour', () => {
  const waits = Array.from({ length: 12 }, (_, attempt) => backoffMs(attempt + 1));
  expect(waits.slice(0, 4)).toEqual([30_000, 60_000, 120_000, 240_000]);
  expect(waits.toSorted((a, b) => a - b)).toEqual(waits);
  expect(Math.max(...waits, backoffMs(1_000))).toBe(CLOSE_BACKOFF_MAX_MS);
});

describe('a log that forgets or publishes too early stops the process', () => {
  const batchId = '0'.repeat(64);
  const planned: BatchEvent = {
    kind: 'channel-batch-planned',
    batchId,
    initiator: 'olga',
    channels: [
      {
        peer: `02${'aa'.repeat(32)}`,
        capacitySat: sat(300_000n),
        announced: 'public',
        closeIndex: 1,
        closeAddress: 'bcrt1',
      },
    ],
    reserve: null,
  };
  const asked: BatchEvent = {
    kind: 'channel-funding-asked',
    batchId,
    funding: [{ pendingId: '1'.repeat(64), fundingScript: CHANNEL, amountSat: sat(300_000n) }],
  };
  const proposed: BatchEvent = {
    kind: 'channel-batch-proposed',
    batchId,
    proposalId: '2'.repeat(64),
    txid: '3'.repeat(64),
    unsignedTx: '',
    psbt: '',
    inputs: [`${'4'.repeat(64)}:0`],
    vouts: [0],
    feeSat: sat(1_000n),
    expiryHeight: 100,
  };
  const of = (kind: string): BatchEvent => ({ kind, batchId }) as BatchEvent;
  const toPending = [
    planned,
    of('channel-funding-asking'),
    asked,
    proposed,
    of('channel-batch-verified'),
    of('channel-batch-pending'),
  ];
  const aborting = (route: 'release' | 'conflict'): BatchEvent => ({
    kind: 'channel-batch-aborting',
    batchId,
    why: 'operator',
    detail: '',
    route,
  });
  const conflict = (change: Partial<Extract<BatchEvent, { kind: 'channel-conflict-buried' }>>) =>
    ({
      kind: 'channel-conflict-buried',
      batchId,
      txid: '5'.repeat(64),
      rawTx: '',
      spends: `${'4'.repeat(64)}:0`,
      height: 90,
      confirmations: 6,
      ...change,
    }) satisfies BatchEvent;
  const aborted: BatchEvent = { kind: 'channel-batch-aborted', batchId, busyPeers: [] };

  test.each<[what: string, events: BatchEvent[]]>([
    ['proposed before the node was asked', [planned, proposed]],
    ['pending before it was proposed', [...toPending.slice(0, 3), of('channel-batch-pending')]],
    ['attested without a backup', [...toPending, of('channel-batch-attested')]],
    ['broadcast and never attested', [...toPending, of('channel-batch-broadcast')]],
    ['just let go after it was pending', [...toPending, aborting('release')]],
    ['forgotten without a conflict', [...toPending, aborting('conflict'), aborted]],
    [
      'forgotten five blocks deep',
      [...toPending, aborting('conflict'), conflict({ confirmations: 5 })],
    ],
    [
      'forgotten for a transaction that shares no coin',
      [...toPending, aborting('conflict'), conflict({ spends: `${'6'.repeat(64)}:0` })],
    ],
    [
      'forgotten for its own transaction',
      [...toPending, aborting('conflict'), conflict({ txid: '3'.repeat(64) })],
    ],
    ['planned twice', [planned, planned]],
    ['done before it was broadcast', [...toPending, of('channel-batch-done')]],
  ])('%s', (_, events) => {
    const channels = emptyChannels();
    const last = events.pop();
    for (const event of events) applyBatchEvent(channels, event, 1);
    expect(() => last !== undefined && applyBatchEvent(channels, last, 1)).toThrow(BrokenInvariant);
  });

  test('in its order it does not', () => {
    const channels = emptyChannels();
    for (const event of [...toPending, aborting('conflict'), conflict({}), aborted]) {
      applyBatchEvent(channels, event, 1);
    }
    expect(channels.batches.get(batchId)?.phase).toBe('aborted');
  });
});
