/**
 * One seat in one file: what a guardian needs to stand up the agent on another machine. Secrets in it are
 * sealed as they were on disk. Counters are never in it: an old backup would give back spent limits.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { base64 } from '@scure/base';
import { z } from 'zod';
import { canonicalJson, taggedHashHex } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { hex32, label, type NetworkName, networkName } from '../policies/intent.ts';
import { xOnlyKey } from '../policies/statement.ts';
import { keyRecord, seatConfirmation, walletRecord } from '../policies/wallet-record.ts';

/** A dozen small files in base64; more is no backup and is not read. */
export const BACKUP_BYTES_MAX = 2 * 1024 * 1024;
const PART_BYTES_MAX = 256 * 1024;

const SCHEMA = 'weir.backup/v1' as const;
const PART_NAMES = [
  'signer.sealed',
  'approval.sealed',
  'config.yaml',
  'overlay.yaml',
  'addresses.yaml',
  'invited.json',
  'key-record.json',
  'pinned.json',
] as const;
type PartName = (typeof PART_NAMES)[number];

const invited = z.strictObject({
  url: z.string().max(2_000),
  treasuryId: hex32,
  coordinatorKey: xOnlyKey,
  seatId: label,
});
const pinned = z.strictObject({
  record: walletRecord,
  mac: hex32,
  confirmation: seatConfirmation,
});

/** Everything that is kept; null where the seat has no such thing yet. */
export interface BackupParts {
  network: NetworkName;
  /** `signer.sealed` and `approval.sealed` as they lie on disk. */
  signerSealed: Uint8Array;
  approvalSealed: Uint8Array | null;
  /** Texts of the guardian's own files: settings, overlay, address book. */
  config: string | null;
  overlay: string | null;
  addressBook: string | null;
  /** Where the seat belongs; the invitation's one-time token is not kept. */
  invited: z.infer<typeof invited> | null;
  keyRecord: z.infer<typeof keyRecord> | null;
  /** The record this guardian confirmed, with the MAC that only its own keystore can make. */
  pinned: z.infer<typeof pinned> | null;
}

const part = z.strictObject({
  name: z.enum(PART_NAMES),
  sha256: hex32,
  base64: z.base64().max(2 * PART_BYTES_MAX),
});
const archive = z.strictObject({
  schema: z.literal(SCHEMA),
  network: networkName,
  parts: z.array(part).min(1).max(PART_NAMES.length),
  /** Over all the rest. It finds damage, not forgery: a forged record fails the keystore's MAC. */
  hash: hex32,
});

/** Packs a seat: canonical JSON, one SHA-256 for each part and one hash over all. */
export function packBackup(parts: BackupParts): Uint8Array {
  const files: [PartName, Uint8Array | null][] = [
    ['signer.sealed', parts.signerSealed],
    ['approval.sealed', parts.approvalSealed],
    ['config.yaml', textBytes(parts.config)],
    ['overlay.yaml', textBytes(parts.overlay)],
    ['addresses.yaml', textBytes(parts.addressBook)],
    ['invited.json', jsonBytes(parts.invited)],
    ['key-record.json', jsonBytes(parts.keyRecord)],
    ['pinned.json', jsonBytes(parts.pinned)],
  ];
  const packed = files.flatMap(([name, bytes]) => (bytes === null ? [] : [packPart(name, bytes)]));
  const content = { schema: SCHEMA, network: parts.network, parts: packed };
  return utf8ToBytes(canonicalJson({ ...content, hash: hashOf(content) }));
}

/**
 * Reads a backup.
 *
 * @throws Failure INPUT_TOO_LARGE; INPUT_INVALID for anything changed, missing, double or unknown;
 *   NETWORK_MISMATCH when a part is of another network.
 */
export function unpackBackup(bytes: Uint8Array): BackupParts {
  const { network, files } = open(bytes);
  const signerSealed = files.get('signer.sealed');
  if (signerSealed === undefined) throw invalid('signer.sealed is missing');
  const parts: BackupParts = {
    network,
    signerSealed,
    approvalSealed: files.get('approval.sealed') ?? null,
    config: textOf(files.get('config.yaml')),
    overlay: textOf(files.get('overlay.yaml')),
    addressBook: textOf(files.get('addresses.yaml')),
    invited: jsonOf(invited, files.get('invited.json')),
    keyRecord: jsonOf(keyRecord, files.get('key-record.json')),
    pinned: jsonOf(pinned, files.get('pinned.json')),
  };
  requireOneSeat(parts);
  return parts;
}

function open(bytes: Uint8Array): { network: NetworkName; files: Map<PartName, Uint8Array> } {
  if (bytes.length > BACKUP_BYTES_MAX) throw new Failure('INPUT_TOO_LARGE', 'this is no backup');
  const text = textOf(bytes) ?? '';
  const parsed = archive.safeParse(jsonIn(text));
  if (!parsed.success) throw invalid('it has another shape');
  const { hash, ...content } = parsed.data;
  // The canonical form is the only one: no second spelling, no member twice, nothing after the end.
  if (canonicalJson(parsed.data) !== text || hashOf(content) !== hash)
    throw invalid('it was changed');
  const files = new Map<PartName, Uint8Array>();
  for (const each of content.parts) {
    const file = base64.decode(each.base64);
    if (files.has(each.name)) throw invalid(`${each.name} is in it twice`);
    if (file.length > PART_BYTES_MAX) {
      throw new Failure('INPUT_TOO_LARGE', `backup: ${each.name} is too large`);
    }
    if (bytesToHex(sha256(file)) !== each.sha256) throw invalid(`${each.name} was changed`);
    files.set(each.name, file);
  }
  return { network: content.network, files };
}

/** Parts of two seats do not make one. */
function requireOneSeat({ network, ...parts }: BackupParts): void {
  const record = parts.pinned?.record;
  const networks = [parts.keyRecord?.body.network, record?.params.network];
  if (networks.some((each) => each !== undefined && each !== network)) {
    throw new Failure('NETWORK_MISMATCH', `backup: parts of another network than ${network}`);
  }
  const named = [
    parts.invited,
    parts.keyRecord?.body,
    parts.pinned?.confirmation.body,
    record && { treasuryId: record.treasuryId, seatId: null },
  ].flatMap((each) => (each ? [each] : []));
  const treasuries = new Set(named.map(({ treasuryId }) => treasuryId));
  const seats = new Set(named.flatMap(({ seatId }) => (seatId === null ? [] : [seatId])));
  if (treasuries.size > 1 || seats.size > 1) throw invalid('its parts are of different seats');
}

function packPart(name: PartName, bytes: Uint8Array) {
  if (bytes.length > PART_BYTES_MAX) {
    throw new Failure('INPUT_TOO_LARGE', `backup: ${name} is too large`);
  }
  return { name, sha256: bytesToHex(sha256(bytes)), base64: base64.encode(bytes) };
}

function hashOf(content: Omit<z.infer<typeof archive>, 'hash'>): string {
  return taggedHashHex('weir/backup/v1', content);
}

function jsonOf<T>(schema: z.ZodType<T>, bytes: Uint8Array | undefined): T | null {
  const text = textOf(bytes);
  if (text === null) return null;
  const parsed = schema.safeParse(jsonIn(text));
  if (!parsed.success) throw invalid('a part has another shape');
  return parsed.data;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser quotes what it read; a backup is quoted nowhere.
    throw invalid('it is no JSON');
  }
}

function textOf(bytes: Uint8Array | undefined): string | null {
  if (bytes === undefined) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid('it is no UTF-8');
  }
}

function textBytes(text: string | null): Uint8Array | null {
  return text === null ? null : utf8ToBytes(text);
}

function jsonBytes(value: unknown): Uint8Array | null {
  return value === null ? null : utf8ToBytes(canonicalJson(value));
}

function invalid(why: string): Failure {
  return new Failure('INPUT_INVALID', `backup: ${why}`);
}
