/**
 * What an agent writes in its own journal: the treasury log as it verified it, entry by entry, and
 * between them what it did itself. Nothing leaves this machine before its event is durable.
 */
import { z } from 'zod';
import { height, hex32, label, outpoint } from '../policies/intent.ts';
import { logEntry } from '../policies/log-entry.ts';
import { approval, contribution, freshness, verdict } from '../policies/proposal.ts';
import { schnorrSignature, xOnlyKey } from '../policies/statement.ts';
import { keyRecord, seatConfirmation, walletRecord } from '../policies/wallet-record.ts';

/** A head as the coordinator signed it. */
const signedHead = z.strictObject({ hash: hex32, signature: schnorrSignature });

/** What a person is told through the hook, and no more than this. */
export const notice = z.enum(['new', 'reminder', 'k-of-n', 'refused', 'done', 'alarm']);
export type Notice = z.infer<typeof notice>;

export const ownEvent = z.discriminatedUnion('kind', [
  /** Which treasury this agent belongs to; the one-time token is not kept. */
  z.strictObject({
    kind: z.literal('invited'),
    url: z.string().max(2_000),
    treasuryId: hex32,
    coordinatorKey: xOnlyKey,
    seatId: label,
  }),
  z.strictObject({ kind: z.literal('log'), entry: logEntry }),
  z.strictObject({ kind: z.literal('key-made'), record: keyRecord }),
  /** The wallet this guardian saw and confirmed; the MAC is from the agent's own secret (B1). */
  z.strictObject({
    kind: z.literal('pinned'),
    record: walletRecord,
    mac: hex32,
    confirmation: seatConfirmation,
  }),
  /** Before a signature is made: these coins are for this intent and no other (D6, H3). */
  z.strictObject({
    kind: z.literal('reserved'),
    proposalId: hex32,
    root: hex32,
    outpoints: z.array(outpoint).min(1).max(500),
    lockTime: height,
    parcelHash: hex32,
  }),
  /** Before a device may sign: from here on a signature may be in a file that nobody here sees. */
  z.strictObject({
    kind: z.literal('exported'),
    proposalId: hex32,
    root: hex32,
    outpoints: z.array(outpoint).min(1).max(500),
  }),
  /** Before a signature leaves: exactly what will be sent, now and at every repetition (A6, K1). */
  z.strictObject({
    kind: z.literal('released'),
    proposalId: hex32,
    signaturesHash: hex32,
    contribution,
    verdict,
  }),
  z.strictObject({
    kind: z.literal('refused'),
    subject: hex32,
    by: z.enum(['agent', 'guardian']),
    initiator: label,
    height: height.nullable(),
    codes: z.array(z.string().max(40)).max(200),
    verdict,
  }),
  z.strictObject({ kind: z.literal('never'), subject: hex32, verdict }),
  z.strictObject({ kind: z.literal('asked'), subject: hex32, verdict }),
  z.strictObject({ kind: z.literal('approved-here'), approval }),
  z.strictObject({
    kind: z.literal('automation'),
    state: z.enum(['on', 'locked', 'tripped']),
    why: z.string().max(200),
    height: height.nullable(),
    /** Of a lock: what peers must answer to prove that nothing was forgotten (H5). */
    nonce: hex32.nullable(),
  }),
  /** All peers answered the nonce of a lock, and their heads are in this log. */
  z.strictObject({ kind: z.literal('proved-fresh'), nonce: hex32, answers: z.array(freshness) }),
  /** The guardian takes the risk that silent peers leave; counts from this height. */
  z.strictObject({ kind: z.literal('unlocked-here'), height }),
  /** The guardian looked at the refusals that paused automatic signing (A9). */
  z.strictObject({ kind: z.literal('pause-cleared'), height }),
  z.strictObject({ kind: z.literal('frozen'), outpoint, change: z.enum(['freeze', 'thaw']) }),
  /** Two heads at one place, both signed by the coordinator (A5). */
  z.strictObject({
    kind: z.literal('fork-proof'),
    seq: z.int().min(1),
    ours: signedHead,
    theirs: signedHead,
    from: label.nullable(),
  }),
  /** Own tip when a decision without a transaction first came here: what delays count from. */
  z.strictObject({ kind: z.literal('decision-seen'), subject: hex32, height }),
  /** When the last backup was packed, unix seconds: shown, and nothing else. */
  z.strictObject({ kind: z.literal('backed-up'), unixTime: z.int().min(0) }),
  /** A treasury spend on the chain that the log does not hold (K3). */
  z.strictObject({ kind: z.literal('spend-seen'), txid: hex32, height: height.nullable() }),
  /** What the Lightning node showed of a channel of ours once it was active: looked at once (G4). */
  z.strictObject({
    kind: z.literal('channel-checked'),
    outpoint,
    /** Null: the channel may be closed to any address. */
    closeAddress: z.string().max(200).nullable(),
    found: z.enum(['as-approved', 'another']),
  }),
  z.strictObject({
    kind: z.literal('alarm'),
    code: z.string().max(40),
    detail: z.string().max(400),
  }),
  z.strictObject({
    kind: z.literal('notified'),
    notice,
    about: hex32.nullable(),
    count: z.int().min(0).max(5),
  }),
]);
export type OwnEvent = z.infer<typeof ownEvent>;
export type OwnEventOf<K extends OwnEvent['kind']> = Extract<OwnEvent, { kind: K }>;
