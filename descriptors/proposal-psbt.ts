/** The PSBT of a proposal: origins, scripts and global keys filled in, for any standard signer. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { invariant } from '../policies/failure.ts';
import type { BuiltTx } from './build.ts';
import type { DerivedScript, Deriver } from './derive.ts';
import type { AccountKey } from './descriptor.ts';
import type { PreviousTx } from './previous-tx.ts';
import type { KeyOrigin, Psbt } from './psbt.ts';
import { encodePsbt, type PsbtParts } from './psbt-write.ts';

const HARDENED = 0x80000000;

/** Encodes the PSBT that travels: without previous transactions, without signatures. */
export function proposalPsbt(
  built: BuiltTx,
  deriver: Deriver,
  changeIndex: number | null,
): Uint8Array {
  return encodePsbt(partsOf(built, deriver, changeIndex));
}

/** The same for a file: previous transactions embedded, as hardware signers want it. */
export function standardPsbt(
  psbt: Psbt,
  previousTxs: ReadonlyMap<string, PreviousTx>,
  deriver: Deriver,
  places: readonly DerivedScript[],
): Uint8Array {
  return encodePsbt({
    unsignedTx: psbt.unsignedTx,
    inputs: psbt.inputs.map((input, at) => {
      const place = places[at];
      const previous = previousTxs.get(input.txid);
      const coin = previous?.outputs[input.vout];
      invariant(
        place !== undefined && previous !== undefined && coin !== undefined,
        'judged before',
      );
      return {
        witnessUtxo: coin,
        previousTx: previous.raw,
        witnessScript: place.witnessScript,
        origins: originsOf(deriver, place),
        partialSigs: input.partialSigs,
      };
    }),
    outputs: psbt.outputs.map(() => null),
    xpubs: deriver.descriptor.keys.map(globalXpub),
  });
}

function partsOf(built: BuiltTx, deriver: Deriver, changeIndex: number | null): PsbtParts {
  return {
    unsignedTx: built.unsignedTx,
    inputs: built.coins.map(({ amountSat, branch, index }) => {
      const place = deriver.at(branch, index);
      return {
        witnessUtxo: { amountSat, script: place.script },
        previousTx: null,
        witnessScript: place.witnessScript,
        origins: originsOf(deriver, place),
        partialSigs: [],
      };
    }),
    outputs: built.outputs.map((_, vout) => {
      if (changeIndex === null || vout !== built.changeVout) return null;
      const place = deriver.at(1, changeIndex);
      return { witnessScript: place.witnessScript, origins: originsOf(deriver, place) };
    }),
    xpubs: deriver.descriptor.keys.map(globalXpub),
  };
}

/** Origins of all keys of a place (BIP-174 0x06). */
function originsOf(deriver: Deriver, place: DerivedScript): KeyOrigin[] {
  const { keys } = deriver.descriptor;
  const origin = (publicKey: Uint8Array, at: number, branch: number): KeyOrigin => {
    const key = keys[at];
    invariant(key !== undefined, 'a place has one key a seat');
    return {
      publicKey: bytesToHex(publicKey),
      fingerprint: fingerprintOf(key),
      path: [...accountPath(key), branch, place.index],
    };
  };
  return [
    ...place.publicKeys.map((key, at) => origin(key, at, place.branch)),
    ...place.recoveryKeys.map((key, at) => origin(key, at, place.branch + 2)),
  ];
}

function globalXpub(key: AccountKey): PsbtParts['xpubs'][number] {
  return { xpub: key.xpub, fingerprint: fingerprintOf(key), path: accountPath(key) };
}

function fingerprintOf(key: AccountKey): number {
  const bytes = hexToBytes(key.fingerprint);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

function accountPath(key: AccountKey): number[] {
  return key.path.split('/').map((step) => Number.parseInt(step, 10) + HARDENED);
}
