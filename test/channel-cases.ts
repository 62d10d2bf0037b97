/** Channels to open in tests: two peers that a policy lists, one that it does not, and the pool's key. */

import { channelVouts } from '../coordinator/channel-detail.ts';
import { families, spendsByOutpoint } from '../policies/commitments.ts';
import type { PayeeFact, SpendFacts } from '../policies/facts.ts';
import type { ChannelFunding, SpendIntent } from '../policies/intent.ts';
import {
  type ChannelsPending,
  type Proposal,
  proposalId,
  proposalTxid,
} from '../policies/proposal.ts';
import { signStatement } from '../policies/statement.ts';
import { sat } from '../policies/units.ts';
import { listed, policyWith, spendOf } from './policy-cases.ts';
import { type Built, type SpendScenario, spendScenario, TIP } from './spend-scenario.ts';
import { keyOf, policyText, SEATS_OF_THREE, secretOf } from './treasury-scenario.ts';

export const ALPHA = `02${'aa'.repeat(32)}`;
export const BETA = `03${'bb'.repeat(32)}`;
export const STRANGER = `02${'cc'.repeat(32)}`;
export const POOL_KEY = keyOf('pool');

/** In place of `channel_open: not_yet`. */
export const CHANNEL_RULES = `channel_open:
    peers:
      - { node: ${ALPHA}, name: alpha, max_capacity: 5_000_000 }
      - { node: ${BETA}, name: beta, max_capacity: 2_000_000 }
    min_channel: 100_000
    max_channel: 3_000_000
    max_channels: 3
    attested_by: ${POOL_KEY}
    reserve: { to: hot, max: 100_000 }
    min_change: 50_000
    approvals: 0
    windows:
      - { blocks: 144, max: 8_000_000, max_count: 4 }`;

export const withChannels = (...edits: readonly (readonly [string, string])[]) =>
  policyWith(['channel_open: not_yet', CHANNEL_RULES], ...edits);

/** A funding output, as a judge is told of it. */
export function channel(amount: bigint, peer = ALPHA, n = 0): PayeeFact {
  return {
    script: fundingScript(n),
    amountSat: sat(amount),
    authority: { kind: 'channel', peer, closeIndex: n + 1, announced: 'private' },
    firstPayment: 'known',
  };
}

export const reserve = (amount: bigint): PayeeFact => listed(amount, 'hot');

export function opening(
  payees: readonly PayeeFact[] = [channel(1_000_000n)],
  more: Partial<SpendFacts> = {},
): SpendFacts {
  return spendOf(payees, { kind: 'channel_open', ...more });
}

export function fundingScript(n: number): string {
  return `0020${n.toString(16).padStart(64, 'f')}`;
}

export function funding(n: number, change: Partial<ChannelFunding> = {}): ChannelFunding {
  return {
    peer: n === 0 ? ALPHA : BETA,
    capacitySat: sat(1_000_000n + BigInt(n)),
    fundingScript: fundingScript(n),
    closeIndex: 10 + n,
    announced: 'public',
    ...change,
  };
}

/** The pool's word on a proposal, whose outputs a test knows. */
export function pendingOf(
  proposal: Proposal,
  vouts: readonly number[],
  change: Partial<ChannelsPending['body']> = {},
  name = 'pool',
): ChannelsPending {
  const { intent, treasuryId, network } = proposal;
  const body = {
    treasuryId,
    network,
    proposalId: proposalId(proposal),
    txid: proposalTxid(proposal),
    channels: channelsOf(intent).map(({ peer, capacitySat, closeIndex }, at) => ({
      peer,
      vout: vouts[at] ?? 0,
      capacitySat,
      closeIndex,
    })),
    ...change,
  };
  return signStatement('channels-pending', body, secretOf(name), new Uint8Array(32));
}

function channelsOf(intent: SpendIntent): readonly ChannelFunding[] {
  return intent.kind === 'channel_open' ? intent.channels : [];
}

export const CHANNEL_POLICY = policyText(SEATS_OF_THREE).replace(
  'channel_open: not_yet',
  CHANNEL_RULES,
);
const TWO = [funding(0), funding(1)];

export function channelScenario(): SpendScenario {
  return spendScenario({ threshold: 2, of: 3, policy: CHANNEL_POLICY });
}

export function opened(
  s: SpendScenario,
  channels: ChannelFunding[] = TWO,
): Built & { vouts: number[] } {
  const intent: SpendIntent = { kind: 'channel_open', channels, reserve: null, plan: s.plan() };
  const built = s.propose(
    intent,
    channels.map(({ fundingScript: script, capacitySat: amountSat }) => ({ script, amountSat })),
  );
  return { ...built, vouts: [...channelVouts(channels, built.built)] };
}

export function pend(s: SpendScenario, { proposal, vouts }: Built & { vouts: number[] }): void {
  s.t.append({ kind: 'channels-pending', pending: pendingOf(proposal, vouts) });
}

/** All intents with their fates, before any block. */
export function familiesOf({ t }: SpendScenario) {
  return families(t.treasury, spendsByOutpoint([]), TIP);
}
