/** A previous transaction: its txid computed here, and the amounts and scripts of its outputs (D3). */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { RawTx } from '@scure/btc-signer';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { Failure } from '../policies/failure.ts';
import { type Sat, sat } from '../policies/units.ts';

export interface PreviousTx {
  txid: string;
  raw: Uint8Array;
  outputs: readonly { amountSat: Sat; script: string }[];
}

/** A raw transaction is no larger than a block allows (consensus/consensus.h). */
const TX_BYTES_MAX = 4_000_000;

/** @throws Failure PSBT_INVALID for bytes that are no transaction, INPUT_TOO_LARGE above a block. */
export function parsePreviousTx(raw: Uint8Array): PreviousTx {
  if (raw.length > TX_BYTES_MAX) {
    throw new Failure('INPUT_TOO_LARGE', `a previous transaction of ${raw.length} bytes`);
  }
  try {
    const tx = RawTx.decode(raw);
    const stripped = RawOldTx.encode({
      version: tx.version,
      inputs: tx.inputs,
      outputs: tx.outputs,
      lockTime: tx.lockTime,
    });
    const outputs = tx.outputs.map(({ amount, script }) => ({
      amountSat: sat(amount),
      script: bytesToHex(script),
    }));
    return { txid: txidOf(stripped), raw, outputs };
  } catch (cause) {
    throw new Failure('PSBT_INVALID', 'a previous transaction is malformed', { cause });
  }
}

/** Txid of a serialization without witness: double SHA-256, byte-reversed. */
export function txidOf(stripped: Uint8Array): string {
  return bytesToHex(sha256(sha256(stripped)).toReversed());
}
