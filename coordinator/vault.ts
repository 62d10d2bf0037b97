/** The treasury's wallet as the coordinator uses it: descriptor, deriver, seats in the order of the keys. */
import { type Deriver, makeDeriver } from '../descriptors/derive.ts';
import {
  makeDescriptor,
  parseTreasuryDescriptor,
  type TreasuryDescriptor,
} from '../descriptors/descriptor.ts';
import { NETWORKS, publicNode } from '../descriptors/network.ts';
import { Failure } from '../policies/failure.ts';
import type { Treasury } from '../policies/treasury.ts';
import type { KeyRecord, WalletRecord } from '../policies/wallet-record.ts';

export interface Vault {
  record: WalletRecord;
  descriptor: TreasuryDescriptor;
  deriver: Deriver;
  /** Seat ids; the place of each is the place of its key in the descriptor. */
  seats: readonly string[];
}

/** Depth of a BIP-48 account node: m/48h/coinh/accounth/2h. */
const ACCOUNT_DEPTH = 4;

/** @throws Failure DESCRIPTOR_INVALID for a record that is not canonical. */
export function vaultOf(record: WalletRecord): Vault {
  const descriptor = parseTreasuryDescriptor(record.descriptor, NETWORKS[record.params.network]);
  return {
    record,
    descriptor,
    deriver: makeDeriver(descriptor),
    seats: record.keyRecords.map(({ body }) => body.seatId),
  };
}

/** The wallet record that all joined seats make. Pure: the same seats give the same record. */
export function assembleWallet(treasury: Treasury): WalletRecord {
  const { params, id } = treasury;
  const keyRecords = [...treasury.seats.values()].flatMap(({ record }) =>
    record === null ? [] : [record],
  );
  if (params === null || id === null || keyRecords.length !== params.seats.length) {
    throw new Failure('NOT_READY', 'not every seat brought its keys');
  }
  const descriptor = makeDescriptor({
    template: params.template,
    threshold: params.threshold,
    keys: keyRecords.map(({ body }) => body),
    network: NETWORKS[params.network],
  });
  return {
    schema: 'weir.wallet/v1',
    treasuryId: id,
    epoch: treasury.epoch + 1,
    params,
    keyRecords,
    descriptor: descriptor.text,
    firstAddress: makeDeriver(descriptor).address(0, 0),
  };
}

/** @throws Failure DESCRIPTOR_INVALID unless the record's key is a BIP-48 account of this network. */
export function checkAccountKey({ body }: KeyRecord): void {
  const network = NETWORKS[body.network];
  if (!body.path.startsWith(`48h/${network.coinType}h/`)) {
    throw new Failure('DESCRIPTOR_INVALID', `${body.path} is a path of another network`);
  }
  try {
    if (publicNode(body.xpub, network).depth === ACCOUNT_DEPTH) return;
  } catch (cause) {
    throw new Failure('DESCRIPTOR_INVALID', `not an extended key of ${network.name}`, { cause });
  }
  throw new Failure('DESCRIPTOR_INVALID', 'not at the depth of a BIP-48 account');
}
