/** What any bitcoind says of the chain, in our units: tip, forks, coins, estimates, raw transactions. */
import { z } from 'zod';
import { Failure } from '../policies/failure.ts';
import { type FeeRate, feerate, type Sat } from '../policies/units.ts';
import { BitcoindRefusal, type BitcoindRpc, btcAmount, rpcInteger } from './bitcoind-rpc.ts';

export interface NodeIdentity {
  /** Hash of block 0. */
  genesisHash: string;
  tipHeight: number;
  /** As the node names itself, e.g. `/Satoshi:29.0.0/`. */
  version: string;
}

export interface NodeTip {
  tipHeight: number;
  tipHash: string;
  /** Median time of the last eleven blocks, unix seconds (BIP-113). */
  medianTime: number;
  sync: 'synced' | 'syncing';
}

/** A coin of the node's own set of unspent outputs, whoever owns it. */
export interface UnspentCoin {
  amountSat: Sat;
  /** scriptPubKey, hex. */
  script: string;
  confirmations: number;
  coinbase: 'coinbase' | 'ordinary';
}

/** `RPC_INVALID_ADDRESS_OR_KEY` (rpc/protocol.h): no such transaction or block. */
export const NO_SUCH_THING = -5;
/** Blocks whose headers are here but not they: one is on its way all the time, more is a node behind. */
const BEHIND_BLOCKS_MAX = 1;
/** Target of the estimate: an hour. */
const ESTIMATE_BLOCKS = 6;
/** A tip that moves more often than this during one reading is a node catching up. */
const READ_TRIES_MAX = 5;
/** How long a fork counts: a day of blocks. */
const FORK_MEMORY_BLOCKS = 144;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const hex = z.string().regex(/^([0-9a-f]{2})+$/);
const chainInfo = z.object({
  blocks: rpcInteger,
  headers: rpcInteger,
  bestblockhash: hash,
  mediantime: rpcInteger,
  initialblockdownload: z.boolean(),
});
const txOut = z
  .object({
    confirmations: rpcInteger,
    value: btcAmount,
    scriptPubKey: z.object({ hex: z.string() }),
    coinbase: z.boolean(),
  })
  .nullable();
const chainTips = z.array(
  z.object({ height: rpcInteger, branchlen: rpcInteger, status: z.string() }),
);

export async function nodeIdentity(node: BitcoindRpc): Promise<NodeIdentity> {
  const [genesisHash, tipHeight, network] = await Promise.all([
    node.call('getblockhash', [0], hash),
    node.call('getblockcount', [], rpcInteger),
    node.call('getnetworkinfo', [], z.object({ subversion: z.string() })),
  ]);
  return { genesisHash, tipHeight, version: network.subversion };
}

export async function nodeTip(node: BitcoindRpc): Promise<NodeTip> {
  const info = await node.call('getblockchaininfo', [], chainInfo);
  const behind = info.headers - info.blocks > BEHIND_BLOCKS_MAX;
  return {
    tipHeight: info.blocks,
    tipHash: info.bestblockhash,
    medianTime: info.mediantime,
    sync: info.initialblockdownload || behind ? 'syncing' : 'synced',
  };
}

/**
 * Reads under one tip: again from the start when a block came in between.
 *
 * @throws Failure NOT_READY when blocks come faster than the reading.
 */
export async function atOneTip<T>(
  node: BitcoindRpc,
  read: (tip: NodeTip) => Promise<T>,
): Promise<T> {
  for (let tries = 0; tries < READ_TRIES_MAX; tries += 1) {
    const tip = await nodeTip(node);
    const answer = await read(tip);
    if ((await node.call('getbestblockhash', [], hash)) === tip.tipHash) return answer;
  }
  throw new Failure('NOT_READY', 'blocks come faster than bitcoind can be read');
}

/**
 * Blocks that the deepest reorganisation of the last FORK_MEMORY_BLOCKS took back: the node remembers a
 * branch it once followed, also over a restart (`valid-fork`, rpc/blockchain.cpp getchaintips).
 */
export async function reorgDepth(node: BitcoindRpc, tipHeight: number): Promise<number> {
  const tips = await node.call('getchaintips', [], chainTips);
  return tips
    .filter(
      ({ status, height }) => status === 'valid-fork' && height > tipHeight - FORK_MEMORY_BLOCKS,
    )
    .reduce((deepest, { branchlen }) => Math.max(deepest, branchlen), 0);
}

/** `chain`: the mempool left aside. `mempool`: what it spends is gone, what it makes has 0 confirmations. */
export async function unspentCoin(
  node: BitcoindRpc,
  outpoint: string,
  seenBy: 'chain' | 'mempool',
): Promise<UnspentCoin | null> {
  const [txid = '', vout = ''] = outpoint.split(':');
  const place = [txid, Number.parseInt(vout, 10), seenBy === 'mempool'];
  const found = await node.call('gettxout', place, txOut);
  return found === null
    ? null
    : {
        amountSat: found.value,
        script: found.scriptPubKey.hex,
        confirmations: found.confirmations,
        coinbase: found.coinbase ? 'coinbase' : 'ordinary',
      };
}

/** Those of the outpoints that are unspent. */
export async function unspentCoins(
  node: BitcoindRpc,
  outpoints: readonly string[],
  seenBy: 'chain' | 'mempool',
): Promise<ReadonlyMap<string, UnspentCoin>> {
  const found = await Promise.all(
    outpoints.map(
      async (outpoint) => [outpoint, await unspentCoin(node, outpoint, seenBy)] as const,
    ),
  );
  return new Map(found.flatMap(([outpoint, coin]) => (coin === null ? [] : [[outpoint, coin]])));
}

/** The node's own estimate, or null where it has seen too little. */
export async function feeEstimate(node: BitcoindRpc): Promise<FeeRate | null> {
  const answer = await node.call(
    'estimatesmartfee',
    [ESTIMATE_BLOCKS],
    z.object({ feerate: btcAmount.optional() }),
  );
  return answer.feerate === undefined ? null : feerate(answer.feerate);
}

/** A transaction in hex: of the wallet, else of the mempool or the index, where the node keeps one. */
export async function rawTx(wallet: BitcoindRpc, txid: string): Promise<string | null> {
  const mine = await unlessUnknown(wallet.call('gettransaction', [txid], z.object({ hex })));
  if (mine !== null) return mine.hex;
  return unlessUnknown(wallet.call('getrawtransaction', [txid], hex));
}

/** Null where the node knows no such thing; every other refusal passes. */
export async function unlessUnknown<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof BitcoindRefusal && cause.rpcCode === NO_SUCH_THING) return null;
    throw cause;
  }
}
