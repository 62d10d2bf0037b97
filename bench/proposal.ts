/**
 * A 2-of-3 treasury with a proposal of any number of inputs, each from a previous transaction of its own,
 * and all that one agent is given to judge it: the verdict must be to sign.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { makeDeriver } from '../descriptors/derive.ts';
import { txidOf } from '../descriptors/previous-tx.ts';
import type { CoinRef } from '../policies/intent.ts';
import { sat } from '../policies/units.ts';
import type { JudgeInput } from '../signer-agent/judgement.ts';
import { chainView, type JudgeScenario, judgeScenario } from '../test/judge-scenario.ts';
import { type Built, strangerScript } from '../test/spend-scenario.ts';
import { policyText } from '../test/treasury-scenario.ts';

const COIN_SAT = 100_000n;
/** Stays in the treasury, so that no limit on its share is met. */
const RESERVE_SAT = 2_000_000_000n;
const PAYEES = 5n;
const PAID_PERCENT = 80n;

export interface BenchProposal {
  scenario: JudgeScenario;
  built: Built;
  /** Raw previous transactions, as they travel beside the PSBT. */
  previousTxs: Uint8Array[];
  /** What the agent is given, with a deriver that has derived nothing of it yet. */
  cold: () => JudgeInput;
  /** The same with a deriver that has seen it all, as in a process that has run for a while. */
  warm: () => JudgeInput;
}

export function benchProposal(inputs: number): BenchProposal {
  const scenario = judgeScenario({ policy: widePolicy() });
  scenario.coins.length = 0;
  scenario.funding.clear();
  const coins = Array.from({ length: inputs }, (_, index) => addCoin(scenario, index, COIN_SAT));
  addCoin(scenario, inputs, RESERVE_SAT);
  const each = (COIN_SAT * BigInt(inputs) * PAID_PERCENT) / 100n / PAYEES;
  const orders = Array.from({ length: Number(PAYEES) }, (_, n) =>
    scenario.t.order('lp-one', { script: strangerScript(n + 1), amountSat: sat(each) }),
  );
  const built = scenario.batch(orders, { coins });
  const spent = new Set(coins.map(({ outpoint }) => outpoint.split(':')[0]));
  const previousTxs = [...scenario.funding.values()]
    .filter(({ txid }) => spent.has(txid))
    .map(({ raw }) => raw);
  const given = (): JudgeInput => ({
    ...scenario.input(built),
    parcel: { psbt: built.psbt, previousTxs },
    chain: chainView(scenario),
  });
  return {
    scenario,
    built,
    previousTxs,
    warm: given,
    cold: () => ({ ...given(), deriver: makeDeriver(scenario.deriver.descriptor) }),
  };
}

/** A coin at the next index, paid by a transaction as a P2WPKH wallet would make it. */
function addCoin(scenario: JudgeScenario, index: number, amount: bigint): CoinRef {
  const raw = RawOldTx.encode({
    version: 2,
    inputs: [
      {
        txid: hexToBytes((index + 1).toString(16).padStart(64, '0')),
        index: 0,
        finalScriptSig: new Uint8Array(),
        sequence: 0xfffffffd,
      },
    ],
    outputs: [
      { amount: 7_000_000n, script: hexToBytes(strangerScript(index)) },
      { amount, script: hexToBytes(scenario.deriver.at(0, index).script) },
    ],
    lockTime: 0,
  });
  const txid = txidOf(raw);
  const coin: CoinRef = { outpoint: `${txid}:1`, amountSat: sat(amount), branch: 0, index };
  scenario.funding.set(txid, { raw, txid });
  scenario.coins.push(coin);
  return coin;
}

/** The demo's policy without the limits that a large spend meets: they cost the same to check. */
function widePolicy(): string {
  return policyText(['ana', 'ben', 'cleo'])
    .replace('max: 200, types: [wsh], gap: 200', 'max: 500, types: [wsh], gap: 500')
    .replaceAll(/^ {2}- \{ over: [1-9].*\n/gm, '');
}
