/**
 * The treasury log: what every party replays. Each entry continues a hash chain and is signed by the
 * coordinator's pinned key; what people and agents said rides inside with their own signatures.
 */
import { z } from 'zod';
import { taggedHashHex } from './canonical-json.ts';
import { hex32, hexBytes, lpOrder, networkName } from './intent.ts';
import {
  approval,
  authorization,
  channelsPending,
  contribution,
  proposal,
  verdict,
} from './proposal.ts';
import { type Signed, schnorrSignature, signStatement, statementHolds } from './statement.ts';
import {
  ceremonyParams,
  keyRecord,
  seatClaim,
  seatConfirmation,
  walletRecord,
} from './wallet-record.ts';

/** `previous` of the first entry. */
export const GENESIS_HASH = '0'.repeat(64);

export const logEvent = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('ceremony-opened'),
    params: ceremonyParams,
    policyText: z.string().max(200_000),
  }),
  z.strictObject({ kind: z.literal('seat-claimed'), claim: seatClaim }),
  z.strictObject({ kind: z.literal('seat-joined'), record: keyRecord }),
  z.strictObject({ kind: z.literal('wallet-recorded'), record: walletRecord }),
  z.strictObject({ kind: z.literal('seat-confirmed'), confirmation: seatConfirmation }),
  z.strictObject({ kind: z.literal('order-queued'), order: lpOrder }),
  z.strictObject({ kind: z.literal('proposed'), proposal }),
  z.strictObject({ kind: z.literal('authorization-proposed'), authorization }),
  z.strictObject({ kind: z.literal('approval'), approval }),
  z.strictObject({ kind: z.literal('verdict'), verdict }),
  /** Of the pool that the policy names: guardians sign a channel_open only after it. */
  z.strictObject({ kind: z.literal('channels-pending'), pending: channelsPending }),
  /**
   * A channel_open that came to nothing before it was pending: dead at once. Nobody honest can have signed
   * it, since signatures wait for the pool's word.
   */
  z.strictObject({
    kind: z.literal('withdrawn'),
    proposalId: hex32,
    why: z.string().max(200),
  }),
  z.strictObject({ kind: z.literal('contributed'), contribution }),
  /** A seat sent a signature that does not verify: who, which input, and nothing else. */
  z.strictObject({
    kind: z.literal('contribution-faulty'),
    proposalId: hex32,
    seatId: z.string().max(32),
    input: z.int().min(0),
  }),
  /** Written before the first byte goes out; `rawTx` is what every re-broadcast sends. */
  z.strictObject({
    kind: z.literal('broadcast-intended'),
    proposalId: hex32,
    txid: hex32,
    rawTx: hexBytes.max(2_000_000),
  }),
  z.strictObject({
    kind: z.literal('broadcast-answered'),
    proposalId: hex32,
    outcome: z.enum(['accepted', 'refused']),
    reason: z.string().max(200),
  }),
  /** The coordinator's view of the chain: agents look for themselves. */
  z.strictObject({
    kind: z.literal('tx-seen'),
    proposalId: hex32,
    place: z.union([
      z.strictObject({ in: z.literal('mempool') }),
      z.strictObject({ in: z.literal('nowhere') }),
      z.strictObject({ in: z.literal('block'), height: z.int(), blockHash: hex32 }),
      /** The anchor was spent by another transaction. */
      z.strictObject({ in: z.literal('conflict'), txid: hex32, height: z.int().nullable() }),
    ]),
  }),
]);
export type LogEvent = z.infer<typeof logEvent>;
export type LogEventOf<K extends LogEvent['kind']> = Extract<LogEvent, { kind: K }>;

/** An entry as it travels. `hash` is the journal's hash of {seq, previous, body}. */
export const logEntry = z.strictObject({
  seq: z.int().min(1),
  previous: hex32,
  hash: hex32,
  body: logEvent,
  signature: schnorrSignature,
});
export type LogEntry = z.infer<typeof logEntry>;

/** Hash of an entry; the same formula as `journal/entry.ts`, so that the journal is the log. */
export function logEntryHash(entry: { seq: number; previous: string; body: unknown }): string {
  return taggedHashHex('weir/journal-entry/v1', {
    seq: entry.seq,
    previous: entry.previous,
    body: entry.body,
  });
}

/** What the coordinator signs of an entry: where it stands and what it hashes to. */
export const headBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  seq: z.int().min(1),
  hash: hex32,
});
export type HeadBody = z.infer<typeof headBody>;

/** Signs a head. Deterministic (no fresh randomness), so that one head has one signature. */
export function signHead(head: HeadBody, secretKey: Uint8Array): string {
  return signStatement('log-entry', head, secretKey, new Uint8Array(32)).signature;
}

/** Whether the coordinator signed this head. */
export function headHolds(head: HeadBody, coordinatorKey: string, signature: string): boolean {
  const statement: Signed<HeadBody> = { body: head, key: coordinatorKey, signature };
  return statementHolds('log-entry', statement);
}
