/**
 * Signatures of wsh inputs (BIP-143): digests with shared parts, partial signatures made and verified
 * one by one, and the final transaction. Nothing but SIGHASH_ALL exists here.
 */

import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { RawOldTx, RawOutput, RawTx, VarBytes } from '@scure/btc-signer/script.js';
import { Failure } from '../policies/failure.ts';
import type { Sat } from '../policies/units.ts';
import { signEcdsa, verifyEcdsa } from './bulk-curve.ts';
import type { DerivedScript } from './derive.ts';
import { txidOf } from './previous-tx.ts';

const SIGHASH_ALL = 1;

/** What an input's digest covers beside the transaction. */
export interface SpentCoin {
  amountSat: Sat;
  place: DerivedScript;
}

/**
 * Digests of all inputs for SIGHASH_ALL (BIP-143). The hashes over prevouts, sequences and outputs are
 * computed once for all inputs.
 */
export function sighashes(unsignedTx: Uint8Array, coins: readonly SpentCoin[]): Uint8Array[] {
  const tx = RawOldTx.decode(unsignedTx);
  const prevouts = tx.inputs.map(({ txid, index }) => concatBytes(txid.toReversed(), u32(index)));
  const hashPrevouts = hash256(concatBytes(...prevouts));
  const hashSequence = hash256(concatBytes(...tx.inputs.map(({ sequence }) => u32(sequence))));
  const hashOutputs = hash256(concatBytes(...tx.outputs.map((output) => RawOutput.encode(output))));
  const head = concatBytes(u32(tx.version), hashPrevouts, hashSequence);
  const tail = concatBytes(hashOutputs, u32(tx.lockTime), u32(SIGHASH_ALL));
  return coins.map(({ amountSat, place }, at) => {
    const outpoint = prevouts[at];
    const sequence = tx.inputs[at]?.sequence;
    if (outpoint === undefined || sequence === undefined) {
      throw new Failure('PSBT_INVALID', `there is no input ${at}`);
    }
    const script = VarBytes.encode(place.witnessScript);
    return hash256(concatBytes(head, outpoint, script, u64(amountSat), u32(sequence), tail));
  });
}

/** Signs every input with its key: DER, low S, RFC 6979, with the SIGHASH_ALL byte (BIP-66). */
export function signInputs(
  unsignedTx: Uint8Array,
  coins: readonly SpentCoin[],
  keyOf: (place: DerivedScript) => Uint8Array,
): Uint8Array[] {
  return sighashes(unsignedTx, coins).map((digest, at) => {
    const coin = coins[at];
    if (coin === undefined) throw new Failure('PSBT_INVALID', `there is no coin ${at}`);
    const compact = signEcdsa(digest, keyOf(coin.place));
    const der = secp256k1.Signature.fromBytes(compact, 'compact').toBytes('der');
    return concatBytes(der, Uint8Array.of(SIGHASH_ALL));
  });
}

/** Whether `signature` (DER with sighash byte) is one of `publicKey` over a digest: strict, low S. */
export function signatureHolds(
  digest: Uint8Array,
  publicKey: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.at(-1) !== SIGHASH_ALL) return false;
  try {
    const der = signature.subarray(0, -1);
    const compact = secp256k1.Signature.fromBytes(der, 'der').toBytes('compact');
    return verifyEcdsa(digest, publicKey, compact);
  } catch {
    // Not DER: not a signature.
    return false;
  }
}

/**
 * Verifies one seat's signatures, one per input, and names the first that does not hold.
 *
 * @returns null when all hold, else the number of the input.
 */
export function firstFault(
  unsignedTx: Uint8Array,
  coins: readonly SpentCoin[],
  seat: number,
  signatures: readonly Uint8Array[],
): number | null {
  if (signatures.length !== coins.length) return Math.min(signatures.length, coins.length);
  const digests = sighashes(unsignedTx, coins);
  const at = digests.findIndex((digest, input) => {
    const key = coins[input]?.place.publicKeys[seat];
    const signature = signatures[input];
    return key === undefined || signature === undefined || !signatureHolds(digest, key, signature);
  });
  return at === -1 ? null : at;
}

/** One seat's verified signatures; `seat` is its place among the descriptor's keys. */
export interface SeatSignatures {
  seat: number;
  signatures: readonly Uint8Array[];
}

/**
 * Puts the signatures of k seats into the witnesses, in the order of the script's keys (BIP-147: an
 * empty first element).
 *
 * @throws Failure PSBT_INVALID unless exactly `threshold` seats signed every input.
 */
export function finalizeTx(
  unsignedTx: Uint8Array,
  coins: readonly SpentCoin[],
  seats: readonly SeatSignatures[],
  threshold: number,
): { rawTx: string; txid: string } {
  if (seats.length !== threshold || new Set(seats.map(({ seat }) => seat)).size !== threshold) {
    throw new Failure('PSBT_INVALID', `${seats.length} seats signed, ${threshold} are needed`);
  }
  const tx = RawOldTx.decode(unsignedTx);
  const witnesses = coins.map(({ place }, input) => {
    const script = bytesToHex(place.witnessScript);
    const signed = seats.map(({ seat, signatures }) => {
      const key = place.publicKeys[seat];
      const signature = signatures[input];
      if (key === undefined || signature === undefined) {
        throw new Failure('PSBT_INVALID', `seat ${seat} did not sign input ${input}`);
      }
      return { at: script.indexOf(bytesToHex(key)), signature };
    });
    const inOrder = signed.toSorted((a, b) => a.at - b.at).map(({ signature }) => signature);
    return [new Uint8Array(), ...inOrder, place.witnessScript];
  });
  const raw = RawTx.encode({
    version: tx.version,
    segwitFlag: true,
    inputs: tx.inputs,
    outputs: tx.outputs,
    witnesses,
    lockTime: tx.lockTime,
  });
  return { rawTx: bytesToHex(raw), txid: txidOf(unsignedTx) };
}

/** Partial signatures of one seat found in a PSBT, by the keys of its places; null where one is missing. */
export function seatSignaturesIn(
  inputs: readonly { partialSigs: readonly { publicKey: string; signature: Uint8Array }[] }[],
  coins: readonly SpentCoin[],
  seat: number,
): readonly Uint8Array[] | null {
  const found = inputs.map(({ partialSigs }, at) => {
    const key = coins[at]?.place.publicKeys[seat];
    const wanted = key === undefined ? '' : bytesToHex(key);
    return partialSigs.find(({ publicKey }) => publicKey === wanted)?.signature;
  });
  return found.every((each) => each !== undefined) ? found : null;
}

/** Signatures as they travel: hex. */
export function signaturesFromHex(signatures: readonly string[]): Uint8Array[] {
  return signatures.map((each) => hexToBytes(each));
}

function hash256(bytes: Uint8Array): Uint8Array {
  return sha256(sha256(bytes));
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
