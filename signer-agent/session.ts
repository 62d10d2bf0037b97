/**
 * What a running agent holds in its hands and may lose at any moment: its door to the coordinator, parcels,
 * what peers acknowledged, the wallet it watches. All of it is asked for again after a restart.
 */

import { hexToBytes } from '@noble/hashes/utils.js';
import type { CoordinatorService } from '../coordinator/protocol.ts';
import { type Deriver, makeDeriver } from '../descriptors/derive.ts';
import { branchDescriptor, parseTreasuryDescriptor } from '../descriptors/descriptor.ts';
import { NETWORKS } from '../descriptors/network.ts';
import { psbtBytes } from '../descriptors/psbt.ts';
import { Failure } from '../policies/failure.ts';
import type { Acknowledgement } from '../policies/proposal.ts';
import { walletRecordHash } from '../policies/wallet-record.ts';
import type { Engine } from './engine.ts';
import type { ChainView, JudgeInput, PinnedWallet } from './judgement.ts';
import type { LightningSeen } from './lightning-view.ts';
import { acknowledgementsHere } from './log-follow.ts';
import { makePace, type Pace } from './turns.ts';

export type Parcel = JudgeInput['parcel'];

/** Parcels kept at once: a treasury has few live proposals, each is asked for again when it is needed. */
const PARCELS_MAX = 16;
/** What does not work when the pool's Lightning node is silent. */
const LIGHTNING = 'Lightning node';

export interface Session {
  engine: Engine;
  /** @throws Failure NOT_READY before this agent was invited. */
  door(): CoordinatorService;
  /** The wallet this guardian confirmed, its MAC checked at every use. Null before. */
  pinned(): PinnedWallet | null;
  /** Scripts of the pinned descriptor. @throws Failure NOT_READY before a wallet is pinned. */
  deriver(): Deriver;
  /** @throws Failure of the coordinator, PSBT_INVALID */
  parcel(proposalId: string): Promise<Parcel>;
  forgetParcel(proposalId: string): void;
  /** Of this very log, each by its seat. */
  acknowledgements(): readonly Acknowledgement[];
  /** All that the coordinator passed on, for the judge, who believes none unseen. */
  heard(): readonly Acknowledgement[];
  hear(values: readonly Acknowledgement[]): void;
  /** Null where this agent has no node. @throws Failure BITCOIND_… when it has one that does not answer. */
  chain(outpoints: readonly string[]): Promise<ChainView | null>;
  /** A look at the pool's Lightning node: one that does not answer is `silent`, and a trouble. */
  lightning(): Promise<LightningSeen>;
  isDue: Pace;
  /** What went wrong last, by what was tried; a success takes it away. */
  troubles: Map<string, Failure>;
  /**
   * Runs work; a Failure becomes the trouble of that name. A journal that does not take writes, and
   * anything that is no Failure, is thrown on.
   */
  trying: (name: string, work: () => Promise<void>) => Promise<void>;
}

export function openSession(
  engine: Engine,
  openDoor: (engine: Engine) => CoordinatorService,
): Session {
  let door: CoordinatorService | null = null;
  let heard: readonly Acknowledgement[] = [];
  let watched: string | null = null;
  let derived: { text: string; deriver: Deriver } | null = null;
  const parcels = new Map<string, Parcel>();
  const troubles = new Map<string, Failure>();

  const pinned = (): PinnedWallet | null => pinnedWallet(engine);
  const deriver = (): Deriver => {
    const wallet = requireWallet(pinned());
    const { descriptor, params } = wallet.record;
    if (derived?.text !== descriptor) {
      const parsed = parseTreasuryDescriptor(descriptor, NETWORKS[params.network]);
      derived = { text: descriptor, deriver: makeDeriver(parsed) };
    }
    return derived.deriver;
  };
  return {
    engine,
    door: () => (door ??= openDoor(engine)),
    pinned,
    deriver,
    async parcel(proposalId) {
      const known = parcels.get(proposalId);
      if (known !== undefined) return known;
      door ??= openDoor(engine);
      const { psbt, previousTxs } = await door.parcel(proposalId);
      const parcel = {
        psbt: psbtBytes(psbt),
        previousTxs: previousTxs.map((raw) => hexToBytes(raw)),
      };
      const oldest = parcels.keys().next().value;
      if (parcels.size >= PARCELS_MAX && oldest !== undefined) parcels.delete(oldest);
      parcels.set(proposalId, parcel);
      return parcel;
    },
    forgetParcel: (proposalId) => void parcels.delete(proposalId),
    acknowledgements: () => acknowledgementsHere(engine.state(), heard),
    heard: () => heard,
    hear: (values) => void (heard = values),
    async chain(outpoints) {
      const { node } = engine.parts;
      if (node === null) return null;
      const { descriptor } = deriver();
      if (watched !== descriptor.text) {
        await node.watch({
          receive: branchDescriptor(descriptor, 0),
          change: branchDescriptor(descriptor, 1),
        });
        watched = descriptor.text;
      }
      return node.view(outpoints);
    },
    lightning: () => lookAtLightning(engine, troubles),
    isDue: makePace(),
    troubles,
    async trying(name, work) {
      try {
        await work();
        troubles.delete(name);
      } catch (cause) {
        // What is on disk is unknown until it is opened again: this process has to end.
        if (!(cause instanceof Failure) || cause.code === 'JOURNAL_LOCKED') throw cause;
        troubles.set(name, cause);
      }
    },
  };
}

async function lookAtLightning(
  { parts: { lightning } }: Engine,
  troubles: Map<string, Failure>,
): Promise<LightningSeen> {
  if (lightning === null) return { is: 'none' };
  try {
    const [pending, active] = await Promise.all([
      lightning.pendingChannels(),
      lightning.activeChannels(),
    ]);
    troubles.delete(LIGHTNING);
    return { is: 'seen', pending: byOutpoint(pending), active: byOutpoint(active) };
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    troubles.set(LIGHTNING, cause);
    return { is: 'silent' };
  }
}

function byOutpoint<T extends { outpoint: string }>(channels: readonly T[]): Map<string, T> {
  return new Map(channels.map((each) => [each.outpoint, each]));
}

/** @throws Failure NOT_READY */
export function requireWallet(pinned: PinnedWallet | null): PinnedWallet {
  if (pinned === null) throw new Failure('NOT_READY', 'no wallet is confirmed here yet: accept it');
  return pinned;
}

/** The record from the own journal, believed only under the own MAC (B1). */
function pinnedWallet({ state, parts, seatId }: Engine): PinnedWallet | null {
  const { pinned, keyRecord } = state();
  if (pinned === null) return null;
  const { record, mac } = pinned;
  return {
    record,
    recordHash: walletRecordHash(record),
    seatId: seatId(),
    ownXpub: parts.keystore.account?.xpub ?? keyRecord?.body.xpub ?? '',
    integrity: parts.keystore.macOf(record) === mac ? 'mac-ok' : 'mac-wrong',
  };
}
