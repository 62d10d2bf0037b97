/**
 * Scripts and addresses of a treasury descriptor. A deriver keeps the branch points of each key, so
 * that one more index costs one curve addition per key; at its making it is compared with
 * `@bitcoinerlab/descriptors`, which compiles the same descriptor in its own way.
 */
import { DescriptorsFactory } from '@bitcoinerlab/descriptors';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { bech32, createBase58check } from '@scure/base';
import { Script, type ScriptType } from '@scure/btc-signer';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import { invariant } from '../policies/failure.ts';
import { type ChainPoint, checkBulkCurve, childPoint, childPointsOf } from './bulk-curve.ts';
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

/** What every place of a treasury pays to: nothing else needs to be looked for. */
const P2WSH = /^0020[0-9a-f]{64}$/;

/** @throws BrokenInvariant when two ways of deriving disagree. */
export function makeDeriver(
  descriptor: TreasuryDescriptor,
  placesKeptMax = PLACES_KEPT_MAX,
): Deriver {
  checkBulkCurve();
  const accounts = descriptor.keys.map((key) => accountOf(key.xpub, descriptor.network));
  const branches = [0, 1, 2, 3].map((branch) =>
    accounts.map((point) => childPointsOf(childPoint(point, branch))),
  );
  const places = new Map<string, DerivedScript>();
  const byScript = new Map<string, { branch: Branch; index: number }>();
  let scanned = -1;

  function at(branch: Branch, index: number): DerivedScript {
    const key = `${branch}/${index}`;
    const known = places.get(key);
    if (known !== undefined) return known;
    const place = derive(descriptor, branches, branch, index);
    if (places.size < placesKeptMax) {
      places.set(key, place);
      byScript.set(place.script, { branch, index });
    }
    return place;
  }

  const deriver: Deriver = {
    descriptor,
    at,
    address: (branch, index) => addressOf(at(branch, index).script, descriptor.network) ?? '',
    find(script, indexMax) {
      if (!P2WSH.test(script)) return null;
      const within = () => {
        const found = byScript.get(script);
        return found !== undefined && found.index <= indexMax ? found : null;
      };
      let found = within();
      for (; found === null && scanned < indexMax; scanned += 1) {
        const index = scanned + 1;
        // Remembered even where `places` is full: hints of others must not blind this search.
        for (const branch of [0, 1] as const)
          byScript.set(at(branch, index).script, { branch, index });
        found = within();
      }
      return found;
    },
  };
  for (const branch of [0, 1] as const) {
    const compiled = libraryScript(descriptor, branch, 0);
    invariant(at(branch, 0).script === compiled, 'two compilers disagree on this descriptor');
  }
  return deriver;
}

/**
 * Address of a scriptPubKey in hex, or null for a script that has none. The common forms are written here
 * (BIP-173, and base58check as of old); the library tries every form there is, and is left the others.
 */
export function addressOf(script: string, network: Network): string | null {
  const { library } = network;
  const [, program] = V0_PROGRAM.exec(script) ?? [];
  if (program !== undefined) {
    return bech32.encode(library.bech32, [0, ...bech32.toWords(hexToBytes(program))]);
  }
  const [, keyHash, scriptHash] = OLD_FORMS.exec(script) ?? [];
  if (keyHash !== undefined) return base58Of(library.pubKeyHash, keyHash);
  if (scriptHash !== undefined) return base58Of(library.scriptHash, scriptHash);
  try {
    return Address({ ...library }).encode(OutScript.decode(hexToBytes(script)));
  } catch {
    // Not one of the standard forms: it has no address.
    return null;
  }
}

/** P2WPKH and P2WSH. */
const V0_PROGRAM = /^00(?:14(?=.{40}$)|20(?=.{64}$))([0-9a-f]+)$/;
/** P2PKH and P2SH. */
const OLD_FORMS = /^(?:76a914([0-9a-f]{40})88ac|a914([0-9a-f]{40})87)$/;
const base58check = createBase58check(sha256);

function base58Of(version: number, hash: string): string {
  return base58check.encode(Uint8Array.from([version, ...hexToBytes(hash)]));
}

function derive(
  descriptor: TreasuryDescriptor,
  branches: readonly (readonly ((index: number) => ChainPoint)[])[],
  branch: Branch,
  index: number,
): DerivedScript {
  const keysAt = (place: number) =>
    (branches[place] ?? []).map((childAt) => childAt(index).publicKey);
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
