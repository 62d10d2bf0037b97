/** Outputs of a transaction serialized without witness: enough to say what stands at which number. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from './failure.ts';
import { OUTPUTS_MAX } from './intent.ts';

export interface TxOutput {
  /** Satoshi; a lie may be any 64 bits. */
  amountSat: bigint;
  /** scriptPubKey in hex. */
  script: string;
}

const OUTPOINT_AND_SEQUENCE_BYTES = { before: 36, after: 4 };

/**
 * Outputs in their order, of hex.
 *
 * @throws Failure INPUT_INVALID for bytes that are no such transaction.
 */
export function outputsOfTx(unsignedTx: string): readonly TxOutput[] {
  const reader = readerOf(hexToBytes(unsignedTx));
  reader.skip(4);
  const inputs = reader.size();
  for (let at = 0; at < inputs; at += 1) {
    reader.skip(OUTPOINT_AND_SEQUENCE_BYTES.before);
    reader.skip(reader.size());
    reader.skip(OUTPOINT_AND_SEQUENCE_BYTES.after);
  }
  const count = reader.size();
  if (count > OUTPUTS_MAX) throw malformed();
  const outputs: TxOutput[] = [];
  for (let at = 0; at < count; at += 1) {
    const amountSat = reader.number(8);
    outputs.push({ amountSat, script: bytesToHex(reader.take(reader.size())) });
  }
  reader.skip(4);
  reader.end();
  return outputs;
}

function readerOf(bytes: Uint8Array) {
  let at = 0;
  const take = (count: number): Uint8Array => {
    if (count > bytes.length - at) throw malformed();
    at += count;
    return bytes.subarray(at - count, at);
  };
  /** Little-endian, as everything in a transaction. */
  const number = (count: number): bigint => {
    const hex = bytesToHex(take(count).toReversed());
    return BigInt(`0x${hex}`);
  };
  /** CompactSize; what is larger than the bytes there are is refused, so nothing is lost as a number. */
  const size = (): number => {
    const first = number(1);
    const value = first < 0xfdn ? first : number(first === 0xfdn ? 2 : first === 0xfen ? 4 : 8);
    if (value > BigInt(bytes.length)) throw malformed();
    return Number.parseInt(`${value}`, 10);
  };
  return {
    take,
    number,
    size,
    skip: (count: number): void => void take(count),
    end(): void {
      if (at !== bytes.length) throw malformed();
    },
  };
}

function malformed(): Failure {
  return new Failure('INPUT_INVALID', 'not a transaction without witness');
}
