/** The coordinator's check of its own work, before anybody sees it: what would an agent read? */
import type { PreviousTx } from '../descriptors/previous-tx.ts';
import { decodePsbt } from '../descriptors/psbt.ts';
import { spendFromPsbt } from '../descriptors/spend-from-psbt.ts';
import { Failure, invariant } from '../policies/failure.ts';
import type { Draft } from './draft.ts';
import { psbtOf } from './parcel.ts';
import type { Vault } from './vault.ts';

/**
 * Encodes the draft's PSBT, decodes it again and reads what it does.
 *
 * @throws Failure INPUT_TOO_LARGE for a spend too heavy to relay; BrokenInvariant for anything else that
 *   is not as meant: the builder or the node lies.
 */
export function checkOwnWork(
  { intent, built }: Draft,
  vault: Vault,
  previousTxs: ReadonlyMap<string, PreviousTx>,
): void {
  const psbt = decodePsbt(psbtOf(built, intent.plan, vault));
  const places = [...intent.plan.coins.map(({ index }) => index), intent.plan.change?.index ?? 0];
  const spend = spendFromPsbt(psbt, previousTxs, vault.deriver, {
    indexMax: Math.max(...places),
  });
  const [problem] = spend.problems;
  if (problem?.code === 'W-TX-WEIGHT') throw new Failure('INPUT_TOO_LARGE', problem.detail);
  if (problem?.code === 'W-IN-AMOUNT' || problem?.code === 'W-IN-NOT-OURS') {
    throw new Failure('BITCOIND_REFUSED', `the node showed another coin: ${problem.detail}`);
  }
  invariant(problem === undefined, `own proposal: ${problem?.code} ${problem?.detail}`);
  invariant(spend.feeSat === built.feeSat, `own fee is ${spend.feeSat}, not ${built.feeSat}`);
  invariant(spend.vsize === built.vsize, `own size is ${spend.vsize}, not ${built.vsize}`);
  const change = spend.outputs.filter(({ kind }) => kind === 'change');
  const comesBack = change.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  invariant(comesBack === (built.changeSat ?? 0n), `own change is ${comesBack}`);
}
