/** Building the unsigned transaction and the PSBT of a batch, beside bare `@scure/btc-signer`. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { Transaction } from '@scure/btc-signer';
import { buildUnsignedTx, type Payee } from '../descriptors/build.ts';
import { makeDeriver } from '../descriptors/derive.ts';
import { proposalPsbt } from '../descriptors/proposal-psbt.ts';
import { decodePsbt } from '../descriptors/psbt.ts';
import { sat } from '../policies/units.ts';
import { strangerScript } from '../test/spend-scenario.ts';
import { mediansMs, task } from './measure.ts';
import { type BenchProposal, benchProposal } from './proposal.ts';

const FEERATE = 2_000n;
const PAID_SAT = 1_000n;

/** Milliseconds, medians of one run. */
export interface BuildRow {
  payees: number;
  coins: number;
  /** Transaction and PSBT, places derived before. */
  weir: number;
  /** The same with places derived for the first time. */
  weirCold: number;
  /** The same inputs and outputs added one by one, and the PSBT of them; scripts are given. */
  scure: number;
}

export async function benchBuild(payees: number, coins: number, runs: number): Promise<BuildRow> {
  const proposal = benchProposal(coins);
  const to: Payee[] = Array.from({ length: payees }, (_, n) => ({
    script: strangerScript(n + 1),
    amountSat: sat(PAID_SAT),
  }));
  const { scenario } = proposal;
  const theirs = decodePsbt(bareScure(proposal, to));
  const ours = decodePsbt(build(proposal, to, scenario.deriver));
  if (
    theirs.inputs.length !== ours.inputs.length ||
    theirs.outputs.length !== ours.outputs.length
  ) {
    throw new Error('the two did not build the same');
  }
  const fresh = () => makeDeriver(scenario.deriver.descriptor);
  const medians = await mediansMs(runs, {
    weir: task(
      () => scenario.deriver,
      (deriver) => build(proposal, to, deriver),
    ),
    weirCold: task(fresh, (deriver) => build(proposal, to, deriver)),
    scure: task(
      () => proposal,
      (each) => bareScure(each, to),
    ),
  });
  return { payees, coins, ...medians };
}

function build(
  { scenario, built }: BenchProposal,
  to: readonly Payee[],
  deriver: ReturnType<typeof makeDeriver>,
): Uint8Array {
  const plan = scenario.plan({
    coins: [...built.built.coins],
    feerateSatPerKvb: FEERATE as ReturnType<typeof scenario.plan>['feerateSatPerKvb'],
    change: { index: 0 },
  });
  return proposalPsbt(buildUnsignedTx(plan, to, deriver), deriver, 0);
}

function bareScure({ scenario, built }: BenchProposal, to: readonly Payee[]): Uint8Array {
  const tx = new Transaction({ version: 2, lockTime: 500 });
  let left = 0n;
  for (const { outpoint, amountSat, branch, index } of built.built.coins) {
    const [txid = '', vout = ''] = outpoint.split(':');
    const { script, witnessScript } = scenario.deriver.at(branch, index);
    left += amountSat;
    tx.addInput({
      txid: hexToBytes(txid),
      index: Number.parseInt(vout, 10),
      sequence: 0xfffffffd,
      witnessUtxo: { amount: amountSat, script: hexToBytes(script) },
      witnessScript,
    });
  }
  for (const { script, amountSat } of to) {
    left -= amountSat;
    tx.addOutput({ script: hexToBytes(script), amount: amountSat });
  }
  const change = scenario.deriver.at(1, 0);
  tx.addOutput({ script: hexToBytes(change.script), amount: left - 100_000n });
  return tx.toPSBT();
}
