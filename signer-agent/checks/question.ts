/** Rows F, H1 and H2: the policy's question, every fact of it from bytes and the agent's own node. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import type { Spend } from '../../descriptors/spend-from-psbt.ts';
import { inputWeightAt, outputWeight, txVsize } from '../../descriptors/weight.ts';
import { chargesOf, deadByRefusal } from '../../policies/commitments.ts';
import { evaluate, type Verdict } from '../../policies/evaluate.ts';
import type { ApprovalFacts, InputFact, SpendFacts } from '../../policies/facts.ts';
import { Failure } from '../../policies/failure.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import { feeWindowFindings } from '../../policies/rules/fees.ts';
import type { ProposalState } from '../../policies/treasury.ts';
import { feerateFloor, MAX_MONEY_SAT, type Sat, sat, type VBytes } from '../../policies/units.ts';
import type { Case } from './case.ts';
import type { Outputs } from './outputs.ts';

/** More than any policy asks for: a coin whose age a quorum judged, or that nobody here can see. */
const VOUCHED_CONFIRMATIONS = 1_000;

/** Null while an input is not ours or an amount is missing: such a spend has no sums. */
export function factsOf(
  c: Case,
  { spend, lockTime, outputs }: { spend: Spend; lockTime: number; outputs: Outputs },
): SpendFacts | null {
  const { proposal } = c.input.state;
  if (spend.feeSat === null || spend.vsize === null) return null;
  return {
    kind: proposal.intent.kind,
    bump: bumpOf(c),
    network: c.input.pinned.record.params.network,
    tipHeight: c.height,
    lockTime,
    expiryHeight: proposal.expiryHeight,
    inputs: inputFacts(c, spend),
    payees: outputs.leaving,
    changeSat: outputs.changeSat,
    feeSat: sat(spend.feeSat > 0n ? spend.feeSat : 0n),
    vsize: spend.vsize,
    estimate: c.chain?.estimate ?? null,
    // Unknown without a node: shares and the floor are then named as not checked.
    treasurySat: c.chain?.treasurySat ?? sat(MAX_MONEY_SAT),
  };
}

/** The policy's verdict. For a variant the intent's other variants count, for a first proposal only others. */
export function verdictOf(c: Case, facts: SpendFacts, approvals: ApprovalFacts): Verdict {
  const { input, policy, overlay, others, own } = c;
  const { treasury, state } = input;
  const siblings = own?.variants.filter(({ id }) => id !== state.id) ?? [];
  const counted =
    own === null || state.root === state.id ? others : [...others, { ...own, variants: siblings }];
  const charges = chargesOf(counted, treasury);
  return evaluate({ policy, overlay, facts, charges, approvals, breaker: treasury.breaker });
}

/**
 * A bump weighs only its fee. So one of an intent that this agent never signed is judged as that intent,
 * too: else a batch that everybody refuses could come back as its own bump. Fees are the bump's matter.
 */
export function rootVerdict(c: Case, facts: SpendFacts, approvals: ApprovalFacts): Verdict | null {
  const { input, root, policy, overlay, others } = c;
  if (facts.kind !== 'fee_bump' || root === null || input.memory.signed.has(root.id)) return null;
  const { kind } = root.proposal.intent;
  const verdict = evaluate({
    policy,
    overlay,
    facts: { ...facts, kind, bump: null },
    charges: chargesOf(others, input.treasury),
    approvals,
    breaker: input.treasury.breaker,
  });
  const reasons = verdict.reasons
    .filter(({ code }) => !code.startsWith('W-FEE-'))
    .map((each) => reason(each.code, `of the first proposal: ${each.detail}`));
  return { ...verdict, reasons };
}

/** Fee windows, the guardian's own included, that this spend would overfill beside all other intents. */
export function feesBeyondWindows(c: Case, facts: SpendFacts): Reason[] {
  const { policy, overlay, others, input } = c;
  const { treasury } = input;
  const charges = chargesOf(others, treasury);
  const spend = { policy, overlay, facts, charges, breaker: treasury.breaker };
  return feeWindowFindings(spend).flatMap(({ reason: found }) => (found === null ? [] : [found]));
}

/** Own change comes from a spend of ours: known to the log, and seen by the own node to spend our coins. */
function inputFacts({ chain, known }: Case, spend: Spend): InputFact[] {
  const ours = new Set(chain?.spends.map(({ txid }) => txid).filter((txid) => known.has(txid)));
  return spend.inputs.flatMap(({ outpoint, amountSat, place }): InputFact[] => {
    if (amountSat === null || place === null) return [];
    const { branch, index } = place;
    const confirmations = chain?.coins.get(outpoint)?.confirmations ?? VOUCHED_CONFIRMATIONS;
    const origin = ours.has(outpoint.slice(0, 64)) && branch === 1 ? 'own-change' : 'received';
    return [{ outpoint, amountSat, confirmations, origin, branch, index }];
  });
}

function bumpOf(c: Case): SpendFacts['bump'] {
  const { state, treasury } = c.input;
  if (state.proposal.intent.kind !== 'fee_bump' || c.root === null) return null;
  const siblings = (c.own?.variants ?? []).filter(({ id }) => id !== state.id);
  const [first, ...rest] = siblings.filter((each) => !deadByRefusal(treasury, each));
  const highest = rest.reduce((a, b) => (paid(b) > paid(a) ? b : a), first ?? c.root);
  return {
    of: c.root.proposal.intent.kind,
    feeSat: paid(highest),
    feerate: feerateFloor(paid(highest), vsizeOf(c, highest)),
    earlierBumps: siblings.filter(({ proposal }) => proposal.intent.kind === 'fee_bump').length,
  };
}

function paid({ proposal }: ProposalState): Sat {
  return proposal.feeSat;
}

/** Predicted size of another variant, from its own bytes. @throws Failure PSBT_INVALID */
function vsizeOf({ input }: Case, { proposal }: ProposalState): VBytes {
  const { deriver } = input;
  const inputs = proposal.intent.plan.coins.map(({ branch, index }) =>
    inputWeightAt(deriver, deriver.at(branch, index)),
  );
  try {
    const { outputs } = RawOldTx.decode(hexToBytes(proposal.unsignedTx));
    return txVsize(
      inputs,
      outputs.map(({ script }) => outputWeight(script.length)),
    );
  } catch (cause) {
    throw new Failure('PSBT_INVALID', 'a variant of this intent is no transaction', { cause });
  }
}

/** H1: the proposal names the policy that rules at the agent's own height. */
export function checkPolicyHash({ policyHash, height, input }: Case): Reason[] {
  return policyHash === input.state.proposal.policyHash
    ? []
    : [reason('W-POL-HASH', `policy ${policyHash.slice(0, 16)} rules at height ${height}`)];
}
