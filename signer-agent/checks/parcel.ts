/** Rows A7 and A8: the parcel is bounded, well-formed, and the same bytes from first look to signature. */
import { createHash } from 'node:crypto';
import { type PreviousTx, parsePreviousTx } from '../../descriptors/previous-tx.ts';
import { decodePsbt, PREVIOUS_TXS_BYTES_MAX, type Psbt } from '../../descriptors/psbt.ts';
import { BrokenInvariant, Failure } from '../../policies/failure.ts';
import { INPUTS_MAX } from '../../policies/intent.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import type { JudgeInput } from '../judgement.ts';

export type Parcel = JudgeInput['parcel'];

/** A parcel read once. `psbt` is null where it is not one. */
export interface ParcelRead {
  hash: string;
  psbt: Psbt | null;
  /** By the txid that their bytes hash to. */
  previousTxs: ReadonlyMap<string, PreviousTx>;
  reasons: readonly Reason[];
}

/** SHA-256 over every part with its length before it. */
export function parcelHashOf(parcel: Parcel): string {
  const hash = createHash('sha256');
  for (const part of [parcel.psbt, ...parcel.previousTxs]) {
    hash.update(`${part.length}:`).update(part);
  }
  return hash.digest('hex');
}

/** A8: null when the parcel is the one that was judged. */
export function changedSince(judged: { parcelHash: string }, parcel: Parcel): Reason | null {
  return parcelHashOf(parcel) === judged.parcelHash
    ? null
    : reason('W-ENV-CHANGED', 'the parcel is not the one that was judged');
}

/** Decodes PSBT and previous transactions; whatever cannot be read is a reason, never thrown. */
export function readParcel(parcel: Parcel): ParcelRead {
  const reasons: Reason[] = [];
  const psbt = unlessMalformed(reasons, () => decodePsbt(parcel.psbt));
  const previousTxs = new Map<string, PreviousTx>();
  const bytes = parcel.previousTxs.reduce((sum, { length }) => sum + length, 0);
  if (bytes > PREVIOUS_TXS_BYTES_MAX || parcel.previousTxs.length > INPUTS_MAX) {
    const count = parcel.previousTxs.length;
    reasons.push(reason('W-ENV-SIZE', `${count} previous transactions of ${bytes} bytes`));
    return { hash: parcelHashOf(parcel), psbt, previousTxs, reasons };
  }
  for (const raw of parcel.previousTxs) {
    const parsed = unlessMalformed(reasons, () => parsePreviousTx(raw));
    if (parsed !== null) previousTxs.set(parsed.txid, parsed);
  }
  reasons.push(...embeddedReasons(psbt));
  return { hash: parcelHashOf(parcel), psbt, previousTxs, reasons };
}

/** D3: a device shows what is embedded, so what is embedded must be the transaction the input names. */
function embeddedReasons(psbt: Psbt | null): Reason[] {
  const reasons: Reason[] = [];
  for (const { txid, vout, previousTx } of psbt?.inputs ?? []) {
    if (previousTx === null) continue;
    const parsed = unlessMalformed(reasons, () => parsePreviousTx(previousTx));
    if (parsed === null || parsed.txid === txid) continue;
    const detail = `${txid}:${vout} embeds ${parsed.txid}`;
    reasons.push(reason('W-IN-PREVIOUS-TX', detail));
  }
  return reasons;
}

/** Hostile bytes make parsers throw many things; all of them mean the same here. */
function unlessMalformed<T>(reasons: Reason[], read: () => T): T | null {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof BrokenInvariant) throw cause;
    const tooLarge = cause instanceof Failure && cause.code === 'INPUT_TOO_LARGE';
    const detail = cause instanceof Error ? cause.message : 'unreadable';
    reasons.push(reason(tooLarge ? 'W-ENV-SIZE' : 'W-ENV-PARSE', detail));
    return null;
  }
}
