/**
 * The bulk reader and the writer of PSBTs beside the general coder: what the reader reads, the coder reads
 * the same, whatever it leaves is left to the coder, and what is written is the coder's, to the byte.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePsbt, psbtBytes } from '../descriptors/psbt.ts';
import { readPlainPsbt } from '../descriptors/psbt-plain.ts';
import { encodePsbt, type PsbtParts } from '../descriptors/psbt-write.ts';
import { spendScenario, strangerScript } from './spend-scenario.ts';
import vectors from './vectors/bip174.json' with { type: 'json' };
import { named } from './vectors-named.ts';

const s = spendScenario({ threshold: 2, of: 3 });
const orders = [1, 2].map((n) => s.t.order('lp-one', { script: strangerScript(n) }));
const { built, psbt } = s.batch(orders, { coins: s.coins.slice(0, 3) });

/** A small proposal with a signature and previous transactions in it. */
function parts(): PsbtParts {
  const decoded = decodePsbt(psbt);
  const [raw] = [...s.funding.values()].map((tx) => tx.raw);
  return {
    unsignedTx: built.unsignedTx,
    inputs: decoded.inputs.map((input, at) => ({
      witnessUtxo: input.witnessUtxo ?? { amountSat: built.feeSat, script: '' },
      previousTx: at === 0 && raw !== undefined ? raw : null,
      witnessScript: input.witnessScript ?? new Uint8Array(),
      origins: input.origins.toReversed(),
      partialSigs: input.origins.map(({ publicKey }, seat) => ({
        publicKey,
        signature: Uint8Array.from({ length: 71 }, (_, byte) => byte + seat),
      })),
    })),
    outputs: decoded.outputs.map(() => null),
    xpubs: decoded.xpubs.toReversed(),
  };
}

function isPlain({ psbt: text }: { psbt: string }): boolean {
  return readPlainPsbt(psbtBytes(text)) !== null;
}

function asCoderReads(bytes: Uint8Array): unknown {
  try {
    return RawPSBTV0.decode(bytes);
  } catch {
    return null;
  }
}

test('what is written reads back and is what the general coder writes, to the byte', () => {
  for (const bytes of [psbt, encodePsbt(parts())]) {
    const raw = RawPSBTV0.decode(bytes);
    expect(bytesToHex(RawPSBTV0.encode(raw))).toBe(bytesToHex(bytes));
    expect(readPlainPsbt(bytes)).toEqual(raw);
  }
});

test('refuses to write a key twice, a map too few, and what is no xpub', () => {
  const good = parts();
  const [first, ...rest] = good.inputs;
  if (first === undefined) throw new Error('it has inputs');
  const twice = { ...first, partialSigs: [...first.partialSigs, ...first.partialSigs] };
  expect(() => encodePsbt({ ...good, inputs: [twice, ...rest] })).toThrow('a key is there twice');
  expect(() => encodePsbt({ ...good, inputs: rest })).toThrow('one map for each');
  const xpubs = [{ xpub: 'xpubnot', fingerprint: 0, path: [] }];
  expect(() => encodePsbt({ ...good, xpubs })).toThrow('not an xpub');
});

test.each(named([...vectors.valid, ...vectors.signerChecks, ...vectors.invalid]))(
  'read as the general coder reads it, or left to it: %s',
  (_, vector) => {
    const bytes = psbtBytes(vector.psbt);
    const plain = readPlainPsbt(bytes);
    expect(plain).toEqual(plain === null ? null : asCoderReads(bytes));
  },
);

test('the plain kind is read in bulk, and nothing invalid is', () => {
  expect(vectors.valid.filter(isPlain)).toHaveLength(6);
  expect(vectors.invalid.filter(isPlain)).toEqual([]);
});

/** Few keys: the general coder takes a square root for each, and is asked some hundred times. */
const bytes = slim();

function slim(): Uint8Array {
  const { inputs, ...rest } = parts();
  const few = inputs.map((input) => ({
    ...input,
    origins: input.origins.slice(0, 1),
    partialSigs: input.partialSigs.slice(0, 1),
  }));
  return encodePsbt({ ...rest, inputs: few, xpubs: rest.xpubs.slice(0, 1) });
}

test('any byte changed: read as the general coder reads it, or left to it', () => {
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (place, change) => {
      const changed = Uint8Array.from(bytes, (byte, at) => (at === place ? byte ^ change : byte));
      const plain = readPlainPsbt(changed);
      expect(plain).toEqual(plain === null ? null : asCoderReads(changed));
    }),
    { numRuns: 500 },
  );
});

test('any bytes cut out or put in: read as the general coder reads it, or left to it', () => {
  const edit = fc.record({
    place: fc.nat(bytes.length - 1),
    cut: fc.nat(8),
    put: fc.uint8Array({ maxLength: 8 }),
  });
  fc.assert(
    fc.property(edit, ({ place, cut, put }) => {
      const changed = Uint8Array.from([
        ...bytes.slice(0, place),
        ...put,
        ...bytes.slice(place + cut),
      ]);
      const plain = readPlainPsbt(changed);
      expect(plain).toEqual(plain === null ? null : asCoderReads(changed));
    }),
    { numRuns: 200 },
  );
});

test('what was read stays the same when the bytes are changed afterwards', () => {
  const copy = bytes.slice();
  const decoded = decodePsbt(copy);
  const before = decodePsbt(bytes);
  copy.fill(0);
  expect(decoded).toEqual(before);
});

test.each([
  ['a byte too many', (all: Uint8Array) => Uint8Array.from([...all, 1])],
  ['a byte too few', (all: Uint8Array) => all.slice(0, -1)],
  ['nothing', () => new Uint8Array()],
  ['the magic alone', (all: Uint8Array) => all.slice(0, 5)],
  ['a length longer than the rest', () => hexToBytes('70736274fffeffffff7f')],
])('is left to the general coder, which refuses: %s', (_, change) => {
  const changed = change(bytes);
  expect(readPlainPsbt(changed)).toBeNull();
  expect(() => decodePsbt(changed)).toThrow('not a well-formed version 0 PSBT');
});
