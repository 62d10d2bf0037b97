/** Rows E4 to E6 and E8: who is to be paid, on whose word, and whether that word still holds. */
import type { Deriver } from '../../descriptors/derive.ts';
import { payeeScript } from '../../descriptors/payee-script.ts';
import { type Family, listedPayeesOf, takenOrders } from '../../policies/commitments.ts';
import type { PayeeFact } from '../../policies/facts.ts';
import { Failure } from '../../policies/failure.ts';
import type { ListedPayee, LpOrder, SpendIntent } from '../../policies/intent.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import { statementHolds } from '../../policies/statement.ts';
import { registrationAt } from '../../policies/treasury.ts';
import type { Case } from './case.ts';
import { channelFacts } from './lightning.ts';

/** Whom an intent pays, and what is wrong with their evidence. A bump pays what its root pays. */
export interface Payees {
  facts: readonly PayeeFact[];
  reasons: readonly Reason[];
}

const NOBODY: Payees = { facts: [], reasons: [] };

export function payeesOf(c: Case, indexMax: number): Payees {
  const intent = payingIntent(c);
  const wanted = payeeCount(intent);
  if (wanted === 0) return NOBODY;
  // Evidence is checked by curve work, payee by payee: a bound comes first.
  if (wanted > c.policy.outputs.max) {
    const detail = `${wanted} payees of ${c.policy.outputs.max}`;
    return { facts: [], reasons: [reason('W-OUT-COUNT', detail)] };
  }
  const { facts, reasons } = evidenceOf(c, intent);
  return { facts, reasons: [...reasons, ...ownScripts(facts, c.input.deriver, indexMax)] };
}

function payeeCount(intent: SpendIntent): number {
  const orders = 'orders' in intent ? intent.orders.length : 0;
  const channels = 'channels' in intent ? intent.channels.length : 0;
  return orders + channels + listedPayeesOf(intent).length;
}

function evidenceOf(c: Case, intent: SpendIntent): Payees {
  const { intents } = c.policy;
  switch (intent.kind) {
    case 'withdrawal_batch':
      return orderPayees(c, intent.orders);
    case 'treasury_move':
    case 'hot_topup':
      return listedPayees(c, intents[intent.kind].to, intent.payees);
    case 'channel_open': {
      const rules = intents.channel_open;
      const list = rules === 'not_yet' ? '' : rules.reserve.to;
      const { facts, reasons } = listedPayees(c, list, listedPayeesOf(intent));
      return { facts: [...channelFacts(c, intent.channels), ...facts], reasons };
    }
    case 'fee_bump':
    case 'cancel':
    case 'consolidate':
      return NOBODY;
  }
}

function payingIntent({ input, root }: Case): SpendIntent {
  const { intent } = input.state.proposal;
  return intent.kind === 'fee_bump' ? (root?.proposal.intent ?? intent) : intent;
}

/** E6, E8: what our descriptor derives is ours by derivation and never a payee. */
function ownScripts(facts: readonly PayeeFact[], deriver: Deriver, indexMax: number): Reason[] {
  return facts.flatMap(({ script, authority }): Reason[] => {
    const place = deriver.find(script, indexMax);
    if (place === null) return [];
    const where = `${place.branch}/${place.index} of this treasury`;
    if (authority.kind === 'lp-order') {
      return [reason('W-OUT-OWN-RECEIVE', `order ${authority.orderId} pays ${where}`)];
    }
    return authority.kind === 'channel'
      ? [reason('W-OUT-OWN-RECEIVE', `the channel with ${authority.peer} is ${where}`)]
      : [reason('W-OUT-SHARED', `${authority.list}/${authority.entry} is ${where}`)];
  });
}

function orderPayees(c: Case, orders: readonly LpOrder[]): Payees {
  const reasons: Reason[] = [];
  const seen = new Set<string>();
  const taken = takenOrders(c.prior);
  const facts = orders.map((order): PayeeFact => {
    const { script, amountSat, lpId, orderId, expiryHeight } = order.body;
    reasons.push(...orderReasons(c, order));
    if (seen.has(orderId) || taken.has(orderId)) {
      reasons.push(reason('W-OUT-PAID-BEFORE', `order ${orderId} of ${lpId}`));
    }
    seen.add(orderId);
    return {
      script,
      amountSat,
      authority: { kind: 'lp-order', lpId, orderId, expiryHeight },
      firstPayment: firstPayment(c, script),
    };
  });
  return { facts, reasons: [...reasons, ...capReasons(c, orders)] };
}

function firstPayment({ chain }: Case, script: string): PayeeFact['firstPayment'] {
  return chain?.paidScripts.has(script) === true ? 'known' : 'first';
}

function orderReasons({ input, height }: Case, order: LpOrder): Reason[] {
  const { treasury } = input;
  const { treasuryId, params } = input.pinned.record;
  const { body } = order;
  if (body.treasuryId !== treasuryId || body.network !== params.network) {
    return [reason('W-OUT-NETWORK', `order ${body.orderId} is for another treasury or network`)];
  }
  const registration = registrationAt(treasury, body.lpId, height);
  if (registration === null) {
    return treasury.registry.has(body.lpId)
      ? [reason('W-OUT-PAYEE-INACTIVE', `${body.lpId} is not active at height ${height}`)]
      : [reason('W-OUT-PAYEE-UNSIGNED', `${body.lpId} is not in the registry`)];
  }
  return order.key === registration.key && statementHolds('lp-order', order)
    ? []
    : [reason('W-OUT-PAYEE-UNSIGNED', `order ${body.orderId} is not signed by ${body.lpId}`)];
}

/** All that ever went or may go to an LP, this batch included, within its registration's cap. */
function capReasons(c: Case, orders: readonly LpOrder[]): Reason[] {
  const { treasury } = c.input;
  const paid = new Map<string, bigint>();
  const add = (batch: readonly LpOrder[]): void => {
    for (const { body } of batch) {
      paid.set(body.lpId, (paid.get(body.lpId) ?? 0n) + body.amountSat);
    }
  };
  for (const family of c.others.filter(mayPay)) {
    const { intent } = family.root.proposal;
    if (intent.kind === 'withdrawal_batch') add(intent.orders);
  }
  add(orders);
  return [...new Set(orders.map(({ body }) => body.lpId))].flatMap((lpId) => {
    const cap = registrationAt(treasury, lpId, c.height)?.lifetimeCapSat;
    const total = paid.get(lpId) ?? 0n;
    return cap === undefined || total <= cap
      ? []
      : [reason('W-OUT-PAYEE-CAP', `${lpId} would have had ${total} of ${cap} sat`)];
  });
}

function mayPay({ fate }: Family): boolean {
  if (fate.is === 'dead') return false;
  return fate.is !== 'buried' || fate.by.proposal.intent.kind !== 'cancel';
}

function listedPayees(c: Case, list: string, payees: readonly ListedPayee[]): Payees {
  const reasons: Reason[] = [];
  const facts = payees.flatMap((payee): PayeeFact[] => {
    const script = listedScript(c, list, payee);
    if (script === null) {
      const detail = `the list ${list} has no ${payee.entry} at index ${payee.index}`;
      reasons.push(reason('W-OUT-PAYEE-UNSIGNED', detail));
      return [];
    }
    const { entry, index, amountSat } = payee;
    const usedIndex = usedIndexOf(c, entry);
    return [
      {
        script,
        amountSat,
        authority: { kind: 'allowlist', list, entry, index, usedIndex },
        firstPayment: firstPayment(c, script),
      },
    ];
  });
  return { facts, reasons };
}

/** Derived here, from the policy's own descriptor; null where the list holds no such place. */
function listedScript({ policy, input }: Case, list: string, payee: ListedPayee): string | null {
  const entry = policy.allowlists[list]?.find(({ name }) => name === payee.entry);
  if (entry === undefined) return null;
  if ('script' in entry) return payee.index === null ? entry.script : null;
  if (payee.index === null) return null;
  try {
    return payeeScript(entry.descriptor, payee.index, input.deriver.descriptor.network);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return null;
  }
}

/** The highest index of an entry that another intent pays, unless that is dead. */
function usedIndexOf(c: Case, entry: string): number | null {
  let highest: number | null = null;
  for (const { root, fate } of c.others) {
    const { intent } = root.proposal;
    if (fate.is === 'dead') continue;
    for (const payee of listedPayeesOf(intent)) {
      if (payee.entry !== entry || payee.index === null) continue;
      highest = Math.max(highest ?? 0, payee.index);
    }
  }
  return highest;
}
