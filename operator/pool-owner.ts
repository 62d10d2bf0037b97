/** Whose an event is: only its agent sees what is private in it. Pure. */
import type { Quote } from './pool-event.ts';
import type { PoolState } from './pool-state.ts';

export function ownerOf(state: PoolState, event: object): string | null {
  if ('agentId' in event && typeof event.agentId === 'string') return event.agentId;
  if ('quoteId' in event && typeof event.quoteId === 'string') {
    return state.payments.get(event.quoteId)?.quote.agentId ?? null;
  }
  if ('topupId' in event && typeof event.topupId === 'string') {
    return state.topups.get(event.topupId)?.agentId ?? null;
  }
  if ('quote' in event && typeof event.quote === 'object' && event.quote !== null) {
    return (event.quote as Quote).agentId;
  }
  return null;
}
