/** What may be spent now, and where change goes: read off the log and one look at the chain. Pure. */
import { deadByRefusal, proposalsByTxid, reservedCoins } from '../policies/commitments.ts';
import { Failure } from '../policies/failure.ts';
import type { TreasuryCoin } from './chain.ts';
import type { Situation } from './facts.ts';

/** consensus/consensus.h COINBASE_MATURITY. */
const COINBASE_MATURITY = 100;
/** Agents refuse change further out: a recovery with the usual gap of 20 would not find it. */
const CHANGE_GAP = 20;

/** Coins that no live intent holds and that are old enough for the policy. */
export function spendableCoins({ view, treasury, all, policy }: Situation): TreasuryCoin[] {
  const reserved = reservedCoins(all, treasury);
  const ours = proposalsByTxid(treasury);
  const { min_conf, own_change_min_conf } = policy.inputs;
  return view.coins.filter(({ outpoint, confirmations, coinbase }) => {
    if (reserved.has(outpoint)) return false;
    if (coinbase === 'coinbase' && confirmations < COINBASE_MATURITY) return false;
    return confirmations >= (ours.has(outpoint.slice(0, 64)) ? own_change_min_conf : min_conf);
  });
}

/**
 * The next index of the change branch that neither the chain shows used nor a live proposal uses.
 *
 * @throws Failure NOT_READY when so many proposals wait that agents would refuse the index.
 */
export function nextChangeIndex({ view, treasury, all }: Situation): number {
  const live = all.flatMap(({ variants, fate }) =>
    fate.is === 'dead'
      ? []
      : variants
          .filter((each) => !deadByRefusal(treasury, each))
          .map(({ proposal }) => proposal.intent.plan.change?.index ?? -1),
  );
  const next = Math.max(view.changeIndexUsed, ...live) + 1;
  if (next > view.changeIndexUsed + 1 + CHANGE_GAP) {
    throw new Failure('NOT_READY', `change at index ${next}: let proposals confirm first`);
  }
  return next;
}

export interface SpendBounds {
  inputsMax: number;
  outputsMax: number;
}

/** What the policy allows and the device of every seat can take: the weakest decides. */
export function spendBounds({ policy, vault }: Situation): SpendBounds {
  const devices = vault.record.keyRecords.flatMap(({ body }) => body.device ?? []);
  return {
    inputsMax: Math.min(policy.inputs.max, ...devices.map(({ maxInputs }) => maxInputs)),
    outputsMax: Math.min(policy.outputs.max, ...devices.map(({ maxOutputs }) => maxOutputs)),
  };
}
