/**
 * A Lightning node in memory for the pool's channels: reservations that a restart forgets, pending channels that
 * nothing forgets but an order, closes on a fake chain. It does what LND does where that is dangerous: it lets
 * a channel be forgotten without asking why.
 */
import { createHash } from 'node:crypto';
import { hexToBytes } from '@noble/hashes/utils.js';
import { addressOf } from '../descriptors/derive.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { parsePreviousTx, txidOf } from '../descriptors/previous-tx.ts';
import { decodePsbt } from '../descriptors/psbt.ts';
import { scriptOf } from '../operator/channels/address-script.ts';
import type {
  Channel,
  ChannelManager,
  ChannelOrder,
  ClosedChannel,
  CloseOutcome,
  InboundRules,
  NodeReader,
  PendingChannel,
} from '../operator/lightning.ts';
import { Failure } from '../policies/failure.ts';
import { msat, type Sat, sat } from '../policies/units.ts';
import { lndAddress, OWN_KEY, type Pool } from './channel-desk.ts';
import { closingTx, fundingTx } from './channel-txs.ts';
import { TIP } from './spend-scenario.ts';

/** A peer of the test world: whether it answers with its signature, and how it takes a channel. */
export type PeerMood = 'signs' | 'refuses' | 'silent';

interface Held {
  order: ChannelOrder;
  outpoint: string;
  txid: string;
  openedBy: 'us' | 'peer';
  localMsat: bigint;
  closeAddress: string | null;
  /** What the node was told, or did: txid of the closing transaction. */
  closeTxid: string | null;
  how: ClosedChannel['how'];
}

export interface FakeLnd {
  manager: ChannelManager;
  reader: Omit<NodeReader, 'forwards'>;
  moods: Map<string, PeerMood>;
  /** What the node was made to do, in order. */
  calls: string[];
  /** Every call throws it, until it is null. */
  away: Failure | null;
  /** Next answers to `close`, in order; then it closes. */
  closeAnswers: CloseOutcome[];
  /** The next close is done, and its answer is lost. */
  loseCloseAnswer: boolean;
  /**
   * The next verification is refused and goes on all the same, as LND does where its anchor reserve is missing
   * (lnwallet/wallet.go, PsbtFundingVerify): the channel is listed after so many looks.
   */
  refusesAndGoesOn: number | null;
  /** Upfront shutdown address that the node really gave peers; null: the one of the order. */
  betrays: string | null;
  /** In-memory reservations are gone; what was pending stays. */
  restart(): void;
  /** A peer opens a channel to us through the acceptor; null where it is refused. */
  peerOpens(peer: string, capacitySat: bigint): Promise<string | null>;
  /** Money moved in a channel: `msat` from us to the peer. */
  spend(outpoint: string, amountMsat: bigint): void;
  /** A close by somebody else. */
  closesByItself(outpoint: string, how: 'cooperative' | 'remote_force'): Promise<void>;
  held(): readonly Held[];
}

const RESERVE_SHARE = 100n;
export const COMMIT_FEE = 2_810n;
export const ANCHORS = 660n;
const CONFIRMATIONS = 3;
const CLOSE_FEE = 500n;
/** Where a force close pays: the node's own wallet. */
const FORCED = `0014${'66'.repeat(20)}`;

interface Reservation {
  id: string;
  order: ChannelOrder;
  script: string;
  verified: { txid: string; vout: number } | null;
}

function scriptFor(n: number): string {
  return `0020${createHash('sha256').update(`channel ${n}`).digest('hex')}`;
}

export function fakeLnd(desk: Pool): FakeLnd {
  const reserved = new Map<string, Reservation>();
  const held = new Map<string, Held>();
  let rules: InboundRules | null = null;
  let made = 0;
  let looksLeft = 0;

  const fresh = (): string =>
    createHash('sha256')
      .update(`pending ${(made += 1)}`)
      .digest('hex');
  const heightOf = (txid: string): number | null => {
    const at = desk.chain.blocks().findIndex((block) => block.some((tx) => tx.txid === txid));
    return at < 0 ? null : TIP + at + 1;
  };
  const depthOf = (txid: string): number => {
    const height = heightOf(txid);
    return height === null ? 0 : TIP + desk.chain.blocks().length - height + 1;
  };
  const isOpen = (each: Held): boolean => depthOf(each.txid) >= CONFIRMATIONS;
  const answer = <T>(work: () => T): Promise<T> =>
    lnd.away === null ? new Promise((resolve) => resolve(work())) : Promise.reject(lnd.away);

  /** Peers that sign make verified reservations pending, as the real thing does a moment later. */
  function settle(): void {
    if (looksLeft > 0) {
      looksLeft -= 1;
      return;
    }
    for (const { id, order, verified } of reserved.values()) {
      if (verified === null || lnd.moods.get(order.peer) !== 'signs') continue;
      const outpoint = `${verified.txid}:${verified.vout}`;
      held.set(outpoint, {
        order,
        outpoint,
        txid: verified.txid,
        openedBy: 'us',
        localMsat: (order.capacitySat - COMMIT_FEE - ANCHORS) * 1_000n,
        closeAddress: lnd.betrays ?? order.closeAddress,
        closeTxid: null,
        how: 'cooperative',
      });
      reserved.delete(id);
    }
  }

  function channelOf(each: Held): Channel {
    const ours = each.openedBy === 'us';
    const fees = COMMIT_FEE + ANCHORS;
    const remoteMsat = (each.order.capacitySat - fees) * 1_000n - each.localMsat;
    return {
      outpoint: each.outpoint,
      id: `${TIP + 1}x1x${each.outpoint.slice(65)}`,
      peer: each.order.peer,
      capacitySat: each.order.capacitySat,
      localMsat: msat((each.localMsat / 1_000n) * 1_000n),
      remoteMsat: msat((remoteMsat / 1_000n) * 1_000n),
      unsettledOutMsat: msat(0n),
      reserveSat: sat(each.order.capacitySat / RESERVE_SHARE),
      commitFeeSat: sat(COMMIT_FEE),
      openedBy: ours ? 'us' : 'peer',
      usable: 'active',
      announced: each.order.announced,
      closeAddress: each.closeAddress,
      updates: 0n,
      pendingHashes: [],
      incomingHtlcs: 0,
    };
  }

  function pendingOf(each: Held): PendingChannel {
    return {
      outpoint: each.outpoint,
      peer: each.order.peer,
      capacitySat: each.order.capacitySat,
      localSat: sat(each.localMsat / 1_000n),
      phase:
        each.closeTxid === null
          ? 'opening'
          : each.how === 'cooperative'
            ? 'waiting_close'
            : 'force_closing',
      closeTxid: each.closeTxid,
      blocksLeft: null,
    };
  }

  /** Coins at the node's own address, and what force closes brought it. */
  function walletSat(): bigint {
    const own = scriptOf(lndAddress(2), 'regtest');
    const outputs = desk.chain.blocks().flatMap((block) => block.flatMap((tx) => tx.outputs));
    const paid = outputs.filter(({ script }) => script === own || script === FORCED);
    return paid.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  }

  const isOver = (each: Held): boolean => each.closeTxid !== null && depthOf(each.closeTxid) > 0;

  async function closeNow(each: Held, how: Held['how']): Promise<string> {
    const amount = settledSat(each);
    const peerAmount = each.order.capacitySat - amount - CLOSE_FEE;
    const script =
      how === 'cooperative' && each.closeAddress !== null
        ? scriptOf(each.closeAddress, 'regtest')
        : FORCED;
    const raw = closingTx(each.outpoint, { script, amount }, peerAmount);
    const { txid } = parsePreviousTx(hexToBytes(raw));
    await desk.chain.broadcast(raw);
    each.closeTxid = txid;
    each.how = how;
    return txid;
  }

  const manager: ChannelManager = {
    connect: () => answer(() => undefined),
    openChannels: (orders) =>
      answer(() => {
        lnd.calls.push(`open ${orders.length}`);
        const no = orders.find(({ peer }) => lnd.moods.get(peer) === 'refuses');
        if (no !== undefined) {
          throw new Failure('REQUEST_REFUSED', `${no.peer}: number of pending channels exceed`);
        }
        return orders.map((order) => {
          const id = fresh();
          const script = scriptFor(made);
          reserved.set(id, { id, order, script, verified: null });
          const address = addressOf(script, NETWORKS.regtest) ?? '';
          return { pendingId: id, address, amountSat: order.capacitySat, peer: order.peer };
        });
      }),
    verifyFunding: (ids, psbt) =>
      answer(() => {
        lnd.calls.push('verify');
        const { unsignedTx, outputs } = decodePsbt(psbt);
        for (const id of ids) {
          const each = reserved.get(id);
          if (each === undefined || each.verified !== null) {
            throw new Failure('REQUEST_REFUSED', `no funding intent for ${id}`);
          }
          const vout = outputs.findIndex(
            ({ script, amountSat }) =>
              script === each.script && amountSat === each.order.capacitySat,
          );
          if (vout < 0) throw new Failure('REQUEST_REFUSED', 'the PSBT does not fund it');
          const txid = txidOf(unsignedTx);
          each.verified = { txid, vout };
        }
        if (lnd.refusesAndGoesOn !== null) {
          looksLeft = lnd.refusesAndGoesOn;
          lnd.refusesAndGoesOn = null;
          throw new Failure('LND_REFUSED', 'reserved wallet balance invalidated');
        }
        settle();
      }),
    cancelPending: (id) =>
      answer(() => {
        lnd.calls.push('cancel');
        // What was verified is out of its hands.
        if (reserved.get(id)?.verified === null) reserved.delete(id);
      }),
    forgetConflicted: ({ outpoint }) =>
      answer(() => {
        lnd.calls.push(`forget ${outpoint}`);
        held.delete(outpoint);
      }),
    async close({ outpoint, how }) {
      if (lnd.away !== null) throw lnd.away;
      lnd.calls.push(`close ${outpoint}`);
      const next = lnd.closeAnswers.shift();
      if (next !== undefined) return next;
      const each = held.get(outpoint);
      if (each === undefined) return { is: 'refused', why: 'not_found', detail: '' };
      const txid = await closeNow(each, how === 'force' ? 'local_force' : 'cooperative');
      if (!lnd.loseCloseAnswer) return { is: 'closing', txid };
      lnd.loseCloseAnswer = false;
      throw new Failure('LND_UNREACHABLE', 'the answer was lost');
    },
    accept: (given, signal) => {
      rules = given;
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    },
    backup: () =>
      answer(() => {
        lnd.calls.push('backup');
        const outpoints = [...held.keys()];
        return { multiHex: Buffer.from(outpoints.join()).toString('hex'), outpoints };
      }),
    verifyBackup: () => answer(() => true),
    walletAddress: () => answer(() => lndAddress(2)),
    setChannelFees: ({ outpoint, baseMsat, ratePpm }) =>
      answer(() => {
        lnd.calls.push(`fees ${outpoint} ${baseMsat} ${ratePpm}`);
      }),
    addWatchtower: (key) => answer(() => void lnd.calls.push(`tower ${key}`)),
  };

  const reader: FakeLnd['reader'] = {
    readInvoice: () => ({ field: 'invoice', rule: 'none here' }),
    standing: () =>
      answer(() => ({
        publicKey: OWN_KEY,
        alias: 'fake',
        version: '',
        network: 'regtest' as const,
        height: TIP + desk.chain.blocks().length,
        syncedToChain: true,
        latestBlockAtMs: 0,
      })),
    channels: () =>
      answer(() => {
        settle();
        return [...held.values()]
          .filter((each) => isOpen(each) && each.closeTxid === null)
          .map(channelOf);
      }),
    lostChannels: () => answer(() => []),
    pendingChannels: () =>
      answer(() => {
        settle();
        return [...held.values()]
          .filter((each) => (each.closeTxid === null ? !isOpen(each) : !isOver(each)))
          .map(pendingOf);
      }),
    closedChannels: () =>
      answer(() =>
        [...held.values()].filter(isOver).map(
          (each): ClosedChannel => ({
            outpoint: each.outpoint,
            peer: each.order.peer,
            closeTxid: each.closeTxid,
            closeHeight: heightOf(each.closeTxid ?? ''),
            settledSat: settledSat(each),
            how: each.how,
          }),
        ),
      ),
    balance: () =>
      answer(() => {
        const open = [...held.values()].filter((each) => isOpen(each) && each.closeTxid === null);
        const opening = [...held.values()].filter((each) => !isOpen(each));
        return {
          channelsMsat: msat(open.reduce((sum, { localMsat }) => sum + localMsat, 0n)),
          unsettledMsat: msat(0n),
          pendingOpenMsat: msat(opening.reduce((sum, { localMsat }) => sum + localMsat, 0n)),
          chainConfirmedSat: sat(walletSat()),
          chainUnconfirmedSat: sat(0n),
        };
      }),
  };

  const lnd: FakeLnd = {
    manager,
    reader,
    moods: new Map(),
    calls: [],
    away: null,
    closeAnswers: [],
    loseCloseAnswer: false,
    refusesAndGoesOn: null,
    betrays: null,
    restart: () => reserved.clear(),
    async peerOpens(peer, capacitySat) {
      const rule = rules?.peers.find(({ node }) => node === peer);
      if (rule === undefined || capacitySat < rule.minSat || capacitySat > rule.maxSat) return null;
      const closeAddress = (await rules?.closeAddressFor(peer)) ?? null;
      if (closeAddress === null) return null;
      const script = scriptFor((made += 1));
      const raw = fundingTx(made, script, capacitySat);
      desk.chain.fund(hexToBytes(raw));
      const { txid } = parsePreviousTx(hexToBytes(raw));
      const order = {
        peer,
        capacitySat: sat(capacitySat),
        closeAddress,
        announced: 'public' as const,
      };
      const outpoint = `${txid}:0`;
      held.set(outpoint, {
        order,
        outpoint,
        txid,
        openedBy: 'peer',
        localMsat: 0n,
        closeAddress: lnd.betrays ?? closeAddress,
        closeTxid: null,
        how: 'cooperative',
      });
      return outpoint;
    },
    spend(outpoint, amountMsat) {
      const each = held.get(outpoint);
      if (each !== undefined) each.localMsat -= amountMsat;
    },
    async closesByItself(outpoint, how) {
      const each = held.get(outpoint);
      if (each !== undefined) await closeNow(each, how);
    },
    held: () => [...held.values()],
  };
  return lnd;
}

/** What the output to us pays: its opener bears what a close costs (BOLT 2). */
function settledSat({ localMsat, openedBy }: Held): Sat {
  const local = localMsat / 1_000n;
  if (openedBy === 'peer') return sat(local);
  const ours = local + COMMIT_FEE + ANCHORS;
  return sat(ours > CLOSE_FEE ? ours - CLOSE_FEE : 0n);
}
