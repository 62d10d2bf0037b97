/** ln-service ships no types that this compiler finds: it re-exports `lightning`, which has them. */
declare module 'ln-service' {
  export * from 'lightning';
}
