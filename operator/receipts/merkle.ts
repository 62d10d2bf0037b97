/**
 * A Merkle tree that only grows (RFC 6962 §2.1, RFC 9162 §2.1): roots of every size it ever had, proofs that a
 * leaf is in it and that a later tree extends an earlier one. Pure.
 *
 * Kept are the leaves and one hash per 16, per 256, per 4,096, …: a proof hashes some dozen times for each of
 * these levels, and the tree takes a fifteenth more than its leaves.
 */
import { hash } from 'node:crypto';
import { invariant } from '../../policies/failure.ts';
import { HASH_BYTES, type HashStore, hashStore, hashStoreOf } from './hash-store.ts';

/** Levels between two that are kept. */
const TILE_HEIGHT = 4;
const LEAF_PREFIX = Buffer.of(0x00);
const NODE_PREFIX = 0x01;
/** Root of no leaves: the hash of nothing. */
const EMPTY_ROOT: Uint8Array = hash('sha256', Buffer.alloc(0), 'buffer');

export interface MerkleTree {
  size(): number;
  /** Adds a leaf by its hash. */
  push(leaf: Uint8Array): void;
  leaf(index: number): Uint8Array;
  /** Root of the first `size` leaves; of all of them where none is given. */
  root(size?: number): Uint8Array;
  /** Audit path of leaf `index` in the first `size` leaves, from the leaf up. */
  inclusion(index: number, size: number): Uint8Array[];
  /** Proof that the first `to` leaves begin with the first `from`. Empty from 0 and to itself. */
  consistency(from: number, to: number): Uint8Array[];
  /** The hashes as kept, lowest level first. Views. */
  levels(): Uint8Array[];
}

/** Hash of a leaf's bytes. */
export function leafHash(bytes: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([LEAF_PREFIX, bytes]), 'buffer');
}

/** Hash of an inner node. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = Buffer.allocUnsafe(1 + 2 * HASH_BYTES);
  both[0] = NODE_PREFIX;
  both.set(left, 1);
  both.set(right, 1 + HASH_BYTES);
  return hash('sha256', both, 'buffer');
}

export function merkleTree(): MerkleTree {
  return treeOver([hashStore()], []);
}

/** The tree of `levels()`. @throws BrokenInvariant for levels that are of no tree */
export function merkleTreeOf(levels: readonly Uint8Array[]): MerkleTree {
  const stores = levels.map(hashStoreOf);
  const size = stores[0]?.count() ?? 0;
  if (stores.length === 0) stores.push(hashStore());
  let expected = size;
  for (const store of stores) {
    invariant(store.count() === expected, 'the levels of a tree belong together');
    expected = wholeTiles(expected);
  }
  invariant(expected === 0, 'the tree lacks its upper levels');
  const tree = reader(stores);
  const frontier: Uint8Array[] = [];
  for (const { level, index } of perfectParts(0, size)) frontier.push(tree.perfect(level, index));
  return treeOver(stores, frontier);
}

/** Root of a few leaves that no tree holds. */
export function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length <= 1) return leaves[0] ?? EMPTY_ROOT;
  const split = largestPowerBelow(leaves.length);
  return nodeHash(rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

/** Root of a few leaves that no tree holds, and the audit path of one of them, from the leaf up. */
export function provenIn(
  leaves: readonly Uint8Array[],
  index: number,
): { root: Uint8Array; path: Uint8Array[] } {
  if (leaves.length <= 1) return { root: rootOf(leaves), path: [] };
  const split = largestPowerBelow(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  if (index < split) {
    const { root, path } = provenIn(left, index);
    const sibling = rootOf(right);
    return { root: nodeHash(root, sibling), path: [...path, sibling] };
  }
  const { root, path } = provenIn(right, index - split);
  const sibling = rootOf(left);
  return { root: nodeHash(sibling, root), path: [...path, sibling] };
}

/** The largest power of two that is smaller than `count`, for a count from 2. */
function largestPowerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/** `stores[k]` holds the complete subtrees of 16^k leaves; `frontier` the complete ones of all sizes, largest first. */
function treeOver(stores: HashStore[], frontier: Uint8Array[]): MerkleTree {
  const read = reader(stores);
  const size = (): number => stores[0]?.count() ?? 0;

  function keep(tile: number, node: Uint8Array): void {
    const store = stores[tile] ?? hashStore();
    if (stores[tile] === undefined) stores.push(store);
    store.push(node);
  }

  function requireSize(wanted: number): void {
    invariant(wanted >= 0 && wanted <= size(), `a tree of ${size()} leaves had never ${wanted}`);
  }

  return {
    size,
    leaf: (index) => read.perfect(0, index),
    push(leaf) {
      let index = size();
      keep(0, leaf);
      let node = leaf;
      let level = 0;
      // Each one bit at the end of the count is a complete subtree that this leaf completes with.
      while (index % 2 === 1) {
        const left = frontier.pop();
        invariant(left !== undefined, 'the frontier has a subtree for each one bit');
        node = nodeHash(left, node);
        level += 1;
        if (level % TILE_HEIGHT === 0) keep(level / TILE_HEIGHT, node);
        index = (index - 1) / 2;
      }
      frontier.push(node);
    },
    root(wanted = size()) {
      requireSize(wanted);
      return wanted === size() ? folded(frontier) : read.range(0, wanted);
    },
    inclusion(index, wanted) {
      requireSize(wanted);
      invariant(index >= 0 && index < wanted, `leaf ${index} of ${wanted}`);
      return read.path(index, { start: 0, count: wanted });
    },
    consistency(from, to) {
      requireSize(to);
      invariant(from >= 0 && from <= to, `from ${from} to ${to}`);
      return from === 0 || from === to
        ? []
        : read.proof(from, { start: 0, count: to, whole: 'known' });
    },
    levels: () => stores.map((store) => store.bytes()),
  };
}

/** Leaves `start` to `start + count`; a start is a multiple of the largest power of two in `count`. */
interface Range {
  start: number;
  count: number;
}

function reader(stores: readonly HashStore[]) {
  /** Root of the complete subtree of 2^level leaves, the `index`th of its size. */
  function perfect(level: number, index: number): Uint8Array {
    if (level % TILE_HEIGHT === 0) {
      const store = stores[level / TILE_HEIGHT];
      invariant(store !== undefined, 'a level that is kept');
      return store.at(index);
    }
    return nodeHash(perfect(level - 1, index * 2), perfect(level - 1, index * 2 + 1));
  }

  function range(start: number, count: number): Uint8Array {
    return folded(perfectParts(start, count).map((part) => perfect(part.level, part.index)));
  }

  /** PATH of RFC 6962 §2.1.1. */
  function path(index: number, { start, count }: Range): Uint8Array[] {
    if (count === 1) return [];
    const split = largestPowerBelow(count);
    const right = { start: start + split, count: count - split };
    return index < split
      ? [...path(index, { start, count: split }), range(right.start, right.count)]
      : [...path(index - split, right), range(start, split)];
  }

  /** SUBPROOF of RFC 6962 §2.1.2: `whole` is whether the verifier has the root of the range already. */
  function proof(from: number, of: Range & { whole: 'known' | 'unknown' }): Uint8Array[] {
    const { start, count, whole } = of;
    if (from === count) return whole === 'known' ? [] : [range(start, count)];
    const split = largestPowerBelow(count);
    const right = { start: start + split, count: count - split };
    return from <= split
      ? [...proof(from, { start, count: split, whole }), range(right.start, right.count)]
      : [...proof(from - split, { ...right, whole: 'unknown' }), range(start, split)];
  }

  return { perfect, range, path, proof };
}

/** The complete subtrees that a range is made of, largest first. */
function perfectParts(start: number, count: number): { level: number; index: number }[] {
  const parts: { level: number; index: number }[] = [];
  let from = start;
  let left = count;
  while (left > 0) {
    const level = 31 - Math.clz32(left);
    const leaves = 2 ** level;
    parts.push({ level, index: from / leaves });
    from += leaves;
    left -= leaves;
  }
  return parts;
}

/** Root of complete subtrees, largest first. */
function folded(parts: readonly Uint8Array[]): Uint8Array {
  return (
    parts
      .toReversed()
      .reduce<Uint8Array | null>(
        (right, left) => (right === null ? left : nodeHash(left, right)),
        null,
      ) ?? EMPTY_ROOT
  );
}

function wholeTiles(count: number): number {
  return Math.floor(count / 2 ** TILE_HEIGHT);
}
