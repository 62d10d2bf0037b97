/** A backup of one seat: what goes in comes out, and nothing else comes out of anything else. */
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, taggedHashHex } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { signStatement } from '../policies/statement.ts';
import { walletRecordHash } from '../policies/wallet-record.ts';
import {
  BACKUP_BYTES_MAX,
  type BackupParts,
  packBackup,
  unpackBackup,
} from '../signer-agent/backup.ts';
import { keyOf, secretOf, treasuryScenario } from './treasury-scenario.ts';

const { wallet, params, id } = treasuryScenario({ threshold: 2, of: 3 });

function confirmationOf(seatId: string, treasuryId: string) {
  const body = {
    treasuryId,
    network: params.network,
    seatId,
    recordHash: walletRecordHash(wallet),
    firstAddress: wallet.firstAddress,
    policyHash: params.policyHash,
  };
  return signStatement(
    'seat-confirmation',
    body,
    secretOf(`${seatId} identity`),
    new Uint8Array(32),
  );
}

function whole(): BackupParts {
  const [keyRecord] = wallet.keyRecords;
  return {
    network: 'regtest',
    signerSealed: utf8ToBytes('sealed bytes of the signer'),
    approvalSealed: Uint8Array.of(0, 255, 128, 7),
    config: 'schema: weir.agent-config/v1\n',
    overlay: 'schema: weir.overlay/v1\n',
    addressBook: 'names: {}\n# größer\n',
    invited: {
      url: 'http://pool',
      treasuryId: id,
      coordinatorKey: keyOf('coordinator'),
      seatId: 'ana',
    },
    keyRecord: keyRecord ?? null,
    pinned: { record: wallet, mac: 'ab'.repeat(32), confirmation: confirmationOf('ana', id) },
  };
}

const BARE: BackupParts = {
  network: 'regtest',
  signerSealed: Uint8Array.of(1),
  approvalSealed: null,
  config: null,
  overlay: null,
  addressBook: null,
  invited: null,
  keyRecord: null,
  pinned: null,
};

interface Archive {
  schema: string;
  network: string;
  parts: { name: string; sha256: string; base64: string }[];
  hash?: string;
}

function archiveOf(parts: BackupParts): Archive {
  return JSON.parse(new TextDecoder().decode(packBackup(parts)));
}

/** A forger who knows the format: changes it and puts the hash right. */
function forged(change: (archive: Archive) => void): Uint8Array {
  const archive = archiveOf(whole());
  change(archive);
  delete archive.hash;
  const hash = taggedHashHex('weir/backup/v1', archive);
  return utf8ToBytes(canonicalJson({ ...archive, hash }));
}

function outcomeOf(bytes: Uint8Array): string {
  try {
    unpackBackup(bytes);
    return 'unpacked';
  } catch (cause) {
    if (cause instanceof Failure) return cause.code;
    throw cause;
  }
}

describe('a backup', () => {
  test.each([
    ['a whole seat', whole()],
    ['a seat before its ceremony', BARE],
  ])('of %s comes out as it went in', (_what, parts) => {
    expect(unpackBackup(packBackup(parts))).toEqual(parts);
  });

  test('is the same bytes for the same seat', () => {
    expect(bytesToHex(packBackup(whole()))).toBe(bytesToHex(packBackup(whole())));
  });

  test('holds these parts and no counters', () => {
    expect(archiveOf(whole()).parts.map(({ name }) => name)).toEqual([
      'signer.sealed',
      'approval.sealed',
      'config.yaml',
      'overlay.yaml',
      'addresses.yaml',
      'invited.json',
      'key-record.json',
      'pinned.json',
    ]);
  });

  test('with any byte changed is refused', () => {
    const bytes = packBackup(whole());
    const change = fc.record({
      at: fc.nat(bytes.length - 1),
      by: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(change, ({ at, by }) => {
        const changed = Uint8Array.from(bytes, (byte, place) => (place === at ? byte ^ by : byte));
        expect(outcomeOf(changed)).toBe('INPUT_INVALID');
      }),
      { numRuns: 500 },
    );
  });

  test('cut anywhere is refused', () => {
    const bytes = packBackup(whole());
    const outcomes = Array.from({ length: Math.ceil(bytes.length / 16) }, (_, at) =>
      outcomeOf(bytes.subarray(0, at * 16)),
    );
    expect([...new Set(outcomes)]).toEqual(['INPUT_INVALID']);
  });

  test('with anything after its end, or in another spelling, is refused', () => {
    const text = new TextDecoder().decode(packBackup(whole()));
    expect(outcomeOf(utf8ToBytes(`${text}\n`))).toBe('INPUT_INVALID');
    expect(outcomeOf(utf8ToBytes(JSON.stringify(JSON.parse(text), null, 2)))).toBe('INPUT_INVALID');
    const twice = text.replace('"network":"regtest"', '"network":"signet","network":"regtest"');
    expect(outcomeOf(utf8ToBytes(twice))).toBe('INPUT_INVALID');
  });

  test.each<[string, (archive: Archive) => void, string]>([
    ['nothing changed', () => undefined, 'unpacked'],
    ['another version', (it) => Object.assign(it, { schema: 'weir.backup/v2' }), 'INPUT_INVALID'],
    ['another network', (it) => Object.assign(it, { network: 'signet' }), 'NETWORK_MISMATCH'],
    ['an unknown member', (it) => Object.assign(it, { counters: [] }), 'INPUT_INVALID'],
    [
      'an unknown part',
      (it) => Object.assign(it.parts[1] ?? {}, { name: 'counters.json' }),
      'INPUT_INVALID',
    ],
    [
      'a part outside the folder',
      (it) => Object.assign(it.parts[1] ?? {}, { name: '../.ssh/authorized_keys' }),
      'INPUT_INVALID',
    ],
    ['a part twice', (it) => it.parts.splice(1, 1, ...it.parts.slice(0, 1)), 'INPUT_INVALID'],
    ['no signer', (it) => it.parts.shift(), 'INPUT_INVALID'],
    ['no parts', (it) => it.parts.splice(0), 'INPUT_INVALID'],
    [
      'a part that is not its hash',
      (it) => Object.assign(it.parts[0] ?? {}, { base64: 'AAAA' }),
      'INPUT_INVALID',
    ],
  ])('that a forger gave %s', (_what, change, outcome) => {
    expect(outcomeOf(forged(change))).toBe(outcome);
  });

  test.each<[string, Partial<BackupParts>, string]>([
    ['another network', { network: 'signet' }, 'NETWORK_MISMATCH'],
    ["another seat's key record", { keyRecord: wallet.keyRecords[1] ?? null }, 'INPUT_INVALID'],
    [
      "another seat's confirmation",
      {
        pinned: { record: wallet, mac: 'ab'.repeat(32), confirmation: confirmationOf('ben', id) },
      },
      'INPUT_INVALID',
    ],
    [
      'an invitation to another treasury',
      {
        invited: {
          url: 'http://pool',
          treasuryId: 'cd'.repeat(32),
          coordinatorKey: keyOf('coordinator'),
          seatId: 'ana',
        },
      },
      'INPUT_INVALID',
    ],
  ])('whose parts name %s is refused', (_what, change, outcome) => {
    expect(outcomeOf(packBackup({ ...whole(), ...change }))).toBe(outcome);
  });

  test('that is too large is neither made nor read', () => {
    const large = new Uint8Array(300_000);
    expect(() => packBackup({ ...BARE, signerSealed: large })).toThrow(
      expect.objectContaining({ code: 'INPUT_TOO_LARGE' }),
    );
    expect(outcomeOf(new Uint8Array(BACKUP_BYTES_MAX + 1))).toBe('INPUT_TOO_LARGE');
  });
});
