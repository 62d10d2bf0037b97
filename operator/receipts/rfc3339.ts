/** Times as receipts print them: RFC 3339 in UTC, milliseconds always there, so that one time has one text. Pure. */

/** Unix milliseconds to `2026-02-25T06:18:10.123Z`. */
export function rfc3339(atMs: number): string {
  return new Date(atMs).toISOString();
}
