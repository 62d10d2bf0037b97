/** Rows A1 to A5: who says this, to whom, and where it stands in a log that peers have, too. */
import { headHolds } from '../../policies/log-entry.ts';
import { type Acknowledgement, proposalId } from '../../policies/proposal.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import { statementHolds } from '../../policies/statement.ts';
import type { JudgeInput } from '../judgement.ts';

/** A1, A2, A4, A5: the proposal belongs here and is what its id says; there is one log. */
export function checkEnvelope(input: JudgeInput): Reason[] {
  const { treasury, state, memory, pinned } = input;
  const { proposal } = state;
  const { params, treasuryId } = pinned.record;
  const found: Reason[] = [];
  if (
    proposal.treasuryId !== treasuryId ||
    treasury.id !== treasuryId ||
    proposal.network !== params.network
  ) {
    found.push(reason('W-ENV-NETWORK', 'made for another treasury or network'));
  }
  if (proposalId(proposal) !== state.id) {
    found.push(reason('W-ENV-PROPOSAL-ID', `the content hashes to ${proposalId(proposal)}`));
  }
  if (treasury.proposals.get(state.id) !== state || state.entrySeq !== proposal.seq) {
    found.push(reason('W-ENV-SEQ', `not the entry ${proposal.seq} of this agent's log`));
  }
  if (memory.fork !== null) {
    found.push(reason('W-ENV-FORK', `two heads are signed for entry ${memory.fork.seq}`));
  }
  return [...found, ...forksShown(input)];
}

/** What peers said of the log this agent has. */
export type PeersView = Pick<JudgeInput, 'pinned' | 'heads' | 'acknowledgements'>;

/** A5: a peer holds another head of the same place, and the coordinator signed that one, too. */
export function forksShown(input: PeersView): Reason[] {
  const { heads, pinned, acknowledgements } = input;
  const { treasuryId, params } = pinned.record;
  return acknowledgements.flatMap(({ body }) => {
    const ours = heads[body.seq - 1];
    if (ours === undefined || ours.hash === body.hash || body.treasuryId !== treasuryId) return [];
    const { seq, hash, headSignature } = body;
    const head = { treasuryId, network: params.network, seq, hash };
    return headHolds(head, params.coordinatorKey, headSignature)
      ? [reason('W-ENV-FORK', `${body.seatId} holds another head of entry ${seq}`)]
      : [];
  });
}

/** A4, H6: too few peers said they have this log up to the proposal. Waited for, never refused. */
export function missingAcknowledgements(input: PeersView, entrySeq: number): Reason[] {
  const { pinned } = input;
  const needed = pinned.record.params.threshold - 1;
  const peers = new Set(
    input.acknowledgements
      .filter((each) => acknowledges(input, entrySeq, each))
      .map((each) => each.body.seatId),
  );
  const detail = `${peers.size} of ${needed} peers acknowledged entry ${entrySeq}`;
  return peers.size >= needed ? [] : [reason('W-ENV-ACKS', detail)];
}

/** By a peer's pinned key, for a place at or after the proposal, and for the very log this agent has. */
function acknowledges(
  { pinned, heads }: PeersView,
  entrySeq: number,
  value: Acknowledgement,
): boolean {
  const { body } = value;
  const peer = pinned.record.keyRecords.find((each) => each.body.seatId === body.seatId);
  return (
    body.seatId !== pinned.seatId &&
    body.treasuryId === pinned.record.treasuryId &&
    body.network === pinned.record.params.network &&
    body.seq >= entrySeq &&
    heads[body.seq - 1]?.hash === body.hash &&
    peer?.body.identityKey === value.key &&
    statementHolds('acknowledgement', value)
  );
}
