/** A proposal as one row: where it stands, who signed, who refused. Amounts in sat. */
import { deadByRefusal, outflowSat } from '../policies/commitments.ts';
import type { SpendKind } from '../policies/intent.ts';
import { proposalTxid } from '../policies/proposal.ts';
import { type ProposalState, type Treasury } from '../policies/treasury.ts';
import type { Sat } from '../policies/units.ts';
import type { Situation } from './facts.ts';
import { type Place, rejectedByOperator } from './machine.ts';

export type Standing =
  | 'waiting-approval'
  | 'collecting'
  | 'broadcast'
  | 'confirmed'
  | 'buried'
  | 'dead'
  | 'rejected'
  | 'expired';

export interface ProposalRow {
  id: string;
  kind: SpendKind;
  state: Standing;
  txid: string;
  amountSat: Sat;
  feeSat: Sat;
  signed: readonly string[];
  refused: readonly { seatId: string; classes: readonly string[] }[];
  asks: readonly string[];
  /** Seats whose signatures did not verify. */
  faulty: readonly string[];
  place: Place | null;
}

export function proposalRow(
  state: ProposalState,
  treasury: Treasury,
  standing: Standing,
): ProposalRow {
  const verdicts = [...state.verdicts.values()].map(({ body }) => body);
  const root = treasury.proposals.get(state.root) ?? state;
  const pays = state.proposal.intent.kind === 'fee_bump' ? root : state;
  return {
    id: state.id,
    kind: state.proposal.intent.kind,
    state: standing,
    txid: proposalTxid(state.proposal),
    amountSat: outflowSat(pays),
    feeSat: state.proposal.feeSat,
    signed: [...state.contributions.keys()],
    refused: verdicts
      .filter(({ verdict }) => verdict === 'refused' || verdict === 'never')
      .map(({ seatId, classes }) => ({ seatId, classes })),
    asks: verdicts.filter(({ verdict }) => verdict === 'asks').map(({ seatId }) => seatId),
    faulty: [...state.faults.keys()],
    place: state.place,
  };
}

/**
 * Where a proposal stands. `situation` is null before the chain was looked at: then the log's own word of
 * the last look stands. `consent` says whether everybody who has to agree did.
 */
export function standingOf(
  state: ProposalState,
  treasury: Treasury,
  situation: Situation | null,
  consent: 'given' | 'missing',
): Standing {
  const settled = settledAs(state, treasury, situation);
  if (settled !== null) return settled;
  if (state.broadcast !== null) return situation === null ? lastSeen(state) : 'broadcast';
  if (rejectedByOperator(state)) return 'rejected';
  const { expiryHeight } = state.proposal;
  if (expiryHeight < (situation?.view.tipHeight ?? 0)) return 'expired';
  return consent === 'missing' ? 'waiting-approval' : 'collecting';
}

/** What nobody's word changes any more, or only a reorganisation does. */
function settledAs(
  state: ProposalState,
  treasury: Treasury,
  situation: Situation | null,
): Standing | null {
  const fate = situation?.all.find(({ root }) => root.id === state.root)?.fate;
  if (fate?.is === 'confirmed' || fate?.is === 'buried') {
    return fate.by.id === state.id ? fate.is : 'dead';
  }
  return fate?.is === 'dead' || deadByRefusal(treasury, state) ? 'dead' : null;
}

/** Before the first look: as the log has it of the last one. */
function lastSeen({ place }: ProposalState): Standing {
  return place?.in === 'block' ? 'confirmed' : 'broadcast';
}
