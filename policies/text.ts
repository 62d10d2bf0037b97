/** Text that somebody else wrote, as a log can hold it. Pure. */

/** Half of a character beyond the basic plane: it has no UTF-8, so it has no canonical form (RFC 8785). */
const HALF = /\p{Surrogate}/u;
const HALVES = /\p{Surrogate}/gu;

/** Whether every character of it is whole. */
export function isWholeText(text: string): boolean {
  return !HALF.test(text);
}

/** Its beginning, in UTF-16 units; what is half a character there, or was before, is replaced by U+FFFD. */
export function textUpTo(text: string, charsMax: number): string {
  return text.slice(0, charsMax).replaceAll(HALVES, '\ufffd');
}
