/** The channels of a channel_open for a person: with whom, how large, where a close pays, and how far it is. */
import { satText, tableText } from '../console/print.ts';
import type { BuiltTx } from '../descriptors/build.ts';
import type { ProposalState } from '../policies/treasury.ts';
import type { Sat } from '../policies/units.ts';
import type { Situation } from './facts.ts';
import { policyByHash } from './payees.ts';

/** One funding output. Whose 2-of-2 it is and where its close pays is the pool's word. */
export interface ChannelRow {
  /** Of the policy; null for a node it does not list. */
  name: string | null;
  peer: string;
  vout: number;
  capacitySat: Sat;
  announced: 'public' | 'private';
  closeIndex: number;
  closeAddress: string;
}

export interface ChannelOpenDetail {
  channels: readonly ChannelRow[];
  /** Whether the pool said that every channel is pending: nobody signs before. */
  attested: 'yes' | 'no';
  withdrawn: string | null;
}

/** Null for another kind of proposal. */
export function channelOpenDetail(
  state: ProposalState,
  built: BuiltTx,
  { treasury, vault }: Situation,
): ChannelOpenDetail | null {
  const { intent, policyHash } = state.proposal;
  if (intent.kind !== 'channel_open') return null;
  const rules = policyByHash(treasury, policyHash).intents.channel_open;
  const peers = rules === 'not_yet' ? [] : rules.peers;
  const vouts = channelVouts(intent.channels, built);
  return {
    channels: intent.channels.map(({ peer, capacitySat, announced, closeIndex }, at) => ({
      name: peers.find(({ node }) => node === peer)?.name ?? null,
      peer,
      vout: vouts[at] ?? -1,
      capacitySat,
      announced,
      closeIndex,
      closeAddress: vault.deriver.address(0, closeIndex),
    })),
    attested: state.pending === null ? 'no' : 'yes',
    withdrawn: state.withdrawn,
  };
}

/** Output number of each channel, in the order of the intent: the builder orders outputs by its seed. */
export function channelVouts(
  channels: readonly { fundingScript: string; capacitySat: Sat }[],
  { outputs }: BuiltTx,
): readonly number[] {
  const taken = new Set<number>();
  return channels.map(({ fundingScript, capacitySat }) => {
    const vout = outputs.findIndex(
      ({ script, amountSat }, at) =>
        !taken.has(at) && script === fundingScript && amountSat === capacitySat,
    );
    taken.add(vout);
    return vout;
  });
}

export function channelOpenText({ channels, attested, withdrawn }: ChannelOpenDetail): string {
  const rows = channels.map((each) => [
    each.name ?? `${each.peer.slice(0, 16)}… (not listed)`,
    satText(each.capacitySat),
    each.announced,
    `${each.vout}`,
    `${each.closeAddress} (index ${each.closeIndex})`,
  ]);
  const pending =
    attested === 'yes'
      ? 'attested by the pool: every channel is pending'
      : 'not attested yet: nobody signs before the pool says so';
  return [
    `channels  ${withdrawn === null ? pending : `withdrawn: ${withdrawn}`}`,
    tableText(['channel with', 'capacity', 'announced', 'output', 'a close pays'], rows),
  ].join('\n');
}
