/**
 * Row G4, once a channel is active: LND then shows where a cooperative close pays, which was a claim when the
 * channel was signed for. Another address freezes this agent, until its guardian has looked.
 */
import type { ProposalState } from '../policies/treasury.ts';
import type { ChainView } from './judgement.ts';
import type { ActiveChannelSeen } from './lightning-view.ts';
import type { OwnEvent } from './own-event.ts';
import type { Session } from './session.ts';

/** Between two looks while a channel of ours is not active yet and nothing else is new. */
const LOOK_MS = 10_000;
const ADDRESS_CHARS_MAX = 200;
const WHY_CHARS_MAX = 200;
const DETAIL_CHARS_MAX = 400;

/** A channel that the pool said is pending, and where its close must pay. */
export interface ExpectedChannel {
  outpoint: string;
  peer: string;
  closeIndex: number;
}

/** Compares every channel of the log that is active and was not looked at before. @throws Failure LND_UNREACHABLE */
export async function watchChannels(session: Session, chain: ChainView | null): Promise<void> {
  const { engine } = session;
  const { lightning } = engine.parts;
  const expected = unchecked(session, chain);
  if (lightning === null || expected.length === 0) return;
  const moment = `${engine.state().treasury.hash} ${chain?.tipHash ?? ''}`;
  if (!session.isDue('open channels', moment, LOOK_MS)) return;
  const seen = new Map((await lightning.activeChannels()).map((each) => [each.outpoint, each]));
  await engine.inTurn(async () => {
    for (const channel of unchecked(session, chain)) {
      const found = seen.get(channel.outpoint);
      if (found !== undefined) await engine.record(eventsOf(session, channel, found));
    }
  });
}

/** Channels of transactions that were sent, so that they can be active; those looked at before are left out. */
function unchecked({ engine }: Session, chain: ChainView | null): ExpectedChannel[] {
  const { treasury, channelsChecked } = engine.state();
  const seen = new Set(chain?.spends.map(({ txid }) => txid));
  return [...treasury.proposals.values()]
    .flatMap((state) => channelsSent(state, seen))
    .filter(({ outpoint }) => !channelsChecked.has(outpoint));
}

/** By the own node or by the log: a coordinator that keeps quiet about a transaction hides no channel. */
function channelsSent(
  { pending, broadcast, place }: ProposalState,
  seen: ReadonlySet<string>,
): ExpectedChannel[] {
  if (pending === null) return [];
  const { txid, channels } = pending.body;
  const said = broadcast !== null || place?.in === 'mempool' || place?.in === 'block';
  if (!said && !seen.has(txid)) return [];
  return channels.map(({ vout, peer, closeIndex }) => ({
    outpoint: `${txid}:${vout}`,
    peer,
    closeIndex,
  }));
}

function eventsOf(
  session: Session,
  { outpoint, peer, closeIndex }: ExpectedChannel,
  { closeAddress }: ActiveChannelSeen,
): OwnEvent[] {
  const approved = session.deriver().address(0, closeIndex);
  const shown = closeAddress?.slice(0, ADDRESS_CHARS_MAX) ?? null;
  const checked = { kind: 'channel-checked', outpoint, closeAddress: shown } as const;
  if (closeAddress === approved) return [{ ...checked, found: 'as-approved' }];
  const detail = `${outpoint} with ${peer} closes to ${shown ?? 'any address'}, not to ${approved}`;
  return [
    { ...checked, found: 'another' },
    { kind: 'alarm', code: 'W-LN-SHUTDOWN', detail: detail.slice(0, DETAIL_CHARS_MAX) },
    {
      kind: 'automation',
      state: 'tripped',
      why: `W-LN-SHUTDOWN: ${detail}`.slice(0, WHY_CHARS_MAX),
      height: null,
      nonce: null,
    },
  ];
}
