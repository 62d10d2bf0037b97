/**
 * What the treasury has already committed: which proposals still live, and what they hold. Folded from
 * the log and from what one's own node saw, so a restart, a backup or a rotating pair of signers
 * forgets nothing, and nobody's clock or claim moves a limit.
 */
import type { Charge } from './facts.ts';
import type { ListedPayee, SpendIntent, SpendKind } from './intent.ts';
import type { Policy } from './policy.ts';
import { proposalTxid } from './proposal.ts';
import type { ProposalState, Treasury } from './treasury.ts';
import { MAX_MONEY_SAT, type Sat, sat } from './units.ts';

/** Blocks on top after which a spend is final here; a conflict this deep kills a proposal (H3). */
export const BURIED_DEPTH = 6;

/** A transaction that spends coins of the treasury, as one's own node sees it. */
export interface TreasurySpend {
  txid: string;
  /** Null while unconfirmed. */
  height: number | null;
  outpoints: readonly string[];
}

/** Which outpoint is spent by what, best known: a confirmed spend before an unconfirmed one. */
export type SpendsByOutpoint = ReadonlyMap<string, TreasurySpend>;

/** Index of spends by the outpoints they consume. */
export function spendsByOutpoint(spends: readonly TreasurySpend[]): SpendsByOutpoint {
  const index = new Map<string, TreasurySpend>();
  for (const spend of spends) {
    for (const outpoint of spend.outpoints) {
      if ((index.get(outpoint)?.height ?? null) === null) index.set(outpoint, spend);
    }
  }
  return index;
}

/** What is known of one intent: its first proposal, bumps and cancels, which share an anchor. */
export interface Family {
  root: ProposalState;
  variants: readonly ProposalState[];
  /** `dead`: no variant can confirm any more. `buried`: one did, BURIED_DEPTH deep. */
  fate:
    | { is: 'live' }
    | { is: 'dead' }
    | { is: 'confirmed' | 'buried'; by: ProposalState; height: number };
}

/** All intents of the log with their fates at a tip. */
export function families(
  treasury: Treasury,
  spends: SpendsByOutpoint,
  tipHeight: number,
): readonly Family[] {
  const grouped = new Map<string, ProposalState[]>();
  for (const state of treasury.proposals.values()) {
    grouped.set(state.root, [...(grouped.get(state.root) ?? []), state]);
  }
  return [...grouped.values()].flatMap((variants) => {
    const root = variants.find((each) => each.id === each.root);
    return root === undefined
      ? []
      : [{ root, variants, fate: fateOf(treasury, { root, variants }, spends, tipHeight) }];
  });
}

/**
 * Whether enough agents said they never sign it: fewer than the threshold are left to do so (H3). One
 * signature that is out keeps it alive, whoever says no: k-1 liars could add theirs. Then a cancel kills it.
 * A channel_open that was withdrawn is dead as well: the log takes no signature of it, before or after.
 */
export function deadByRefusal(treasury: Treasury, state: ProposalState): boolean {
  const params = treasury.params;
  if (params === null || state.contributions.size > 0) return false;
  if (state.withdrawn !== null) return true;
  const words = [...state.verdicts.values()].map(({ body }) => body.verdict);
  if (words.includes('signed')) return false;
  const never = words.filter((word) => word === 'never' || word === 'refused');
  return never.length >= params.seats.length - params.threshold + 1;
}

/**
 * What a proposal pays to others: everything that does not come back by `changeSat`. A lie that adds up to
 * more than all money counts as all money, so that one such entry stops no later judgement.
 */
export function outflowSat(state: ProposalState): Sat {
  let total = 0n;
  for (const { amountSat } of payeesOf(state)) total += amountSat;
  return sat(total < MAX_MONEY_SAT ? total : MAX_MONEY_SAT);
}

/**
 * Charges of everything that is not provably dead. A live or unburied intent holds the highest fee of
 * its variants and counts in every window; a buried one counts what it paid, at its height.
 */
export function chargesOf(all: readonly Family[], treasury: Treasury): readonly Charge[] {
  return all.flatMap((family): Charge[] => {
    const { root, fate } = family;
    const charge = (
      kind: SpendKind,
      at: number | 'live',
      payer: ProposalState,
      fee: Sat,
    ): Charge => ({
      proposalId: root.id,
      kind,
      at,
      outflowSat: outflowSat(payer),
      feeSat: fee,
      payees: payeesOf(payer),
    });
    if (fate.is === 'dead') return [];
    const kind = root.proposal.intent.kind;
    if (fate.is === 'buried') {
      const payer = fate.by.proposal.intent.kind === 'cancel' ? fate.by : root;
      return [charge(kind, fate.height, payer, fate.by.proposal.feeSat)];
    }
    const alive = family.variants.filter((each) => !deadByRefusal(treasury, each));
    const highest = alive
      .map((each) => each.proposal.feeSat)
      .reduce((a, b) => (a > b ? a : b), sat(0n));
    return [charge(kind, 'live', root, highest)];
  });
}

/** Proposals of the log by their txid: native segwit, so a signature never changes it. */
export function proposalsByTxid(treasury: Treasury): ReadonlyMap<string, ProposalState> {
  return new Map(
    [...treasury.proposals.values()].map((state) => [proposalTxid(state.proposal), state]),
  );
}

/** Coins that live intents hold: outpoint -> root of the intent. */
export function reservedCoins(
  all: readonly Family[],
  treasury: Treasury,
): ReadonlyMap<string, string> {
  const held = new Map<string, string>();
  for (const { root, variants, fate } of all) {
    if (fate.is === 'dead' || fate.is === 'buried') continue;
    for (const variant of variants) {
      if (deadByRefusal(treasury, variant)) continue;
      for (const { outpoint } of variant.proposal.prevouts) held.set(outpoint, root.id);
    }
  }
  return held;
}

/** LP order ids that were paid or may still be: order id -> root of the intent (E5). */
export function takenOrders(all: readonly Family[]): ReadonlyMap<string, string> {
  const taken = new Map<string, string>();
  for (const { root, fate } of all) {
    const { intent } = root.proposal;
    if (intent.kind !== 'withdrawal_batch' || fate.is === 'dead') continue;
    if (fate.is === 'buried' && fate.by.proposal.intent.kind === 'cancel') continue;
    for (const order of intent.orders) taken.set(order.body.orderId, root.id);
  }
  return taken;
}

/**
 * Close addresses that belong to a channel or may still: index on the receive branch -> root of the intent
 * (G4). One that a cancel undid stays taken too: the peer heard of its address.
 */
export function takenCloseIndexes(all: readonly Family[]): ReadonlyMap<number, string> {
  const taken = new Map<number, string>();
  for (const { root, fate } of all) {
    const { intent } = root.proposal;
    if (intent.kind !== 'channel_open' || fate.is === 'dead') continue;
    for (const { closeIndex } of intent.channels) taken.set(closeIndex, root.id);
  }
  return taken;
}

/**
 * The furthest close index: what comes back there must be spendable under the policy's gap, which counts
 * from the highest index of change that the chain shows used.
 */
export function closeIndexMax({ inputs }: Policy, changeIndexUsed: number): number {
  return inputs.gap + changeIndexUsed + 1;
}

/** Addresses of an allowlist entry that an intent pays; a bump pays what its first proposal pays. */
export function listedPayeesOf(intent: SpendIntent): readonly ListedPayee[] {
  if (intent.kind === 'channel_open') return intent.reserve === null ? [] : [intent.reserve];
  return 'payees' in intent ? intent.payees : [];
}

function payeesOf(state: ProposalState): Charge['payees'] {
  const { intent } = state.proposal;
  switch (intent.kind) {
    case 'withdrawal_batch':
      return intent.orders.map(({ body }) => ({
        script: body.script,
        amountSat: body.amountSat,
        lpId: body.lpId,
        entry: null,
      }));
    case 'treasury_move':
    case 'hot_topup':
      return intent.payees.map(listedCharge);
    case 'channel_open':
      return [
        ...intent.channels.map(({ fundingScript, capacitySat, peer }) => ({
          script: fundingScript,
          amountSat: capacitySat,
          lpId: null,
          entry: null,
          peer,
        })),
        ...(intent.reserve === null ? [] : [listedCharge(intent.reserve)]),
      ];
    case 'consolidate':
    case 'fee_bump':
    case 'cancel':
      return [];
  }
}

function listedCharge({ entry, index, amountSat }: ListedPayee): Charge['payees'][number] {
  return { script: `${entry}/${index ?? ''}`, amountSat, lpId: null, entry };
}

/**
 * The variant that makes a transaction. Nobody has to have judged a variant for it to be in the log, so
 * where several claim one transaction, one that pays counts before a cancel, and the highest fee first.
 */
function variantOf(variants: readonly ProposalState[], txid: string): ProposalState | undefined {
  const makers = variants.filter(({ proposal }) => proposalTxid(proposal) === txid);
  const paying = makers.filter(({ proposal }) => proposal.intent.kind !== 'cancel');
  const [first, ...rest] = paying.length > 0 ? paying : makers;
  return rest.reduce((a, b) => (b.proposal.feeSat > (a?.proposal.feeSat ?? 0n) ? b : a), first);
}

function fateOf(
  treasury: Treasury,
  family: { root: ProposalState; variants: readonly ProposalState[] },
  spends: SpendsByOutpoint,
  tipHeight: number,
): Family['fate'] {
  const { root, variants } = family;
  const spend = spends.get(root.proposal.intent.plan.anchor);
  if (spend !== undefined && spend.height !== null) {
    const { txid, height } = spend;
    const by = variantOf(variants, txid);
    const depth = tipHeight - height + 1;
    if (by !== undefined) {
      return { is: depth >= BURIED_DEPTH ? 'buried' : 'confirmed', by, height };
    }
    if (depth >= BURIED_DEPTH) return { is: 'dead' };
  }
  return variants.every((each) => deadByRefusal(treasury, each)) ? { is: 'dead' } : { is: 'live' };
}
