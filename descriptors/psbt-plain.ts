/**
 * The PSBT that a treasury makes, read in bulk: the same result as the general coder of `@scure/btc-signer`,
 * whose curve checks in JavaScript are most of its time. Whatever is not of this plain kind, down to one
 * unusual field or byte, is left to that coder, which reads it or says what is wrong with it.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { RawOldTx, RawOutput, RawTx } from '@scure/btc-signer/script.js';
import { isCompressedPoint } from './bulk-curve.ts';

/** The coder's own shape, as far as this project reads it. */
export interface RawOrigin {
  fingerprint: number;
  path: number[];
}
export interface RawXpub {
  version: number;
  depth: number;
  parentFingerprint: number;
  childNumber: number;
  chainCode: Uint8Array;
  publicKey: Uint8Array;
}
export interface RawInput {
  nonWitnessUtxo?: Parameters<typeof RawTx.encode>[0];
  witnessUtxo?: { amount: bigint; script: Uint8Array };
  partialSig?: [Uint8Array, Uint8Array][];
  sighashType?: number;
  witnessScript?: Uint8Array;
  bip32Derivation?: [Uint8Array, RawOrigin][];
  finalScriptSig?: Uint8Array;
  finalScriptWitness?: Uint8Array[];
}
export interface RawPsbt {
  global: {
    unsignedTx?: Parameters<typeof RawOldTx.encode>[0];
    xpub?: [RawXpub, RawOrigin][];
    version?: number;
  };
  inputs: RawInput[];
  outputs: object[];
}

/** BIP-174: `psbt` and a separator. */
export const PSBT_MAGIC = Uint8Array.of(0x70, 0x73, 0x62, 0x74, 0xff);
/** Serialized extended key (BIP-32) without its checksum. */
export const XPUB_BYTES = 78;

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

interface Pair {
  type: number;
  keyData: Uint8Array;
  value: Uint8Array;
}

/** Reads a PSBT of the plain kind; null for any other, well-formed or not. */
export function readPlainPsbt(bytes: Uint8Array): RawPsbt | null {
  try {
    return readAll({ bytes, at: 0 });
  } catch {
    // Not of the plain kind: nothing is decided here.
    return null;
  }
}

function readAll(cursor: Cursor): RawPsbt {
  const magic = take(cursor, PSBT_MAGIC.length);
  demand(PSBT_MAGIC.every((byte, place) => magic[place] === byte));
  const global = readGlobal(pairsOf(cursor));
  const raw = {
    global,
    inputs: global.unsignedTx.inputs.map(() => readInput(pairsOf(cursor))),
    outputs: global.unsignedTx.outputs.map(() => readOutput(pairsOf(cursor))),
  };
  demand(cursor.at === cursor.bytes.length);
  return raw;
}

function readGlobal(pairs: readonly Pair[]): RawPsbt['global'] & {
  unsignedTx: Parameters<typeof RawOldTx.encode>[0];
} {
  const xpub: [RawXpub, RawOrigin][] = [];
  let unsignedTx: Parameters<typeof RawOldTx.encode>[0] | undefined;
  for (const { type, keyData, value } of pairs) {
    if (type === 0x00) {
      demand(keyData.length === 0);
      unsignedTx = RawOldTx.decode(value);
    } else {
      demand(type === 0x01);
      xpub.push([xpubOf(keyData), originOf(value)]);
    }
  }
  if (unsignedTx === undefined) throw new Error('no unsigned transaction');
  demand(unsignedTx.inputs.every(({ finalScriptSig }) => finalScriptSig.length === 0));
  demand(xpub.every(([key, origin]) => key.depth === origin.path.length && key.depth > 0));
  return { unsignedTx, ...(xpub.length > 0 && { xpub }) };
}

function readInput(pairs: readonly Pair[]): RawInput {
  const input: RawInput = {};
  for (const { type, keyData, value } of pairs) {
    if (type === 0x02) {
      (input.partialSig ??= []).push([pointOf(keyData), value.slice()]);
      continue;
    }
    if (type === 0x06) {
      (input.bip32Derivation ??= []).push([pointOf(keyData), originOf(value)]);
      continue;
    }
    demand(keyData.length === 0);
    if (type === 0x00) input.nonWitnessUtxo = RawTx.decode(value);
    else if (type === 0x01) input.witnessUtxo = RawOutput.decode(value);
    else if (type === 0x03) input.sighashType = numberOf(value);
    else if (type === 0x05) input.witnessScript = value.slice();
    else throw new Error('a field that is not plain');
  }
  return input;
}

function readOutput(pairs: readonly Pair[]): object {
  const output: { witnessScript?: Uint8Array; bip32Derivation?: [Uint8Array, RawOrigin][] } = {};
  for (const { type, keyData, value } of pairs) {
    if (type === 0x02) {
      (output.bip32Derivation ??= []).push([pointOf(keyData), originOf(value)]);
    } else {
      demand(type === 0x01 && keyData.length === 0);
      output.witnessScript = value.slice();
    }
  }
  return output;
}

/** One map up to its end; no key is in it twice, no type is wider than a byte. */
function pairsOf(cursor: Cursor): Pair[] {
  const pairs: Pair[] = [];
  const seen = new Set<string>();
  for (;;) {
    const length = compactSize(cursor);
    if (length === 0) return pairs;
    const key = take(cursor, length);
    const name = bytesToHex(key);
    const type = key[0] ?? 0xff;
    demand(!seen.has(name) && type < 0xfd);
    seen.add(name);
    pairs.push({ type, keyData: key.subarray(1), value: take(cursor, compactSize(cursor)) });
  }
}

function xpubOf(bytes: Uint8Array): RawXpub {
  demand(bytes.length === XPUB_BYTES);
  const view = viewOf(bytes);
  return {
    version: view.getUint32(0),
    depth: view.getUint8(4),
    parentFingerprint: view.getUint32(5),
    childNumber: view.getUint32(9),
    chainCode: bytes.slice(13, 45),
    publicKey: pointOf(bytes.subarray(45)),
  };
}

function originOf(bytes: Uint8Array): RawOrigin {
  demand(bytes.length >= 4 && bytes.length % 4 === 0);
  const view = viewOf(bytes);
  const path: number[] = [];
  for (let at = 4; at < bytes.length; at += 4) path.push(view.getUint32(at, true));
  return { fingerprint: view.getUint32(0), path };
}

function pointOf(bytes: Uint8Array): Uint8Array {
  demand(isCompressedPoint(bytes));
  return bytes.slice();
}

function numberOf(bytes: Uint8Array): number {
  demand(bytes.length === 4);
  return viewOf(bytes).getUint32(0, true);
}

/** BIP-144 `var_int`, in its only short form; eight bytes are for no length that fits here. */
function compactSize(cursor: Cursor): number {
  const [first = 0xff] = take(cursor, 1);
  if (first < 0xfd) return first;
  demand(first < 0xff);
  const width = first === 0xfd ? 2 : 4;
  const view = viewOf(take(cursor, width));
  const value = width === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
  demand(value >= (width === 2 ? 0xfd : 0x10000));
  return value;
}

function take(cursor: Cursor, length: number): Uint8Array {
  const end = cursor.at + length;
  demand(end <= cursor.bytes.length);
  const taken = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  return taken;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function demand(plain: boolean): void {
  if (!plain) throw new Error('not a plain PSBT');
}
