/**
 * The strict BIP-174 codec. What an agent reads is version 0, has only the fields listed here, and is
 * reported field by field: whatever else is in it is named in `extras`, never dropped.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { HDKey } from '@scure/bip32';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import { RawOldTx, RawTx } from '@scure/btc-signer/script.js';
import { Failure } from '../policies/failure.ts';
import { INPUTS_MAX, OUTPUTS_MAX } from '../policies/intent.ts';
import { type Sat, sat } from '../policies/units.ts';
import { type RawInput, type RawPsbt, type RawXpub, readPlainPsbt } from './psbt-plain.ts';

/** A7: largest PSBT without previous transactions. */
export const PSBT_BYTES_MAX = 2_000_000;
/** All previous transactions of one proposal together. */
export const PREVIOUS_TXS_BYTES_MAX = 20_000_000;

/** Origin of a key (BIP-174 0x06): master fingerprint and path. */
export interface KeyOrigin {
  publicKey: string;
  fingerprint: number;
  path: readonly number[];
}

export interface PsbtInput {
  txid: string;
  vout: number;
  sequence: number;
  witnessUtxo: { amountSat: Sat; script: string } | null;
  /** Raw previous transaction, where it is embedded. */
  previousTx: Uint8Array | null;
  witnessScript: Uint8Array | null;
  sighashType: number | null;
  partialSigs: readonly { publicKey: string; signature: Uint8Array }[];
  origins: readonly KeyOrigin[];
  /** Whether a final script is there (0x07, 0x08). */
  final: 'final' | 'open';
  /** Names of all other fields. */
  extras: readonly string[];
}

export interface PsbtOutput {
  amountSat: Sat;
  script: string;
  extras: readonly string[];
}

export interface Psbt {
  /** The unsigned transaction, serialized without witness. */
  unsignedTx: Uint8Array;
  version: number;
  lockTime: number;
  inputs: readonly PsbtInput[];
  outputs: readonly PsbtOutput[];
  /** Extended keys (0x01) as base58 text, with their origin. */
  xpubs: readonly { xpub: string; fingerprint: number; path: readonly number[] }[];
  extras: readonly string[];
}

const GLOBAL_FIELDS = new Set(['unsignedTx', 'xpub', 'version']);
const INPUT_FIELDS = new Set([
  'nonWitnessUtxo',
  'witnessUtxo',
  'partialSig',
  'sighashType',
  'witnessScript',
  'bip32Derivation',
  'finalScriptSig',
  'finalScriptWitness',
]);
const OUTPUT_FIELDS = new Set(['witnessScript', 'bip32Derivation']);

/** Reads base64 or binary. */
export function psbtBytes(text: string): Uint8Array {
  try {
    return base64.decode(text.trim());
  } catch (cause) {
    throw new Failure('PSBT_INVALID', 'a PSBT travels as base64', { cause });
  }
}

/**
 * Decodes a PSBT.
 *
 * @param bytesMax  PSBT_BYTES_MAX on the wire; a file with embedded previous transactions may be larger.
 * @throws Failure PSBT_INVALID, INPUT_TOO_LARGE
 */
export function decodePsbt(bytes: Uint8Array, bytesMax = PSBT_BYTES_MAX): Psbt {
  if (bytes.length > bytesMax) {
    throw new Failure('INPUT_TOO_LARGE', `a PSBT of ${bytes.length} bytes`);
  }
  const raw = decodeRaw(bytes);
  const unsigned = raw.global.unsignedTx;
  if (unsigned === undefined) throw new Failure('PSBT_INVALID', 'no unsigned transaction');
  if (unsigned.inputs.length > INPUTS_MAX || unsigned.outputs.length > OUTPUTS_MAX) {
    throw new Failure('INPUT_TOO_LARGE', 'more inputs or outputs than an agent reads');
  }
  // The coder lets one empty map follow the last output, which BIP-174 has only where there is none.
  if (unsigned.outputs.length > 0 && raw.outputs.length !== unsigned.outputs.length) {
    throw new Failure('PSBT_INVALID', 'something follows the last output');
  }
  return {
    unsignedTx: RawOldTx.encode(unsigned),
    version: unsigned.version,
    lockTime: unsigned.lockTime,
    inputs: unsigned.inputs.map((place, at) => inputOf(place, raw.inputs[at] ?? {})),
    outputs: unsigned.outputs.map((output, at) => ({
      amountSat: sat(output.amount),
      script: bytesToHex(output.script),
      extras: extrasOf(raw.outputs[at] ?? {}, OUTPUT_FIELDS),
    })),
    xpubs: (raw.global.xpub ?? []).map(([key, origin]) => ({
      xpub: xpubText(key),
      fingerprint: origin.fingerprint,
      path: origin.path,
    })),
    extras: extrasOf(raw.global, GLOBAL_FIELDS),
  };
}

function xpubText(key: RawXpub): string {
  const { version, depth, parentFingerprint, childNumber, chainCode, publicKey } = key;
  return new HDKey({
    versions: { public: version, private: 0 },
    depth,
    parentFingerprint,
    index: childNumber,
    chainCode,
    publicKey,
  }).publicExtendedKey;
}

function decodeRaw(bytes: Uint8Array): RawPsbt {
  const plain = readPlainPsbt(bytes);
  if (plain !== null) return plain;
  try {
    const raw: unknown = RawPSBTV0.decode(bytes);
    return raw as RawPsbt;
  } catch (cause) {
    throw new Failure('PSBT_INVALID', 'not a well-formed version 0 PSBT', { cause });
  }
}

function inputOf(
  place: { txid: Uint8Array; index: number; sequence: number },
  raw: RawInput,
): PsbtInput {
  const { witnessUtxo, nonWitnessUtxo } = raw;
  return {
    txid: bytesToHex(place.txid),
    vout: place.index,
    sequence: place.sequence,
    witnessUtxo:
      witnessUtxo === undefined
        ? null
        : { amountSat: sat(witnessUtxo.amount), script: bytesToHex(witnessUtxo.script) },
    previousTx: nonWitnessUtxo === undefined ? null : RawTx.encode(nonWitnessUtxo),
    witnessScript: raw.witnessScript ?? null,
    sighashType: raw.sighashType ?? null,
    partialSigs: (raw.partialSig ?? []).map(([key, signature]) => ({
      publicKey: bytesToHex(key),
      signature,
    })),
    origins: (raw.bip32Derivation ?? []).map(([key, origin]) => ({
      publicKey: bytesToHex(key),
      fingerprint: origin.fingerprint,
      path: origin.path,
    })),
    final:
      raw.finalScriptWitness !== undefined || (raw.finalScriptSig?.length ?? 0) > 0
        ? 'final'
        : 'open',
    extras: extrasOf(raw, INPUT_FIELDS),
  };
}

function extrasOf(map: object, known: ReadonlySet<string>): string[] {
  return Object.entries(map)
    .filter(([name, value]) => value !== undefined && !known.has(name))
    .map(([name]) => name);
}
