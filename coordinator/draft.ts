/** Drafts: an intent with coins chosen and its transaction built, not judged yet. Pure. */
import { type BuiltTx, buildUnsignedTx, type Payee } from '../descriptors/build.ts';
import { dustSat } from '../descriptors/weight.ts';
import type { Verdict } from '../policies/evaluate.ts';
import { Failure } from '../policies/failure.ts';
import type { CoinRef, SpendIntent, SpendPlan } from '../policies/intent.ts';
import { type FeeRate, type Sat, sumSat, vbytes } from '../policies/units.ts';
import type { ConfirmedCoin, TreasuryCoin } from './chain.ts';
import { type SelectionTerms, selectCoins, selectForConsolidation } from './coin-selection.ts';
import { judge, type Situation } from './facts.ts';
import { payeesOf, type Unplanned } from './payees.ts';
import { spendSizes } from './spend-sizes.ts';
import { nextChangeIndex, spendableCoins, spendBounds } from './spendable.ts';

export interface Draft {
  intent: SpendIntent;
  built: BuiltTx;
  expiryHeight: number;
}

/** What a maker is told beside the situation. */
export interface DraftTerms {
  feerate: FeeRate;
  /** What spending a coin is expected to cost later; below it small coins are swept along. */
  longTermFeerate: FeeRate;
  /** 32 random bytes in hex: order of the transaction, and ties between coins. */
  seed: string;
}

/** An agent's node may be some blocks behind: its "at most this far" must still hold. */
const EXPIRY_MARGIN_BLOCKS = 6;

/** The last height at which a proposal made now may be signed. */
export function expiryHeightOf({ view, policy }: Situation): number {
  const { expire_after } = policy.delays;
  const blocks =
    expire_after > 2 * EXPIRY_MARGIN_BLOCKS ? expire_after - EXPIRY_MARGIN_BLOCKS : expire_after;
  return view.tipHeight + blocks;
}

/**
 * Drafts that pay, the preferred one first: the least wasteful coins, and, where those make no change,
 * the same with change, for a policy that finds the rest too much of a fee.
 *
 * @throws Failure INSUFFICIENT_FUNDS, INPUT_INVALID for dust, NOT_READY
 */
export function draftsPaying(
  unplanned: Unplanned,
  situation: Situation,
  terms: DraftTerms,
): readonly Draft[] {
  const payees = payeesAboveDust(unplanned, situation);
  const targetSat = sumSat(payees.map(({ amountSat }) => amountSat));
  const selection = selectionTerms(situation, payees, terms);
  const first = selectCoins({ ...selection, targetSat });
  const index = nextChangeIndex(situation);
  const draft = (coins: readonly CoinRef[], change: SpendPlan['change']): Draft =>
    draftOf(unplanned, { situation, payees, terms, coins, change });
  if (first.change === 'change') return [draft(first.coins, { index })];
  try {
    const leastSat = selection.minChangeSat;
    return [draft(first.coins, null), draftWithChange(unplanned, situation, terms, leastSat)];
  } catch (cause) {
    if (cause instanceof Failure && cause.code === 'INSUFFICIENT_FUNDS') {
      return [draft(first.coins, null)];
    }
    throw cause;
  }
}

/** A draft that pays and brings back at least so much. @throws as `draftsPaying` */
export function draftWithChange(
  unplanned: Unplanned,
  situation: Situation,
  terms: DraftTerms,
  leastSat: Sat,
): Draft {
  const payees = payeesAboveDust(unplanned, situation);
  const selection = selectionTerms(situation, payees, terms);
  const { coins } = selectCoins({
    ...selection,
    baseVbytes: vbytes(selection.baseVbytes + selection.changeVbytes),
    targetSat: sumSat([...payees.map(({ amountSat }) => amountSat), leastSat]),
  });
  const change = { index: nextChangeIndex(situation) };
  return draftOf(unplanned, { situation, payees, terms, coins, change });
}

function payeesAboveDust(unplanned: Unplanned, situation: Situation): readonly Payee[] {
  const payees = payeesOf(unplanned, situation);
  for (const { script, amountSat } of payees) {
    if (amountSat < dustSat(script))
      throw new Failure('INPUT_INVALID', `${amountSat} sat are dust`);
  }
  return payees;
}

/** The smallest coins into one. @throws Failure INSUFFICIENT_FUNDS */
export function consolidationDraft(situation: Situation, terms: DraftTerms): Draft {
  const { intents } = situation.policy;
  const selection = selectionTerms(situation, [], terms);
  const maxInputs = Math.min(selection.maxInputs, intents.consolidate.max_inputs);
  const { coins } = selectForConsolidation({ ...selection, maxInputs });
  const change = { index: nextChangeIndex(situation) };
  return draftOf({ kind: 'consolidate' }, { situation, payees: [], terms, coins, change });
}

export interface DraftParts {
  situation: Situation;
  payees: readonly Payee[];
  terms: Pick<DraftTerms, 'feerate' | 'seed'>;
  coins: readonly CoinRef[];
  change: SpendPlan['change'];
  /** Of the intent that this varies; else the first input. */
  anchor?: string;
}

/** Builds a draft of chosen coins. @throws Failure INSUFFICIENT_FUNDS */
export function draftOf(unplanned: Unplanned, parts: DraftParts): Draft {
  const { situation, payees, terms, change } = parts;
  const coins = parts.coins.map(({ outpoint, amountSat, branch, index }) => ({
    outpoint,
    amountSat,
    branch,
    index,
  }));
  const plan: SpendPlan = {
    coins,
    feerateSatPerKvb: terms.feerate,
    lockTime: situation.view.tipHeight,
    change,
    orderSeed: terms.seed,
    anchor: parts.anchor ?? coins[0]?.outpoint ?? '',
  };
  // The builder orders the coins; the anchor is no part of what it builds.
  const built = buildUnsignedTx(plan, payees, situation.vault.deriver);
  const anchor = parts.anchor ?? built.coins[0]?.outpoint ?? '';
  const intent = { ...unplanned, plan: { ...plan, coins: built.coins, anchor } };
  return { intent, built, expiryHeight: expiryHeightOf(situation) };
}

/** The first draft that the policy does not refuse, else the first, each with its verdict. */
export function chosenDraft(
  drafts: readonly Draft[],
  situation: Situation,
  hidden: ReadonlyMap<string, ConfirmedCoin>,
  initiator: string,
): { draft: Draft; verdict: Verdict } {
  const judged = drafts.map((draft) => ({
    draft,
    verdict: judge({ ...draft, initiator, approvals: [] }, situation, hidden),
  }));
  const best = judged.find(({ verdict }) => verdict.kind !== 'refuse') ?? judged[0];
  if (best === undefined) throw new Failure('INSUFFICIENT_FUNDS', 'no coins can pay this');
  return best;
}

/** Least change worth making. */
export function minChangeSat({ policy, vault }: Situation): Sat {
  const dust = dustSat(vault.deriver.at(1, 0).script);
  return policy.outputs.min_change > dust ? policy.outputs.min_change : dust;
}

function selectionTerms(
  situation: Situation,
  payees: readonly Payee[],
  terms: DraftTerms,
): SelectionTerms<TreasuryCoin> {
  const { inputsMax } = spendBounds(situation);
  const scripts = payees.map(({ script }) => script);
  return {
    coins: spendableCoins(situation),
    feerate: terms.feerate,
    longTermFeerate: terms.longTermFeerate,
    ...spendSizes(situation.vault.deriver, scripts, inputsMax),
    minChangeSat: minChangeSat(situation),
    maxInputs: inputsMax,
    seed: terms.seed,
  };
}
