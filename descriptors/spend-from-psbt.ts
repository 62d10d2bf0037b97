/**
 * What a PSBT does, believing nothing but the pinned descriptor. Every input and output is derived
 * here, every amount comes from a previous transaction hashed here; what is wrong is listed row by
 * row, never thrown, so that a guardian sees all of it.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { type Reason, type ReasonCode, reason } from '../policies/reason.ts';
import { LOCKTIME_THRESHOLD, type Sat, type VBytes, vsizeCeil } from '../policies/units.ts';
import { SEQUENCE, TX_VERSION } from './build.ts';
import { addressOf, type Branch, type DerivedScript, type Deriver } from './derive.ts';
import type { PreviousTx } from './previous-tx.ts';
import type { Psbt, PsbtInput, PsbtOutput } from './psbt.ts';
import { dustSat, inputWeightAt, outputWeight, STANDARD_WEIGHT_MAX, txWeight } from './weight.ts';

export interface SpendInput {
  outpoint: string;
  /** From the previous transaction; null where that is missing. */
  amountSat: Sat | null;
  /** Null for an input that is not ours. */
  place: DerivedScript | null;
}

export interface SpendOutput {
  vout: number;
  amountSat: Sat;
  script: string;
  address: string | null;
  /** `change` and `receive` by derivation; everything else leaves. */
  kind: 'change' | 'receive' | 'foreign';
  index: number | null;
}

export interface Spend {
  inputs: readonly SpendInput[];
  outputs: readonly SpendOutput[];
  /** Inputs minus outputs, below zero when the outputs are worth more; null while an amount is missing. */
  feeSat: bigint | null;
  /** Predicted for the signed transaction; null while an input is not ours. */
  vsize: VBytes | null;
  problems: readonly Reason[];
}

/** How far out places of ours are looked for. */
export interface Gap {
  /** Largest index an input may be at. */
  indexMax: number;
}

/** Script forms an output may have (IsStandard, policy/policy.cpp): key, script and witness hashes, taproot. */
const STANDARD_OUTPUT =
  /^(0014[0-9a-f]{40}|0020[0-9a-f]{64}|5120[0-9a-f]{64}|76a914[0-9a-f]{40}88ac|a914[0-9a-f]{40}87)$/;

/** Reads a decoded PSBT. `previousTxs` come from beside it, by txid. */
export function spendFromPsbt(
  psbt: Psbt,
  previousTxs: ReadonlyMap<string, PreviousTx>,
  deriver: Deriver,
  gap: Gap,
): Spend {
  const problems: Reason[] = [];
  const note = (code: ReasonCode, detail: string) => void problems.push(reason(code, detail));
  checkShape(psbt, deriver, note);
  const inputs = psbt.inputs.map((input) => readInput({ input, previousTxs, deriver, gap, note }));
  const outputs = psbt.outputs.map((output, vout) =>
    readOutput({ output, vout, deriver, gap, note }),
  );
  const feeSat = feeOf(inputs, outputs);
  if (feeSat !== null && feeSat <= 0n) note('W-FEE-NEGATIVE', `the fee is ${feeSat} sat`);
  return { inputs, outputs, feeSat, vsize: sizeOf(inputs, psbt, deriver, note), problems };
}

type Note = (code: ReasonCode, detail: string) => void;

function checkShape(psbt: Psbt, deriver: Deriver, note: Note): void {
  if (psbt.version !== TX_VERSION) note('W-TX-VERSION', `version ${psbt.version}`);
  if (psbt.lockTime >= LOCKTIME_THRESHOLD) note('W-TX-LOCKTIME', `${psbt.lockTime} is a time`);
  for (const name of psbt.extras) {
    const message = name === 'genericSignedMessage';
    note(message ? 'W-TX-MESSAGE' : 'W-TX-EXTRA-FIELD', `global field ${name}`);
  }
  const pinned = new Set(deriver.descriptor.keys.map((key) => key.xpub));
  for (const { xpub } of psbt.xpubs) {
    if (!pinned.has(xpub)) note('W-TX-XPUB', `${xpub} is not in the descriptor`);
  }
  const seen = new Set<string>();
  for (const { txid, vout } of psbt.inputs) {
    const outpoint = `${txid}:${vout}`;
    if (seen.has(outpoint)) note('W-TX-DUPLICATE-INPUT', outpoint);
    seen.add(outpoint);
  }
}

interface InputToRead {
  input: PsbtInput;
  previousTxs: ReadonlyMap<string, PreviousTx>;
  deriver: Deriver;
  gap: Gap;
  note: Note;
}

function readInput({ input, previousTxs, deriver, gap, note }: InputToRead): SpendInput {
  const outpoint = `${input.txid}:${input.vout}`;
  checkInputFields(input, outpoint, note);
  const previous = previousTxs.get(input.txid);
  const coin = previous?.outputs[input.vout];
  if (previous === undefined || coin === undefined || previous.txid !== input.txid) {
    note('W-IN-PREVIOUS-TX', `${outpoint}: the previous transaction is missing or another one`);
  }
  const script = coin?.script ?? input.witnessUtxo?.script ?? '';
  if (!/^(0014|0020|5120)/.test(script)) note('W-IN-TYPE', `${outpoint} is not native segwit`);
  const place = placeOf(script, input, deriver, gap);
  if (place === null) note('W-IN-NOT-OURS', `${outpoint} is not derived by the descriptor`);
  else if (place.index > gap.indexMax) note('W-IN-GAP', `${outpoint} at index ${place.index}`);
  checkCoin({ input, outpoint, coin, place, note });
  return { outpoint, amountSat: coin?.amountSat ?? null, place };
}

function checkInputFields(input: PsbtInput, outpoint: string, note: Note): void {
  if (input.sequence !== SEQUENCE) {
    note('W-TX-SEQUENCE', `${outpoint} has sequence 0x${input.sequence.toString(16)}`);
  }
  if (input.sighashType !== null && input.sighashType !== 1) {
    note('W-IN-SIGHASH', `${outpoint} asks for sighash 0x${input.sighashType.toString(16)}`);
  }
  if (input.final === 'final') note('W-TX-FINAL', `${outpoint} has a final script`);
  for (const name of input.extras) {
    note(name === 'porCommitment' ? 'W-TX-MESSAGE' : 'W-TX-EXTRA-FIELD', `${outpoint}: ${name}`);
  }
}

function checkCoin(check: {
  input: PsbtInput;
  outpoint: string;
  coin: { amountSat: Sat; script: string } | undefined;
  place: DerivedScript | null;
  note: Note;
}): void {
  const { input, outpoint, coin, place, note } = check;
  const claimed = input.witnessUtxo;
  if (coin !== undefined && claimed !== null) {
    if (claimed.amountSat !== coin.amountSat || claimed.script !== coin.script) {
      note('W-IN-AMOUNT', `${outpoint} claims ${claimed.amountSat} sat, holds ${coin.amountSat}`);
    }
  }
  if (place === null) return;
  const ours = bytesToHex(place.witnessScript);
  if (input.witnessScript !== null && bytesToHex(input.witnessScript) !== ours) {
    note('W-IN-SCRIPT', `${outpoint} brings another witness script`);
  }
  const keys = new Set(place.publicKeys.map((key) => bytesToHex(key)));
  for (const { publicKey, signature } of input.partialSigs) {
    if (!keys.has(publicKey)) note('W-TX-FOREIGN-SIGNATURE', `${outpoint}: ${publicKey}`);
    if (signature.at(-1) !== 1) note('W-IN-SIGHASH', `${outpoint}: a signature not of SIGHASH_ALL`);
  }
}

/** Where a coin of ours is: hints say where to look, derivation says whether it is there. */
function placeOf(
  script: string,
  input: PsbtInput,
  deriver: Deriver,
  gap: Gap,
): DerivedScript | null {
  const hinted = input.origins[0]?.path.slice(-2);
  const [branch, index] = hinted ?? [];
  if ((branch === 0 || branch === 1) && index !== undefined && index < 0x80000000) {
    const place = deriver.at(branch, index);
    if (place.script === script) return place;
  }
  const found = deriver.find(script, gap.indexMax);
  return found === null ? null : deriver.at(found.branch, found.index);
}

interface OutputToRead {
  output: PsbtOutput;
  vout: number;
  deriver: Deriver;
  gap: Gap;
  note: Note;
}

/** Change may be this far beyond the inputs' gap: the next indexes are not used yet. */
const CHANGE_AHEAD = 50;
const KINDS: Record<Branch, SpendOutput['kind']> = { 0: 'receive', 1: 'change' };

function readOutput({ output, vout, deriver, gap, note }: OutputToRead): SpendOutput {
  const { script, amountSat } = output;
  for (const name of output.extras) note('W-TX-EXTRA-FIELD', `output ${vout}: ${name}`);
  if (script.startsWith('6a')) note('W-TX-OPRETURN', `output ${vout}`);
  else if (!STANDARD_OUTPUT.test(script)) note('W-TX-WITNESS-VERSION', `output ${vout}: ${script}`);
  if (!script.startsWith('6a') && amountSat < dustSat(script)) {
    note('W-OUT-DUST', `output ${vout}: ${amountSat} sat`);
  }
  const found = deriver.find(script, gap.indexMax + CHANGE_AHEAD);
  return {
    vout,
    amountSat,
    script,
    address: addressOf(script, deriver.descriptor.network),
    kind: found === null ? 'foreign' : KINDS[found.branch],
    index: found?.index ?? null,
  };
}

function feeOf(inputs: readonly SpendInput[], outputs: readonly SpendOutput[]): bigint | null {
  let fee = 0n;
  for (const { amountSat } of inputs) {
    if (amountSat === null) return null;
    fee += amountSat;
  }
  for (const { amountSat } of outputs) fee -= amountSat;
  return fee;
}

function sizeOf(
  inputs: readonly SpendInput[],
  psbt: Psbt,
  deriver: Deriver,
  note: Note,
): VBytes | null {
  const places = inputs.flatMap(({ place }) => (place === null ? [] : [place]));
  if (places.length !== inputs.length || places.length === 0) return null;
  const total = txWeight(
    places.map((place) => inputWeightAt(deriver, place)),
    psbt.outputs.map(({ script }) => outputWeight(script.length / 2)),
  );
  if (total > STANDARD_WEIGHT_MAX) note('W-TX-WEIGHT', `${total} weight units`);
  return vsizeCeil(total);
}
