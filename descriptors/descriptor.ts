/**
 * The descriptors a treasury can have (BIP-380 to 383, 389): `wsh(sortedmulti(k,…/<0;1>/*))`, and the
 * same quorum with a timed recovery path on `<2;3>`. One canonical text each: parsing is rebuilding
 * and comparing, so there is no second way to write a treasury.
 */
import { checksum } from '@bitcoinerlab/descriptors';
import { bytesToHex } from '@noble/hashes/utils.js';
import { taggedHashHex } from '../policies/canonical-json.ts';
import { Failure } from '../policies/failure.ts';
import { type DescriptorTemplate, OLDER_MAX } from '../policies/wallet-record.ts';
import { type Network, publicNode } from './network.ts';

/** One seat's key with its origin. `path` is BIP-48, hardened steps as `h`. */
export interface AccountKey {
  fingerprint: string;
  path: string;
  xpub: string;
}

/** What a treasury descriptor says. `text` is canonical, with checksum. */
export interface TreasuryDescriptor {
  text: string;
  hash: string;
  network: Network;
  template: DescriptorTemplate;
  threshold: number;
  keys: readonly AccountKey[];
}

const KEY =
  /^\[([0-9a-f]{8})\/(48h\/[01]h\/(?:0|[1-9][0-9]{0,8})h\/2h)\]([tx]pub[1-9A-HJ-NP-Za-km-z]+)$/;
const PLAIN = /^wsh\(sortedmulti\(([1-9]),(.+)\)\)$/;
const RECOVERY =
  /^wsh\(or_d\(multi\(([1-9]),(.+)\),and_v\(v:multi\(([1-9]),(.+)\),older\(([0-9]+)\)\)\)\)$/;
const SEATS_MAX = 5;
const DESCRIPTOR_CHARS_MAX = 4_000;

/** Makes the canonical text. @throws Failure DESCRIPTOR_INVALID, naming what is wrong. */
export function makeDescriptor(parts: {
  template: DescriptorTemplate;
  threshold: number;
  keys: readonly AccountKey[];
  network: Network;
}): TreasuryDescriptor {
  const { template, threshold, keys, network } = parts;
  checkQuorum(threshold, keys);
  for (const key of keys) checkKey(key, network);
  if (new Set(keys.map((key) => accountPoint(key, network))).size !== keys.length) {
    throw invalid('two seats share a key');
  }
  const body = bodyOf(template, threshold, keys);
  const text = `${body}#${checksum(body)}`;
  return {
    text,
    hash: taggedHashHex('weir/descriptor/v1', text),
    network,
    template,
    threshold,
    keys,
  };
}

/**
 * Reads a treasury descriptor, accepting its canonical text only.
 *
 * @throws Failure DESCRIPTOR_INVALID for any other shape, checksum, network, path or key.
 */
export function parseTreasuryDescriptor(text: string, network: Network): TreasuryDescriptor {
  if (text.length > DESCRIPTOR_CHARS_MAX) throw invalid('too long');
  const [body = '', sum, ...rest] = text.split('#');
  if (sum === undefined || rest.length > 0) throw invalid('no checksum');
  if (checksum(body) !== sum) throw invalid('the checksum is wrong');
  const made = makeDescriptor({ ...shapeOf(body), network });
  if (made.text !== text) throw invalid('not in its canonical form');
  return made;
}

/** `/0/*` or `/1/*` alone with checksum, as `importdescriptors` of a node wants it. */
export function branchDescriptor(of: TreasuryDescriptor, branch: 0 | 1): string {
  const body = of.text
    .slice(0, of.text.indexOf('#'))
    .replaceAll('<0;1>', branch.toString())
    .replaceAll('<2;3>', (branch + 2).toString());
  return `${body}#${checksum(body)}`;
}

/** The eight characters of BIP-380 for a descriptor without them. */
export function descriptorChecksum(body: string): string {
  return checksum(body);
}

function shapeOf(body: string): Omit<Parameters<typeof makeDescriptor>[0], 'network'> {
  const plain = PLAIN.exec(body);
  if (plain !== null) {
    return {
      template: { kind: 'wsh-sortedmulti' },
      threshold: digit(plain[1]),
      keys: keysOf(plain[2] ?? '', '/<0;1>/*'),
    };
  }
  const recovery = RECOVERY.exec(body);
  if (recovery === null) throw invalid('neither a sorted multisig nor one with a recovery path');
  const older = Number.parseInt(recovery[5] ?? '', 10);
  return {
    template: { kind: 'wsh-sortedmulti-recovery', recoveryThreshold: digit(recovery[3]), older },
    threshold: digit(recovery[1]),
    keys: keysOf(recovery[2] ?? '', '/<0;1>/*'),
  };
}

function bodyOf(
  template: DescriptorTemplate,
  threshold: number,
  keys: readonly AccountKey[],
): string {
  const at = (branches: string) =>
    keys.map((key) => `[${key.fingerprint}/${key.path}]${key.xpub}/${branches}/*`).join(',');
  if (template.kind === 'wsh-sortedmulti') {
    return `wsh(sortedmulti(${threshold},${at('<0;1>')}))`;
  }
  const { recoveryThreshold, older } = template;
  if (older < 1 || older > OLDER_MAX) {
    throw invalid(`older(${older}) is not between 1 and ${OLDER_MAX}: BIP-68 would mask it`);
  }
  if (recoveryThreshold < 1 || recoveryThreshold > keys.length) {
    throw invalid('the recovery threshold is out of range');
  }
  return `wsh(or_d(multi(${threshold},${at('<0;1>')}),and_v(v:multi(${recoveryThreshold},${at('<2;3>')}),older(${older}))))`;
}

function keysOf(list: string, suffix: string): AccountKey[] {
  return list.split(',').map((text) => {
    if (!text.endsWith(suffix)) throw invalid(`a key that does not end in ${suffix}`);
    const match = KEY.exec(text.slice(0, -suffix.length));
    if (match === null) throw invalid('a key without BIP-48 origin, or a private one');
    return { fingerprint: match[1] ?? '', path: match[2] ?? '', xpub: match[3] ?? '' };
  });
}

function checkQuorum(threshold: number, keys: readonly AccountKey[]): void {
  if (keys.length < 2 || keys.length > SEATS_MAX) throw invalid('not between 2 and 5 keys');
  if (threshold < 2 || threshold > keys.length) throw invalid('the threshold is out of range');
}

function checkKey(key: AccountKey, network: Network): void {
  if (KEY.exec(`[${key.fingerprint}/${key.path}]${key.xpub}`) === null) {
    throw invalid('a key is not written as [fingerprint/48h/coinh/accounth/2h]xpub');
  }
  if (!key.path.startsWith(`48h/${network.coinType}h/`)) {
    throw invalid(`${key.path} is a path of another network`);
  }
  accountPoint(key, network);
}

function accountPoint(key: AccountKey, network: Network): string {
  try {
    const node = publicNode(key.xpub, network);
    if (node.depth !== 4) throw new Error('not at the depth of a BIP-48 account');
    return bytesToHex(node.publicKey ?? new Uint8Array());
  } catch (cause) {
    throw new Failure(
      'DESCRIPTOR_INVALID',
      `[${key.fingerprint}]: not an account key of ${network.name}`,
      { cause },
    );
  }
}

function digit(text: string | undefined): number {
  return Number.parseInt(text ?? '0', 10);
}

function invalid(what: string): Failure {
  return new Failure('DESCRIPTOR_INVALID', `descriptor: ${what}`);
}
