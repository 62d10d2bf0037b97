/** The Merkle tree of the log: published roots, an oracle by definition, and proofs that a stranger bent. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  leafHash,
  type MerkleTree,
  merkleTree,
  merkleTreeOf,
  provenIn,
  rootOf,
} from '../operator/receipts/merkle.ts';
import { consistencyHolds, inclusionHolds, PATH_MAX } from '../operator/receipts/merkle-verify.ts';

const known = new Map<string, Uint8Array>();

/** MTH of RFC 6962 §2.1, word by word, over leaf hashes. What was computed once is remembered. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves;
  if (first === undefined) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return first;
  // Leaves of this file that begin alike and are as many are the same.
  const name = `${bytesToHex(first)} ${leaves.length}`;
  const before = known.get(name);
  if (before !== undefined) return before;
  const k = splitOf(leaves.length);
  const [left, right] = [naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k))];
  const root = sha256(concatBytes(Uint8Array.of(1), left, right));
  known.set(name, root);
  return root;
}

/** PATH of RFC 6962 §2.1.1. */
function naivePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length <= 1) return [];
  const k = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m < k
    ? [...naivePath(m, left), naiveRoot(right)]
    : [...naivePath(m - k, right), naiveRoot(left)];
}

/** SUBPROOF of RFC 6962 §2.1.2. */
function naiveProof(m: number, leaves: readonly Uint8Array[], b: boolean): Uint8Array[] {
  if (m === leaves.length) return b ? [] : [naiveRoot(leaves)];
  const k = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return m <= k
    ? [...naiveProof(m, left, b), naiveRoot(right)]
    : [...naiveProof(m - k, right, false), naiveRoot(left)];
}

function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

function leavesOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)));
}

function treeOf(leaves: readonly Uint8Array[]): MerkleTree {
  const tree = merkleTree();
  for (const leaf of leaves) tree.push(leaf);
  return tree;
}

function hexes(hashes: readonly Uint8Array[]): string[] {
  return hashes.map((hash) => bytesToHex(hash));
}

/** The eight leaves that Certificate Transparency tests its trees with. */
const CT_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((hex) => leafHash(hexToBytes(hex)));
const CT_ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const CT_A = '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7';
const CT_B = '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e';
const CT_C = '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4';
const CT_D = 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b';
const CT_E = 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0';
const CT_F = '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a';

describe('published roots and proofs of Certificate Transparency come out the same', () => {
  test.each(CT_ROOTS.map((root, size) => [size, root] as const))('%i leaves', (size, root) => {
    expect(bytesToHex(treeOf(CT_LEAVES.slice(0, size)).root())).toBe(root);
    expect(bytesToHex(treeOf(CT_LEAVES).root(size))).toBe(root);
  });

  test.each([
    [0, 8, [CT_A, CT_B, CT_C]],
    [5, 8, [CT_D, CT_E, CT_ROOTS[4]]],
    [2, 3, [CT_ROOTS[2]]],
    [1, 5, [CT_ROOTS[1], CT_B, CT_D]],
  ])('leaf %i in a tree of %i', (index, size, path) => {
    expect(hexes(treeOf(CT_LEAVES).inclusion(index, size))).toEqual(path);
  });

  test.each([
    [1, 1, []],
    [1, 8, [CT_A, CT_B, CT_C]],
    [6, 8, [CT_F, CT_E, CT_ROOTS[4]]],
    [2, 5, [CT_B, CT_D]],
  ])('from %i leaves to %i', (from, to, path) => {
    expect(hexes(treeOf(CT_LEAVES).consistency(from, to))).toEqual(path);
  });
});

describe('for every size from 1 to 70', () => {
  const leaves = leavesOf(70);
  const tree = treeOf(leaves);
  const roots = Array.from({ length: 71 }, (_, size) => naiveRoot(leaves.slice(0, size)));
  const sizes = Array.from({ length: 70 }, (_, index) => index + 1);

  test('roots, paths and proofs are those of the definition, and verify', () => {
    for (const size of sizes) {
      const some = leaves.slice(0, size);
      const root = roots[size] ?? new Uint8Array();
      expect(tree.root(size)).toEqual(Buffer.from(root));
      expect(bytesToHex(treeOf(some).root())).toBe(bytesToHex(root));
      expect(bytesToHex(rootOf(some))).toBe(bytesToHex(root));
      for (let index = 0; index < size; index += 1) {
        const path = tree.inclusion(index, size);
        expect(hexes(path)).toEqual(hexes(naivePath(index, some)));
        expect(hexes(provenIn(some, index).path)).toEqual(hexes(path));
        expect(bytesToHex(provenIn(some, index).root)).toBe(bytesToHex(root));
        const leaf = leaves[index] ?? new Uint8Array();
        expect(inclusionHolds({ leaf, index, size, path, root })).toBe(true);
      }
      for (let from = 1; from <= size; from += 1) {
        const path = tree.consistency(from, size);
        expect(hexes(path)).toEqual(hexes(naiveProof(from, some, true)));
        const fromRoot = roots[from] ?? new Uint8Array();
        expect(consistencyHolds({ from, to: size, fromRoot, toRoot: root, path })).toBe(true);
      }
    }
  });

  test('a path proves its leaf at its place in its tree, and no other', () => {
    for (const size of sizes) {
      const root = roots[size] ?? new Uint8Array();
      for (let index = 0; index < size; index += 1) {
        const path = tree.inclusion(index, size);
        const leaf = leaves[index] ?? new Uint8Array();
        for (const other of [index - 1, index + 1, size, -1, 0.5]) {
          expect(inclusionHolds({ leaf, index: other, size, path, root })).toBe(false);
        }
        const longer = { leaf, index, size, path: [...path, leaf], root };
        expect(inclusionHolds(longer)).toBe(false);
        if (path.length === 0) continue;
        expect(inclusionHolds({ leaf, index, size, path: path.slice(1), root })).toBe(false);
        expect(inclusionHolds({ leaf, index, size, path: path.slice(0, -1), root })).toBe(false);
      }
    }
  });

  test('a tree whose history was rewritten is consistent with none of its own past', () => {
    const forged = leaves.map((leaf, index) => (index === 0 ? leafHash(Buffer.from('x')) : leaf));
    const other = treeOf(forged);
    for (const size of sizes.slice(1)) {
      for (let from = 1; from < size; from += 1) {
        const proof = { from, to: size, path: other.consistency(from, size) };
        const fromRoot = roots[from] ?? new Uint8Array();
        expect(consistencyHolds({ ...proof, fromRoot, toRoot: other.root(size) })).toBe(false);
        const shorter = { ...proof, path: tree.consistency(from, size).slice(1) };
        expect(consistencyHolds({ ...shorter, fromRoot, toRoot: tree.root(size) })).toBe(false);
      }
    }
  });
});

describe('proofs from a stranger', () => {
  const tree = treeOf(leavesOf(70));
  const root = tree.root();
  const leaf = tree.leaf(9);
  const path = tree.inclusion(9, 70);

  test('no byte of leaf, path or root can be another', () => {
    const honest = { leaf, index: 9, size: 70, path, root };
    expect(inclusionHolds(honest)).toBe(true);
    const parts = [leaf, root, ...path];
    fc.assert(
      fc.property(
        fc.nat(parts.length - 1),
        fc.nat(31),
        fc.integer({ min: 1, max: 255 }),
        (part, place, mask) => {
          const bent = parts.map((hash, index) =>
            index === part ? hash.map((byte, at) => (at === place ? byte ^ mask : byte)) : hash,
          );
          const [bentLeaf = leaf, bentRoot = root, ...bentPath] = bent;
          const proof = { leaf: bentLeaf, index: 9, size: 70, path: bentPath, root: bentRoot };
          expect(inclusionHolds(proof)).toBe(false);
        },
      ),
    );
  });

  test.each([
    ['a path without end', { path: Array.from({ length: PATH_MAX + 1 }, () => leaf) }],
    ['a tree larger than integers', { size: 2 ** 60 }],
    ['a place after the end', { index: 70 }],
    ['no leaves at all', { index: 0, size: 0, path: [] }],
  ])('%s is a no, not an error', (_, change) => {
    expect(inclusionHolds({ leaf, index: 9, size: 70, path, root, ...change })).toBe(false);
  });

  test.each([
    ['back in time', { from: 70, to: 30 }],
    ['without steps', { path: [] }],
    ['from a half', { from: 0.5 }],
    ['to itself with steps', { from: 70 }],
    ['from nothing with steps', { from: 0 }],
    ['a path without end', { path: Array.from({ length: PATH_MAX + 1 }, () => leaf) }],
  ])('consistency %s is a no, not an error', (_, change) => {
    const honest = { from: 30, to: 70, fromRoot: tree.root(30), toRoot: root };
    expect(consistencyHolds({ ...honest, path: tree.consistency(30, 70) })).toBe(true);
    expect(consistencyHolds({ ...honest, path: tree.consistency(30, 70), ...change })).toBe(false);
  });

  test('every tree extends the empty one', () => {
    expect(consistencyHolds({ from: 0, to: 70, fromRoot: leaf, toRoot: root, path: [] })).toBe(
      true,
    );
  });
});

describe('a tree of more leaves than one tile', () => {
  const leaves = leavesOf(70_000);
  const tree = treeOf(leaves);

  test.each([
    [15],
    [16],
    [17],
    [255],
    [256],
    [257],
    [4_096],
    [65_535],
    [65_536],
    [65_537],
    [70_000],
  ])(
    'at %i leaves it has the root of the definition, and proves the first and the last leaf',
    (size) => {
      const root = naiveRoot(leaves.slice(0, size));
      expect(bytesToHex(tree.root(size))).toBe(bytesToHex(root));
      for (const index of [0, size - 1]) {
        const path = tree.inclusion(index, size);
        expect(inclusionHolds({ leaf: tree.leaf(index), index, size, path, root })).toBe(true);
      }
    },
  );

  test('read back from its levels it goes on as if nothing had been', () => {
    for (const size of [0, 1, 16, 255, 256, 300, 66_000]) {
      const grown = treeOf(leaves.slice(0, size));
      const again = merkleTreeOf(grown.levels().map((level) => Uint8Array.from(level)));
      expect(bytesToHex(again.root())).toBe(bytesToHex(grown.root()));
      for (const leaf of leaves.slice(size, size + 600)) {
        grown.push(leaf);
        again.push(leaf);
      }
      expect(bytesToHex(again.root())).toBe(bytesToHex(grown.root()));
      expect(again.levels().map((level) => bytesToHex(sha256(level)))).toEqual(
        grown.levels().map((level) => bytesToHex(sha256(level))),
      );
    }
  });

  test.each([
    ['a leaf that is cut', (levels: Uint8Array[]) => [levels[0]?.slice(1), ...levels.slice(1)]],
    ['a leaf too many', (levels: Uint8Array[]) => [twice(levels[0]), ...levels.slice(1)]],
    ['an upper level that is missing', (levels: Uint8Array[]) => levels.slice(0, 1)],
    ['a level too many', (levels: Uint8Array[]) => [...levels, levels[1]]],
  ])('%s is no tree', (_, bend) => {
    const levels = bend(treeOf(leaves.slice(0, 300)).levels());
    expect(() => merkleTreeOf(levels.map((level) => level ?? new Uint8Array()))).toThrow(
      /whole hashes|belong together|upper levels/,
    );
  });

  test('its hashes take 32 bytes a leaf and a fifteenth more', () => {
    const bytes = tree.levels().reduce((sum, level) => sum + level.length, 0);
    expect(bytes).toBeLessThan(70_000 * 32 * (16 / 15));
  });
});

function twice(level: Uint8Array | undefined): Uint8Array {
  return level === undefined ? new Uint8Array() : concatBytes(level, level);
}
