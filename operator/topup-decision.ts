/** Money in: top-ups by invoice, credited once per payment hash, whatever the stream of events says. Pure. */
import type { Msat } from '../policies/units.ts';
import { actionReceiptOf } from './action-news.ts';
import { type Decision, nothing, plainNews, type Refused } from './decision.ts';
import { available } from './ledger/ledger.ts';
import { prepaidCredited, unattributedReceived } from './ledger/rows.ts';
import type { ReceivedPayment } from './lightning.ts';
import { type OperatorPolicy, rulesOf } from './operator-policy.ts';
import type { ApiRefusal, Caller } from './pool-api.ts';
import type { PoolEventOf } from './pool-event.ts';
import { type PoolState, type Topup, topupKey } from './pool-state.ts';
import { refuse } from './reasons.ts';
import { refusedNews } from './refusal-news.ts';

export interface TopupAsk {
  idempotencyKey: string;
  amountMsat: Msat;
}

export type TopupAnswer = { topupId: string } | Refused;

/** Opens a top-up or finds the one of this key. `paymentHash` comes of a preimage derived from the id. */
export function decideTopup(
  state: PoolState,
  nowMs: number,
  of: {
    caller: Caller;
    ask: TopupAsk;
    policy: OperatorPolicy;
    topupId: string;
    paymentHash: string;
  },
): Decision<TopupAnswer> {
  const { caller, ask, policy } = of;
  const { agentId, credentialId } = caller;
  const known = state.topups.get(state.topupByKey.get(topupKey({ agentId, ...ask })) ?? '');
  if (known !== undefined) return nothing(replayed(known, ask));
  const refusal = topupRefusal(state, caller, ask, policy);
  if (refusal !== null) {
    const { idempotencyKey } = ask;
    return refusedNews(state, nowMs, {
      caller,
      action: 'topup',
      refusal,
      quoteId: null,
      idempotencyKey,
    });
  }
  const event = {
    kind: 'topup-opened' as const,
    topupId: of.topupId,
    agentId,
    credentialId,
    idempotencyKey: ask.idempotencyKey,
    amountMsat: ask.amountMsat,
    paymentHash: of.paymentHash,
    expiresAtMs: nowMs + policy.prepaid.topupExpiryMs,
  };
  return { news: [plainNews(event)], answer: { topupId: of.topupId } };
}

function replayed(known: Topup, ask: TopupAsk): TopupAnswer {
  if (known.amountMsat === ask.amountMsat) return { topupId: known.topupId };
  return {
    refusal: refuse('idempotency_drift', 'this idempotency key came before with another amount', {
      field: 'idempotency_key',
      paymentHash: known.paymentHash,
    }),
  };
}

function topupRefusal(
  state: PoolState,
  { agentId }: Caller,
  { amountMsat }: TopupAsk,
  policy: OperatorPolicy,
): ApiRefusal | null {
  const field = 'amount_msats';
  const { topupMinMsat, topupMaxMsat } = policy.prepaid;
  if (state.mode !== 'open') {
    const reason = state.mode === 'frozen' ? 'frozen' : 'winding_down';
    return refuse(reason, 'no money is taken in now');
  }
  // An invoice of nothing would take any amount.
  if (amountMsat < topupMinMsat || amountMsat > topupMaxMsat || amountMsat === 0n) {
    return refuse('field_invalid', `a top-up is ${topupMinMsat} to ${topupMaxMsat} msat`, {
      field,
    });
  }
  const held = available(state.ledger, `SYS:liab:prepaid.${agentId}`);
  const open = openMsat(state, agentId);
  const { balanceMsat } = rulesOf(policy, agentId);
  if (held + open + amountMsat <= balanceMsat) return null;
  return refuse(
    'balance_over_cap',
    `${held} msat are held and ${open} on their way, at most ${balanceMsat}`,
    { field },
  );
}

function openMsat(state: PoolState, agentId: string): bigint {
  let sum = 0n;
  for (const id of state.openTopups) {
    const topup = state.topups.get(id);
    if (topup?.agentId === agentId) sum += topup.amountMsat;
  }
  return sum;
}

/** The node made the invoice, or had it already. */
export function decideInvoiced(
  state: PoolState,
  of: { topupId: string; request: string; expiresAtMs: number },
): Decision<null> {
  const topup = state.topups.get(of.topupId);
  if (topup?.state !== 'opened') return nothing(null);
  return { news: [plainNews({ kind: 'topup-invoiced', ...of })], answer: null };
}

/**
 * What the node received under an invoice: once per hash. What came after its top-up was closed is still its
 * agent's; what belongs to no top-up is nobody's until a person says whose.
 */
export function decideReceived(
  state: PoolState,
  nowMs: number,
  received: ReceivedPayment,
): Decision<'credited' | 'unattributed' | 'known'> {
  const { paymentHash, receivedMsat, settleIndex } = received;
  const topup = state.topups.get(state.topupByHash.get(paymentHash) ?? '');
  if (topup === undefined) {
    if (settleIndex <= state.settleIndex) return nothing('known');
    const event = {
      kind: 'received-unattributed' as const,
      paymentHash,
      receivedMsat,
      settleIndex,
    };
    // What came before there was a pool is in the capital that was brought: only the cursor moves.
    const isOurs = received.settledAtMs >= state.openedAtMs;
    const entry = isOurs ? unattributedReceived({ receivedMsat }) : null;
    return { news: [{ event, entry, receipt: null }], answer: 'unattributed' };
  }
  if (topup.state === 'credited') return nothing('known');
  const event = {
    kind: 'topup-credited' as const,
    topupId: topup.topupId,
    paymentHash,
    receivedMsat,
    settleIndex,
  };
  const entry = prepaidCredited({ agentId: topup.agentId, receivedMsat });
  const receipt = actionReceiptOf(state, nowMs, {
    action: 'topup',
    subject: topup.topupId,
    amounts: { received_msat: receivedMsat.toString() },
    agentId: topup.agentId,
  });
  return { news: [{ event, entry, receipt }], answer: 'credited' };
}

/** Its invoice can no longer be paid: the node said so. */
export function decideTopupClosed(
  state: PoolState,
  of: { topupId: string; why: PoolEventOf<'topup-closed'>['why'] },
): Decision<null> {
  if (!state.openTopups.has(of.topupId)) return nothing(null);
  return { news: [plainNews({ kind: 'topup-closed', ...of })], answer: null };
}
