/** The coordinator's bitcoind: a watch-only wallet of the treasury, and the door to the network. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';
import { parsePreviousTx } from '../../descriptors/previous-tx.ts';
import { Failure } from '../../policies/failure.ts';
import type { FeeRate } from '../../policies/units.ts';
import { type WalletHistory, walletHistory } from '../../transport/bitcoind-history.ts';
import {
  atOneTip,
  feeEstimate,
  nodeIdentity,
  rawTx as rawTxOf,
  unlessUnknown,
  unspentCoins,
} from '../../transport/bitcoind-node.ts';
import {
  type BitcoindAddress,
  BitcoindRefusal,
  type BitcoindRpc,
  bitcoindRpc,
  rpcInteger,
} from '../../transport/bitcoind-rpc.ts';
import { type WatchedBranches, walletCoins, watchWallet } from '../../transport/bitcoind-wallet.ts';
import type { Acceptance, Chain, TreasuryCoin } from '../chain.ts';

export interface BitcoindChainOptions {
  address: BitcoindAddress;
  /** Name of the wallet on the node; made when it is not there. */
  wallet: string;
  /** Unix seconds of the treasury's beginning; 0 searches the whole chain for it. */
  birthTime: number;
  /** Where the node has no estimate. */
  fallbackFeerate: FeeRate | null;
}

interface Watched {
  wallet: BitcoindRpc;
  branches: WatchedBranches;
  history: WalletHistory;
  /** Whether a coin is a coinbase never changes. */
  coinbases: Map<string, TreasuryCoin['coinbase']>;
}

/** validation.cpp and txmempool: what testmempoolaccept says of a transaction that is in already. */
const IN_ALREADY = new Set(['txn-already-in-mempool', 'txn-already-known']);
/** rpc/protocol.h: RPC_VERIFY_ERROR, RPC_VERIFY_REJECTED, RPC_VERIFY_ALREADY_IN_UTXO_SET, RPC_DESERIALIZATION_ERROR. */
const VERIFY_ERROR = -25;
const VERIFY_REJECTED = -26;
const IN_UTXO_SET = -27;
const MALFORMED = -22;

const tested = z
  .array(z.object({ allowed: z.boolean(), 'reject-reason': z.string().optional() }))
  .length(1);

/** A chain over one node. `watch` comes first: everything about coins waits for it (NOT_READY). */
export function bitcoindChain(options: BitcoindChainOptions): Chain {
  const node = bitcoindRpc(options.address);
  let watched: Watched | null = null;
  const ready = (): Watched => {
    if (watched === null) throw new Failure('NOT_READY', 'no treasury is watched yet');
    return watched;
  };
  return {
    identity: () => nodeIdentity(node),
    async watch(branches) {
      const { address, birthTime } = options;
      const wallet = await watchWallet(address, { wallet: options.wallet, branches, birthTime });
      const history = walletHistory(wallet, branches);
      watched = { wallet, branches, history, coinbases: new Map() };
    },
    view: () =>
      atOneTip(node, async ({ tipHeight, tipHash, sync }) => {
        const treasury = ready();
        const coins = await coinsOf(node, treasury);
        // Read after the coins: one that was spent in between is left out, not shown twice.
        const spends = await treasury.history.spends();
        const spent = new Set(spends.flatMap(({ outpoints }) => outpoints));
        const change = spends.flatMap(({ outputs }) =>
          outputs.flatMap(({ place }) => (place?.branch === 1 ? [place.index] : [])),
        );
        return {
          tipHeight,
          tipHash,
          sync,
          coins: coins.filter(({ outpoint }) => !spent.has(outpoint)),
          spends: spends.map(({ txid, height, blockHash, outpoints }) => ({
            txid,
            height,
            blockHash,
            outpoints,
          })),
          estimate: (await feeEstimate(node)) ?? options.fallbackFeerate,
          changeIndexUsed: change.reduce((highest, index) => Math.max(highest, index), -1),
        };
      }),
    confirmedCoins: (outpoints) => unspentCoins(node, outpoints, 'chain'),
    async previousTxs(txids) {
      const { wallet } = ready();
      const found = await Promise.all(
        txids.map(async (txid) => [txid, await rawTxOf(wallet, txid)] as const),
      );
      return new Map(found.map(([txid, raw]) => [txid, present(txid, raw)]));
    },
    test: (rawTx) => testOn(ready().wallet, rawTx),
    broadcast: (rawTx) => broadcastOn(ready().wallet, rawTx),
  };
}

function present(txid: string, raw: string | null): string {
  if (raw === null) throw new Failure('NOT_FOUND', `the node has no transaction ${txid}`);
  return raw;
}

async function coinsOf(node: BitcoindRpc, treasury: Watched): Promise<TreasuryCoin[]> {
  const { wallet, branches, coinbases } = treasury;
  const coins = await walletCoins(wallet, branches);
  const unseen = coins.map(({ outpoint }) => outpoint).filter((each) => !coinbases.has(each));
  for (const [outpoint, { coinbase }] of await unspentCoins(node, unseen, 'mempool')) {
    coinbases.set(outpoint, coinbase);
  }
  return coins.flatMap(({ outpoint, amountSat, script, branch, index, confirmations }) => {
    const coinbase = coinbases.get(outpoint);
    // Spent between the two questions: not a coin any more.
    if (coinbase === undefined) return [];
    return [{ outpoint, amountSat, script, branch, index, confirmations, coinbase }];
  });
}

async function testOn(wallet: BitcoindRpc, rawTx: string): Promise<Acceptance> {
  const [answer] = await wallet.call('testmempoolaccept', [[rawTx]], tested);
  if (answer?.allowed === true) return { outcome: 'accepted' };
  const reason = answer?.['reject-reason'] ?? 'refused without a reason';
  if (IN_ALREADY.has(reason) || (await isConfirmed(wallet, rawTx))) return { outcome: 'accepted' };
  return { outcome: 'refused', reason };
}

/** A silent or garbled answer says nothing about what the node did with it: the outcome is unknown. */
async function broadcastOn(wallet: BitcoindRpc, rawTx: string): Promise<Acceptance> {
  try {
    await wallet.call('sendrawtransaction', [rawTx], z.string());
    return { outcome: 'accepted' };
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    if (!(cause instanceof BitcoindRefusal)) {
      throw new Failure('BROADCAST_OUTCOME_UNKNOWN', 'bitcoind did not say what became of it', {
        cause,
      });
    }
    if (cause.rpcCode === IN_UTXO_SET) return { outcome: 'accepted' };
    if (![VERIFY_ERROR, VERIFY_REJECTED, MALFORMED].includes(cause.rpcCode)) throw cause;
    if (cause.rpcCode !== MALFORMED && (await isConfirmed(wallet, rawTx))) {
      return { outcome: 'accepted' };
    }
    return { outcome: 'refused', reason: cause.message };
  }
}

/** One whose outputs are spent again looks like one whose inputs are missing: the wallet knows better. */
async function isConfirmed(wallet: BitcoindRpc, rawTx: string): Promise<boolean> {
  const { txid } = parsePreviousTx(hexToBytes(rawTx));
  const known = await unlessUnknown(
    wallet.call('gettransaction', [txid], z.object({ confirmations: rpcInteger })),
  );
  return known !== null && known.confirmations > 0;
}
