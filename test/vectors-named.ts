/** Titles of official vectors in full: `test.each` shortens the members of an object it prints. */

/** Pairs of a vector's title and the vector, for `test.each(named(…))('%s …', (_, vector) => …)`. */
export function named<T extends { title: string }>(vectors: readonly T[]): [string, T][] {
  return vectors.map((vector) => [vector.title, vector]);
}
