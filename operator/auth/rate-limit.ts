/**
 * Token buckets in whole numbers: a bucket holds a quarter of a minute's requests and fills evenly. Time is
 * passed in, so the same calls give the same answers.
 */

export interface RateLimit {
  /** Milliseconds to wait, 0 when admitted; then one request is taken. */
  take(key: string, perMinute: number, nowMs: number): number;
  /** The same without taking. */
  wait(key: string, perMinute: number, nowMs: number): number;
}

/** A request costs this many parts; `perMinute` parts come each millisecond. */
const REQUEST_PARTS = 60_000;
const BURST_PART_OF_MINUTE = 4;

interface Bucket {
  parts: number;
  atMs: number;
}

/** @param keysMax Buckets remembered; the one that was used least recently is forgotten, as if full. */
export function openRateLimit(keysMax: number): RateLimit {
  const buckets = new Map<string, Bucket>();

  function level(key: string, perMinute: number, nowMs: number): number {
    const capacity = Math.max(1, Math.floor(perMinute / BURST_PART_OF_MINUTE)) * REQUEST_PARTS;
    const bucket = buckets.get(key);
    if (bucket === undefined) return capacity;
    const elapsed = Math.max(0, nowMs - bucket.atMs);
    return Math.min(capacity, bucket.parts + elapsed * perMinute);
  }

  return {
    wait: (key, perMinute, nowMs) => waitAt(level(key, perMinute, nowMs), perMinute),
    take(key, perMinute, nowMs) {
      const parts = level(key, perMinute, nowMs);
      const wait = waitAt(parts, perMinute);
      buckets.delete(key);
      buckets.set(key, { parts: wait === 0 ? parts - REQUEST_PARTS : parts, atMs: nowMs });
      const oldest = buckets.keys().next();
      if (buckets.size > keysMax && oldest.done !== true) buckets.delete(oldest.value);
      return wait;
    },
  };
}

function waitAt(parts: number, perMinute: number): number {
  return parts >= REQUEST_PARTS ? 0 : Math.ceil((REQUEST_PARTS - parts) / perMinute);
}
