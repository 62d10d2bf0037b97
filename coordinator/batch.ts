/** Which orders of the queue a batch pays, in the order of queueing. Pure. */
import { chargesOf, deadByRefusal, takenOrders } from '../policies/commitments.ts';
import type { SlackRow, Verdict } from '../policies/evaluate.ts';
import { Failure } from '../policies/failure.ts';
import type { LpOrder } from '../policies/intent.ts';
import { BLOCKS_PER_DAY } from '../policies/rules/payees.ts';
import { registrationAt, type Treasury } from '../policies/treasury.ts';
import { chosenDraft, type Draft, type DraftTerms, draftsPaying } from './draft.ts';
import type { Situation } from './facts.ts';
import { nextChangeIndex, spendableCoins, spendBounds } from './spendable.ts';

/** Who proposes a batch that nobody asked for by hand. */
export const QUEUE_INITIATOR = 'queue';
/** Each round leaves something out; a queue that needs more is paid in several batches. */
const ROUNDS_MAX = 64;

/** An order that is not in the batch, and why in a person's words. */
export interface LeftOut {
  orderId: string;
  why: string;
}

export interface BatchOffer {
  drafts: readonly Draft[];
  leftOut: readonly LeftOut[];
}

/**
 * The largest batch from the front of the queue that policy, funds, devices and the orders' own fee limits
 * let through.
 *
 * @throws Failure NOT_READY when no order can be paid now.
 */
export function batchOffer(situation: Situation, terms: DraftTerms): BatchOffer {
  const leftOut = new Map<string, string>();
  const payable = payableOrders(situation, leftOut);
  let budget = spendableCoins(situation).reduce((sum, { amountSat }) => sum + amountSat, 0n);
  let feeShare = 0n;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const orders = fitting(payable, situation, { budget, feeShare, leftOut });
    if (orders.length === 0) break;
    const made = attempt(orders, situation, terms);
    if ('drafts' in made && made.share <= lowestFee(orders)) {
      return { drafts: made.drafts, leftOut: reasonsOf(leftOut) };
    }
    if ('drafts' in made) feeShare = made.share;
    else budget = made.budget;
  }
  const why = [...leftOut.values()][0] ?? 'the queue is empty';
  throw new Failure('NOT_READY', `no order can be paid now: ${why}`);
}

/** Orders of the log that nothing pays or paid, with a valid registration and time left. */
function payableOrders(situation: Situation, leftOut: Map<string, string>): readonly LpOrder[] {
  const { treasury, view, vault, all } = situation;
  const taken = takenOrders(all);
  const ownMax = ownIndexMax(situation);
  return [...treasury.queue.values()].filter(({ body, key }) => {
    if (taken.has(body.orderId)) return false;
    const registration = registrationAt(treasury, body.lpId, view.tipHeight);
    const why = [
      [body.expiryHeight <= view.tipHeight, `expired at ${body.expiryHeight}`],
      [registration?.key !== key, `not signed by the registered key of ${body.lpId}`],
      [vault.deriver.find(body.script, ownMax) !== null, 'pays an address of our own'],
    ].find(([broken]) => broken === true)?.[1];
    if (typeof why === 'string') leftOut.set(body.orderId, why);
    return why === undefined;
  });
}

/** How far beyond used places an output is read as our own (descriptors/spend-from-psbt.ts), and more. */
const OWN_AHEAD = 100;

/** As far out as an agent, or the check of the own work, finds a place of ours. */
function ownIndexMax(situation: Situation): number {
  const coins = situation.view.coins.map(({ index }) => index);
  const used = Math.max(nextChangeIndex(situation), ...coins);
  return used + situation.policy.inputs.gap + OWN_AHEAD;
}

interface Room {
  /** What may leave in this batch, in sat. */
  budget: bigint;
  /** What each payee's part of the fee was in the last round. */
  feeShare: bigint;
  leftOut: Map<string, string>;
}

/** From the front of the queue each order that still fits beside those before it. */
function fitting(orders: readonly LpOrder[], situation: Situation, room: Room): readonly LpOrder[] {
  const { policy } = situation;
  const { max, per_day } = policy.intents.withdrawal_batch.per_payee;
  const payeesMax = Math.min(
    policy.intents.withdrawal_batch.max_payees,
    spendBounds(situation).outputsMax - 1,
  );
  const today = paidToday(situation);
  const lifetime = paidEver(situation.treasury);
  const now = new Map<string, bigint>();
  const taken: LpOrder[] = [];
  let sum = 0n;
  for (const order of orders) {
    const { body } = order;
    const keys = [`lp ${body.lpId}`, `script ${body.script}`];
    const then = keys.map((key) => (now.get(key) ?? 0n) + body.amountSat);
    const cap = registrationAt(situation.treasury, body.lpId, situation.view.tipHeight);
    const why = [
      [taken.length >= payeesMax, `a batch pays ${payeesMax} at most`],
      [body.maxFeeSat < room.feeShare, `a share of the fee is ${room.feeShare} sat`],
      [then.some((amount) => amount > max), 'above the limit of one payee'],
      [
        keys.some((key, at) => (today.get(key) ?? 0n) + (then[at] ?? 0n) > per_day),
        'above the limit of one payee in a day',
      ],
      [
        (lifetime.get(body.lpId) ?? 0n) + (then[0] ?? 0n) > (cap?.lifetimeCapSat ?? 0n),
        `above the lifetime cap of ${body.lpId}`,
      ],
      [sum + body.amountSat > room.budget, 'more than may leave now'],
    ].find(([broken]) => broken === true)?.[1];
    if (typeof why === 'string') {
      room.leftOut.set(body.orderId, why);
      continue;
    }
    room.leftOut.delete(body.orderId);
    keys.forEach((key, at) => now.set(key, then[at] ?? 0n));
    sum += body.amountSat;
    taken.push(order);
  }
  return taken;
}

/** Drafts of these orders and each payee's part of the fee; or the budget that would have fitted. */
function attempt(
  orders: readonly LpOrder[],
  situation: Situation,
  terms: DraftTerms,
): { drafts: readonly Draft[]; share: bigint } | { budget: bigint } {
  const sum = orders.reduce((total, { body }) => total + body.amountSat, 0n);
  let drafts: readonly Draft[];
  try {
    drafts = draftsPaying({ kind: 'withdrawal_batch', orders: [...orders] }, situation, terms);
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.code !== 'INSUFFICIENT_FUNDS') throw cause;
    // Without the last order, or a hundredth less where there are many.
    const last = orders.at(-1)?.body.amountSat ?? sum;
    return { budget: sum - (last > sum / 100n ? last : sum / 100n) };
  }
  const soonest = Math.min(...orders.map(({ body }) => body.expiryHeight));
  const bounded = drafts.map((draft) => ({
    ...draft,
    expiryHeight: Math.min(draft.expiryHeight, soonest),
  }));
  const { draft, verdict } = chosenDraft(bounded, situation, new Map(), QUEUE_INITIATOR);
  const over = excessSat(verdict);
  if (over > 0n) return { budget: sum - over };
  const count = BigInt(orders.length);
  return { drafts: [draft], share: (draft.built.feeSat + count - 1n) / count };
}

function shrinksWithBatch({ rule, unit }: SlackRow): boolean {
  return unit === 'sat' && /^(limits\.|intents\.withdrawal_batch\.windows)/.test(rule);
}

/** By how much the spend breaks the limits that a smaller batch would keep. */
function excessSat(verdict: Verdict): bigint {
  return verdict.slack
    .filter(shrinksWithBatch)
    .reduce((most, { slack }) => (-slack > most ? -slack : most), 0n);
}

function lowestFee(orders: readonly LpOrder[]): bigint {
  return orders.map(({ body }) => body.maxFeeSat as bigint).reduce((a, b) => (b < a ? b : a));
}

/** What charges of the last day hold, by LP and by script. */
function paidToday({ all, treasury, view }: Situation): ReadonlyMap<string, bigint> {
  const paid = new Map<string, bigint>();
  for (const { at, payees } of chargesOf(all, treasury)) {
    if (at !== 'live' && at <= view.tipHeight - BLOCKS_PER_DAY) continue;
    for (const { script, lpId, amountSat } of payees) {
      const keys = [`script ${script}`, ...(lpId === null ? [] : [`lp ${lpId}`])];
      for (const key of keys) paid.set(key, (paid.get(key) ?? 0n) + amountSat);
    }
  }
  return paid;
}

/** All that ever went or may go to an LP, counted as agents count it. */
function paidEver(treasury: Treasury): ReadonlyMap<string, bigint> {
  const paid = new Map<string, bigint>();
  for (const state of treasury.proposals.values()) {
    const { intent } = state.proposal;
    if (intent.kind !== 'withdrawal_batch' || deadByRefusal(treasury, state)) continue;
    for (const { body } of intent.orders) {
      paid.set(body.lpId, (paid.get(body.lpId) ?? 0n) + body.amountSat);
    }
  }
  return paid;
}

function reasonsOf(leftOut: ReadonlyMap<string, string>): LeftOut[] {
  return [...leftOut].map(([orderId, why]) => ({ orderId, why }));
}
