/**
 * The treasury as other wallets read it, watch-only: so that its guardians can look, and spend, without
 * Weir. Each format was read off the program that imports it: Bitcoin Core's `importdescriptors`;
 * Sparrow's `io/Descriptor.java` with drongo's `OutputDescriptor.java`; Specter Desktop's
 * `util/wallet_importer.py`; Caravan's `CreateWallet` (`validateConfig`, `importDetails`).
 */
import {
  branchDescriptor,
  parseTreasuryDescriptor,
  type TreasuryDescriptor,
} from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { Failure, invariant } from '../policies/failure.ts';
import type { NetworkName } from '../policies/intent.ts';
import type { WalletRecord } from '../policies/wallet-record.ts';
import type { WalletFormat } from './local-protocol.ts';

/** Addresses a node looks for on each branch, ahead of what is used. */
const CORE_RANGE = [0, 999];
/** Whence a wallet searches: the record knows no birthday, and the beginning misses nothing. */
const FROM_THE_BEGINNING = 0;
/** RPC ports of a node on the same machine (chainparamsbase.cpp). */
const RPC_PORTS: Record<NetworkName, number> = { bitcoin: 8332, signet: 38332, regtest: 18443 };

/**
 * The content of the file that the program imports.
 *
 * `core`: an argument of `importdescriptors` in a blank wallet without private keys. `sparrow`: a text file
 * for "Output Descriptor". `specter`: JSON for "Import from wallet software". `caravan`: JSON for "Import
 * Wallet Configuration".
 *
 * @throws Failure DESCRIPTOR_INVALID for a record that holds no treasury descriptor; WRONG_STATE where the
 *   program would read another wallet out of it.
 */
export function exportWallet(record: WalletRecord, format: WalletFormat): string {
  const network = NETWORKS[record.params.network];
  const descriptor = parseTreasuryDescriptor(record.descriptor, network);
  if (format !== 'core') requirePlain(descriptor, format);
  switch (format) {
    case 'core':
      return json(coreImport(descriptor));
    case 'sparrow':
      return sparrowText(record, descriptor);
    case 'specter':
      return json(specterWallet(record, descriptor));
    case 'caravan':
      return json(caravanConfig(record, descriptor));
  }
}

function coreImport(descriptor: TreasuryDescriptor) {
  const shared = { active: true, range: CORE_RANGE, timestamp: FROM_THE_BEGINNING };
  return [
    { desc: branchDescriptor(descriptor, 0), internal: false, ...shared },
    { desc: branchDescriptor(descriptor, 1), internal: true, ...shared },
  ];
}

/** Sparrow takes the first paragraph that is no comment, and the name from the file's name. */
function sparrowText(record: WalletRecord, descriptor: TreasuryDescriptor): string {
  return [
    `# ${nameOf(record)}`,
    ...record.keyRecords.map(({ body }) => `# ${body.seatId} [${body.fingerprint}]`),
    '# Receive and change descriptor (BIP389):',
    descriptor.text,
    '',
  ].join('\n');
}

/** Specter wants `/0/*` alone and makes the change branch itself; it names devices in the keys' order. */
function specterWallet(record: WalletRecord, descriptor: TreasuryDescriptor) {
  return {
    label: nameOf(record),
    blockheight: FROM_THE_BEGINNING,
    descriptor: branchDescriptor(descriptor, 0),
    devices: seatsOf(record, descriptor).map((label) => ({ type: 'other', label })),
  };
}

/**
 * A client of one's own node, to be filled in: Caravan's public client would tell a stranger every
 * address of the treasury.
 */
function caravanConfig(record: WalletRecord, descriptor: TreasuryDescriptor) {
  const { network } = record.params;
  if (network === 'signet') throw cannotRead('caravan', 'knows no signet');
  const seats = seatsOf(record, descriptor);
  return {
    name: nameOf(record),
    addressType: 'P2WSH',
    network: network === 'bitcoin' ? 'mainnet' : network,
    client: { type: 'private', url: `http://127.0.0.1:${RPC_PORTS[network]}`, username: '' },
    quorum: { requiredSigners: descriptor.threshold, totalSigners: descriptor.keys.length },
    extendedPublicKeys: descriptor.keys.map(({ fingerprint, path, xpub }, at) => ({
      name: seats[at],
      bip32Path: `m/${path.replaceAll('h', "'")}`,
      xpub,
      xfp: fingerprint,
    })),
    startingAddressIndex: 0,
  };
}

/**
 * Sparrow reads keys and the first threshold out of any `wsh(…)` and would watch a plain quorum at other
 * addresses; Specter and Caravan have no miniscript. Whoever sent there would pay nobody.
 */
function requirePlain(descriptor: TreasuryDescriptor, format: WalletFormat): void {
  if (descriptor.template.kind !== 'wsh-sortedmulti') {
    throw cannotRead(format, 'reads no recovery path: export for core');
  }
}

function cannotRead(format: WalletFormat, why: string): Failure {
  return new Failure('WRONG_STATE', `${format} ${why}`);
}

/** Names of the seats in the order of the descriptor's keys, matched by the exact key (BIP-129). */
function seatsOf(record: WalletRecord, descriptor: TreasuryDescriptor): string[] {
  return descriptor.keys.map(({ xpub }) => {
    const found = record.keyRecords.find(({ body }) => body.xpub === xpub);
    invariant(found !== undefined, 'a pinned record whose descriptor has a key of no seat');
    return found.body.seatId;
  });
}

/** Distinct for each epoch, so that an old wallet is not taken for the new one. */
function nameOf({ params, epoch }: WalletRecord): string {
  return `weir-${params.name}-${epoch}`;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
