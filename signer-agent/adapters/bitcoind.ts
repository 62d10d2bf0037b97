/** The agent's own bitcoind, with a watch-only wallet of its own: what D5, E1, H7 and K3 are judged by. */
import { Failure } from '../../policies/failure.ts';
import { sumSat } from '../../policies/units.ts';
import {
  type WalletHistory,
  type WalletSpend,
  walletHistory,
} from '../../transport/bitcoind-history.ts';
import {
  atOneTip,
  feeEstimate,
  nodeIdentity,
  rawTx,
  reorgDepth,
  unspentCoins,
} from '../../transport/bitcoind-node.ts';
import {
  type BitcoindAddress,
  type BitcoindRpc,
  bitcoindRpc,
} from '../../transport/bitcoind-rpc.ts';
import { type WatchedBranches, walletCoins, watchWallet } from '../../transport/bitcoind-wallet.ts';
import type { OwnNode } from '../own-node.ts';

export interface OwnNodeOptions {
  address: BitcoindAddress;
  /** Name of the wallet on the node; made when it is not there. */
  wallet: string;
  /** Unix seconds of the treasury's beginning; 0 searches the whole chain for it. */
  birthTime: number;
}

interface Watched {
  wallet: BitcoindRpc;
  branches: WatchedBranches;
  history: WalletHistory;
}

/** The agent's eyes. `watch` comes first: everything about coins waits for it (NOT_READY). */
export function ownBitcoind({ address, wallet: name, birthTime }: OwnNodeOptions): OwnNode {
  const node = bitcoindRpc(address);
  let watched: Watched | null = null;
  const ready = (): Watched => {
    if (watched === null) throw new Failure('NOT_READY', 'no treasury is watched yet');
    return watched;
  };
  return {
    identity: () => nodeIdentity(node),
    async watch(branches) {
      const wallet = await watchWallet(address, { wallet: name, branches, birthTime });
      watched = { wallet, branches, history: walletHistory(wallet, branches) };
    },
    view: (outpoints) =>
      atOneTip(node, async (tip) => {
        const { wallet, branches, history } = ready();
        const [coins, mine, depth, estimate] = await Promise.all([
          unspentCoins(node, outpoints, 'mempool'),
          walletCoins(wallet, branches),
          reorgDepth(node, tip.tipHeight),
          feeEstimate(node),
        ]);
        // Read last: a spend that came in between is seen, whatever was said of its coins.
        const spends = await history.spends();
        return {
          ...tip,
          reorgDepth: depth,
          coins,
          spends: spends.map(({ txid, height, outpoints: spent }) => ({
            txid,
            height,
            outpoints: spent,
          })),
          estimate,
          // A stranger's unconfirmed payment is not money yet: shares of the treasury are of what is safe.
          treasurySat: sumSat(
            mine.filter(({ safety }) => safety === 'safe').map(({ amountSat }) => amountSat),
          ),
          changeIndexUsed: changeIndexUsed(spends),
          paidScripts: paidScripts(spends),
        };
      }),
    async coins() {
      const { wallet, branches } = ready();
      return walletCoins(wallet, branches);
    },
    rawTx: (txid) => rawTx(ready().wallet, txid),
  };
}

/**
 * Only change of the treasury's own spends counts: anybody who knows the descriptor could pay to a change
 * address far ahead, and push the next index out of reach of an ordinary recovery (E1).
 */
function changeIndexUsed(spends: readonly WalletSpend[]): number {
  return spends
    .flatMap(({ outputs }) => outputs)
    .reduce(
      (highest, { place }) => (place?.branch === 1 ? Math.max(highest, place.index) : highest),
      -1,
    );
}

/** Whom the treasury paid in a block: an unconfirmed payment makes nobody known. */
function paidScripts(spends: readonly WalletSpend[]): ReadonlySet<string> {
  return new Set(
    spends
      .filter(({ height }) => height !== null)
      .flatMap(({ outputs }) =>
        outputs.flatMap((each) => (each.place === null ? [each.script] : [])),
      ),
  );
}
