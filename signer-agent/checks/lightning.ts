/**
 * Rows G1, G2, G4 and G5: what the pool signed about a channel_open, and what the own look at its Lightning node
 * shows. LND shows outpoint, capacity, balances and peer of a pending channel; the keys of its 2-of-2 and its
 * upfront shutdown script stay claims until it is active.
 */
import { takenCloseIndexes } from '../../policies/commitments.ts';
import type { PayeeFact } from '../../policies/facts.ts';
import type { ChannelFunding } from '../../policies/intent.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import { statementHolds } from '../../policies/statement.ts';
import type { ProposalState } from '../../policies/treasury.ts';
import { outputsOfTx } from '../../policies/tx-outputs.ts';
import type { ChannelRow } from '../judgement.ts';
import type { LightningSeen } from '../lightning-view.ts';
import type { Case } from './case.ts';

/** Channels that a proposal opens; none where it opens none. */
export function channelsOf({ proposal }: ProposalState): readonly ChannelFunding[] {
  const { intent } = proposal;
  return intent.kind === 'channel_open' ? intent.channels : [];
}

/** What each channel pays, for the policy's rules: the script is its 2-of-2 on the pool's word. */
export function channelFacts({ others }: Case, channels: readonly ChannelFunding[]): PayeeFact[] {
  const known = new Set(
    others.flatMap(({ root, fate }) => {
      const opened =
        (fate.is === 'confirmed' || fate.is === 'buried') &&
        fate.by.proposal.intent.kind === 'channel_open';
      return opened ? channelsOf(root).map(({ peer }) => peer) : [];
    }),
  );
  return channels.map(({ peer, capacitySat, fundingScript, closeIndex, announced }) => ({
    script: fundingScript,
    amountSat: capacitySat,
    authority: { kind: 'channel', peer, closeIndex, announced },
    firstPayment: known.has(peer) ? 'known' : 'first',
  }));
}

/** All that is wrong or missing yet with the channels; `indexMax` is as far out as a close may pay. */
export function checkChannels(c: Case, rows: readonly ChannelRow[], indexMax: number): Reason[] {
  if (rows.length === 0) return [];
  const { state, lightning } = c.input;
  return [
    ...(attested(c)
      ? seenReasons(rows, lightning)
      : [reason('W-LN-ATTESTATION', `the pool has not signed that ${state.id} is pending`)]),
    ...closeIndexReasons(c, rows, indexMax),
  ];
}

/** The channels as a person reads them, each with what the own look at the Lightning node says. */
export function channelRows(c: Case): readonly ChannelRow[] {
  const { state, deriver, lightning } = c.input;
  const channels = channelsOf(state);
  if (channels.length === 0) return [];
  const rules = c.policy.intents.channel_open;
  const peers = rules === 'not_yet' ? [] : rules.peers;
  const vouts = fundingOutputs(state, channels);
  const pool = attested(c) ? 'yes' : 'no';
  return channels.map(({ peer, capacitySat, closeIndex, announced }, at): ChannelRow => {
    const vout = vouts[at] ?? null;
    const row = {
      outpoint: vout === null ? null : `${c.txid}:${vout}`,
      peer,
      peerName: peers.find(({ node }) => node === peer)?.name ?? null,
      capacitySat,
      announced,
      closeIndex,
      closeAddress: deriver.address(0, closeIndex),
      attested: pool,
    } as const;
    return { ...row, seen: seenAs(row, lightning) };
  });
}

/** G9: why a signature that is made must not leave now, by what the node shows at this moment. */
export function notPendingNow(rows: readonly ChannelRow[], lightning: LightningSeen): Reason[] {
  return lightning.is === 'none' ? [] : seenReasons(rows, lightning);
}

/** Nobody but its guardian lets an agent without eyes sign for channels. */
export function unseenReasons({ input }: Case): Reason[] {
  return channelsOf(input.state).length > 0 && input.lightning.is === 'none'
    ? [reason('W-LN-UNSEEN', 'that its channels are pending is the pool’s claim only')]
    : [];
}

/**
 * G1: the pool of the ruling policy signed exactly this transaction and these channels. The fold takes nothing
 * else; an agent that is asked to sign looks again.
 */
function attested({ input, policy, txid }: Case): boolean {
  const { state, pinned } = input;
  const { pending, proposal } = state;
  const rules = policy.intents.channel_open;
  if (pending === null || rules === 'not_yet') return false;
  const { body } = pending;
  const outputs = outputsOfTx(proposal.unsignedTx);
  const wanted = channelsOf(state);
  const vouts = new Set(body.channels.map(({ vout }) => vout));
  return (
    pending.key === rules.attested_by &&
    statementHolds('channels-pending', pending) &&
    body.treasuryId === pinned.record.treasuryId &&
    body.network === pinned.record.params.network &&
    body.proposalId === state.id &&
    body.txid === txid &&
    body.channels.length === wanted.length &&
    vouts.size === wanted.length &&
    wanted.every((channel, at) => {
      const said = body.channels[at];
      const output = outputs[said?.vout ?? -1];
      return (
        said?.peer === channel.peer &&
        said.capacitySat === channel.capacitySat &&
        said.closeIndex === channel.closeIndex &&
        output?.script === channel.fundingScript &&
        output.amountSat === channel.capacitySat
      );
    })
  );
}

/** The output of each channel: as the pool said, else the first one that pays its script its capacity. */
function fundingOutputs(
  { pending, proposal }: ProposalState,
  channels: readonly ChannelFunding[],
): readonly (number | null)[] {
  if (pending !== null) return pending.body.channels.map(({ vout }) => vout);
  const open = outputsOfTx(proposal.unsignedTx).map((output, vout) => ({ ...output, vout }));
  return channels.map(({ fundingScript, capacitySat }) => {
    const at = open.findIndex(
      ({ script, amountSat }) => script === fundingScript && amountSat === capacitySat,
    );
    return at === -1 ? null : (open.splice(at, 1)[0]?.vout ?? null);
  });
}

function seenAs(row: Omit<ChannelRow, 'seen'>, lightning: LightningSeen): ChannelRow['seen'] {
  if (lightning.is !== 'seen') return lightning.is;
  const key = row.outpoint ?? '';
  const active = lightning.active.get(key);
  const pending = lightning.pending.get(key);
  const found = active ?? pending;
  if (found === undefined) return 'missing';
  const same = found.peer === row.peer && found.capacitySat === row.capacitySat;
  if (!same || (pending !== undefined && pending.peerSat !== 0n)) return 'another';
  if (active === undefined) return 'pending';
  return active.closeAddress === row.closeAddress ? 'active' : 'closes-elsewhere';
}

/** G1, G2, G5: every channel of the batch or none. What is merely not there yet is waited for. */
function seenReasons(rows: readonly ChannelRow[], lightning: LightningSeen): Reason[] {
  return rows.flatMap((row): Reason[] => {
    const channel = `${row.outpoint ?? 'no output'} with ${row.peer}`;
    switch (seenAs(row, lightning)) {
      case 'silent':
        return [reason('W-LN-NOT-PENDING', 'the Lightning node does not answer')];
      case 'missing':
        return [reason('W-LN-NOT-PENDING', `${channel} is not listed yet`)];
      case 'another':
        return [reason('W-LN-PENDING-MISMATCH', `${channel}: ${shownText(row, lightning)}`)];
      case 'closes-elsewhere':
        return [reason('W-LN-SHUTDOWN', `${channel} does not close to ${row.closeAddress}`)];
      case 'none':
      case 'pending':
      case 'active':
        return [];
    }
  });
}

function shownText({ outpoint }: ChannelRow, lightning: LightningSeen): string {
  if (lightning.is !== 'seen') return 'not seen';
  const pending = lightning.pending.get(outpoint ?? '');
  const found = lightning.active.get(outpoint ?? '') ?? pending;
  const gift = pending === undefined ? '' : `, ${pending.peerSat} sat of them the peer's`;
  return `the node shows ${found?.capacitySat} sat with ${found?.peer}${gift}`;
}

/** G4: on our receive branch, where every agent finds it again, and nobody else's. */
function closeIndexReasons(c: Case, rows: readonly ChannelRow[], indexMax: number): Reason[] {
  const taken = takenCloseIndexes(c.prior);
  const seen = new Set<number>();
  return rows.flatMap(({ closeIndex, peer }): Reason[] => {
    const holder = taken.get(closeIndex) ?? (seen.has(closeIndex) ? 'this intent, twice' : null);
    seen.add(closeIndex);
    const about = `the channel with ${peer} closes at 0/${closeIndex}`;
    return [
      ...(holder === null ? [] : [reason('W-LN-CLOSE-INDEX', `${about}, which is ${holder}`)]),
      ...(closeIndex > indexMax
        ? [reason('W-LN-CLOSE-INDEX', `${about}, beyond 0/${indexMax}`)]
        : []),
    ];
  });
}
