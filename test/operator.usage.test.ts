/** What an agent used in a day, kept as a running sum: the same as adding it all up again each time. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apply } from '../operator/apply.ts';
import type { PoolEvent, Quote } from '../operator/pool-event.ts';
import { DAY_MS, emptyPool, usageOf, usedInDay } from '../operator/pool-state.ts';
import { msat } from '../policies/units.ts';
import { PAYEE } from './fake-node.ts';

const HASH = 'd'.repeat(64);

function quoteOf(n: number, amount: bigint): Quote {
  return {
    quoteId: `quote-${n}`,
    agentId: 'ana',
    credentialId: 'cred-ana',
    idempotencyKey: `${n}`,
    fingerprint: HASH,
    purpose: 'pay',
    funding: 'prepaid',
    request: 'invoice',
    invoiceHash: HASH,
    paymentHash: n.toString(16).padStart(64, '0'),
    payee: PAYEE,
    host: 'host',
    amountMsat: msat(amount),
    maxAmountMsat: msat(amount),
    maxFeeMsat: msat(0n),
    routeFeeCapMsat: msat(0n),
    serviceFeeMsat: msat(0n),
    expectedFeeMsat: msat(0n),
    successPpm: 1,
    urgency: 'normal',
    urgencyGiven: null,
    policyContextSha256: HASH,
    operatorPolicyHash: HASH,
    invoiceExpiresAtMs: 0,
    createdAtMs: 0,
    validUntilMs: 0,
  };
}

const run = fc.record({
  afterMs: fc.oneof(fc.integer({ min: 0, max: DAY_MS }), fc.constantFrom(0, DAY_MS - 1, DAY_MS)),
  amount: fc.bigInt({ min: 1n, max: 1_000n }),
  end: fc.constantFrom('fails' as const, 'stays' as const),
});

test('is the sum of what settled or is in flight and was made less than a day ago, to the msat', () => {
  fc.assert(
    fc.property(fc.array(run, { maxLength: 30 }), fc.nat(2 * DAY_MS), (runs, laterMs) => {
      const state = emptyPool();
      let atMs = 1_000;
      const counted: { atMs: number; amount: bigint }[] = [];
      const happens = (event: PoolEvent): void =>
        apply(state, { seq: state.seq + 1, atMs, event, entry: null, receiptId: null });
      const expected = (nowMs: number): { msat: bigint; oldestAtMs: number | null } => {
        const live = counted.filter((each) => each.atMs > nowMs - DAY_MS);
        const sum = live.reduce((all, each) => all + each.amount, 0n);
        return { msat: sum, oldestAtMs: live[0]?.atMs ?? null };
      };
      for (const [n, { afterMs, amount, end }] of runs.entries()) {
        atMs += afterMs;
        const quote = quoteOf(n, amount);
        const { quoteId, paymentHash } = quote;
        happens({ kind: 'quoted', quote });
        const of = { runId: null, trajectoryHash: null, policyId: null, maxTimeoutHeight: 1 };
        happens({ kind: 'pay-reserved', quoteId, paymentHash, inside: null, ...of });
        if (end === 'fails') {
          const failed = { why: 'no_route', detail: '', begunAtMs: null };
          happens({ kind: 'pay-failed', quoteId, paymentHash, ...failed });
        } else counted.push({ atMs, amount });
        expect(usedInDay(usageOf(state, 'ana'), atMs)).toMatchObject(expected(atMs));
      }
      const nowMs = atMs + laterMs;
      expect(usedInDay(usageOf(state, 'ana'), nowMs)).toMatchObject(expected(nowMs));
    }),
  );
});
