/** Contributions as they come in: every signature verified per key and input, consent asked for first. */

import type { BuiltTx } from '../descriptors/build.ts';
import { firstFault, type SpentCoin, signaturesFromHex } from '../descriptors/signature.ts';
import type { Contribution } from '../policies/proposal.ts';
import type { Reason } from '../policies/reason.ts';
import { attestationReasons } from './channel-open.ts';
import { judge, spendOf } from './facts.ts';
import { proposalOf } from './machine.ts';
import type { Vault } from './vault.ts';
import type { Workplace } from './workplace.ts';

/** The coins of a built transaction with the scripts that its signatures cover. */
export function spentCoins(built: BuiltTx, { deriver }: Vault): readonly SpentCoin[] {
  return built.coins.map(({ amountSat, branch, index }) => ({
    amountSat,
    place: deriver.at(branch, index),
  }));
}

/**
 * What stands against a seat's partial signatures: the first input whose signature does not hold, or the
 * consent that is missing yet. The machine decides on both.
 *
 * @throws Failure NOT_FOUND, NOT_READY, BITCOIND_UNREACHABLE
 */
export async function objections(
  work: Workplace,
  contribution: Contribution,
): Promise<{ fault: number | null; missing: readonly Reason[] }> {
  const { proposalId, seatId } = contribution;
  const state = proposalOf(work.log.treasury(), proposalId);
  if (state.contributions.has(seatId) || state.broadcast !== null) {
    return { fault: null, missing: [] };
  }
  const spend = spendOf(state, work.situation());
  const vault = work.vault();
  const fault = firstFault(
    spend.built.unsignedTx,
    spentCoins(spend.built, vault),
    vault.seats.indexOf(seatId),
    signaturesFromHex(contribution.signatures),
  );
  if (fault !== null) return { fault, missing: [] };
  const unattested = attestationReasons(state);
  if (unattested.length > 0) return { fault, missing: unattested };
  const hidden = await work.hiddenCoins(state.proposal.prevouts.map(({ outpoint }) => outpoint));
  const verdict = judge(spend, work.situation(proposalId), hidden);
  return { fault, missing: verdict.kind === 'ok' ? [] : verdict.reasons };
}
