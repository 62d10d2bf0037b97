/** ln-service ships no types that this compiler finds: it re-exports `lightning` and parts of `invoices`. */
declare module 'ln-service' {
  export * from 'lightning';
  /** @throws Error for a text that is no BOLT 11 invoice, or whose checksum or signature does not hold */
  export function parsePaymentRequest(of: { request: string }): unknown;
}
