/** The pool's own bitcoind, asked by hash and height so that it needs no index. */
import { z } from 'zod';
import { Failure } from '../../policies/failure.ts';
import {
  feeEstimate,
  nodeIdentity,
  nodeTip,
  unlessUnknown,
  unspentCoin,
} from '../../transport/bitcoind-node.ts';
import {
  type BitcoindAddress,
  BitcoindRefusal,
  bitcoindRpc,
  rpcInteger,
} from '../../transport/bitcoind-rpc.ts';
import type { ChainPort } from '../chain.ts';

/** `RPC_INVALID_PARAMETER` (rpc/protocol.h): a height beyond the tip. */
const NO_SUCH_HEIGHT = -8;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const hex = z.string().regex(/^([0-9a-f]{2})+$/);
const minedTx = z.object({
  hex,
  in_active_chain: z.boolean(),
  confirmations: rpcInteger.optional(),
});
const mempoolEntry = z.object({ vsize: rpcInteger });

/** @throws Failure NETWORK_MISMATCH when the node is on another chain than the pool */
export async function bitcoindChain(
  address: BitcoindAddress,
  genesisHash: string,
): Promise<ChainPort> {
  const node = bitcoindRpc(address);
  const identity = await nodeIdentity(node);
  if (identity.genesisHash !== genesisHash) {
    throw new Failure('NETWORK_MISMATCH', 'bitcoind is on another network than the pool');
  }
  return {
    async tip() {
      const { tipHeight, sync } = await nodeTip(node);
      return { height: tipHeight, sync };
    },
    output: (outpoint) => unspentCoin(node, outpoint, 'mempool'),
    async minedAt(txid, height) {
      const blockHash = await unlessBeyond(node.call('getblockhash', [height], hash));
      if (blockHash === null) return null;
      const found = await unlessUnknown(
        node.call('getrawtransaction', [txid, true, blockHash], minedTx),
      );
      return found === null || !found.in_active_chain || found.confirmations === undefined
        ? null
        : { rawTx: found.hex, confirmations: found.confirmations };
    },
    async inMempool(txid) {
      // With an index the node would also give what is mined.
      const entry = await unlessUnknown(node.call('getmempoolentry', [txid], mempoolEntry));
      return entry === null ? null : unlessUnknown(node.call('getrawtransaction', [txid], hex));
    },
    feeEstimate: () => feeEstimate(node),
  };
}

async function unlessBeyond<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof BitcoindRefusal && cause.rpcCode === NO_SUCH_HEIGHT) return null;
    throw cause;
  }
}
