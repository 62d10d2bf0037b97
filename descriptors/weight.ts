/** Sizes before anything is signed: the largest a treasury's input can get, and what is dust. */
import { invariant } from '../policies/failure.ts';
import { type Sat, sat, type VBytes, vsizeCeil, type Weight, weight } from '../policies/units.ts';
import type { DerivedScript, Deriver } from './derive.ts';

/**
 * A DER signature with low S and its sighash byte is at most 72 bytes (BIP-66, BIP-146): R may need a
 * leading zero, S never does.
 */
const SIGNATURE_BYTES_MAX = 72;
/** Outpoint 36, empty scriptSig 1, sequence 4; times four (BIP-141). */
const INPUT_BASE_WU = 41 * 4;
/** Version 4, locktime 4, counts apart; times four. */
const TX_BASE_WU = 8 * 4;
/** Marker and flag (BIP-144). */
const SEGWIT_WU = 2;
/** Largest relayed transaction (policy/policy.h MAX_STANDARD_TX_WEIGHT). */
export const STANDARD_WEIGHT_MAX = 400_000n;
/** policy/policy.h DUST_RELAY_TX_FEE, sat per 1,000 vbytes. */
const DUST_FEERATE = 3_000n;

/** Bytes of a compact size (BIP-144 `var_int`). */
export function compactSizeBytes(value: number): number {
  if (value < 0xfd) return 1;
  return value <= 0xffff ? 3 : 5;
}

/** Largest weight of an input spent by the quorum's path. */
export function inputWeight(threshold: number, witnessScriptBytes: number): Weight {
  const witness =
    compactSizeBytes(threshold + 2) +
    1 + // the empty element OP_CHECKMULTISIG eats
    threshold * (1 + SIGNATURE_BYTES_MAX) +
    compactSizeBytes(witnessScriptBytes) +
    witnessScriptBytes;
  return weight(BigInt(INPUT_BASE_WU + witness));
}

/** Largest weight of an input at a place of the treasury. */
export function inputWeightAt(deriver: Deriver, place: DerivedScript): Weight {
  return inputWeight(deriver.descriptor.threshold, place.witnessScript.length);
}

/** Weight of an output with a scriptPubKey of that many bytes. */
export function outputWeight(scriptBytes: number): Weight {
  return weight(BigInt((8 + compactSizeBytes(scriptBytes) + scriptBytes) * 4));
}

/** Weight of a whole transaction of such inputs and outputs. */
export function txWeight(inputs: readonly Weight[], outputs: readonly Weight[]): Weight {
  invariant(inputs.length > 0, 'a transaction without inputs has no weight');
  const counts = (compactSizeBytes(inputs.length) + compactSizeBytes(outputs.length)) * 4;
  let total = BigInt(TX_BASE_WU + SEGWIT_WU + counts);
  for (const each of inputs) total += each;
  for (const each of outputs) total += each;
  return weight(total);
}

/** Virtual size of that, rounded up. */
export function txVsize(inputs: readonly Weight[], outputs: readonly Weight[]): VBytes {
  return vsizeCeil(txWeight(inputs, outputs));
}

/** Below this an output does not relay (policy/policy.cpp GetDustThreshold). */
export function dustSat(scriptHex: string): Sat {
  const scriptBytes = scriptHex.length / 2;
  const size = BigInt(8 + compactSizeBytes(scriptBytes) + scriptBytes);
  const witness = /^(00|5[1-9a-f]|60)(0[2-9a-f]|1[0-9a-f]|2[0-8])/.test(scriptHex);
  // What spending it would cost: a witness input counts its 107 bytes a quarter.
  const spend = witness ? 32n + 4n + 1n + 107n / 4n + 4n : 32n + 4n + 1n + 107n + 4n;
  return sat(((size + spend) * DUST_FEERATE) / 1_000n);
}
