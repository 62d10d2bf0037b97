/**
 * The one builder: makes the unsigned transaction of an intent, byte for byte. The coordinator builds
 * with it, every agent rebuilds and compares. Neither the order of coins nor of payees in the intent
 * matters: the intent's seed orders both.
 */
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { taggedHashOfBytes } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import type { SpendPlan } from '../policies/intent.ts';
import { feeCeil, type Sat, sat, sumSat, type VBytes } from '../policies/units.ts';
import type { Deriver } from './derive.ts';
import { txidOf } from './previous-tx.ts';
import { dustSat, inputWeightAt, outputWeight, txVsize } from './weight.ts';

/** BIP-125: replaceable, and the locktime is enforced. On every input, always. */
export const SEQUENCE = 0xfffffffd;
export const TX_VERSION = 2;

/** Somebody who is paid: scriptPubKey in hex. */
export interface Payee {
  script: string;
  amountSat: Sat;
}

export interface BuiltTx {
  /** Without witness. */
  unsignedTx: Uint8Array;
  txid: string;
  feeSat: Sat;
  /** Predicted for the signed transaction, never less than the real one. */
  vsize: VBytes;
  /** Coins in the order of the inputs. */
  coins: SpendPlan['coins'];
  changeSat: Sat | null;
  changeVout: number | null;
  outputs: readonly Payee[];
}

/**
 * Builds. With change the fee is feerate × size rounded up and the rest comes back; without, all that
 * is left over is fee.
 *
 * @throws Failure INSUFFICIENT_FUNDS when the coins cannot pay payees, fee and a change above dust.
 */
export function buildUnsignedTx(
  plan: SpendPlan,
  payees: readonly Payee[],
  deriver: Deriver,
): BuiltTx {
  const seed = hexToBytes(plan.orderSeed);
  const coins = ordered(plan.coins, seed, ({ outpoint }) => utf8ToBytes(outpoint));
  const { change, feeSat, vsize } = balance(plan, payees, deriver);
  const all: Payee[] = change === null ? [...payees] : [...payees, change];
  const outputs = ordered(all, seed, ({ script, amountSat }) =>
    utf8ToBytes(`${script}:${amountSat}`),
  );
  const unsignedTx = RawOldTx.encode({
    version: TX_VERSION,
    inputs: coins.map(({ outpoint }) => {
      const [txid = '', vout = ''] = outpoint.split(':');
      return {
        txid: hexToBytes(txid),
        index: Number.parseInt(vout, 10),
        finalScriptSig: new Uint8Array(),
        sequence: SEQUENCE,
      };
    }),
    outputs: outputs.map(({ script, amountSat }) => ({
      amount: amountSat,
      script: hexToBytes(script),
    })),
    lockTime: plan.lockTime,
  });
  return {
    unsignedTx,
    txid: txidOf(unsignedTx),
    feeSat,
    vsize,
    coins,
    changeSat: change?.amountSat ?? null,
    changeVout: change === null ? null : outputs.indexOf(change),
    outputs,
  };
}

/** Predicted size of a spend of these coins to these outputs. */
export function predictVsize(
  coins: SpendPlan['coins'],
  outputScripts: readonly string[],
  deriver: Deriver,
): VBytes {
  const inputs = coins.map(({ branch, index }) =>
    inputWeightAt(deriver, deriver.at(branch, index)),
  );
  return txVsize(
    inputs,
    outputScripts.map((script) => outputWeight(script.length / 2)),
  );
}

function balance(
  plan: SpendPlan,
  payees: readonly Payee[],
  deriver: Deriver,
): { change: Payee | null; feeSat: Sat; vsize: VBytes } {
  const inputs = sumSat(plan.coins.map(({ amountSat }) => amountSat));
  const paid = sumSat(payees.map(({ amountSat }) => amountSat));
  const scripts = payees.map(({ script }) => script);
  if (plan.change === null) {
    const vsize = predictVsize(plan.coins, scripts, deriver);
    const left = inputs - paid;
    if (left < feeCeil(plan.feerateSatPerKvb, vsize)) throw insufficient(inputs, paid);
    return { change: null, feeSat: sat(left), vsize };
  }
  const { script } = deriver.at(1, plan.change.index);
  const vsize = predictVsize(plan.coins, [...scripts, script], deriver);
  const feeSat = feeCeil(plan.feerateSatPerKvb, vsize);
  const left = inputs - paid - feeSat;
  if (left < dustSat(script)) throw insufficient(inputs, paid);
  return { change: { script, amountSat: sat(left) }, feeSat, vsize };
}

function insufficient(inputs: Sat, paid: Sat): Failure {
  return new Failure('INSUFFICIENT_FUNDS', `${inputs} sat cannot pay ${paid} sat, fee and change`);
}

/** Sorted by the tagged hash of seed and content; equal content is interchangeable. */
function ordered<T>(items: readonly T[], seed: Uint8Array, content: (item: T) => Uint8Array): T[] {
  return items
    .map((item) => ({
      item,
      place: bytesToHex(taggedHashOfBytes('weir/order/v1', concatBytes(seed, content(item)))),
    }))
    .toSorted((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0))
    .map(({ item }) => item);
}
