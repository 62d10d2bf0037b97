/** Scripts of allowlist entries written as descriptors: other vaults, the hot wallet. */
import { DescriptorsFactory } from '@bitcoinerlab/descriptors';
import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '../policies/failure.ts';
import { descriptorChecksum } from './descriptor.ts';
import type { Network } from './network.ts';

/** What stands between brackets before a key (BIP-380): a fingerprint and single, whole steps. */
const ORIGIN = /^[0-9a-f]{8}(\/[0-9]+[h']?)*$/;
/** A pair of steps of BIP-389, the only tuples this project writes. */
const PAIR = /<([0-9]+);([0-9]+)>/g;

/**
 * scriptPubKey in hex of a descriptor (BIP-380, checksum needed) at an index; `<a;b>` takes the first.
 *
 * The library reads a little more than the documents allow: no checksum at all, a wildcard in an
 * origin. What it lets through is refused here first, and the checksum covers the text as written.
 *
 * @throws Failure DESCRIPTOR_INVALID
 */
export function payeeScript(descriptor: string, index: number, network: Network): string {
  const { Output } = DescriptorsFactory();
  try {
    const body = firstOfPairs(checkedBody(descriptor));
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

function checkedBody(descriptor: string): string {
  const [body = '', sum = '', ...rest] = descriptor.split('#');
  if (sum.length !== 8 || rest.length > 0 || descriptorChecksum(body) !== sum) {
    throw new Error('the checksum is missing or wrong');
  }
  for (const [, origin = ''] of body.matchAll(/\[([^\]]*)\]/g)) {
    if (!ORIGIN.test(origin)) throw new Error(`[${origin}] is no key origin`);
  }
  return body;
}

/** One descriptor of the two that a BIP-389 text stands for. */
function firstOfPairs(body: string): string {
  const single = body.replaceAll(PAIR, (pair, first: string, second: string) => {
    if (first === second) throw new Error(`${pair} names one step twice`);
    return first;
  });
  for (const key of body.split(',')) {
    if ([...key.matchAll(PAIR)].length > 1) throw new Error('two pairs in one key');
  }
  return single;
}
