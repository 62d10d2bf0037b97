/** Drafts that take the place of an earlier one: a bump pays the same payees, a cancel nobody. Pure. */
import { type BuiltTx, predictVsize } from '../descriptors/build.ts';
import type { Family } from '../policies/commitments.ts';
import { Failure } from '../policies/failure.ts';
import type { CoinRef, SpendPlan } from '../policies/intent.ts';
import type { ProposalState } from '../policies/treasury.ts';
import type { FeeRate, VBytes } from '../policies/units.ts';
import { type Draft, draftOf, minChangeSat } from './draft.ts';
import { aliveVariants, highestVariant, type Situation } from './facts.ts';
import { feerateFor, replacingFeerate } from './feerate.ts';
import { proposalOf } from './machine.ts';
import { payeesOf, type Unplanned } from './payees.ts';
import { nextChangeIndex, spendableCoins, spendBounds } from './spendable.ts';

export interface VariantAsk {
  /** Any variant of the intent. */
  of: string;
  /** Null: enough to replace, and at least what is estimated now. */
  feerate: FeeRate | null;
  seed: string;
}

/**
 * Drafts of a fee bump, the preferred one first: same coins, then with more of them, then without change.
 *
 * @throws Failure NOT_FOUND, WRONG_STATE, INSUFFICIENT_FUNDS
 */
export function bumpDrafts(situation: Situation, ask: VariantAsk): readonly Draft[] {
  const family = liveFamily(situation, ask.of);
  if (aliveVariants(family, situation.treasury).some(isCancel)) {
    throw new Failure('WRONG_STATE', 'a cancel of it stands: cancel again instead');
  }
  const unplanned: Unplanned = { kind: 'fee_bump', of: family.root.id };
  return variantDrafts(unplanned, situation, family, ask);
}

/** Drafts of a cancel: all coins of the highest variant, everything to change. @throws as `bumpDrafts` */
export function cancelDrafts(situation: Situation, ask: VariantAsk): readonly Draft[] {
  const family = liveFamily(situation, ask.of);
  const unplanned: Unplanned = { kind: 'cancel', of: family.root.id };
  return variantDrafts(unplanned, situation, family, ask);
}

function variantDrafts(
  unplanned: Extract<Unplanned, { of: string }>,
  situation: Situation,
  family: Family,
  ask: VariantAsk,
): readonly Draft[] {
  const highest = highestVariant(family, situation);
  const payees = payeesOf(unplanned, situation);
  const change = { index: changeIndexOf(situation, family) };
  const { anchor } = family.root.proposal.intent.plan;
  const draft = (coins: readonly CoinRef[], to: SpendPlan['change']): Draft => {
    const outputs = payees.map(({ script }) => script);
    if (to !== null) outputs.push(situation.vault.deriver.at(1, to.index).script);
    const vsize = predictVsize([...coins], outputs, situation.vault.deriver);
    const feerate = ask.feerate ?? variantRate(unplanned.kind, situation, highest, vsize);
    const terms = { feerate, seed: ask.seed };
    return draftOf(unplanned, { situation, payees, terms, coins, change: to, anchor });
  };
  const withChange = (coins: readonly CoinRef[]): Draft | null =>
    unlessTooPoor(() => withEnoughChange(draft(coins, change), situation));
  const found = [
    withChange(highest.coins),
    withMoreCoins(highest.coins, situation, withChange),
    payees.length === 0 ? null : unlessTooPoor(() => draft(highest.coins, null)),
  ].filter((each) => each !== null);
  if (found.length > 0) return found;
  throw new Failure('INSUFFICIENT_FUNDS', 'no coins pay the fee that would replace it');
}

function variantRate(
  kind: 'fee_bump' | 'cancel',
  { policy, view }: Situation,
  highest: BuiltTx,
  vsize: VBytes,
): FeeRate {
  const estimated = feerateFor(kind, policy, view.estimate);
  const replacing = replacingFeerate(highest, vsize);
  return estimated > replacing ? estimated : replacing;
}

/** The smallest further coin that is enough, else the largest ones until they are. */
function withMoreCoins(
  base: readonly CoinRef[],
  situation: Situation,
  make: (coins: readonly CoinRef[]) => Draft | null,
): Draft | null {
  const room = spendBounds(situation).inputsMax - base.length;
  const held = new Set(base.map(({ outpoint }) => outpoint));
  const spare = spendableCoins(situation)
    .filter(({ outpoint }) => !held.has(outpoint))
    .toSorted((a, b) => (a.amountSat < b.amountSat ? -1 : a.amountSat > b.amountSat ? 1 : 0));
  if (room < 1) return null;
  // More money never makes it poorer: the smallest that is enough is found by halving.
  let from = 0;
  let to = spare.length;
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    const coin = spare[middle];
    if (coin !== undefined && make([...base, coin]) !== null) to = middle;
    else from = middle + 1;
  }
  const enough = spare[from];
  if (enough !== undefined) return make([...base, enough]);
  for (let count = 2; count <= Math.min(room, spare.length); count += 1) {
    const made = make([...base, ...spare.slice(-count)]);
    if (made !== null) return made;
  }
  return null;
}

function liveFamily({ treasury, all }: Situation, id: string): Family {
  const { root } = proposalOf(treasury, id);
  const family = all.find((each) => each.root.id === root);
  if (family?.fate.is !== 'live') {
    throw new Failure('WRONG_STATE', `${root} is ${family?.fate.is ?? 'not there'}`);
  }
  return family;
}

/** Only one variant can confirm: all of an intent may share an index. */
function changeIndexOf(situation: Situation, { variants }: Family): number {
  const used = variants.flatMap(({ proposal }) => proposal.intent.plan.change?.index ?? []);
  return used[0] ?? nextChangeIndex(situation);
}

function withEnoughChange(draft: Draft, situation: Situation): Draft {
  const { changeSat } = draft.built;
  if (changeSat === null || changeSat >= minChangeSat(situation)) return draft;
  throw new Failure('INSUFFICIENT_FUNDS', `${changeSat} sat of change are too few`);
}

function unlessTooPoor(make: () => Draft): Draft | null {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof Failure && cause.code === 'INSUFFICIENT_FUNDS') return null;
    throw cause;
  }
}

function isCancel({ proposal }: ProposalState): boolean {
  return proposal.intent.kind === 'cancel';
}
