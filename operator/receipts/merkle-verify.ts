/**
 * Checks proofs of a Merkle tree without the tree: RFC 9162 §2.1.3.2 and §2.1.4.2. A proof is right or it is
 * not; nothing here throws on what a stranger sent. Pure.
 */
import { nodeHash } from './merkle.ts';

/** No tree has more leaves than a journal has entries: 2^53. */
export const PATH_MAX = 53;

/** Whether `leaf` is leaf `index` of the tree of `size` leaves with this root. */
export function inclusionHolds(of: {
  leaf: Uint8Array;
  index: number;
  size: number;
  path: readonly Uint8Array[];
  root: Uint8Array;
}): boolean {
  const { index, size, path } = of;
  if (!isPlace(index) || !isPlace(size) || index >= size || path.length > PATH_MAX) return false;
  let node = of.leaf;
  const arrived = climb(path, [index, size - 1], (step, side) => {
    node = side === 'left' ? nodeHash(step, node) : nodeHash(node, step);
  });
  return arrived && same(node, of.root);
}

/** Whether the tree of `to` leaves begins with the tree of `from` leaves. */
export function consistencyHolds(of: {
  from: number;
  to: number;
  fromRoot: Uint8Array;
  toRoot: Uint8Array;
  path: readonly Uint8Array[];
}): boolean {
  const { from, to, path, fromRoot, toRoot } = of;
  if (!isPlace(from) || !isPlace(to) || from > to || path.length > PATH_MAX) return false;
  // A tree extends nothing, and itself, without proof.
  if (from === 0 || from === to) return path.length === 0 && (from === 0 || same(fromRoot, toRoot));
  const [first, ...rest] = isPowerOfTwo(from) && path.length > 0 ? [fromRoot, ...path] : path;
  if (first === undefined) return false;
  let start: [number, number] = [from - 1, to - 1];
  while (start[0] % 2 === 1) start = [half(start[0]), half(start[1])];
  let [older, newer] = [first, first];
  const arrived = climb(rest, start, (step, side) => {
    if (side === 'left') older = nodeHash(step, older);
    newer = side === 'left' ? nodeHash(step, newer) : nodeHash(newer, step);
  });
  return arrived && same(older, fromRoot) && same(newer, toRoot);
}

/**
 * Walks from a node (its place and the last place of its level) to the root and says on which side each step
 * stands. Whether it came to the root with the last step, and not before or never.
 */
function climb(
  steps: readonly Uint8Array[],
  from: readonly [number, number],
  take: (step: Uint8Array, side: 'left' | 'right') => void,
): boolean {
  let [place, last] = from;
  for (const step of steps) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      take(step, 'left');
      // The last node of a level has no sibling until it is a right child.
      while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      take(step, 'right');
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0;
}

function isPlace(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Shifts would end at 31 bits. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function isPowerOfTwo(value: number): boolean {
  let rest = value;
  while (rest % 2 === 0) rest /= 2;
  return rest === 1;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, place) => byte === b[place]);
}
