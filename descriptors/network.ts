/** The networks a treasury can live on: address prefix, extended-key version, genesis, coin type. */
import { HDKey } from '@scure/bip32';
import type { NetworkName } from '../policies/intent.ts';

export interface Network {
  name: NetworkName;
  /** Human-readable part of segwit addresses (BIP-173). */
  hrp: string;
  /** Hash of the genesis block (kernel/chainparams.cpp). */
  genesisHash: string;
  /** SLIP-44 coin type in BIP-48 paths. */
  coinType: 0 | 1;
  /** BIP-32 version bytes: xpub/xprv or tpub/tprv. */
  bip32: { public: number; private: number };
  /** What `@bitcoinerlab` and `bitcoinjs` call a network. */
  library: {
    messagePrefix: string;
    bech32: string;
    bip32: { public: number; private: number };
    pubKeyHash: number;
    scriptHash: number;
    wif: number;
  };
}

const MAIN = { public: 0x0488b21e, private: 0x0488ade4 };
const TEST = { public: 0x043587cf, private: 0x04358394 };

function network(name: NetworkName, hrp: string, genesisHash: string): Network {
  const main = name === 'bitcoin';
  const bip32 = main ? MAIN : TEST;
  return {
    name,
    hrp,
    genesisHash,
    coinType: main ? 0 : 1,
    bip32,
    library: {
      messagePrefix: '\u0018Bitcoin Signed Message:\n',
      bech32: hrp,
      bip32,
      pubKeyHash: main ? 0x00 : 0x6f,
      scriptHash: main ? 0x05 : 0xc4,
      wif: main ? 0x80 : 0xef,
    },
  };
}

export const NETWORKS: Record<NetworkName, Network> = {
  bitcoin: network(
    'bitcoin',
    'bc',
    '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
  ),
  signet: network(
    'signet',
    'tb',
    '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6',
  ),
  regtest: network(
    'regtest',
    'bcrt',
    '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
  ),
};

/** An account's public node. @throws when the text is no extended public key of this network. */
export function publicNode(xpub: string, of: Network): HDKey {
  const node = HDKey.fromExtendedKey(xpub, of.bip32);
  if (node.privateKey !== null) throw new Error('an extended private key');
  return node;
}
