/**
 * Rules about channels that a spend funds (checklist G2, G3, G9): with whom, how large, how many, and what
 * stays for a child that pays. What only LND or bytes can tell is not judged here.
 */
import type { PayeeFact } from '../facts.ts';
import type { ChannelOpenPolicy } from '../policy-intents.ts';
import { type SpendCase, total } from './case.ts';
import { atLeast, atMost, type Finding, failed, nearest } from './finding.ts';

const PATH = 'intents.channel_open';

interface Channel {
  peer: string;
  amountSat: bigint;
}

/** Bounds of the policy, and of the overlay where a guardian has some. */
type Bounds = { readonly [K in Bound]?: ChannelOpenPolicy[K] | undefined };
type Bound = 'min_channel' | 'max_channel' | 'max_channels' | 'min_change';
type Bounded = readonly [path: string, bounds: Bounds];

export function channelRules(spend: SpendCase): Finding[] {
  const { facts, policy, overlay } = spend;
  const rules = policy.intents.channel_open;
  if (facts.kind !== 'channel_open' || rules === 'not_yet') return [];
  const channels = channelsOf(facts.payees);
  const bounded: Bounded[] = [
    [PATH, rules],
    ['overlay.channel_open', overlay?.channel_open ?? {}],
  ];
  return [
    ...bounded.flatMap((each) => [
      ...countFindings(channels.length, each),
      ...sizeFindings(channels, each),
      ...changeFindings(facts.changeSat, each),
    ]),
    ...(channels.length === 0 ? [failed('W-LN-COUNT', 'opens no channel')] : []),
    ...(facts.changeSat === null ? [failed('W-LN-CHANGE', 'nothing comes back')] : []),
    ...peerFindings(channels, rules, spend),
    ...reserveFindings(facts.payees, rules),
  ];
}

function channelsOf(payees: readonly PayeeFact[]): Channel[] {
  return payees.flatMap(({ authority, amountSat }) =>
    authority.kind === 'channel' ? [{ peer: authority.peer, amountSat }] : [],
  );
}

function countFindings(used: number, [path, { max_channels: limit }]: Bounded): Finding[] {
  if (limit === undefined) return [];
  return [atMost({ code: 'W-LN-COUNT', rule: `${path}.max_channels`, limit, used, unit: 'count' })];
}

function sizeFindings(channels: readonly Channel[], [path, bounds]: Bounded): Finding[] {
  const { min_channel: least, max_channel: most } = bounds;
  const common = { code: 'W-LN-CAPACITY', unit: 'sat' } as const;
  return [
    ...nearest(
      channels.flatMap(({ amountSat: used }) =>
        least === undefined
          ? []
          : [atLeast({ ...common, rule: `${path}.min_channel`, limit: least, used })],
      ),
    ),
    ...nearest(
      channels.flatMap(({ amountSat: used }) =>
        most === undefined
          ? []
          : [atMost({ ...common, rule: `${path}.max_channel`, limit: most, used })],
      ),
    ),
  ];
}

function changeFindings(used: bigint | null, [path, { min_change: limit }]: Bounded): Finding[] {
  if (limit === undefined || used === null) return [];
  return [atLeast({ code: 'W-LN-CHANGE', rule: `${path}.min_change`, limit, used, unit: 'sat' })];
}

/**
 * Everything ever opened to a peer counts, unless it died: no log says that a channel is closed, and what a
 * close brought back may have been spent at once to open again. A policy change makes room.
 */
function peerFindings(
  channels: readonly Channel[],
  { peers }: ChannelOpenPolicy,
  { charges, overlay }: SpendCase,
): Finding[] {
  return [...new Set(channels.map(({ peer }) => peer))].flatMap((node): Finding[] => {
    const refused = overlay?.refuse_peers.includes(node) === true;
    const own = refused ? [failed('W-POL-OVERLAY', `overlay.refuse_peers names ${node}`)] : [];
    const known = peers.find((each) => each.node === node);
    if (known === undefined) {
      return [...own, failed('W-LN-PEER', `${PATH}.peers does not list ${node}`)];
    }
    const before = charges.flatMap(({ payees }) => payees.filter(({ peer }) => peer === node));
    const now = channels.filter(({ peer }) => peer === node);
    const used = total([...before, ...now].map(({ amountSat }) => amountSat));
    const rule = `${PATH}.peers.${known.name}.max_capacity`;
    const limit = known.max_capacity;
    return [...own, atMost({ code: 'W-LN-CAPACITY', rule, limit, used, unit: 'sat' })];
  });
}

function reserveFindings(payees: readonly PayeeFact[], { reserve }: ChannelOpenPolicy): Finding[] {
  const paid = payees.filter(({ authority }) => authority.kind === 'allowlist');
  if (paid.length > 1) return [failed('W-LN-RESERVE', 'more than one output for the reserve')];
  const used = total(paid.map(({ amountSat }) => amountSat));
  const rule = `${PATH}.reserve.max`;
  return [atMost({ code: 'W-LN-RESERVE', rule, limit: reserve.max, used, unit: 'sat' })];
}
