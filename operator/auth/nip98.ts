/**
 * NIP-98: a Nostr event (kind 27235) in the Authorization header that signs one HTTP request. Pure; whether an
 * event came before, and whose key it is, is asked elsewhere, before the signature costs anything.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { verifyEvent } from 'nostr-tools/pure';
import { z } from 'zod';
import { hex32 } from '../../policies/intent.ts';

/** NIP-98: events far from now are refused; it suggests this window. */
export const EVENT_AGE_MS_MAX = 60_000;
const KIND = 27_235;
/** Base64 of a signed event is some 700 characters. */
const HEADER_CHARS_MAX = 8_192;

const httpAuthEvent = z.strictObject({
  id: hex32,
  pubkey: hex32,
  created_at: z.int().min(0),
  kind: z.int(),
  tags: z.array(z.array(z.string().max(4_096)).max(8)).max(16),
  content: z.string().max(1_024),
  sig: z.string().regex(/^[0-9a-f]{128}$/),
});
export type HttpAuthEvent = z.infer<typeof httpAuthEvent>;

export interface SignedParts {
  method: string;
  /** As the caller wrote it: the public base address, path and query. */
  url: string;
  body: string;
}

/** The event in a header's value behind `Nostr `, or null. */
export function readHttpAuth(text: string): HttpAuthEvent | null {
  if (text.length > HEADER_CHARS_MAX) return null;
  try {
    const json: unknown = JSON.parse(Buffer.from(base64.decode(text)).toString('utf8'));
    return httpAuthEvent.safeParse(json).data ?? null;
  } catch {
    return null;
  }
}

/** What of the event does not fit the request, in words, or null. Everything but the signature. */
export function httpAuthProblem(
  event: HttpAuthEvent,
  parts: SignedParts,
  nowMs: number,
): string | null {
  if (event.kind !== KIND) return `the event is not of kind ${KIND}`;
  if (onlyTag(event, 'u') !== parts.url) return `the event signs another address than ${parts.url}`;
  if (onlyTag(event, 'method')?.toUpperCase() !== parts.method) {
    return 'the event signs another method';
  }
  const payload = onlyTag(event, 'payload');
  const needed = parts.method === 'POST' || payload !== null;
  if (needed && payload !== bytesToHex(sha256(utf8ToBytes(parts.body)))) {
    return 'the payload tag is not the SHA-256 of the body';
  }
  if (Math.abs(nowMs - event.created_at * 1_000) > EVENT_AGE_MS_MAX) {
    return 'the event was signed more than a minute ago, or by a clock that is wrong';
  }
  return null;
}

/** Whether the id is the event's and the signature the key's (NIP-01). */
export function httpAuthHolds(event: HttpAuthEvent): boolean {
  return verifyEvent(event);
}

/** The value of a tag that stands exactly once; two of them could be read either way. */
function onlyTag(event: HttpAuthEvent, name: string): string | null {
  const found = event.tags.filter(([key]) => key === name);
  return found.length === 1 ? (found[0]?.[1] ?? null) : null;
}
