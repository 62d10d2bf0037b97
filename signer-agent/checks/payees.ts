/** Rows E4-E6: who is to be paid, on whose word, and whether that word still holds. */

import { deadByRefusal, takenOrders } from '../../policies/commitments.ts';
import type { PayeeFact } from '../../policies/facts.ts';
import type { ListedPayee, LpOrder, SpendIntent } from '../../policies/intent.ts';
import type { Policy } from '../../policies/policy.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import { statementHolds } from '../../policies/statement.ts';
import { registrationAt } from '../../policies/treasury.ts';
import type { ChainView, JudgeInput } from '../judgement.ts';
import { familiesSeen } from './chain.ts';

/** Script of an allowlist entry at an index, in hex, derived here. */
export type EntryScript = (descriptor: string, index: number) => string;

/** What an intent pays, as facts; the first proposal's payees for a bump, none for a cancel. */
export interface Payees {
  facts: readonly PayeeFact[];
  reasons: readonly Reason[];
}

/** Resolves the payees of an intent against registry and allowlists at the agent's own height. */
export function payeesOf(
  input: JudgeInput,
  chain: ChainView | null,
  policy: Policy,
  entryScript: EntryScript,
): Payees {
  const intent = payingIntent(input);
  switch (intent.kind) {
    case 'withdrawal_batch':
      return orderPayees(input, chain, intent.orders);
    case 'treasury_move':
      return listedPayees(
        { input, chain, list: policy.intents.treasury_move.to, payees: intent.payees },
        policy,
        entryScript,
      );
    case 'hot_topup':
      return listedPayees(
        { input, chain, list: policy.intents.hot_topup.to, payees: intent.payees },
        policy,
        entryScript,
      );
    case 'consolidate':
    case 'fee_bump':
    case 'cancel':
    case 'channel_open':
      return { facts: [], reasons: [] };
  }
}

/** The intent whose payees count: a bump pays what its first proposal pays. */
export function payingIntent(input: JudgeInput): SpendIntent {
  const { intent } = input.state.proposal;
  if (intent.kind !== 'fee_bump') return intent;
  return input.treasury.proposals.get(intent.of)?.proposal.intent ?? intent;
}

function orderPayees(
  input: JudgeInput,
  chain: ChainView | null,
  orders: readonly LpOrder[],
): Payees {
  const reasons: Reason[] = [];
  const seen = new Set<string>();
  const taken =
    chain === null ? new Map<string, string>() : takenOrders(familiesSeen(input, chain));
  const facts = orders.map((order): PayeeFact => {
    const { body } = order;
    reasons.push(...orderReasons(input, chain, order));
    const holder = taken.get(body.orderId);
    if (seen.has(body.orderId) || (holder !== undefined && holder !== input.state.root)) {
      reasons.push(reason('W-OUT-PAID-BEFORE', `order ${body.orderId} of ${body.lpId}`));
    }
    seen.add(body.orderId);
    return {
      script: body.script,
      amountSat: body.amountSat,
      authority: {
        kind: 'lp-order',
        lpId: body.lpId,
        orderId: body.orderId,
        expiryHeight: body.expiryHeight,
      },
      firstPayment: chain?.paidScripts.has(body.script) === true ? 'known' : 'first',
    };
  });
  return { facts, reasons };
}

function orderReasons(input: JudgeInput, chain: ChainView | null, order: LpOrder): Reason[] {
  const { treasury } = input;
  const { body } = order;
  const tip = chain?.tipHeight ?? 0;
  if (body.treasuryId !== treasury.id || body.network !== treasury.params?.network) {
    return [reason('W-OUT-NETWORK', `order ${body.orderId} is for another treasury or network`)];
  }
  const registration = registrationAt(treasury, body.lpId, tip);
  if (registration === null) {
    return treasury.registry.has(body.lpId)
      ? [reason('W-OUT-PAYEE-INACTIVE', `${body.lpId} is not active at height ${tip}`)]
      : [reason('W-OUT-PAYEE-UNSIGNED', `${body.lpId} is not in the registry`)];
  }
  const found: Reason[] = [];
  if (order.key !== registration.key || !statementHolds('lp-order', order)) {
    found.push(
      reason('W-OUT-PAYEE-UNSIGNED', `order ${body.orderId} is not signed by ${body.lpId}`),
    );
  }
  if (body.expiryHeight < tip) {
    found.push(
      reason('W-OUT-ORDER-EXPIRED', `order ${body.orderId} ended at ${body.expiryHeight}`),
    );
  }
  if (paidToLp(input, body.lpId) > registration.lifetimeCapSat) {
    found.push(
      reason('W-OUT-PAYEE-CAP', `${body.lpId} is over its ${registration.lifetimeCapSat}`),
    );
  }
  return found;
}

/** All that ever went or may go to an LP: every batch of the log that can still confirm or did. */
function paidToLp(input: JudgeInput, lpId: string): bigint {
  let total = 0n;
  for (const state of input.treasury.proposals.values()) {
    const { intent } = state.proposal;
    if (intent.kind !== 'withdrawal_batch' || refusedByQuorum(input, state.id)) continue;
    for (const { body } of intent.orders) if (body.lpId === lpId) total += body.amountSat;
  }
  return total;
}

function refusedByQuorum(input: JudgeInput, id: string): boolean {
  const { treasury } = input;
  const state = treasury.proposals.get(id);
  return state !== undefined && deadByRefusal(treasury, state);
}

interface Listed {
  input: JudgeInput;
  chain: ChainView | null;
  list: string;
  payees: readonly ListedPayee[];
}

function listedPayees(listed: Listed, policy: Policy, entryScript: EntryScript): Payees {
  const reasons: Reason[] = [];
  const { list, chain } = listed;
  const tip = chain?.tipHeight ?? 0;
  const facts = listed.payees.flatMap((payee): PayeeFact[] => {
    const entry = policy.allowlists[list]?.find(({ name }) => name === payee.entry);
    if (entry === undefined) {
      reasons.push(reason('W-OUT-PAYEE-UNSIGNED', `${payee.entry} is not on the list ${list}`));
      return [];
    }
    if (entry.active_from > tip) {
      reasons.push(reason('W-OUT-PAYEE-INACTIVE', `${payee.entry} opens at ${entry.active_from}`));
    }
    const ranged = 'descriptor' in entry;
    if (ranged !== (payee.index !== null) || (ranged && (payee.index ?? 0) > entry.max_index_gap)) {
      reasons.push(reason('W-OUT-PAYEE-UNSIGNED', `${payee.entry} has no index ${payee.index}`));
      return [];
    }
    const script = ranged ? entryScript(entry.descriptor, payee.index ?? 0) : entry.script;
    return [
      {
        script,
        amountSat: payee.amountSat,
        authority: { kind: 'allowlist', list, entry: payee.entry, index: payee.index },
        firstPayment: chain?.paidScripts.has(script) === true ? 'known' : 'first',
      },
    ];
  });
  return { facts, reasons };
}
