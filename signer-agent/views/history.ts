/** What this agent did: signed, refused with its own codes, asked, and what became of it. */
import { satText } from '../../console/print.ts';
import { outflowSat } from '../../policies/commitments.ts';
import { proposalTxid } from '../../policies/proposal.ts';
import type { ProposalState } from '../../policies/treasury.ts';
import type { AgentState } from '../memory.ts';
import { kindText, screen, type View, wrapped } from './wording.ts';

/** The newest ones; `--json` has all of them. */
const SHOWN_MAX = 100;
const CODES_WIDTH = 90;

type Did = 'signed' | 'refused' | 'never' | 'asked' | 'approved';

export interface HistoryRow {
  id: string;
  /** Null for a subject that the log does not hold. */
  kind: Parameters<typeof kindText>[0] | null;
  did: readonly Did[];
  /** Whose no it was; null where it was none. */
  refusedBy: 'agent' | 'guardian' | null;
  codes: readonly string[];
  amountSat: bigint | null;
  txid: string | null;
  /** Height of the own node at a refusal, else of the block the log saw it in. */
  height: number | null;
  place: 'mempool' | 'nowhere' | 'block' | 'conflict' | null;
  entrySeq: number | null;
}

/** Everything this agent ever said, newest last. */
export function historyView(state: AgentState): View {
  const subjects = new Set([
    ...state.released.keys(),
    ...state.refused.keys(),
    ...state.never.keys(),
    ...state.asked.keys(),
    ...state.approvedHere.keys(),
  ]);
  const rows = [...subjects]
    .map((id) => rowOf(state, id))
    .toSorted((a, b) => (a.entrySeq ?? 0) - (b.entrySeq ?? 0));
  const earlier = rows.length - SHOWN_MAX;
  const text = screen([
    rows.length === 0 ? 'this agent signed, refused and asked nothing yet' : '',
    earlier > 0 ? `${earlier} earlier ones: --json has all` : '',
    ...rows.slice(-SHOWN_MAX).map(rowText),
  ]);
  return { json: rows, text };
}

function rowOf(state: AgentState, id: string): HistoryRow {
  const refused = state.refused.get(id);
  const did: [Did, ReadonlyMap<string, unknown>][] = [
    ['asked', state.asked],
    ['approved', state.approvedHere],
    ['signed', state.released],
    ['refused', state.refused],
    ['never', state.never],
  ];
  const about = subjectOf(state, id);
  return {
    id,
    did: did.filter(([, map]) => map.has(id)).map(([name]) => name),
    refusedBy: refused?.by ?? null,
    codes: refused?.codes ?? [],
    ...about,
    height: refused?.height ?? about.height,
  };
}

type Subject = Pick<HistoryRow, 'kind' | 'amountSat' | 'txid' | 'height' | 'place' | 'entrySeq'>;
const NOTHING: Subject = {
  kind: null,
  amountSat: null,
  txid: null,
  height: null,
  place: null,
  entrySeq: null,
};

/** What the log says of a subject. */
function subjectOf({ treasury }: AgentState, id: string): Subject {
  const spend = treasury.proposals.get(id);
  if (spend !== undefined) {
    return {
      kind: spend.proposal.intent.kind,
      amountSat: outflowSat(spend),
      txid: proposalTxid(spend.proposal),
      height: blockOf(spend),
      place: spend.place?.in ?? null,
      entrySeq: spend.entrySeq,
    };
  }
  const decision = treasury.authorizations.get(id);
  if (decision === undefined) return NOTHING;
  const { entrySeq, authorization } = decision;
  return { ...NOTHING, kind: authorization.intent.kind, entrySeq };
}

function blockOf({ place }: ProposalState): number | null {
  return place?.in === 'block' ? place.height : null;
}

const PLACES: Record<NonNullable<HistoryRow['place']>, string> = {
  mempool: 'waits in the mempool',
  nowhere: 'not broadcast',
  block: 'confirmed',
  conflict: 'replaced by another spend',
};

function rowText(row: HistoryRow): string {
  const what = row.kind === null ? 'unknown subject' : kindText(row.kind);
  const amount =
    row.amountSat === null || row.amountSat === 0n ? '' : `, ${satText(row.amountSat)}`;
  const by = row.refusedBy === 'guardian' ? ' by its guardian' : '';
  const at = row.height === null ? '' : `, height ${row.height}`;
  const place = row.place === null ? '' : `, ${PLACES[row.place]}`;
  return [
    `${row.did.join(', ')}${by}: ${what}${amount}${place}${at}`,
    `  ${row.id}`,
    ...(row.txid === null ? [] : [`  transaction ${row.txid}`]),
    ...(row.codes.length === 0
      ? []
      : [`  ${wrapped(row.codes.join(' '), CODES_WIDTH).replaceAll('\n', '\n  ')}`]),
  ].join('\n');
}
