/** What waits for this seat: everything in the log that still lives and has no final word from here. */
import { satText } from '../../console/print.ts';
import { deadByRefusal, outflowSat } from '../../policies/commitments.ts';
import { REASONS, type Reason } from '../../policies/reason.ts';
import type { ProposalState } from '../../policies/treasury.ts';
import type { Judgement } from '../judgement.ts';
import { type AgentState, isSettled } from '../memory.ts';
import { payingIntent } from './payee-rows.ts';
import { expiryText, kindText, oneLine, screen, type View, wrapped } from './wording.ts';

/** A screen is no archive: more than this waits only while somebody floods. */
const SHOWN_MAX = 200;
const WHY_WIDTH = 90;

/** The newest judgement of a subject, as far as it was judged. */
export type Judged = Pick<Judgement, 'decision' | 'reasons'>;

export interface PendingRow {
  id: string;
  kind: Parameters<typeof kindText>[0];
  /** What leaves, without the fee, as the proposal says; null for a decision without a transaction. */
  amountSat: bigint | null;
  decision: Judged['decision'] | 'not-judged';
  why: readonly Reason[];
  expiryHeight: number;
  expiresInBlocks: number | null;
}

/** `tipHeight` is the own node's, or null. */
export function pendingView(
  state: AgentState,
  tipHeight: number | null,
  judged: ReadonlyMap<string, Judged>,
): View {
  const rows = pendingRows(state, tipHeight, judged);
  const shown = rows.slice(0, SHOWN_MAX);
  const more = rows.length - shown.length;
  const text = screen([
    rows.length === 0 ? 'nothing waits for this seat' : '',
    ...shown.map((row) => rowText(row, tipHeight)),
    more > 0 ? `and ${more} more` : '',
  ]);
  return { json: rows, text };
}

function pendingRows(
  state: AgentState,
  tipHeight: number | null,
  judged: ReadonlyMap<string, Judged>,
): PendingRow[] {
  const { treasury } = state;
  const row = (
    subject: Pick<PendingRow, 'id' | 'kind' | 'amountSat' | 'expiryHeight'>,
  ): PendingRow => {
    const known = judged.get(subject.id);
    const asked = state.asked.has(subject.id) ? 'ask' : 'not-judged';
    return {
      ...subject,
      decision: known?.decision ?? asked,
      why: known?.reasons ?? [],
      expiresInBlocks: tipHeight === null ? null : subject.expiryHeight - tipHeight,
    };
  };
  const alive = ({ expiryHeight }: { expiryHeight: number }) =>
    tipHeight === null || expiryHeight >= tipHeight;
  const spends = [...treasury.proposals.values()]
    .filter((each) => !isSettled(state, each.id) && !isOver(state, each) && alive(each.proposal))
    .map((each) =>
      row({
        id: each.id,
        kind: each.proposal.intent.kind,
        amountSat: outflowOf(state, each),
        expiryHeight: each.proposal.expiryHeight,
      }),
    );
  const decisions = [...treasury.authorizations.values()]
    .filter(
      (each) =>
        each.passedAtSeq === null &&
        !isSettled(state, each.id) &&
        !state.approvedHere.has(each.id) &&
        alive(each.authorization),
    )
    .map(({ id, authorization: { intent, expiryHeight } }) =>
      row({ id, kind: intent.kind, amountSat: null, expiryHeight }),
    );
  return [...spends, ...decisions];
}

/** Broadcast, in a block, replaced, or refused by so many that it can never be signed. */
function isOver({ treasury }: AgentState, each: ProposalState): boolean {
  const place = each.place?.in;
  return (
    each.broadcast !== null ||
    place === 'block' ||
    place === 'conflict' ||
    deadByRefusal(treasury, each)
  );
}

function outflowOf({ treasury }: AgentState, each: ProposalState): bigint {
  const { intent } = each.proposal;
  const payer =
    payingIntent(treasury, intent) === intent ? each : treasury.proposals.get(each.root);
  return outflowSat(payer ?? each);
}

const STANDS: Record<PendingRow['decision'], string> = {
  sign: 'this agent is about to sign it',
  ask: 'ASKS YOU',
  wait: 'waits',
  refuse: 'this agent refuses it',
  'not-judged': 'not judged yet',
};

function rowText(row: PendingRow, tipHeight: number | null): string {
  const amount = row.amountSat === null ? '' : `, ${satText(row.amountSat)} leave`;
  const why = row.why.map(({ code, detail }) => `${REASONS[code][1]}: ${oneLine(detail)}`);
  return [
    `${kindText(row.kind)}${amount} · ${STANDS[row.decision]}`,
    `  ${row.id}`,
    `  expires ${expiryText(row.expiryHeight, tipHeight)}`,
    ...why.map((each) => `  - ${wrapped(each, WHY_WIDTH).replaceAll('\n', '\n    ')}`),
  ].join('\n');
}
