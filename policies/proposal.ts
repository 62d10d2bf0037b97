/**
 * Proposals, authorizations, and what people and agents say about them. A proposal's id is the hash
 * of its canonical content and never of PSBT bytes, which signing changes.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { taggedHashHex } from './canonical-json.ts';
import {
  authorizationIntent,
  CHANNELS_MAX,
  childIndex,
  height,
  hex32,
  hexBytes,
  INPUTS_MAX,
  label,
  networkName,
  nodeKey,
  outpoint,
  satAmount,
  spendIntent,
} from './intent.ts';
import { signedSchema } from './statement.ts';

const common = {
  treasuryId: hex32,
  network: networkName,
  /** Place in the treasury log that this must stand at. */
  seq: z.int().min(1),
  epoch: z.int().min(1),
  policyHash: hex32,
  expiryHeight: height,
  /** Operator id, or `queue` for a batch nobody asked for by hand. */
  initiator: label,
};

/** A coin that goes in, in the order of the transaction's inputs. */
export const prevout = z.strictObject({ outpoint, amountSat: satAmount, script: hexBytes });
export type Prevout = z.infer<typeof prevout>;

export const proposal = z.strictObject({
  schema: z.literal('weir.proposal/v1'),
  ...common,
  descriptorHash: hex32,
  intent: spendIntent,
  /** Serialized without witness. */
  unsignedTx: hexBytes.max(800_000),
  prevouts: z.array(prevout).min(1).max(INPUTS_MAX),
  /** Inputs minus outputs. A claim, until whoever judges has computed it. */
  feeSat: satAmount,
});
export type Proposal = z.infer<typeof proposal>;

/** Tagged hash of the whole canonical proposal. */
export function proposalId(value: Proposal): string {
  return taggedHashHex('weir/proposal/v1', value);
}

/** Txid of the proposal's transaction: double SHA-256 of it without witness, byte-reversed (BIP-141). */
export function proposalTxid(value: Proposal): string {
  return bytesToHex(sha256(sha256(hexToBytes(value.unsignedTx))).toReversed());
}

/** A decision of the quorum that has no transaction. */
export const authorization = z.strictObject({
  schema: z.literal('weir.authorization/v1'),
  ...common,
  intent: authorizationIntent,
});
export type Authorization = z.infer<typeof authorization>;

/** Tagged hash of the whole canonical authorization. */
export function authorizationId(value: Authorization): string {
  return taggedHashHex('weir/authorization/v1', value);
}

/** A person's yes or no. Signed by a guardian's approval key or an operator's key. */
export const approvalBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  /** Proposal id or authorization id. */
  subject: hex32,
  /** Null for an authorization. */
  txid: hex32.nullable(),
  policyHash: hex32,
  decision: z.enum(['approve', 'reject']),
  role: z.enum(['guardian', 'operator']),
  signerId: label,
  expiresHeight: height,
});
export const approval = signedSchema(approvalBody);
export type Approval = z.infer<typeof approval>;

/**
 * An agent's word on a proposal. `refused` and `never` are final: this agent never signs that id.
 * `classes` are code classes only; the rows stay on the guardian's machine.
 */
export const verdictBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  seatId: label,
  subject: hex32,
  verdict: z.enum(['signed', 'asks', 'refused', 'never']),
  classes: z.array(z.string().regex(/^W-[A-Z]{2,4}$/)).max(16),
  note: z.string().max(280),
  headSeq: z.int().min(1),
});
export const verdict = signedSchema(verdictBody);
export type AgentVerdict = z.infer<typeof verdict>;

/** One seat's partial signatures: DER with sighash byte, one per input, in input order (BIP-174 0x02). */
export const contribution = z.strictObject({
  proposalId: hex32,
  seatId: label,
  /** Script multisig has one round; the session knows rounds from the first day. */
  round: z.int().min(1).max(2),
  scheme: z.literal('wsh-ecdsa'),
  signatures: z
    .array(z.string().regex(/^([0-9a-f]{2}){9,73}$/))
    .min(1)
    .max(INPUTS_MAX),
});
export type Contribution = z.infer<typeof contribution>;

/** "I have this log up to here." Fresh ones of k-1 peers let an agent sign (A4). */
export const acknowledgementBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  seatId: label,
  seq: z.int().min(1),
  hash: hex32,
  /** The coordinator's own signature on that head: two of these at one seq are a proof of fraud (A5). */
  headSignature: z.string().regex(/^[0-9a-f]{128}$/),
});
export const acknowledgement = signedSchema(acknowledgementBody);
export type Acknowledgement = z.infer<typeof acknowledgement>;

/**
 * The pool's word that LND lists every channel of a `channel_open` as pending: each peer's signature of our
 * first commitment is held, so whatever is funded can be left again. Only after it does anybody sign.
 */
export const channelsPendingBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  proposalId: hex32,
  txid: hex32,
  /** In the order of the intent. */
  channels: z
    .array(
      z.strictObject({
        peer: nodeKey,
        vout: z.int().min(0).max(0xffff),
        capacitySat: satAmount,
        closeIndex: childIndex,
      }),
    )
    .min(1)
    .max(CHANNELS_MAX),
});
export const channelsPending = signedSchema(channelsPendingBody);
export type ChannelsPending = z.infer<typeof channelsPending>;

/** Answer to a restored agent's nonce: the head this peer has, and what it saw the asker sign (H5). */
export const freshnessBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  seatId: label,
  askingSeatId: label,
  nonce: hex32,
  seq: z.int().min(0),
  hash: hex32,
});
export const freshness = signedSchema(freshnessBody);
export type Freshness = z.infer<typeof freshness>;
