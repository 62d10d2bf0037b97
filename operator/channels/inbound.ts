/**
 * Channels that peers open to us: only who is listed, only of a listed size, nothing given to us, and with an
 * address of the treasury as upfront shutdown script. The address is on record before the peer hears of it.
 */
import { Failure } from '../../policies/failure.ts';
import type { InboundRules } from '../lightning.ts';
import type { OperatorPolicy } from '../operator-policy.ts';
import type { PoolState } from '../pool-state.ts';
import type { ChannelParts } from './channel-parts.ts';
import { freshCloseAddresses } from './close-addresses.ts';
import { knownCloseAddresses } from './open-decision.ts';

/** Addresses that one peer gets in a sliding day: each is a place that the treasury has to watch for ever. */
export const INBOUND_PER_PEER_DAY_MAX = 10;
const DAY_MS = 24 * 60 * 60_000;

/** Why a peer gets no channel now; null where it may. Pure. */
export function inboundRefusal(
  state: PoolState,
  policy: Pick<OperatorPolicy, 'inbound'>,
  of: { peer: string; nowMs: number },
): string | null {
  if (state.mode !== 'open') return `the pool is ${state.mode}`;
  if (!policy.inbound.some(({ node }) => node === of.peer)) return 'the peer is not on the list';
  const recent = [...state.channels.inbound.values()].filter(
    ({ peer, givenAtMs }) => peer === of.peer && givenAtMs > of.nowMs - DAY_MS,
  );
  return recent.length >= INBOUND_PER_PEER_DAY_MAX
    ? `${recent.length} channels were asked for in a day`
    : null;
}

export function inboundRules(parts: ChannelParts): InboundRules {
  const { engine } = parts;
  return {
    peers: parts.policy().inbound.map(({ node, minSat, maxSat }) => ({ node, minSat, maxSat })),
    async closeAddressFor(peer) {
      if (inboundRefusal(engine.state(), parts.policy(), { peer, nowMs: parts.now() }) !== null) {
        return null;
      }
      try {
        const [fresh] = await freshCloseAddresses(parts, 1);
        if (fresh === undefined) return null;
        return await engine.act((state, nowMs) => {
          const refused = inboundRefusal(state, parts.policy(), { peer, nowMs });
          // Another peer may have been given it while we asked.
          const taken = knownCloseAddresses(state.channels).has(fresh.address);
          if (refused !== null || taken) return { news: [], answer: null };
          const event = {
            kind: 'channel-inbound-address' as const,
            peer,
            closeIndex: fresh.index,
            closeAddress: fresh.address,
          };
          return { news: [{ event, entry: null, receipt: null }], answer: fresh.address };
        });
      } catch (cause) {
        // Without an address of the treasury there is no channel; the peer may ask again.
        if (cause instanceof Failure && cause.code !== 'JOURNAL_LOCKED') return null;
        throw cause;
      }
    },
  };
}
