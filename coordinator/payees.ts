/** Who an intent pays: scripts and amounts for the builder, and on whose word for the judge. */
import type { Payee } from '../descriptors/build.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { payeeScript } from '../descriptors/payee-script.ts';
import { type Family, listedPayeesOf } from '../policies/commitments.ts';
import type { PayeeFact } from '../policies/facts.ts';
import { Failure } from '../policies/failure.ts';
import type { ListedPayee, LpOrder, SpendIntent } from '../policies/intent.ts';
import type { Policy } from '../policies/policy.ts';
import type { Treasury } from '../policies/treasury.ts';
import { proposalOf } from './machine.ts';

/** What payees are looked up in. */
export interface PayeeSources {
  treasury: Treasury;
  policy: Policy;
  /** All intents of the log with their fates. */
  all: readonly Family[];
}

/** An intent before its coins are chosen: kind and payees, no plan. */
export type Unplanned = SpendIntent extends infer I
  ? I extends SpendIntent
    ? Omit<I, 'plan'>
    : never
  : never;

/** Payees of an intent; a bump pays what its first proposal pays. @throws Failure INPUT_INVALID */
export function payeeFactsOf(intent: Unplanned, sources: PayeeSources): readonly PayeeFact[] {
  switch (intent.kind) {
    case 'withdrawal_batch':
      return orderFacts(intent.orders, sources);
    case 'treasury_move':
    case 'hot_topup':
      return intent.payees.map((payee) =>
        listedFact(payee, sources.policy.intents[intent.kind].to, sources),
      );
    case 'fee_bump':
      return payeeFactsOf(proposalOf(sources.treasury, intent.of).proposal.intent, sources);
    case 'channel_open':
      return channelFacts(intent, sources);
    case 'consolidate':
    case 'cancel':
      return [];
  }
}

/** The same for the builder. */
export function payeesOf(intent: Unplanned, sources: PayeeSources): readonly Payee[] {
  return payeeFactsOf(intent, sources).map(({ script, amountSat }) => ({ script, amountSat }));
}

/** The policy that a proposal was made under. @throws Failure NOT_FOUND */
export function policyByHash(treasury: Treasury, hash: string): Policy {
  const found = treasury.policies.find((each) => each.hash === hash);
  if (found === undefined) throw new Failure('NOT_FOUND', `there is no policy ${hash}`);
  return found.policy;
}

/** Highest index of an allowlist entry that any intent pays which is not dead; null when none does. */
export function usedIndexOf(entry: string, all: readonly Family[]): number | null {
  const indexes = all.flatMap(({ root, fate }) => {
    const { intent } = root.proposal;
    if (fate.is === 'dead') return [];
    return listedPayeesOf(intent).flatMap((payee) =>
      payee.entry === entry && payee.index !== null ? [payee.index] : [],
    );
  });
  return indexes.length === 0 ? null : Math.max(...indexes);
}

/** Fundings first, then the reserve; the builder orders the outputs. */
function channelFacts(
  { channels, reserve }: Extract<Unplanned, { kind: 'channel_open' }>,
  sources: PayeeSources,
): PayeeFact[] {
  const rules = sources.policy.intents.channel_open;
  const known = scriptsPaid(sources.all);
  const fundings = channels.map(
    ({ peer, capacitySat, fundingScript, closeIndex, announced }): PayeeFact => ({
      script: fundingScript,
      amountSat: capacitySat,
      authority: { kind: 'channel', peer, closeIndex, announced },
      firstPayment: known.has(peer) ? 'known' : 'first',
    }),
  );
  if (reserve === null || rules === 'not_yet') return fundings;
  return [...fundings, listedFact(reserve, rules.reserve.to, sources)];
}

function orderFacts(orders: readonly LpOrder[], { all }: PayeeSources): PayeeFact[] {
  const known = scriptsPaid(all);
  return orders.map(({ body }) => ({
    script: body.script,
    amountSat: body.amountSat,
    authority: {
      kind: 'lp-order',
      lpId: body.lpId,
      orderId: body.orderId,
      expiryHeight: body.expiryHeight,
    },
    firstPayment: known.has(body.script) ? 'known' : 'first',
  }));
}

function listedFact(payee: ListedPayee, list: string, sources: PayeeSources): PayeeFact {
  const { policy, all } = sources;
  const entry = policy.allowlists[list]?.find(({ name }) => name === payee.entry);
  if (entry === undefined) {
    throw new Failure('INPUT_INVALID', `the list ${list} has no ${payee.entry}`);
  }
  const key = `${payee.entry}/${payee.index ?? ''}`;
  return {
    script:
      'script' in entry
        ? entry.script
        : payeeScript(entry.descriptor, payee.index ?? 0, NETWORKS[policy.network]),
    amountSat: payee.amountSat,
    authority: {
      kind: 'allowlist',
      list,
      entry: payee.entry,
      index: payee.index,
      usedIndex: usedIndexOf(payee.entry, all),
    },
    firstPayment: scriptsPaid(all).has(key) ? 'known' : 'first',
  };
}

/** What was paid in a block: a script, an entry with its index, or a peer that channels were opened to. */
function scriptsPaid(all: readonly Family[]): ReadonlySet<string> {
  const paid = new Set<string>();
  for (const { root, fate } of all) {
    if (fate.is !== 'confirmed' && fate.is !== 'buried') continue;
    if (fate.by.proposal.intent.kind === 'cancel') continue;
    const { intent } = root.proposal;
    if (intent.kind === 'withdrawal_batch') {
      for (const { body } of intent.orders) paid.add(body.script);
    }
    if (intent.kind === 'channel_open') {
      for (const { peer } of intent.channels) paid.add(peer);
    }
    for (const { entry, index } of listedPayeesOf(intent)) paid.add(`${entry}/${index ?? ''}`);
  }
  return paid;
}
