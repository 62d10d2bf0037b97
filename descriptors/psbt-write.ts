/**
 * Writes PSBTs (BIP-174, version 0): maps of key and value, keys in order of type and bytes. What is written
 * comes from this project's own derivation, so no key is checked again on the way out.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { createBase58check } from '@scure/base';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { Failure, invariant } from '../policies/failure.ts';
import type { Sat } from '../policies/units.ts';
import type { KeyOrigin } from './psbt.ts';
import { PSBT_MAGIC, XPUB_BYTES } from './psbt-plain.ts';

/** What a PSBT is made of, beside the unsigned transaction. */
export interface PsbtParts {
  unsignedTx: Uint8Array;
  inputs: readonly {
    witnessUtxo: { amountSat: Sat; script: string };
    previousTx: Uint8Array | null;
    witnessScript: Uint8Array;
    origins: readonly KeyOrigin[];
    partialSigs: readonly { publicKey: string; signature: Uint8Array }[];
  }[];
  /** Origins and witness script of outputs that come back; null for the others. */
  outputs: readonly ({ witnessScript: Uint8Array; origins: readonly KeyOrigin[] } | null)[];
  xpubs: readonly { xpub: string; fingerprint: number; path: readonly number[] }[];
}

type Pair = readonly [key: Uint8Array, value: Uint8Array];

const base58check = createBase58check(sha256);
const END = Uint8Array.of(0);

/** Encodes a PSBT that any standard signer can take part in. @throws Failure PSBT_INVALID for a wrong xpub */
export function encodePsbt(parts: PsbtParts): Uint8Array {
  const tx = RawOldTx.decode(parts.unsignedTx);
  invariant(
    tx.inputs.length === parts.inputs.length && tx.outputs.length === parts.outputs.length,
    'a PSBT has one map for each input and output',
  );
  const maps: Pair[][] = [globalPairs(parts), ...parts.inputs.map(inputPairs)];
  for (const output of parts.outputs) maps.push(output === null ? [] : outputPairs(output));
  const chunks: Uint8Array[] = [PSBT_MAGIC];
  for (const pairs of maps) {
    for (const [key, value] of pairs) {
      chunks.push(compactSize(key.length), key, compactSize(value.length), value);
    }
    chunks.push(END);
  }
  return concatBytes(...chunks);
}

function globalPairs({ unsignedTx, xpubs }: PsbtParts): Pair[] {
  const keys = xpubs.map(
    ({ xpub, fingerprint, path }): Pair => [
      keyOf(0x01, xpubBytes(xpub)),
      originBytes(fingerprint, path),
    ],
  );
  return [[keyOf(0x00), unsignedTx], ...inOrder(keys)];
}

function inputPairs(input: PsbtParts['inputs'][number]): Pair[] {
  const { witnessUtxo, previousTx, witnessScript, origins, partialSigs } = input;
  const signatures = partialSigs.map(
    ({ publicKey, signature }): Pair => [keyOf(0x02, hexToBytes(publicKey)), signature],
  );
  return [
    ...(previousTx === null ? [] : [[keyOf(0x00), previousTx] as const]),
    [keyOf(0x01), outputBytes(witnessUtxo.amountSat, hexToBytes(witnessUtxo.script))],
    ...inOrder(signatures),
    [keyOf(0x05), witnessScript],
    ...originPairs(0x06, origins),
  ];
}

function outputPairs(output: { witnessScript: Uint8Array; origins: readonly KeyOrigin[] }): Pair[] {
  return [[keyOf(0x01), output.witnessScript], ...originPairs(0x02, output.origins)];
}

function originPairs(type: number, origins: readonly KeyOrigin[]): Pair[] {
  return inOrder(
    origins.map(
      ({ publicKey, fingerprint, path }): Pair => [
        keyOf(type, hexToBytes(publicKey)),
        originBytes(fingerprint, path),
      ],
    ),
  );
}

/** By the bytes of the key; a key twice would be another PSBT than the one that was meant. */
function inOrder(pairs: readonly Pair[]): Pair[] {
  const named = pairs.map((pair) => ({ pair, name: bytesToHex(pair[0]) }));
  named.sort((a, b) => (a.name < b.name ? -1 : 1));
  invariant(new Set(named.map(({ name }) => name)).size === pairs.length, 'a key is there twice');
  return named.map(({ pair }) => pair);
}

function keyOf(type: number, data: Uint8Array = new Uint8Array()): Uint8Array {
  return concatBytes(Uint8Array.of(type), data);
}

function originBytes(fingerprint: number, path: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 + path.length * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, fingerprint);
  path.forEach((step, at) => {
    view.setUint32(4 + at * 4, step, true);
  });
  return bytes;
}

function outputBytes(amountSat: Sat, script: Uint8Array): Uint8Array {
  const amount = new Uint8Array(8);
  new DataView(amount.buffer).setBigUint64(0, amountSat, true);
  return concatBytes(amount, compactSize(script.length), script);
}

function xpubBytes(xpub: string): Uint8Array {
  try {
    const bytes = base58check.decode(xpub);
    if (bytes.length === XPUB_BYTES && /^[xt]pub/.test(xpub)) return bytes;
  } catch {
    // Falls through to the failure: not base58 with a right checksum.
  }
  throw new Failure('PSBT_INVALID', 'not an xpub');
}

/** BIP-144 `var_int`. */
function compactSize(value: number): Uint8Array {
  if (value < 0xfd) return Uint8Array.of(value);
  const wide = value > 0xffff;
  const bytes = new Uint8Array(wide ? 5 : 3);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, wide ? 0xfe : 0xfd);
  if (wide) view.setUint32(1, value, true);
  else view.setUint16(1, value, true);
  return bytes;
}
