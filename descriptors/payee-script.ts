/** Scripts of allowlist entries written as descriptors: other vaults, the hot wallet. */
import { DescriptorsFactory } from '@bitcoinerlab/descriptors';
import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '../policies/failure.ts';
import type { Network } from './network.ts';

/**
 * scriptPubKey in hex of a descriptor (BIP-380, checksum needed) at an index; `<a;b>` takes the first.
 *
 * @throws Failure DESCRIPTOR_INVALID
 */
export function payeeScript(descriptor: string, index: number, network: Network): string {
  const { Output } = DescriptorsFactory();
  try {
    const single = descriptor.replaceAll(/<([0-9]+);[0-9]+>/g, '$1');
    const body = single === descriptor ? descriptor : (single.split('#')[0] ?? '');
    const ranged = body.includes('*');
    const output = new Output({
      descriptor: body,
      network: network.library,
      ...(ranged && { index }),
    });
    return bytesToHex(output.getScriptPubKey());
  } catch (cause) {
    throw new Failure('DESCRIPTOR_INVALID', 'an allowlist entry is no descriptor', { cause });
  }
}
