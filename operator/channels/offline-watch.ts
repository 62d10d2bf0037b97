/**
 * How long the node has been away, in blocks: a peer that publishes an old commitment must be caught before its
 * delay is over, and LND catches it only while it runs.
 */
import { plainNews } from '../decision.ts';
import type { ChannelParts } from './channel-parts.ts';

/** Blocks come every ten minutes where nobody can count them. */
const BLOCK_MS = 600_000;

export interface OfflineWatch {
  saw(what: 'an answer' | 'nothing'): Promise<void>;
}

export function offlineWatch({
  parts,
  csvBlocks,
}: {
  parts: Pick<ChannelParts, 'chain' | 'engine' | 'now'>;
  csvBlocks: number;
}): OfflineWatch {
  let since: { height: number | null; atMs: number } | null = null;
  let told = false;

  async function height(): Promise<number | null> {
    try {
      return (await parts.chain.tip()).height;
    } catch {
      // Then time has to do.
      return null;
    }
  }

  return {
    async saw(what) {
      if (what === 'an answer') {
        since = null;
        told = false;
        return;
      }
      const now = await height();
      since ??= { height: now, atMs: parts.now() };
      if (told) return;
      const counted = now === null || since.height === null ? 0 : now - since.height;
      const waited = Math.floor((parts.now() - since.atMs) / BLOCK_MS);
      const blocks = Math.max(counted, waited);
      if (!isTooLong(blocks, csvBlocks)) return;
      told = true;
      const detail = `the node has not answered for ${blocks} blocks; a peer may cheat after ${csvBlocks}`;
      await parts.engine.act(() => ({
        news: [plainNews({ kind: 'alarm', code: 'lnd_offline', detail })],
        answer: null,
      }));
    },
  };
}

/** A quarter of the delay leaves a person three quarters. */
export function isTooLong(blocks: number, csvBlocks: number): boolean {
  return blocks * 4 >= csvBlocks;
}
