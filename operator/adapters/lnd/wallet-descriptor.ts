/** The descriptor of LND's own wallet, for the treasury policy's list of hot addresses: guardians derive, not believe. */
import { HDKey } from '@scure/bip32';
import { getMasterPublicKeys } from 'ln-service';
import { z } from 'zod';
import { descriptorChecksum } from '../../../descriptors/descriptor.ts';
import { NETWORKS } from '../../../descriptors/network.ts';
import { Failure } from '../../../policies/failure.ts';
import type { NetworkName } from '../../../policies/intent.ts';
import { type LndConnection, shaped } from './connect.ts';
import { asked } from './deadline.ts';

const answer = z.array(
  z.object({
    derivation_path: z.string(),
    extended_public_key: z.string(),
  }),
);
/** Native segwit accounts (BIP-84); LND pays its change and its fresh addresses there. */
const NATIVE = /^m\/84'\/[01]'\/0'$/;
/** SLIP-132 versions that LND prints for them: zpub and vpub. */
const SLIP_132 = [
  { private: 0x04b2430c, public: 0x04b24746 },
  { private: 0x045f18bc, public: 0x045f1cf6 },
];

/** `wpkh(tpub…/0/*)#checksum`, the branch of fresh addresses. @throws Failure LND_UNREACHABLE */
export async function walletDescriptor(
  { lnd }: LndConnection,
  network: NetworkName,
): Promise<string> {
  const said = await asked('ListAccounts', () => getMasterPublicKeys({ lnd }));
  const account = shaped('ListAccounts', answer, said.keys).find(({ derivation_path: path }) =>
    NATIVE.test(path),
  );
  if (account === undefined)
    throw new Failure('LND_UNREACHABLE', 'ListAccounts: no native segwit account');
  const key = plainKey(account.extended_public_key, network);
  const body = `wpkh(${key}/0/*)`;
  return `${body}#${descriptorChecksum(body)}`;
}

/** The same key with the version bytes of BIP-32, which descriptors use (BIP-380). */
function plainKey(text: string, network: NetworkName): string {
  const { bip32 } = NETWORKS[network];
  for (const versions of [bip32, ...SLIP_132]) {
    try {
      const { publicKey, chainCode, depth, index, parentFingerprint } = HDKey.fromExtendedKey(
        text,
        versions,
      );
      if (publicKey === null || chainCode === null) continue;
      return new HDKey({ versions: bip32, publicKey, chainCode, depth, index, parentFingerprint })
        .publicExtendedKey;
    } catch {
      // Of other versions: the next ones are tried.
    }
  }
  throw new Failure('LND_UNREACHABLE', 'ListAccounts: an account key of unknown version');
}
