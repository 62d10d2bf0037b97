/** What a readable PSBT does, and every row that reads it: C, D, E, F, H1, H2. */
import type { Psbt } from '../../descriptors/psbt.ts';
import { type Spend, spendFromPsbt } from '../../descriptors/spend-from-psbt.ts';
import { closeIndexMax } from '../../policies/commitments.ts';
import type { SlackRow, Verdict } from '../../policies/evaluate.ts';
import type { SpendFacts } from '../../policies/facts.ts';
import type { Reason } from '../../policies/reason.ts';
import type { ChannelRow } from '../judgement.ts';
import type { Case } from './case.ts';
import { checkChangeIndex, checkCoins, checkHeld, checkRatchet } from './chain.ts';
import { approvalFacts, type Missing, missingConsent, rootApprovalFacts } from './consent.ts';
import { channelRows, checkChannels } from './lightning.ts';
import { type Outputs, sortOutputs } from './outputs.ts';
import type { ParcelRead } from './parcel.ts';
import { payeesOf } from './payees.ts';
import { checkPolicyHash, factsOf, rootVerdict, verdictOf } from './question.ts';
import { checkAnchor, checkClaims, checkPsbt, checkRebuild } from './transaction.ts';

export interface Reading {
  spend: Spend;
  outputs: Outputs;
  channels: readonly ChannelRow[];
  /** Null where the spend has no sums: an input is not ours, or an amount is missing. */
  facts: SpendFacts | null;
  slack: readonly SlackRow[];
  reasons: readonly Reason[];
  missing: Missing;
}

export function readSpend(c: Case, parcel: ParcelRead, psbt: Psbt): Reading {
  const { input, chain } = c;
  const indexMax = indexMaxOf(c);
  const spend = spendFromPsbt(psbt, parcel.previousTxs, input.deriver, { indexMax });
  const payees = payeesOf(c, indexMax);
  const outputs = sortOutputs(c, spend, payees.facts);
  const facts = factsOf(c, { spend, lockTime: psbt.lockTime, outputs });
  const channels = channelRows(c);
  const judged = facts === null ? null : judgeFacts(c, facts);
  return {
    spend,
    outputs,
    channels,
    facts,
    slack: judged?.slack ?? [],
    missing: judged?.missing ?? { waits: [], asks: [] },
    reasons: [
      ...spend.problems,
      ...payees.reasons,
      ...outputs.reasons,
      ...checkRebuild(c, payees.facts),
      ...checkPsbt(c, psbt, spend),
      ...checkClaims(c, spend),
      ...checkAnchor(c, spend),
      ...checkHeld(c, spend),
      ...checkRatchet(input, psbt.lockTime),
      ...checkPolicyHash(c),
      ...checkChannels(c, channels, indexMax),
      ...(chain === null ? [] : [...checkCoins(c, chain, spend), ...checkChangeIndex(c, chain)]),
      ...(judged?.refusals ?? []),
    ],
  };
}

interface JudgedFacts {
  refusals: readonly Reason[];
  missing: Missing;
  slack: readonly SlackRow[];
}

function judgeFacts(c: Case, facts: SpendFacts): JudgedFacts {
  const given = approvalFacts(c);
  const verdict = verdictOf(c, facts, given);
  const missing = missingConsent(c, verdict.requirement, given);
  const rootGiven = rootApprovalFacts(c, given);
  const first = rootVerdict(c, facts, rootGiven);
  if (first === null) return { refusals: refusalsOf(verdict), missing, slack: verdict.slack };
  // Whether this guardian is asked at all is the bump's own question, asked above.
  const requirement = { ...first.requirement, askOwnGuardian: 'no' as const };
  const more = missingConsent(c, requirement, rootGiven);
  return {
    refusals: [...refusalsOf(verdict), ...refusalsOf(first)],
    missing: {
      waits: [...missing.waits, ...more.waits],
      asks: [...missing.asks, ...more.asks],
    },
    slack: verdict.slack,
  };
}

function refusalsOf(verdict: Verdict): readonly Reason[] {
  return verdict.kind === 'refuse' ? verdict.reasons : [];
}

/**
 * D7: as far beyond what was used as the policy's gap. Without a node every spend of the log may have used
 * one index of change.
 */
function indexMaxOf({ chain, policy, input }: Case): number {
  const used = chain?.changeIndexUsed ?? input.treasury.proposals.size;
  return closeIndexMax(policy, used);
}
