/**
 * A hostile coordinator at random: one field of a proposal, one bit of a PSBT, one bit of a previous
 * transaction. Whatever it does, the judge answers, and signs nothing but the same transaction.
 */
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { canonicalJson } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { type Proposal, proposalId, proposal as proposalSchema } from '../policies/proposal.ts';
import { judge } from '../signer-agent/judge.ts';
import type { JudgeInput, Judgement } from '../signer-agent/judgement.ts';
import { validBatch } from './hostile-spend.ts';
import { judgeScenario, rewinder } from './judge-scenario.ts';

const s = judgeScenario();
const rewind = rewinder(s);
const built = validBatch(s);
const input = s.input(built);
const original = judge(input);
beforeEach(rewind);

const shown = ({ txid, outputs, inputs: coins, feeSat }: Judgement): string =>
  canonicalJson({ txid, outputs, coins, feeSat });

/** Not signed and said why, or the very same payment. */
function isHarmless(judgement: Judgement): boolean {
  if (judgement.decision !== 'sign') return judgement.reasons.length > 0;
  return judgement.reasons.length === 0 && shown(judgement) === shown(original);
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = Math.floor(bit / 8) % copy.length;
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit % 8));
  return copy;
}

const withParcel = (change: Partial<JudgeInput['parcel']>): JudgeInput => ({
  ...input,
  parcel: { ...input.parcel, ...change },
});

const anyBit = fc.nat(0x7fffffff);

test('what everything here starts from is signed', () => {
  expect(original.decision).toBe('sign');
});

test('a flipped bit of the PSBT is refused or changes nothing', () => {
  fc.assert(
    fc.property(anyBit, (bit) => {
      expect(isHarmless(judge(withParcel({ psbt: flipped(input.parcel.psbt, bit) })))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('bytes cut out of, or put into, the PSBT are refused or change nothing', () => {
  const { psbt } = input.parcel;
  fc.assert(
    fc.property(
      fc.nat(psbt.length),
      fc.nat(40),
      fc.uint8Array({ maxLength: 40 }),
      (at, cut, put) => {
        const bytes = Uint8Array.of(...psbt.subarray(0, at), ...put, ...psbt.subarray(at + cut));
        expect(isHarmless(judge(withParcel({ psbt: bytes })))).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});

test('random bytes are no PSBT and no previous transaction', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const judgement = judge(withParcel({ psbt: bytes, previousTxs: [bytes] }));
      expect(judgement.decision).toBe('refuse');
      expect(judgement.reasons.map(({ code }) => code)).toContain('W-ENV-PARSE');
    }),
    { numRuns: 50 },
  );
});

test('a flipped bit of a previous transaction is refused', () => {
  fc.assert(
    fc.property(anyBit, (bit) => {
      const [first = new Uint8Array(), ...rest] = input.parcel.previousTxs;
      const judgement = judge(withParcel({ previousTxs: [flipped(first, bit), ...rest] }));
      expect(judgement.decision).toBe('refuse');
    }),
    { numRuns: 120 },
  );
});

type Path = readonly (string | number)[];

/** Every leaf of a plain value. */
function leavesOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, member]) => leavesOf(member, [...path, key]));
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], value);
}

function replaced(value: unknown, path: Path, leaf: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return leaf;
  const node = value as Record<string, unknown>;
  const next = replaced(node[key], rest, leaf);
  return Array.isArray(value)
    ? value.map((member: unknown, at) => (at.toString() === key ? next : member))
    : { ...node, [key]: next };
}

/** Another value of the same kind as a leaf, mostly near it. */
function otherThan(leaf: unknown, seed: number): unknown {
  if (typeof leaf === 'bigint') return leaf + BigInt((seed % 2_001) - 1_000);
  if (typeof leaf === 'number') return Math.max(0, leaf + (seed % 41) - 20);
  if (typeof leaf !== 'string' || leaf === '') return seed.toString();
  const at = seed % leaf.length;
  const alphabet = /^[0-9a-f]+$/.test(leaf) ? '0123456789abcdef' : '0123456789abcdef-:xyz';
  const letter = alphabet[Math.floor(seed / leaf.length) % alphabet.length] ?? '0';
  return `${leaf.slice(0, at)}${letter}${leaf.slice(at + 1)}`;
}

test('one changed field of a proposal, validly logged, is refused or changes nothing', () => {
  const leaves = leavesOf(built.proposal);
  expect(leaves.length).toBeGreaterThan(40);
  let logged = 0;
  let signed = 0;
  fc.assert(
    fc.property(fc.constantFrom(...leaves), anyBit, (path, seed) => {
      rewind();
      const leaf = otherThan(valueAt(built.proposal, path), seed);
      const parsed = proposalSchema.safeParse(replaced(built.proposal, path, leaf));
      if (!parsed.success || !appended(parsed.data)) return;
      logged += 1;
      const id = proposalId(parsed.data);
      const judgement = judge({ ...s.input({ ...built, id }), parcel: input.parcel });
      if (judgement.decision === 'sign') signed += 1;
      expect(isHarmless(judgement)).toBe(true);
    }),
    { numRuns: 350 },
  );
  expect(logged).toBeGreaterThan(100);
  expect(signed).toBeLessThan(logged / 4);
});

/** Whether the fold took it: what it refuses, no agent is ever asked about. */
function appended(proposal: Proposal): boolean {
  try {
    s.t.append({ kind: 'proposed', proposal });
    return true;
  } catch (cause) {
    if (cause instanceof Failure) return false;
    throw cause;
  }
}
