/**
 * Scripts and addresses of a treasury descriptor. A deriver keeps the branch points of each key, so
 * that one more index costs one curve addition per key; at its making it is compared with
 * `@bitcoinerlab/descriptors`, which compiles the same descriptor in its own way.
 */
import { DescriptorsFactory } from '@bitcoinerlab/descriptors';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Script, type ScriptType } from '@scure/btc-signer';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import { invariant } from '../policies/failure.ts';
import { type ChainPoint, checkBulkCurve, childPoint } from './bulk-curve.ts';
import type { TreasuryDescriptor } from './descriptor.ts';
import { type Network, publicNode } from './network.ts';

/** 0 receives, 1 takes change (BIP-44). */
export type Branch = 0 | 1;

/** A place of the treasury with all that a PSBT says about it (BIP-174 0x01, 0x05, 0x06). */
export interface DerivedScript {
  branch: Branch;
  index: number;
  /** scriptPubKey, hex. */
  script: string;
  witnessScript: Uint8Array;
  /** Quorum keys of this place, in the order of the descriptor's keys. */
  publicKeys: readonly Uint8Array[];
  /** Recovery keys, where the template has them. */
  recoveryKeys: readonly Uint8Array[];
}

export interface Deriver {
  descriptor: TreasuryDescriptor;
  at(branch: Branch, index: number): DerivedScript;
  address(branch: Branch, index: number): string;
  /** Where a script of ours is, looking at indexes up to `indexMax` of both branches. */
  find(script: string, indexMax: number): { branch: Branch; index: number } | null;
}

/** Places kept in memory at most; a treasury asks for the same few again and again. */
const PLACES_KEPT_MAX = 20_000;

/** @throws BrokenInvariant when two ways of deriving disagree. */
export function makeDeriver(descriptor: TreasuryDescriptor): Deriver {
  checkBulkCurve();
  const accounts = descriptor.keys.map((key) => accountOf(key.xpub, descriptor.network));
  const branches = [0, 1, 2, 3].map((branch) => accounts.map((point) => childPoint(point, branch)));
  const places = new Map<string, DerivedScript>();
  const byScript = new Map<string, { branch: Branch; index: number }>();
  let indexed = -1;

  function at(branch: Branch, index: number): DerivedScript {
    const key = `${branch}/${index}`;
    const known = places.get(key);
    if (known !== undefined) return known;
    const place = derive(descriptor, branches, branch, index);
    if (places.size < PLACES_KEPT_MAX) places.set(key, place);
    return place;
  }

  const deriver: Deriver = {
    descriptor,
    at,
    address: (branch, index) => addressOf(at(branch, index).script, descriptor.network) ?? '',
    find(script, indexMax) {
      for (; indexed < indexMax; indexed += 1) {
        for (const branch of [0, 1] as const) {
          byScript.set(at(branch, indexed + 1).script, { branch, index: indexed + 1 });
        }
      }
      const found = byScript.get(script);
      return found !== undefined && found.index <= indexMax ? found : null;
    },
  };
  for (const branch of [0, 1] as const) {
    const compiled = libraryScript(descriptor, branch, 0);
    invariant(at(branch, 0).script === compiled, 'two compilers disagree on this descriptor');
  }
  return deriver;
}

/** Address of a scriptPubKey in hex, or null for a script that has none. */
export function addressOf(script: string, network: Network): string | null {
  try {
    const output = OutScript.decode(hexToBytes(script));
    return Address({ ...network.library }).encode(output);
  } catch {
    // Not one of the standard forms: it has no address.
    return null;
  }
}

function derive(
  descriptor: TreasuryDescriptor,
  branches: readonly (readonly ChainPoint[])[],
  branch: Branch,
  index: number,
): DerivedScript {
  const keysAt = (place: number) =>
    (branches[place] ?? []).map((point) => childPoint(point, index).publicKey);
  const publicKeys = keysAt(branch);
  const { template, threshold } = descriptor;
  const recoveryKeys = template.kind === 'wsh-sortedmulti-recovery' ? keysAt(branch + 2) : [];
  const witnessScript =
    template.kind === 'wsh-sortedmulti'
      ? sortedMultisig(threshold, publicKeys)
      : Script.encode(recoveryScript(threshold, publicKeys, template, recoveryKeys));
  const script = `0020${bytesToHex(sha256(witnessScript))}`;
  return { branch, index, script, witnessScript, publicKeys, recoveryKeys };
}

/** `k keys… n OP_CHECKMULTISIG` with the keys sorted as bytes (BIP-67). */
export function sortedMultisig(threshold: number, keys: readonly Uint8Array[]): Uint8Array {
  return Script.encode([threshold, ...keys.toSorted(byBytes), keys.length, 'CHECKMULTISIG']);
}

/** or_d(multi, and_v(v:multi, older)) as miniscript compiles it (BIP-379). */
function recoveryScript(
  threshold: number,
  keys: readonly Uint8Array[],
  recovery: { recoveryThreshold: number; older: number },
  recoveryKeys: readonly Uint8Array[],
): ScriptType {
  return [
    threshold,
    ...keys,
    keys.length,
    'CHECKMULTISIG',
    'IFDUP',
    'NOTIF',
    recovery.recoveryThreshold,
    ...recoveryKeys,
    recoveryKeys.length,
    'CHECKMULTISIGVERIFY',
    recovery.older,
    'CHECKSEQUENCEVERIFY',
    'ENDIF',
  ];
}

function accountOf(xpub: string, network: Network): ChainPoint {
  const { publicKey, chainCode } = publicNode(xpub, network);
  invariant(publicKey !== null && chainCode !== null, 'an account node without point');
  return { publicKey, chainCode };
}

function libraryScript(descriptor: TreasuryDescriptor, branch: Branch, index: number): string {
  const { Output } = DescriptorsFactory();
  const text = descriptor.text
    .slice(0, descriptor.text.indexOf('#'))
    .replaceAll('<0;1>', branch.toString())
    .replaceAll('<2;3>', (branch + 2).toString());
  const output = new Output({ descriptor: text, index, network: descriptor.network.library });
  return bytesToHex(output.getScriptPubKey());
}

/** BIP-67: sorted as bytes. */
function byBytes(a: Uint8Array, b: Uint8Array): number {
  return bytesToHex(a) < bytesToHex(b) ? -1 : 1;
}
