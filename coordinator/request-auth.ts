/**
 * Who calls: a request carries a statement signed by the seat's identity key, over what it asks, once.
 *
 * Each seat's newest accepted time is durable (rounded up) before the request is served. After a restart
 * nothing up to that time is served again, so a request cannot be replayed through a restart, while a
 * seat whose clock moves on is served at once.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../policies/failure.ts';
import { statementHolds } from '../policies/statement.ts';
import type { Treasury } from '../policies/treasury.ts';
import { REQUEST_AGE_MS_MAX, type SignedRequest, signedRequest } from './protocol.ts';

/** Ids of one seat that are remembered; a seat that asks faster is refused, nobody else is. */
const IDS_PER_SEAT_MAX = 20_000;
/** Base64 of a signed request is some 900 characters. */
const HEADER_CHARS_MAX = 4_096;
/** Horizons are written this far ahead, so that not every request waits for the disk. */
const HORIZON_STEP_MS = 500;

/** What is authenticated: the parts of an HTTP request that decide what it does. */
export interface IncomingCall {
  header: string;
  procedure: string;
  /** HTTP body of a mutation; decoded `input` of a query, or empty. */
  input: string;
}

/** Where newest accepted times are kept, by seat. */
export interface HorizonStore {
  read(): Promise<ReadonlyMap<string, number>>;
  /** Durable when it resolves. */
  write(horizons: ReadonlyMap<string, number>): Promise<void>;
}

export interface RequestGate {
  /**
   * The seat that signed this call.
   *
   * @throws Failure REQUEST_REFUSED, REQUEST_REPLAYED
   */
  admit(call: IncomingCall): Promise<string>;
  /** Unix milliseconds, by this machine's clock, of the last call each seat was admitted with. */
  lastSeen(): ReadonlyMap<string, number>;
}

interface GateOptions {
  treasury: () => Treasury;
  now: () => number;
  store: HorizonStore;
}

export async function openRequestGate({ treasury, now, store }: GateOptions): Promise<RequestGate> {
  const before = await store.read();
  const durable = new Map(before);
  const seenIds = new Map<string, Map<string, number>>();
  const lastSeen = new Map<string, number>();
  let writing: Promise<void> = Promise.resolve();

  async function write(seatId: string, time: number): Promise<void> {
    if ((durable.get(seatId) ?? 0) >= time) return;
    const next = new Map(durable).set(seatId, time + HORIZON_STEP_MS);
    await store.write(next);
    durable.set(seatId, time + HORIZON_STEP_MS);
  }

  /** Makes a time durable before it is relied on; calls wait for each other. */
  function extend(seatId: string, time: number): Promise<void> {
    const mine = writing.then(async () => write(seatId, time));
    writing = mine.catch(() => undefined);
    return mine;
  }

  return {
    lastSeen: () => lastSeen,
    async admit(call) {
      const request = parseHeader(call.header);
      const time = now();
      checkRequest(request, call, treasury(), time);
      const { seatId, id, unixTimeMs } = request.body;
      if (unixTimeMs <= (before.get(seatId) ?? 0)) {
        throw new Failure('REQUEST_REPLAYED', 'signed before this coordinator started: sign anew');
      }
      remember(idsOf(seenIds, seatId), id, unixTimeMs, time);
      await extend(seatId, unixTimeMs);
      lastSeen.set(seatId, time);
      return seatId;
    },
  };
}

function parseHeader(header: string): SignedRequest {
  if (header.length > HEADER_CHARS_MAX) throw malformed();
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, 'base64').toString('utf8'));
  } catch (cause) {
    throw malformed(cause);
  }
  const parsed = signedRequest.safeParse(value);
  if (!parsed.success) throw malformed(parsed.error);
  return parsed.data;
}

function malformed(cause?: unknown): Failure {
  return new Failure('REQUEST_REFUSED', 'the request is not signed as it should be', { cause });
}

function refusal(why: string): Failure {
  return new Failure('REQUEST_REFUSED', why);
}

/** Cheap comparisons first: a flood of nonsense costs no curve arithmetic. */
function checkRequest(
  request: SignedRequest,
  call: IncomingCall,
  treasury: Treasury,
  time: number,
): void {
  const { body } = request;
  const identity = treasury.seats.get(body.seatId)?.claim?.body.identityKey;
  if (body.treasuryId !== treasury.id) throw refusal('signed for another treasury');
  if (identity === undefined) throw refusal(`the seat ${body.seatId} is not taken`);
  if (request.key !== identity) throw refusal(`not signed by the seat ${body.seatId}`);
  if (body.procedure !== call.procedure) throw refusal('signed for another procedure');
  if (Math.abs(time - body.unixTimeMs) > REQUEST_AGE_MS_MAX) {
    throw new Failure('REQUEST_REPLAYED', 'signed too long ago, or by a clock that is wrong');
  }
  if (body.bodyHash !== bytesToHex(sha256(utf8ToBytes(call.input)))) {
    throw refusal('signed over another body');
  }
  if (!statementHolds('request', request)) throw refusal('the signature does not hold');
}

function idsOf(seen: Map<string, Map<string, number>>, seatId: string): Map<string, number> {
  const known = seen.get(seatId) ?? new Map<string, number>();
  seen.set(seatId, known);
  return known;
}

/** An id may be forgotten once its time alone refuses it. */
function remember(ids: Map<string, number>, id: string, unixTimeMs: number, time: number): void {
  if (ids.has(id)) throw new Failure('REQUEST_REPLAYED', `the request ${id} came before`);
  if (ids.size >= IDS_PER_SEAT_MAX) {
    for (const [old, at] of ids) if (time - at > REQUEST_AGE_MS_MAX) ids.delete(old);
  }
  if (ids.size >= IDS_PER_SEAT_MAX) {
    throw new Failure('NOT_READY', 'too many requests of this seat: ask more slowly');
  }
  ids.set(id, unixTimeMs);
}
