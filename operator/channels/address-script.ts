/** Address to scriptPubKey on one network (BIP-173, BIP-350). */
import { bytesToHex } from '@noble/hashes/utils.js';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import { NETWORKS } from '../../descriptors/network.ts';
import { Failure } from '../../policies/failure.ts';
import type { NetworkName } from '../../policies/intent.ts';

/** Hex. @throws Failure INPUT_INVALID for a text that is no address of this network */
export function scriptOf(address: string, network: NetworkName): string {
  try {
    return bytesToHex(OutScript.encode(Address({ ...NETWORKS[network].library }).decode(address)));
  } catch (cause) {
    throw new Failure('INPUT_INVALID', `${address} is no address of ${network}`, { cause });
  }
}
