/**
 * Our own look at what the coordinator proposes to sign: the transaction is read from its bytes, its txid is
 * computed here, and every output and input is compared with what was asked. It shares no code with the builder.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { INPUTS_MAX, OUTPUTS_MAX } from '../../policies/intent.ts';
import { type FeeRate, feerateFloor, type Sat, sat, vbytes } from '../../policies/units.ts';
import type { Batch } from './channel-state.ts';

/** A script hash of version 0: spent by a witness alone, so that signing cannot change the txid. */
const P2WSH = /^0020[0-9a-f]{64}$/;
/** Below it a sequence is a relative locktime (BIP-68): the transaction could not be sent yet. */
const SEQUENCE_DISABLE = 0x80000000;
/** Fields of an input that only a signer writes. */
const SIGNED_FIELDS = ['partialSig', 'finalScriptSig', 'finalScriptWitness', 'tapKeySig'];

/** A transaction to fund channels, read from its PSBT. */
export interface FundingTx {
  txid: string;
  /** Serialized without witness, hex. */
  unsignedTx: string;
  inputs: readonly { outpoint: string; sequence: number; scriptSig: string; signed: string[] }[];
  outputs: readonly { amountSat: bigint; script: string }[];
}

/** A coin as our own node shows it. */
export interface SeenCoin {
  amountSat: Sat;
  script: string;
}

export type FundingCheck =
  | { is: 'good'; vouts: number[]; feeSat: Sat }
  | { is: 'bad'; why: string };

/** What the coder reads, as far as it is looked at here. */
interface RawPsbt {
  global: {
    unsignedTx?: {
      inputs: { txid: Uint8Array; index: number; sequence: number; finalScriptSig: Uint8Array }[];
      outputs: { amount: bigint; script: Uint8Array }[];
    };
  };
  inputs: Record<string, unknown>[];
}

/** Null for a text that is no PSBT of version 0 with a transaction in it. */
export function readFunding(psbtBase64: string): FundingTx | null {
  try {
    const raw: unknown = RawPSBTV0.decode(base64.decode(psbtBase64));
    const { global, inputs } = raw as RawPsbt;
    const tx = global.unsignedTx;
    if (tx === undefined || tx.inputs.length > INPUTS_MAX || tx.outputs.length > OUTPUTS_MAX) {
      return null;
    }
    const bytes = RawOldTx.encode(tx as never);
    return {
      txid: bytesToHex(sha256(sha256(bytes)).toReversed()),
      unsignedTx: bytesToHex(bytes),
      inputs: tx.inputs.map(({ txid, index, sequence, finalScriptSig }, at) => {
        const fields = inputs[at] ?? {};
        return {
          outpoint: `${bytesToHex(txid)}:${index}`,
          sequence,
          scriptSig: bytesToHex(finalScriptSig),
          signed: SIGNED_FIELDS.filter((field) => fields[field] !== undefined),
        };
      }),
      outputs: tx.outputs.map(({ amount, script }) => ({
        amountSat: amount,
        script: bytesToHex(script),
      })),
    };
  } catch {
    // Whatever it is, it is nothing that anybody signs.
    return null;
  }
}

/**
 * Whether the transaction funds exactly this batch: unsigned, native segwit coins that are there, one output
 * for each channel, LND's reserve where it was asked, and change of the treasury's own.
 */
export function checkFunding(ask: {
  tx: FundingTx;
  claimedTxid: string;
  batch: Pick<Batch, 'funding'>;
  /** Output that tops up the node's own wallet, where one was asked. */
  reserve: { script: string; amountSat: Sat } | null;
  /** Of each input, as our own node shows it; null where it shows none. */
  coins: readonly (SeenCoin | null)[];
  /** Far above what a sane proposal pays; the quorum's policy has the narrower bound. */
  maxFeerate: FeeRate;
  isOurs(script: string): boolean;
}): FundingCheck {
  const { tx, batch, coins } = ask;
  if (tx.txid !== ask.claimedTxid) return bad('its txid is another one than was said');
  const input = badInput(tx, coins);
  if (input !== null) return bad(input);
  const taken = new Set<number>();
  const vouts: number[] = [];
  for (const [at, { fundingScript, amountSat }] of batch.funding.entries()) {
    const vout = outputAt(tx, { script: fundingScript, amountSat });
    if (vout === null) return bad(`channel ${at + 1} is not funded once, with its amount`);
    taken.add(vout);
    vouts.push(vout);
  }
  if (ask.reserve !== null) {
    const vout = outputAt(tx, ask.reserve);
    if (vout === null) return bad('the reserve of the node is not paid once, with its amount');
    taken.add(vout);
  }
  const rest = tx.outputs.filter((_, vout) => !taken.has(vout));
  if (rest.length === 0) return bad('there is no change that a child could spend');
  if (!rest.every(({ script }) => ask.isOurs(script))) {
    return bad('an output pays neither a channel, nor the reserve, nor the treasury');
  }
  return feeCheck(tx, coins, ask.maxFeerate, vouts);
}

function bad(why: string): FundingCheck {
  return { is: 'bad', why };
}

function badInput(tx: FundingTx, coins: readonly (SeenCoin | null)[]): string | null {
  if (tx.inputs.length === 0) return 'it spends nothing';
  for (const [at, input] of tx.inputs.entries()) {
    const coin = coins[at] ?? null;
    if (input.signed.length > 0 || input.scriptSig !== '') return `input ${at} is signed already`;
    if (input.sequence < SEQUENCE_DISABLE) return `input ${at} waits for a relative locktime`;
    if (coin === null) return `input ${at} is no coin that our node knows`;
    if (!P2WSH.test(coin.script)) return `input ${at} is not native segwit`;
  }
  return null;
}

/** The only output of this script, when it has this amount. */
function outputAt(tx: FundingTx, wanted: { script: string; amountSat: bigint }): number | null {
  const at = tx.outputs.flatMap(({ script }, vout) => (script === wanted.script ? [vout] : []));
  const [vout] = at;
  return at.length === 1 && vout !== undefined && tx.outputs[vout]?.amountSat === wanted.amountSat
    ? vout
    : null;
}

function feeCheck(
  tx: FundingTx,
  coins: readonly (SeenCoin | null)[],
  maxFeerate: FeeRate,
  vouts: number[],
): FundingCheck {
  const paid = coins.reduce((sum, coin) => sum + (coin?.amountSat ?? 0n), 0n);
  const fee = paid - tx.outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  if (fee <= 0n) return { is: 'bad', why: 'its outputs are worth more than its inputs' };
  // Without signatures it is smaller than it will be: the rate that counts is below this one.
  const size = vbytes(BigInt(tx.unsignedTx.length / 2));
  const rate = feerateFloor(sat(fee), size);
  return rate > maxFeerate
    ? { is: 'bad', why: `a fee of ${fee} sat is out of all proportion` }
    : { is: 'good', vouts, feeSat: sat(fee) };
}
