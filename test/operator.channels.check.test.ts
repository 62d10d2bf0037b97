/** The pool's own rules: the reserve for anchors, what a close posts, when to try again, the order of events. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { missingReserveSat } from '../operator/channels/anchor-reserve.ts';
import { applyBatchEvent, type BatchEvent } from '../operator/channels/batch-apply.ts';
import { remainderMsat } from '../operator/channels/books-check.ts';
import { closedEntry, closingEntry } from '../operator/channels/channel-postings.ts';
import { emptyChannels } from '../operator/channels/channel-state.ts';
import { backoffMs, CLOSE_BACKOFF_MAX_MS } from '../operator/channels/close-steps.ts';
import { cr, dr, entryOf } from '../operator/ledger/entry.ts';
import { available, checkEntry, emptyLedger, postEntry } from '../operator/ledger/ledger.ts';
import { capitalBrought } from '../operator/ledger/rows.ts';
import { BrokenInvariant } from '../policies/failure.ts';
import { msat, sat } from '../policies/units.ts';

const CHANNEL = `0020${'11'.repeat(32)}`;

const ofThem = (count: number, announced: 'public' | 'private' = 'public') =>
  Array.from({ length: count }, () => ({ announced }));
const pending = (count: number) =>
  Array.from({ length: count }, () => ({ phase: 'opening' as const }));

describe('LN-9 the reserve for anchors', () => {
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
    (...[has, open, opening, adds, missing]) => {
      const asked = missingReserveSat({
        balance: { chainConfirmedSat: sat(has), chainUnconfirmedSat: sat(0n) },
        channels: ofThem(open),
        pending: pending(opening),
        adding: ofThem(adds),
      });
      expect(asked).toBe(missing);
    },
  );

  test('private channels ask for none, and count for none', () => {
    const asked = missingReserveSat({
      balance: { chainConfirmedSat: sat(10_000n), chainUnconfirmedSat: sat(0n) },
      channels: ofThem(5, 'private'),
      pending: [],
      adding: [...ofThem(1), ...ofThem(3, 'private')],
    });
    expect(asked).toBe(0n);
  });
});

const amount = (max: bigint) => fc.bigInt({ min: 0n, max });

describe('what a close posts', () => {
  test('whatever was ours, it balances, overdraws nothing, and gives agents theirs first', () => {
    fc.assert(
      fc.property(
        fc.record({
          pool: amount(10n ** 9n),
          others: amount(10n ** 9n),
          reserved: amount(10n ** 6n),
          totalMsat: amount(10n ** 9n),
          feeMsat: amount(10n ** 7n),
          paidMsat: amount(2n * 10n ** 9n),
        }),
        ({ pool, others, reserved, totalMsat, feeMsat, paidMsat }) => {
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
      feeSat: sat(0n),
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
