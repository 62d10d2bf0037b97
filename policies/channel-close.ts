/** Where the close of a channel may pay (G4, G6): to the address of that channel, and of no other. */
import { type Family, takenCloseIndexes } from './commitments.ts';
import type { AuthorizationIntent } from './intent.ts';
import { proposalTxid } from './proposal.ts';
import { type Reason, reason } from './reason.ts';

type ChannelClose = Extract<AuthorizationIntent, { kind: 'channel_close' }>;

/**
 * What stands against the close index of a channel_close. A channel that the treasury funded has the one of
 * its proposal; one that a peer opened has an index that no funded channel has, not beyond `indexMax`
 * (`closeIndexMax`): its address is the pool's word.
 */
export function closeReasons(
  { channelPoint, closeIndex }: ChannelClose,
  all: readonly Family[],
  indexMax: number,
): readonly Reason[] {
  const [txid = '', vout = ''] = channelPoint.split(':');
  const opened = all.find(({ root }) => proposalTxid(root.proposal) === txid)?.root;
  if (opened !== undefined) {
    const at = Number.parseInt(vout, 10);
    const own = opened.pending?.body.channels.find((each) => each.vout === at)?.closeIndex;
    if (own === closeIndex) return [];
    return wrong(`${channelPoint} closes at index ${own ?? 'none'}, not ${closeIndex}`);
  }
  const holder = takenCloseIndexes(all).get(closeIndex);
  if (holder !== undefined) return wrong(`index ${closeIndex} belongs to a channel of ${holder}`);
  return closeIndex > indexMax ? wrong(`index ${closeIndex} is beyond ${indexMax}`) : [];
}

function wrong(detail: string): Reason[] {
  return [reason('W-LN-CLOSE-INDEX', detail)];
}
