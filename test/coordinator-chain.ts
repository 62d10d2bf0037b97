/**
 * A chain without a node, for tests that inject faults: a mempool with replacement by fee, blocks, and
 * blocks taken back. Where nothing is injected the real adapter is tested on real nodes.
 */
import { hexToBytes } from '@noble/hashes/utils.js';
import { RawTx } from '@scure/btc-signer/script.js';
import type {
  Acceptance,
  Chain,
  ChainView,
  SeenSpend,
  TreasuryCoin,
} from '../coordinator/chain.ts';
import type { Deriver } from '../descriptors/derive.ts';
import { parsePreviousTx } from '../descriptors/previous-tx.ts';
import { Failure } from '../policies/failure.ts';
import { type FeeRate, sat } from '../policies/units.ts';

interface Tx {
  txid: string;
  raw: string;
  outpoints: string[];
  outputs: { amountSat: bigint; script: string }[];
  feeSat: bigint;
}

export interface FakeChain extends Chain {
  /** Everything that was ever sent, in order, accepted or not. */
  sent: string[];
  estimate: FeeRate | null;
  /** What every call throws, until it is null again. */
  away: Failure | null;
  /** The next broadcasts are taken, and then nobody says so. */
  silent: number;
  /** Adds a transaction that pays us, in a block of its own. */
  fund(raw: Uint8Array): void;
  mine(count?: number): void;
  /** The last block is taken back, its transactions with it. */
  takeBack(): void;
  /** A transaction of a stranger with our keys, straight into a block. */
  confirmForeign(tx: { txid: string; outpoints: string[] }): void;
  forget(txid: string): void;
  mempool(): readonly string[];
  blocks(): readonly (readonly Tx[])[];
}

const INDEX_MAX = 60;

function hashOf(height: number): string {
  return height.toString(16).padStart(64, 'b');
}

export function fakeChain(deriver: Deriver, tipHeight: number): FakeChain {
  const start = tipHeight;
  const blocks: Tx[][] = [];
  let mempool: Tx[] = [];
  const known = (): { tx: Tx; height: number | null }[] => [
    ...blocks.flatMap((txs, at) => txs.map((tx) => ({ tx, height: start + at + 1 }))),
    ...mempool.map((tx) => ({ tx, height: null })),
  ];
  const tip = () => start + blocks.length;
  const spentBy = (outpoint: string, among: readonly Tx[]) =>
    among.find((tx) => tx.outpoints.includes(outpoint));
  const outputAt = (outpoint: string) => {
    const [txid = '', vout = '0'] = outpoint.split(':');
    return known().find(({ tx }) => tx.txid === txid)?.tx.outputs[Number.parseInt(vout, 10)];
  };
  const read = (raw: string): Tx => {
    const { txid, outputs } = parsePreviousTx(hexToBytes(raw));
    const outpoints = RawTx.decode(hexToBytes(raw)).inputs.map(
      ({ txid: from, index }) => `${Buffer.from(from).toString('hex')}:${index}`,
    );
    const paid = outputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
    const worth = outpoints.reduce((sum, each) => sum + (outputAt(each)?.amountSat ?? 0n), 0n);
    return { txid, raw, outpoints, outputs: [...outputs], feeSat: worth - paid };
  };

  function accept(raw: string): { outcome: Acceptance; tx: Tx; conflicts: Tx[] } {
    const tx = read(raw);
    const no = (reason: string) => ({
      outcome: { outcome: 'refused' as const, reason },
      tx,
      conflicts: [],
    });
    if (known().some(({ tx: { txid } }) => txid === tx.txid)) {
      return { outcome: { outcome: 'accepted' }, tx, conflicts: [] };
    }
    if (tx.outpoints.some((each) => outputAt(each) === undefined)) return no('missing-inputs');
    if (tx.outpoints.some((each) => spentBy(each, blocks.flat()) !== undefined)) {
      return no('missing-inputs');
    }
    const conflicts = mempool.filter(({ outpoints }) =>
      outpoints.some((each) => tx.outpoints.includes(each)),
    );
    if (conflicts.some(({ feeSat }) => tx.feeSat <= feeSat)) return no('insufficient fee');
    return { outcome: { outcome: 'accepted' }, tx, conflicts };
  }

  function answering<T>(work: () => T): Promise<T> {
    return chain.away === null
      ? new Promise((resolve) => resolve(work()))
      : Promise.reject(chain.away);
  }

  function viewNow(): ChainView {
    const all = known();
    const spent = new Set(all.flatMap(({ tx }) => tx.outpoints));
    const coins = all.flatMap(({ tx, height }) =>
      tx.outputs.flatMap(({ amountSat, script }, vout): TreasuryCoin[] => {
        const outpoint = `${tx.txid}:${vout}`;
        const place = deriver.find(script, INDEX_MAX);
        if (place === null || spent.has(outpoint)) return [];
        const confirmations = height === null ? 0 : tip() - height + 1;
        const coin = { outpoint, amountSat: sat(amountSat), script, confirmations };
        return [{ ...coin, ...place, coinbase: 'ordinary' }];
      }),
    );
    const spends = all
      .filter(({ tx }) => tx.outpoints.some((each) => outputAt(each) !== undefined))
      .map(
        ({ tx, height }): SeenSpend => ({
          txid: tx.txid,
          height,
          blockHash: height === null ? null : hashOf(height),
          outpoints: tx.outpoints,
        }),
      );
    const change = all.flatMap(({ tx }) =>
      tx.outputs.flatMap(({ script }) => {
        const place = deriver.find(script, INDEX_MAX);
        return place?.branch === 1 ? [place.index] : [];
      }),
    );
    return {
      tipHeight: tip(),
      tipHash: hashOf(tip()),
      sync: 'synced',
      coins,
      spends,
      estimate: chain.estimate,
      changeIndexUsed: Math.max(-1, ...change),
    };
  }

  const chain: FakeChain = {
    sent: [],
    estimate: 2_000n as FeeRate,
    away: null,
    silent: 0,
    identity: () =>
      answering(() => ({ genesisHash: '', tipHeight: tip(), version: '/Fake:1.0.0/' })),
    watch: () => answering(() => undefined),
    view: () => answering(viewNow),
    confirmedCoins: (outpoints) =>
      answering(() => {
        const confirmed = blocks.flat();
        return new Map(
          outpoints.flatMap((outpoint) => {
            const coin = outputAt(outpoint);
            const height = known().find(({ tx }) => tx.txid === outpoint.slice(0, 64))?.height;
            if (coin === undefined || height === null || height === undefined) return [];
            if (spentBy(outpoint, confirmed) !== undefined) return [];
            const found = {
              amountSat: sat(coin.amountSat),
              script: coin.script,
              confirmations: tip() - height + 1,
              coinbase: 'ordinary' as const,
            };
            return [[outpoint, found] as const];
          }),
        );
      }),
    previousTxs: (txids) =>
      answering(
        () =>
          new Map(
            txids.map((txid) => {
              const found = known().find(({ tx }) => tx.txid === txid);
              if (found === undefined) throw new Failure('NOT_FOUND', txid);
              return [txid, found.tx.raw];
            }),
          ),
      ),
    test: (raw) => answering(() => accept(raw).outcome),
    broadcast: (raw) =>
      answering(() => {
        const { outcome, tx, conflicts } = accept(raw);
        chain.sent.push(tx.txid);
        if (outcome.outcome === 'accepted' && !known().some((each) => each.tx.txid === tx.txid)) {
          mempool = [...mempool.filter((each) => !conflicts.includes(each)), tx];
        }
        if (chain.silent > 0) {
          chain.silent -= 1;
          throw new Failure('BROADCAST_OUTCOME_UNKNOWN', 'nobody said what became of it');
        }
        return outcome;
      }),
    fund(raw) {
      blocks.push([{ ...read(Buffer.from(raw).toString('hex')), outpoints: [] }]);
    },
    mine(count = 1) {
      for (let mined = 0; mined < count; mined += 1) {
        blocks.push(mempool);
        mempool = [];
      }
    },
    takeBack() {
      blocks.pop();
    },
    confirmForeign: ({ txid, outpoints }) => {
      blocks.push([{ txid, raw: '', outpoints, outputs: [], feeSat: 0n }]);
      mempool = mempool.filter((tx) => !tx.outpoints.some((each) => outpoints.includes(each)));
    },
    forget(txid) {
      mempool = mempool.filter((tx) => tx.txid !== txid);
    },
    mempool: () => mempool.map(({ txid }) => txid),
    blocks: () => blocks,
  };
  return chain;
}
