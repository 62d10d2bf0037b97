/** The coordinator's own question to the policy: facts from its node, charges from the log. Pure. */
import { type BuiltTx, buildUnsignedTx } from '../descriptors/build.ts';
import {
  chargesOf,
  deadByRefusal,
  type Family,
  families,
  proposalsByTxid,
  spendsByOutpoint,
} from '../policies/commitments.ts';
import { evaluate, type SpendQuestion, type Verdict, verdictOf } from '../policies/evaluate.ts';
import type { ApprovalFacts, InputFact, SpendFacts } from '../policies/facts.ts';
import { invariant } from '../policies/failure.ts';
import type { CoinRef, SpendIntent } from '../policies/intent.ts';
import type { Policy } from '../policies/policy.ts';
import type { Approval } from '../policies/proposal.ts';
import { type ProposalState, policyAt, type Treasury } from '../policies/treasury.ts';
import { feerateFloor, sumSat } from '../policies/units.ts';
import type { ChainView, ConfirmedCoin } from './chain.ts';
import { closeIndexReasons } from './close-index.ts';
import { payeeFactsOf, payeesOf, policyByHash } from './payees.ts';
import type { Vault } from './vault.ts';

/** Everything a judgement of the coordinator reads, at one moment. */
export interface Situation {
  treasury: Treasury;
  view: ChainView;
  vault: Vault;
  /** Ruling at the tip. */
  policy: Policy;
  policyHash: string;
  all: readonly Family[];
}

/** A spend to be judged: in the log already, or about to be. */
export interface Spend {
  intent: SpendIntent;
  built: BuiltTx;
  expiryHeight: number;
  initiator: string;
  approvals: readonly Approval[];
}

/** @param except  A proposal that is left out of what is committed, since it is the one in question. */
export function situationOf(
  treasury: Treasury,
  view: ChainView,
  vault: Vault,
  except: string | null = null,
): Situation {
  const proposals = new Map(treasury.proposals);
  if (except !== null) proposals.delete(except);
  const { policy, hash } = policyAt(treasury, view.tipHeight);
  const all = families({ ...treasury, proposals }, spendsByOutpoint(view.spends), view.tipHeight);
  return { treasury, view, vault, policy, policyHash: hash, all };
}

/** The transaction of a proposal, built again from its intent. */
export function rebuilt(state: ProposalState, { treasury, vault, all }: Situation): BuiltTx {
  const { intent, policyHash, unsignedTx } = state.proposal;
  const policy = policyByHash(treasury, policyHash);
  const built = buildUnsignedTx(
    intent.plan,
    payeesOf(intent, { treasury, policy, all }),
    vault.deriver,
  );
  const hex = Buffer.from(built.unsignedTx).toString('hex');
  invariant(hex === unsignedTx, `proposal ${state.id} is not what its intent builds`);
  return built;
}

/** A proposal of the log as a spend to be judged. */
export function spendOf(state: ProposalState, situation: Situation): Spend {
  const { intent, expiryHeight, initiator } = state.proposal;
  const built = rebuilt(state, situation);
  return { intent, built, expiryHeight, initiator, approvals: state.approvals };
}

/** The coordinator's own verdict. */
export function judge(
  spend: Spend,
  situation: Situation,
  confirmed: ReadonlyMap<string, ConfirmedCoin>,
): Verdict {
  const verdict = evaluate(questionOf(spend, situation, confirmed));
  const more = closeIndexReasons(spend.intent, situation);
  if (more.length === 0) return verdict;
  const refusals = verdict.kind === 'refuse' ? [...verdict.reasons, ...more] : more;
  return verdictOf({ ...verdict, refusals, missing: [] });
}

/** The question it asks. */
export function questionOf(
  spend: Spend,
  situation: Situation,
  confirmed: ReadonlyMap<string, ConfirmedCoin>,
): SpendQuestion {
  const { treasury, policy, view, all } = situation;
  const { intent, built } = spend;
  const facts: SpendFacts = {
    kind: intent.kind,
    bump: bumpOf(intent, situation),
    network: policy.network,
    tipHeight: view.tipHeight,
    lockTime: intent.plan.lockTime,
    expiryHeight: spend.expiryHeight,
    inputs: inputsOf(intent.plan.coins, situation, confirmed),
    payees: payeeFactsOf(intent, situation),
    changeSat: built.changeSat,
    feeSat: built.feeSat,
    vsize: built.vsize,
    estimate: view.estimate,
    treasurySat: sumSat(view.coins.map(({ amountSat }) => amountSat)),
  };
  return {
    policy,
    overlay: null,
    facts,
    charges: chargesOf(all, treasury),
    breaker: treasury.breaker,
    approvals: approvalsOf(spend, policy, view.tipHeight),
  };
}

/** The variants of an intent that may still confirm, oldest first. */
export function aliveVariants(family: Family, treasury: Treasury): readonly ProposalState[] {
  return family.variants.filter((each) => !deadByRefusal(treasury, each));
}

function inputsOf(
  coins: readonly CoinRef[],
  { treasury, view }: Situation,
  confirmed: ReadonlyMap<string, ConfirmedCoin>,
): InputFact[] {
  const unspent = new Map(view.coins.map((coin) => [coin.outpoint, coin]));
  const ours = proposalsByTxid(treasury);
  return coins.map(({ outpoint, amountSat, branch, index }) => ({
    outpoint,
    amountSat,
    confirmations: (unspent.get(outpoint) ?? confirmed.get(outpoint))?.confirmations ?? 0,
    origin: ours.has(outpoint.slice(0, 64)) ? 'own-change' : 'received',
    branch,
    index,
  }));
}

function bumpOf(intent: SpendIntent, situation: Situation): SpendFacts['bump'] {
  if (intent.kind !== 'fee_bump') return null;
  const family = situation.all.find(({ root }) => root.id === intent.of);
  if (family === undefined) return null;
  const highest = highestVariant(family, situation);
  return {
    of: family.root.proposal.intent.kind,
    feeSat: highest.feeSat,
    feerate: feerateFloor(highest.feeSat, highest.vsize),
    earlierBumps: family.variants.filter(({ proposal }) => proposal.intent.kind === 'fee_bump')
      .length,
  };
}

/** Of all variants that may still confirm, the one that pays the most. */
export function highestVariant(family: Family, situation: Situation): BuiltTx {
  const built = aliveVariants(family, situation.treasury).map((each) => rebuilt(each, situation));
  const [first, ...others] = built;
  invariant(first !== undefined, `the intent ${family.root.id} has no variant left`);
  return others.reduce((a, b) => (b.feeSat > a.feeSat ? b : a), first);
}

function approvalsOf(spend: Spend, policy: Policy, tipHeight: number): ApprovalFacts {
  const said = (role: 'guardian' | 'operator') =>
    spend.approvals
      .map(({ body }) => body)
      .filter((body) => body.role === role && body.decision === 'approve')
      .filter((body) => body.expiresHeight >= tipHeight)
      .map(({ signerId: id }) => ({ id, owner: ownerOf(policy, id) }));
  return { initiator: spend.initiator, guardians: said('guardian'), operators: said('operator') };
}

function ownerOf(policy: Policy, id: string): string {
  const known = [...policy.guardians, ...policy.operators].find((each) => each.id === id);
  return known?.owner ?? id;
}
