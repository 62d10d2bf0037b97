/** Close addresses: handed out by the coordinator, derived again by us, and each given away once. */
import type { CloseAddress } from '../../coordinator/pool-protocol.ts';
import { Failure } from '../../policies/failure.ts';
import type { ChannelParts } from './channel-parts.ts';
import { knownCloseAddresses } from './open-decision.ts';

/** A coordinator that restarted may hand out again what we gave away: it is asked for more. */
const ASKS_MAX = 8;

/**
 * Addresses of the treasury that no channel of ours has or was promised.
 *
 * @throws Failure INPUT_INVALID for an address that the treasury's descriptor does not give at its index, NOT_READY
 *   when only known ones come
 */
export async function freshCloseAddresses(
  { coordinator, treasury, engine }: Pick<ChannelParts, 'coordinator' | 'treasury' | 'engine'>,
  count: number,
): Promise<readonly CloseAddress[]> {
  await treasury.refresh();
  const fresh = new Map<string, CloseAddress>();
  for (let asks = 0; asks < ASKS_MAX; asks += 1) {
    const known = knownCloseAddresses(engine.state().channels);
    for (const each of await coordinator.closeAddresses(count - fresh.size)) {
      if (treasury.closeAddress(each.index) !== each.address) {
        throw new Failure('INPUT_INVALID', `${each.address} is not the treasury's ${each.index}`);
      }
      if (!known.has(each.address)) fresh.set(each.address, each);
    }
    if (fresh.size >= count) return [...fresh.values()].slice(0, count);
  }
  throw new Failure('NOT_READY', 'the coordinator hands out close addresses that are taken');
}
