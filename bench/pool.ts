/** A pool without a node: engine, journal and receipt log as they run, on a folder of its own. */

import { createJournal } from '../journal/level-journal.ts';
import { decideCapital } from '../operator/capital-decision.ts';
import { type Decide, type Decision, nothing } from '../operator/decision.ts';
import { type Engine, openEngine } from '../operator/engine.ts';
import { prepaidCredited } from '../operator/ledger/rows.ts';
import { decideOutcome } from '../operator/outcome-decision.ts';
import { reserveEntry } from '../operator/pay-entries.ts';
import type { Caller } from '../operator/pool-api.ts';
import type { Quote } from '../operator/pool-event.ts';
import { refuse } from '../operator/reasons.ts';
import { canonicalSha256, textSha256 } from '../operator/receipts/canonical.ts';
import { refusedNews } from '../operator/refusal-news.ts';
import { msat } from '../policies/units.ts';

const KEY = '7'.repeat(64);
const NODE = `02${'a'.repeat(64)}`;
const PAYEE = `03${'b'.repeat(64)}`;
const HASH = 'd'.repeat(64);
/** About what an invoice with a description has. */
const INVOICE = 'lnbcrt1'.padEnd(400, 'q');
export const AGENTS = 100;
const CREDIT = msat(10n ** 15n);
const AMOUNT = msat(1_000_000n);
const FEE = msat(1_000n);

/** A new pool with capital, and agents that can pay for long. */
export async function newPool(dir: string): Promise<Engine> {
  const journal = await createJournal(dir);
  const engine = await openEngine({
    journal,
    now: () => Date.now(),
    onFatal: (cause) => {
      throw cause;
    },
  });
  const opened = {
    kind: 'pool-opened' as const,
    poolId: 'bench',
    network: 'regtest' as const,
    receiptKey: KEY,
    nodeKey: NODE,
  };
  await engine.act(() => ({ news: [{ event: opened, entry: null, receipt: null }], answer: null }));
  const capital = { rail: 'ln.local' as const, amountMsat: CREDIT, why: 'bench' };
  await engine.act((state, nowMs) => decideCapital(state, nowMs, capital));
  for (let n = 0; n < AGENTS; n += 1) await engine.act(() => credited(n));
  return engine;
}

function credited(n: number): Decision<null> {
  const event = {
    kind: 'received-unattributed' as const,
    paymentHash: canonicalSha256(`credit ${n}`),
    receivedMsat: CREDIT,
    settleIndex: n + 1,
  };
  const entry = prepaidCredited({ agentId: `agent-${n}`, receivedMsat: CREDIT });
  return { news: [{ event, entry, receipt: null }], answer: null };
}

function callerOf(n: number): Caller {
  return {
    credentialId: `cred-${n % AGENTS}`,
    agentId: `agent-${n % AGENTS}`,
    role: 'agent',
    actions: ['pay'],
    perPaymentMsat: null,
    perDayMsat: null,
  };
}

/** One entry with one receipt: an agent was refused. */
export function refusal(n: number): Decide<unknown> {
  return (state, nowMs) =>
    refusedNews(state, nowMs, {
      caller: callerOf(n),
      action: 'quote_pay',
      refusal: refuse('no_route', 'the node finds no route within the fee cap'),
      quoteId: null,
      idempotencyKey: `key ${n}`,
    });
}

/** Three entries, the last with a receipt: quoted, reserved, settled. */
export function payment(n: number): readonly Decide<unknown>[] {
  const quoteId = `liq_quote_${n.toString().padStart(36, '0')}`;
  const preimage = textSha256(`preimage ${n}`);
  const paymentHash = textSha256(preimage);
  const quoted = (nowMs: number): Quote => ({
    quoteId,
    agentId: `agent-${n % AGENTS}`,
    credentialId: `cred-${n % AGENTS}`,
    idempotencyKey: `key ${n}`,
    fingerprint: HASH,
    purpose: 'pay',
    funding: 'prepaid',
    request: `${INVOICE}${n}`,
    invoiceHash: textSha256(`invoice ${n}`),
    paymentHash,
    payee: PAYEE,
    host: 'api.example.com',
    amountMsat: AMOUNT,
    maxAmountMsat: AMOUNT,
    maxFeeMsat: FEE,
    routeFeeCapMsat: FEE,
    serviceFeeMsat: msat(0n),
    expectedFeeMsat: FEE,
    successPpm: 900_000,
    urgency: 'normal',
    urgencyGiven: null,
    policyContextSha256: HASH,
    operatorPolicyHash: HASH,
    invoiceExpiresAtMs: nowMs + 3_600_000,
    createdAtMs: nowMs,
    validUntilMs: nowMs + 60_000,
  });
  return [
    (_, nowMs) => one({ kind: 'quoted', quote: quoted(nowMs) }, null),
    (state) => {
      const quote = state.quotes.get(quoteId);
      if (quote === undefined) return nothing(null);
      const run = { runId: null, trajectoryHash: null, policyId: null, maxTimeoutHeight: 1_000 };
      const event = { kind: 'pay-reserved' as const, quoteId, paymentHash, inside: null, ...run };
      return one(event, reserveEntry(quote, null));
    },
    (state, nowMs) =>
      decideOutcome(state, nowMs, {
        quoteId,
        outcome: {
          is: 'settled',
          preimage,
          amountMsat: AMOUNT,
          feeMsat: msat(100n),
          settledAtMs: nowMs,
          attempts: 1,
          firstChannels: ['1x1x1'],
        },
      }),
  ];
}

function one(
  event: Decision<null>['news'][number]['event'],
  entry: Decision<null>['news'][number]['entry'],
): Decision<null> {
  return { news: [{ event, entry, receipt: null }], answer: null };
}
