/**
 * The ceremony's documents: what the treasury is (parameters), what each seat brings (claim, key
 * record), what all of them guard (wallet record) and that each guardian saw it (confirmation).
 */
import { z } from 'zod';
import { taggedHashHex } from './canonical-json.ts';
import { hex32, label, networkName } from './intent.ts';
import { signedSchema, xOnlyKey } from './statement.ts';

/** Versions of the agent protocol this build speaks. */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;
/** BIP-68 masks a relative height to 16 bits, so a larger `older` opens earlier than it says. */
export const OLDER_MAX = 65_535;

export const descriptorTemplate = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('wsh-sortedmulti') }),
  z.strictObject({
    kind: z.literal('wsh-sortedmulti-recovery'),
    recoveryThreshold: z.int().min(1).max(5),
    older: z.int().min(1).max(OLDER_MAX),
  }),
]);
export type DescriptorTemplate = z.infer<typeof descriptorTemplate>;

/** Fixed before any key is made; its hash is the treasury's id and is the same at every seat. */
export const ceremonyParams = z.strictObject({
  schema: z.literal('weir.ceremony/v1'),
  name: label,
  network: networkName,
  genesisHash: hex32,
  threshold: z.int().min(2).max(5),
  seats: z.array(label).min(2).max(5),
  template: descriptorTemplate,
  coordinatorKey: xOnlyKey,
  operators: z
    .array(z.strictObject({ id: label, key: xOnlyKey }))
    .min(1)
    .max(10),
  policyHash: hex32,
  protocol: z.strictObject({ min: z.int().min(1), max: z.int().min(1) }),
  salt: hex32,
});
export type CeremonyParams = z.infer<typeof ceremonyParams>;

/** The treasury's id: everything signed names it. */
export function treasuryIdOf(params: CeremonyParams): string {
  return taggedHashHex('weir/treasury/v1', params);
}

/** A guardian takes a seat before a key is made, and says what its machine sees. */
export const seatClaimBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  seatId: label,
  identityKey: xOnlyKey,
  protocol: z.strictObject({ min: z.int(), max: z.int() }),
  version: z.string().max(32),
  /** Null where the guardian has no node: such an agent never signs by itself. */
  genesisHash: hex32.nullable(),
  tipHeight: z.int().min(0).nullable(),
  unixTime: z.int().min(0),
});
export const seatClaim = signedSchema(seatClaimBody);
export type SeatClaim = z.infer<typeof seatClaim>;

/** What a hardware signer can take; the batcher splits to the weakest of a quorum. */
export const deviceLimits = z.strictObject({
  name: z.string().max(64),
  maxInputs: z.int().min(1).max(500),
  maxOutputs: z.int().min(1).max(2_000),
});
export type DeviceLimits = z.infer<typeof deviceLimits>;

/** One seat's public keys. Signed by the identity key it names. */
export const keyRecordBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  seatId: label,
  identityKey: xOnlyKey,
  approvalKey: xOnlyKey,
  fingerprint: z.string().regex(/^[0-9a-f]{8}$/),
  /** BIP-48 account path, hardened steps as `h`. */
  path: z.string().regex(/^48h\/[01]h\/[0-9]{1,9}h\/2h$/),
  xpub: z.string().regex(/^[tx]pub[1-9A-HJ-NP-Za-km-z]{100,115}$/),
  device: deviceLimits.nullable(),
});
export const keyRecord = signedSchema(keyRecordBody);
export type KeyRecord = z.infer<typeof keyRecord>;

/** What all guardians guard. `epoch` grows with every redo and every rotation. */
export const walletRecord = z.strictObject({
  schema: z.literal('weir.wallet/v1'),
  treasuryId: hex32,
  epoch: z.int().min(1),
  params: ceremonyParams,
  keyRecords: z.array(keyRecord).min(2).max(5),
  /** Canonical, with `<0;1>/*` and checksum (BIP-380, BIP-389). */
  descriptor: z.string().max(4_000),
  firstAddress: z.string().max(100),
});
export type WalletRecord = z.infer<typeof walletRecord>;

/** Hash that a guardian confirms and that the word fingerprint is made of. */
export function walletRecordHash(record: WalletRecord): string {
  return taggedHashHex('weir/wallet-record/v1', record);
}

/** A guardian compared descriptor, first address and policy, and says so. Signed by the identity key. */
export const seatConfirmationBody = z.strictObject({
  treasuryId: hex32,
  network: networkName,
  seatId: label,
  recordHash: hex32,
  firstAddress: z.string().max(100),
  policyHash: hex32,
});
export const seatConfirmation = signedSchema(seatConfirmationBody);
export type SeatConfirmation = z.infer<typeof seatConfirmation>;
