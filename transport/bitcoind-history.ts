/**
 * Every transaction that spends coins of a watch-only wallet, as its node sees it now. What is buried deep
 * is read once; if even that is reorganised away, everything is read again.
 */
import { z } from 'zod';
import type { Sat } from '../policies/units.ts';
import { unlessUnknown } from './bitcoind-node.ts';
import { type BitcoindRpc, btcAmount, rpcInteger } from './bitcoind-rpc.ts';
import { type WalletPlace, type WatchedBranches, walletPlace } from './bitcoind-wallet.ts';

export interface SpendOutput {
  script: string;
  amountSat: Sat;
  /** Where it is in the descriptor, or null: it pays somebody else. */
  place: WalletPlace | null;
}

export interface WalletSpend {
  txid: string;
  /** Both null while it is in the mempool only. */
  height: number | null;
  blockHash: string | null;
  /** Of all its inputs. */
  outpoints: readonly string[];
  outputs: readonly SpendOutput[];
}

export interface WalletHistory {
  /** In no order. What is in neither mempool nor best chain is left out. */
  spends(): Promise<readonly WalletSpend[]>;
}

/** From here on a spend is not asked for again; deeper than any reorganisation a policy tolerates. */
const SETTLED_DEPTH = 100;

const listed = z.object({
  transactions: z.array(
    z.object({
      txid: z.string().regex(/^[0-9a-f]{64}$/),
      category: z.string(),
      vout: rpcInteger,
      address: z.string().optional(),
      confirmations: rpcInteger,
      blockhash: z.string().optional(),
      blockheight: rpcInteger.optional(),
    }),
  ),
  lastblock: z.string(),
});
const detailed = z.object({
  decoded: z.object({
    vin: z.array(z.object({ txid: z.string().optional(), vout: rpcInteger.optional() })),
    vout: z.array(z.object({ value: btcAmount, scriptPubKey: z.object({ hex: z.string() }) })),
  }),
});
const addressed = z.object({ desc: z.string().optional(), parent_desc: z.string().optional() });

type Row = z.infer<typeof listed>['transactions'][number];
type Rows = [Row, ...Row[]];
type Content = Pick<WalletSpend, 'outpoints' | 'outputs'>;

interface Settled {
  /** Block up to which everything is in `spends`; empty for the beginning. */
  blockHash: string;
  spends: readonly WalletSpend[];
  /** Contents of what is younger: a transaction's bytes never change. */
  contents: ReadonlyMap<string, Content>;
}
const NOTHING: Settled = { blockHash: '', spends: [], contents: new Map() };

/** Keeps every spend in memory, some hundred bytes for each output ever paid. */
export function walletHistory(wallet: BitcoindRpc, branches: WatchedBranches): WalletHistory {
  let settled = NOTHING;
  return {
    async spends() {
      const from = (await isInBestChain(wallet, settled.blockHash)) ? settled : NOTHING;
      // Change is listed too: a spend that pays nobody else would not show up otherwise.
      const params = [from.blockHash, SETTLED_DEPTH, true, false, true];
      const { transactions, lastblock } = await wallet.call('listsinceblock', params, listed);
      const contents = new Map(from.contents);
      const young: (WalletSpend & { confirmations: number })[] = [];
      for (const [txid, rows] of spendRows(transactions)) {
        const { confirmations, blockhash, blockheight } = rows[0];
        if (confirmations === 0 && !(await isInMempool(wallet, txid))) continue;
        const content = contents.get(txid) ?? (await contentOf(wallet, txid, rows, branches));
        contents.set(txid, content);
        const height = blockheight ?? null;
        young.push({ txid, height, blockHash: blockhash ?? null, confirmations, ...content });
      }
      settled = settledWith(from, young, contents, lastblock);
      return [...from.spends, ...young.map(withoutDepth)];
    },
  };
}

/** Rows by transaction, of those that take something from the wallet and stand in no conflict. */
function spendRows(rows: readonly Row[]): ReadonlyMap<string, Rows> {
  const byTxid = new Map<string, Rows>();
  for (const row of rows) {
    const group = byTxid.get(row.txid);
    if (group === undefined) byTxid.set(row.txid, [row]);
    else group.push(row);
  }
  return new Map(
    [...byTxid].filter(([, group]) =>
      group.some(({ category, confirmations }) => category === 'send' && confirmations >= 0),
    ),
  );
}

async function contentOf(
  wallet: BitcoindRpc,
  txid: string,
  rows: Rows,
  branches: WatchedBranches,
): Promise<Content> {
  const { decoded } = await wallet.call('gettransaction', [txid, true, true], detailed);
  const places = new Map<number, WalletPlace>();
  for (const { category, vout, address } of rows) {
    if (category !== 'receive' || address === undefined) continue;
    const { desc = '', parent_desc } = await wallet.call('getaddressinfo', [address], addressed);
    const parents = parent_desc === undefined ? [] : [parent_desc];
    places.set(vout, walletPlace(desc, parents, branches));
  }
  return {
    outpoints: decoded.vin.flatMap((input) =>
      input.txid === undefined ? [] : [`${input.txid}:${input.vout ?? 0}`],
    ),
    outputs: decoded.vout.map(({ value, scriptPubKey }, vout) => ({
      script: scriptPubKey.hex,
      amountSat: value,
      place: places.get(vout) ?? null,
    })),
  };
}

function settledWith(
  from: Settled,
  young: readonly (WalletSpend & { confirmations: number })[],
  contents: ReadonlyMap<string, Content>,
  blockHash: string,
): Settled {
  const buried = young.filter(({ confirmations }) => confirmations >= SETTLED_DEPTH);
  const left = young.filter((each) => !buried.includes(each));
  return {
    blockHash,
    spends: [...from.spends, ...buried.map(withoutDepth)],
    contents: new Map(
      left.flatMap(({ txid }) => {
        const content = contents.get(txid);
        return content === undefined ? [] : [[txid, content]];
      }),
    ),
  };
}

function withoutDepth({ txid, height, blockHash, outpoints, outputs }: WalletSpend): WalletSpend {
  return { txid, height, blockHash, outpoints, outputs };
}

async function isInMempool(wallet: BitcoindRpc, txid: string): Promise<boolean> {
  return (await unlessUnknown(wallet.call('getmempoolentry', [txid], z.unknown()))) !== null;
}

async function isInBestChain(wallet: BitcoindRpc, blockHash: string): Promise<boolean> {
  if (blockHash === '') return true;
  const header = await unlessUnknown(
    wallet.call('getblockheader', [blockHash], z.object({ confirmations: rpcInteger })),
  );
  return header !== null && header.confirmations > 0;
}
