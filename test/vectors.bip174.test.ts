/**
 * BIP-174's vectors through the strict codec and, as far as a P2WSH treasury goes, through signing,
 * collecting and finalizing. What the codec promises of a valid PSBT that has more than an agent signs is
 * that nothing is dropped: every other field is named in `extras`, and the reading of it is a refusal.
 *
 * BIP-322 is not used by this project: no message is signed with a key of money, and its vectors are not
 * run. A PSBT that asks for one (input field 0x09 proof of reserves, global field 0x09 signed message) is
 * refused; the last tests here are about it.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { base58 } from '@scure/base';
import { RawTx } from '@scure/btc-signer';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { describe, expect, test } from 'vitest';
import type { DerivedScript } from '../descriptors/derive.ts';
import { decodePsbt, type Psbt, psbtBytes } from '../descriptors/psbt.ts';
import { finalizeTx, firstFault, seatSignaturesIn, signInputs } from '../descriptors/signature.ts';
import { spendFromPsbt } from '../descriptors/spend-from-psbt.ts';
import { Failure } from '../policies/failure.ts';
import { spendScenario, strangerScript } from './spend-scenario.ts';
import vectors from './vectors/bip174.json' with { type: 'json' };
import { named } from './vectors-named.ts';

const read = (text: string): Psbt => decodePsbt(psbtBytes(text));
const title = `${vectors.source.document}, ${vectors.source.section}`;

describe(`${title}: invalid PSBTs`, () => {
  test.each(named(vectors.invalid))('refuses: %s', (_, { psbt }) => {
    expect(() => read(psbt)).toThrow(Failure);
    expect(() => read(psbt)).toThrow('not a well-formed version 0 PSBT');
  });
});

/** What a reader is told of each valid vector: [extras of the whole], per input, per output. */
const TOLD: Record<string, { inputs: string[][]; whole?: string[]; outputs?: string[][] }> = {
  'PSBT with one P2PKH input. Outputs are empty': { inputs: [[]] },
  'PSBT with one P2PKH input and one P2SH-P2WPKH input. First input is signed and finalized. Outputs are empty':
    { inputs: [['final'], ['redeemScript']] },
  'PSBT with one P2PKH input which has a non-final scriptSig and has a sighash type specified. Outputs are empty':
    { inputs: [['sighash 1']] },
  "PSBT with one P2PKH input and one P2SH-P2WPKH input both with non-final scriptSigs. P2SH-P2WPKH input's redeemScript is available. Outputs filled.":
    { inputs: [[], ['redeemScript']] },
  'PSBT with one P2SH-P2WSH input of a 2-of-2 multisig, redeemScript, witnessScript, and keypaths are available. Contains one signature.':
    { inputs: [['1 signed', '2 origins', 'redeemScript']] },
  'PSBT with one P2WSH input of a 2-of-2 multisig. witnessScript, keypaths, and global xpubs are available. Contains no signatures. Outputs filled.':
    { inputs: [['2 origins']] },
  'PSBT with unknown types in the inputs.': { inputs: [['unknown']] },
  'PSBT with `PSBT_GLOBAL_XPUB`.': {
    inputs: [
      ['1 signed', '1 origins'],
      ['1 signed', '1 origins'],
    ],
  },
  'PSBT with global unsigned tx that has 0 inputs and 0 outputs': { inputs: [] },
  'PSBT with 0 inputs': { inputs: [] },
};

function told(input: Psbt['inputs'][number]): string[] {
  return [
    ...(input.final === 'final' ? ['final'] : []),
    ...(input.sighashType === null ? [] : [`sighash ${input.sighashType}`]),
    ...(input.partialSigs.length === 0 ? [] : [`${input.partialSigs.length} signed`]),
    ...(input.origins.length === 0 ? [] : [`${input.origins.length} origins`]),
    ...input.extras,
  ];
}

describe(`${title}: valid PSBTs`, () => {
  const s = spendScenario({ threshold: 2, of: 3 });

  test.each(named(vectors.valid))(
    'reads, and names what it does not sign: %s',
    (name, { psbt }) => {
      const decoded = read(psbt);
      expect(decoded.inputs.map(told)).toEqual(TOLD[name]?.inputs);
      expect(decoded.extras).toEqual([]);
      expect(decoded.outputs.flatMap(({ extras }) => extras)).toEqual([]);
      const tx = RawOldTx.decode(decoded.unsignedTx);
      expect(decoded.inputs.map(({ txid, vout, sequence }) => [txid, vout, sequence])).toEqual(
        tx.inputs.map(({ txid, index, sequence }) => [hex(txid), index, sequence]),
      );
      expect(decoded.outputs.map(({ amountSat, script }) => [amountSat, script])).toEqual(
        tx.outputs.map(({ amount, script }) => [amount, hex(script)]),
      );
    },
  );

  test.each(named([...vectors.valid, ...vectors.signerChecks]))(
    'no treasury signs: %s',
    (_, one) => {
      const decoded = read(one.psbt);
      const spend = spendFromPsbt(decoded, new Map(), s.deriver, { indexMax: 20 });
      const codes = spend.problems.map(({ code }) => code);
      expect(spend.vsize).toBeNull();
      expect(spend.inputs.every(({ place }) => place === null)).toBe(true);
      const perInput = codes.filter((code) => code === 'W-IN-NOT-OURS');
      expect(perInput).toHaveLength(decoded.inputs.length);
      const extras = decoded.inputs.flatMap((input) => input.extras);
      expect(codes.filter((code) => code === 'W-TX-EXTRA-FIELD')).toHaveLength(extras.length);
    },
  );

  test('a global xpub comes out as its text, with its origin', () => {
    const vector = vectors.valid.find(({ title: name }) => name.includes('PSBT_GLOBAL_XPUB'));
    const [xpub] = read(vector?.psbt ?? '').xpubs;
    expect(xpub?.fingerprint).toBe(0x27569c50);
    expect(xpub?.path).toEqual([0x80000031, 0x80000000, 0x80000000]);
    expect(xpub?.xpub).toMatch(/^xpub6/);
  });
});

describe(`${title}: the six roles`, () => {
  const { workflow } = vectors;
  const combined = read(workflow.combined);
  /** The first input is P2SH: a treasury has no such coin. The second is a witness script in P2SH. */
  const WITNESS_INPUT = 1;
  const place: DerivedScript = {
    branch: 0,
    index: 0,
    script: '',
    witnessScript: combined.inputs[WITNESS_INPUT]?.witnessScript ?? new Uint8Array(),
    publicKeys:
      combined.inputs[WITNESS_INPUT]?.origins.map((each) => hexToBytes(each.publicKey)) ?? [],
    recoveryKeys: [],
  };
  const amountSat = combined.inputs[WITNESS_INPUT]?.witnessUtxo?.amountSat;
  if (amountSat === undefined) throw new Error('the vector has a witness UTXO');
  const coins = [
    { amountSat, place },
    { amountSat, place },
  ];
  const seatOf = (psbt: Psbt, seat: number) => {
    const only = psbt.inputs.slice(WITNESS_INPUT);
    return seatSignaturesIn(only, coins.slice(WITNESS_INPUT), seat)?.[0];
  };

  test('creator: the transaction is the one described', () => {
    const created = read(workflow.created);
    expect(created.inputs.map(({ txid, vout }) => ({ txid, vout }))).toEqual(workflow.inputs);
    expect(
      created.outputs.map(({ script, amountSat: amount }) => ({ script, amountSat: `${amount}` })),
    ).toEqual(workflow.outputs);
    for (const later of [workflow.updated, workflow.updatedSighash, workflow.combined]) {
      expect(read(later).unsignedTx).toEqual(created.unsignedTx);
    }
  });

  test('updater: the second updater only adds SIGHASH_ALL', () => {
    const [before, after] = [read(workflow.updated), read(workflow.updatedSighash)];
    expect(before.inputs.map(({ sighashType }) => sighashType)).toEqual([null, null]);
    expect(after).toEqual({
      ...before,
      inputs: before.inputs.map((input) => ({ ...input, sighashType: 1 })),
    });
  });

  test.each([0, 1])('signer %i: the same signature of the witness input, to the byte', (at) => {
    const signer = workflow.signers[at];
    const secret = secretOf(signer?.keys[1]?.wif ?? '');
    const made = signInputs(combined.unsignedTx, coins, () => secret)[WITNESS_INPUT];
    const theirs = read(signer?.psbt ?? '').inputs[WITNESS_INPUT]?.partialSigs;
    expect(theirs?.map(({ signature }) => signature)).toEqual([made]);
  });

  test('combiner: each seat has in the combined PSBT what it had in its own', () => {
    for (const [from, seat] of [
      [0, place.publicKeys.findIndex((key) => hex(key).startsWith('0308'))],
      [1, place.publicKeys.findIndex((key) => hex(key).startsWith('023a'))],
    ] as const) {
      const own = read(workflow.signers[from]?.psbt ?? '');
      expect(seatOf(own, seat)).toBeDefined();
      expect(seatOf(own, 1 - seat)).toBeUndefined();
      expect(seatOf(combined, seat)).toEqual(seatOf(own, seat));
    }
  });

  test('finalizer and extractor: the witness of the witness input, to the byte', () => {
    const seats = [0, 1].map((seat) => {
      const signature = seatOf(combined, seat) ?? new Uint8Array();
      return { seat, signatures: [signature, signature] };
    });
    for (const { seat, signatures } of seats) {
      // The first input has another digest: only there does this signature not hold.
      expect(firstFault(combined.unsignedTx, coins, seat, signatures)).toBe(0);
    }
    const ours = RawTx.decode(hexToBytes(finalizeTx(combined.unsignedTx, coins, seats, 2).rawTx));
    const theirs = RawTx.decode(hexToBytes(workflow.extracted));
    expect(ours.witnesses?.[WITNESS_INPUT]).toEqual(theirs.witnesses?.[WITNESS_INPUT]);
    expect(read(workflow.finalized).inputs.map(({ final }) => final)).toEqual(['final', 'final']);
  });

  test('a combiner of unknown fields is not what a treasury has: all three are named, not dropped', () => {
    for (const psbt of [workflow.unknownA, workflow.unknownB, workflow.unknownCombined]) {
      const decoded = read(psbt);
      const everywhere = [decoded, ...decoded.inputs, ...decoded.outputs];
      expect(everywhere.map(({ extras }) => extras)).toEqual([
        ['unknown'],
        ['unknown'],
        ['unknown'],
      ]);
    }
  });
});

describe('BIP-322 is not used', () => {
  const s = spendScenario({ threshold: 2, of: 3 });
  const { psbt } = s.batch([s.t.order('lp-one', { script: strangerScript(1) })]);

  test.each([
    ['input', 'porCommitment'],
    ['global', 'genericSignedMessage'],
  ] as const)('refuses a PSBT that asks for a message: %s field %s', (where, name) => {
    const raw = RawPSBTV0.decode(psbt);
    const field = { [name]: hexToBytes('6d657373616765') };
    const asked = RawPSBTV0.encode(
      where === 'global'
        ? { ...raw, global: { ...raw.global, ...field } }
        : { ...raw, inputs: raw.inputs.map((input) => ({ ...input, ...field })) },
    );
    const spend = spendFromPsbt(decodePsbt(asked), new Map(), s.deriver, { indexMax: 20 });
    expect(spend.problems.map(({ code }) => code)).toContain('W-TX-MESSAGE');
  });
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Secret of a compressed WIF: version, 32 bytes, 01, checksum. */
function secretOf(wif: string): Uint8Array {
  return base58.decode(wif).slice(1, 33);
}
