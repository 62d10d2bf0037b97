/** Channels on a screen: with whom, how large, where a close pays, what the agent saw, and what is only claimed. */
import { satText } from '../../console/print.ts';
import type { AuthorizationIntent } from '../../policies/intent.ts';
import type { Treasury } from '../../policies/treasury.ts';
import type { ChannelRow } from '../judgement.ts';
import {
  addressText,
  oneLine,
  plural,
  section,
  tableOrNothing,
  WIDTH,
  wrapped,
} from './wording.ts';

const PEER_WIDTH = 20;
const SEEN_WIDTH = 12;

const SEEN: Record<ChannelRow['seen'], string> = {
  pending: 'pending, as here',
  active: 'active, closes as here',
  missing: 'NOT LISTED',
  another: 'ANOTHER CHANNEL',
  'closes-elsewhere': 'CLOSES ELSEWHERE',
  silent: 'NO ANSWER',
  none: 'NOT LOOKED AT',
};

/** The parts of a review that speak of channels; nothing where none are opened. */
export function channelsText(channels: readonly ChannelRow[]): string[] {
  return [
    ...section('CHANNELS', channelTable(channels)),
    ...section('WHAT IS ONLY CLAIMED', claimsText(channels)),
  ];
}

/** `1_000_000 sat go into 2 channels`. */
export function channelsHeadline(channels: readonly ChannelRow[]): string {
  const total = channels.reduce((sum, { capacitySat }) => sum + capacitySat, 0n);
  const go = channels.length === 1 ? 'goes' : 'go';
  return `${satText(total)} ${go} into ${plural(channels.length, 'channel')}`;
}

function channelTable(channels: readonly ChannelRow[]): string {
  return tableOrNothing(
    ['capacity', 'with', 'a close together pays us at', 'the node shows'],
    channels.map((row) => [
      `${satText(row.capacitySat)}\noutput ${row.outpoint?.split(':')[1] ?? 'NONE'}\n${row.announced}`,
      `${row.peerName === null ? 'NOT IN THE POLICY' : oneLine(row.peerName)}\n${wrapped(row.peer, PEER_WIDTH)}`,
      `0/${row.closeIndex}\n${addressText(row.closeAddress)}`,
      wrapped(SEEN[row.seen], SEEN_WIDTH),
    ]),
  );
}

function claimsText(channels: readonly ChannelRow[]): string {
  if (channels.length === 0) return '';
  const attested = channels.every((each) => each.attested === 'yes');
  const looked = channels.every(({ seen }) => seen !== 'none');
  const lines = [
    attested
      ? 'The pool signed that every channel is pending, so that what is funded can be left again.'
      : 'THE POOL HAS NOT SIGNED that every channel is pending: nothing is signed before it has.',
    ...(looked
      ? []
      : [
          'This agent looks at no Lightning node: that the channels are pending at all is the pool’s claim.',
        ]),
    'That each output is the 2-of-2 of the pool’s node and this peer is the pool’s claim: the node shows no keys.',
    'That a close together pays the address above is a claim until the channel is active. ' +
      (looked
        ? 'Then this agent compares, and stops signing alone when it is another.'
        : 'This agent cannot compare then.'),
    'A force close pays the Lightning node’s own wallet, not this treasury: that is not prevented here.',
  ];
  return lines.map((line) => wrapped(`- ${line}`, WIDTH)).join('\n');
}

type ChannelClose = Extract<AuthorizationIntent, { kind: 'channel_close' }>;

const FORCED: Record<Exclude<ChannelClose['force'], 'cooperative'>, string> = {
  peer_offline: 'its peer is away',
  htlc_deadline: 'a payment in it runs out',
  breach_risk: 'its peer may cheat',
};

/** What approving a close means, and what it cannot prevent. */
export function closeChange(
  intent: ChannelClose,
  treasury: Treasury,
  addressAt: (index: number) => string,
) {
  const { channelPoint, force, closeIndex, maxFeeRateSatPerKvb } = intent;
  const [txid = '', vout = ''] = channelPoint.split(':');
  const openedBy = [...treasury.proposals.values()].find(
    ({ pending }) => pending?.body.txid === txid,
  );
  const channel = openedBy?.pending?.body.channels.find((each) => each.vout.toString() === vout);
  const closeAddress = addressAt(closeIndex);
  const lines = [
    `channel ${channelPoint}`,
    channel === undefined
      ? 'NOT one that this treasury funded: its size, peer and close address are the pool’s claim'
      : `${satText(channel.capacitySat)} with ${channel.peer}`,
    ...(force === 'cooperative'
      ? [
          `it pays us at 0/${closeIndex} of this treasury:`,
          addressText(closeAddress),
          'What comes back is what the channel then holds for us; no amount is promised.',
        ]
      : [
          'A force close pays the LIGHTNING NODE’S OWN WALLET after a delay, NOT this treasury: from there ' +
            'the pool sweeps it, or whoever holds the node pays it away.',
        ]),
    'That guardians approve a close is a rule in the pool’s software, with a credential of its own. The chain ' +
      'does not enforce it: whoever holds the Lightning node can close without it.',
  ];
  return {
    headline:
      force === 'cooperative'
        ? 'together with its peer, back to this treasury'
        : `BY FORCE, because ${FORCED[force]}`,
    body: lines.map((line) => (line.includes('\n') ? line : wrapped(line, WIDTH))).join('\n'),
    json: {
      channelPoint,
      force,
      closeIndex,
      closeAddress,
      maxFeeRateSatPerKvb,
      openedBy: openedBy?.id ?? null,
      peer: channel?.peer ?? null,
      capacitySat: channel?.capacitySat ?? null,
      pays: force === 'cooperative' ? 'treasury' : 'lightning-wallet',
      enforcedBy: 'the pool’s software',
    },
  };
}
