/** Sizes that coin selection counts with, from the same weights the builder uses. */
import type { Deriver } from '../descriptors/derive.ts';
import { inputWeightAt, outputWeight, txWeight } from '../descriptors/weight.ts';
import { type VBytes, vsizeCeil, type Weight, weight } from '../policies/units.ts';

export interface SpendSizes {
  inputVbytes: VBytes;
  baseVbytes: VBytes;
  changeVbytes: VBytes;
}

/**
 * Of a spend to these scripts from at most `inputsMax` coins. Each part is rounded up, so their sum is
 * never below what `buildUnsignedTx` predicts for the whole.
 */
export function spendSizes(
  deriver: Deriver,
  outputScripts: readonly string[],
  inputsMax: number,
): SpendSizes {
  const place = deriver.at(1, 0);
  const input = inputWeightAt(deriver, place);
  const change = outputWeight(place.script.length / 2);
  const inputs = Array.from<Weight>({ length: Math.max(1, inputsMax) }).fill(input);
  const outputs = outputScripts.map((script) => outputWeight(script.length / 2));
  // The change is counted in, for the sake of the count's own size, and taken out again.
  const whole = txWeight(inputs, [...outputs, change]);
  const base = weight(whole - change - input * BigInt(inputs.length));
  return {
    inputVbytes: vsizeCeil(input),
    baseVbytes: vsizeCeil(base),
    changeVbytes: vsizeCeil(change),
  };
}
