/** What the node last said of itself, and of what its channels can send. One poller; everybody else reads. */
import type { Channel, NodeReader, NodeStanding } from './lightning.ts';
import { isNodeFailure } from './node-failure.ts';

/** Between two looks. */
const LOOK_MS = 2_000;
/** A look older than this says nothing any more: the node counts as unreachable. */
export const STALE_MS = 15_000;

export interface NodeLook {
  standing: NodeStanding;
  channels: readonly Channel[];
  /** Channels whose state the node lost. */
  lost: readonly string[];
  atMs: number;
  /** The newest entry of the books when the node was asked: what happened since may be missing. */
  seq: number;
}

export interface NodeWatch {
  /** The newest look, or null where it is too old or there was none. */
  look(): NodeLook | null;
  /** Looks now. @throws Failure LND_UNREACHABLE */
  refresh(): Promise<NodeLook>;
  /** Since when the node has not answered; null while it does. */
  offlineSince(): number | null;
  onLook(listener: (look: NodeLook) => Promise<void>): void;
  stop(): Promise<void>;
}

export function nodeWatch(of: {
  reader: Pick<NodeReader, 'standing' | 'channels' | 'lostChannels'>;
  now: () => number;
  /** The newest entry of the books. */
  seq: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  onFatal: (cause: unknown) => void;
}): NodeWatch {
  const { reader, now, sleep } = of;
  const stopping = new AbortController();
  const listeners: ((look: NodeLook) => Promise<void>)[] = [];
  let newest: NodeLook | null = null;
  let offline: number | null = null;

  async function refresh(): Promise<NodeLook> {
    const [atMs, seq] = [now(), of.seq()];
    try {
      const [standing, channels] = await Promise.all([reader.standing(), reader.channels()]);
      // Afterwards: a channel that leaves the one list meanwhile is in the other by then.
      const lost = await reader.lostChannels();
      newest = { standing, channels, lost, atMs, seq };
      offline = null;
      return newest;
    } catch (cause) {
      offline ??= now();
      throw cause;
    }
  }

  async function poll(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        const look = await refresh();
        for (const listener of listeners) await listener(look);
      } catch (cause) {
        if (!isNodeFailure(cause)) throw cause;
      }
      await sleep(LOOK_MS, stopping.signal);
    }
  }
  const polling = poll().catch((cause: unknown) => {
    if (!stopping.signal.aborted) of.onFatal(cause);
  });

  return {
    look: () => (newest !== null && now() - newest.atMs <= STALE_MS ? newest : null),
    refresh,
    offlineSince: () => offline,
    onLook: (listener) => {
      listeners.push(listener);
    },
    async stop() {
      stopping.abort();
      await polling;
    },
  };
}

/** What usable channels can send at most: their reserve stays, and room for the fee of one more HTLC. */
export function outboundMsat(channels: readonly Channel[]): bigint {
  let sum = 0n;
  for (const channel of channels) {
    if (channel.usable !== 'active') continue;
    const fee = channel.openedBy === 'us' ? channel.commitFeeSat : 0n;
    const spendable = channel.localMsat - (channel.reserveSat + fee) * 1_000n;
    if (spendable > 0n) sum += spendable;
  }
  return sum;
}

/** Payment hashes whose HTLCs the channels show: their amounts are already off `localMsat`. */
export function outgoingHashes(channels: readonly Channel[]): ReadonlySet<string> {
  return new Set(channels.flatMap(({ pendingHashes }) => pendingHashes));
}
