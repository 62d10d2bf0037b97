/** What the operator's commands ask, as values and words: status, lists, authorizations. */
import { feerateText, satText, tableText } from '../console/print.ts';
import { approvalsNeeded } from '../policies/fold-decision.ts';
import type { AuthorizationState, Treasury } from '../policies/treasury.ts';
import type { FeeRate, Sat } from '../policies/units.ts';
import type { ProposalRow } from './proposal-row.ts';

export interface AuthorizationRow {
  id: string;
  kind: string;
  state: 'waiting-approval' | 'passed' | 'rejected' | 'expired';
  txid: null;
  approved: readonly string[];
  rejected: readonly string[];
  /** Guardians who have to approve. */
  needed: number;
  refused: readonly { seatId: string; classes: readonly string[] }[];
  expiryHeight: number;
}

export function authorizationRow(
  state: AuthorizationState,
  treasury: Treasury,
  tipHeight: number | null,
): AuthorizationRow {
  const said = (decision: 'approve' | 'reject') =>
    state.approvals
      .filter(({ body }) => body.decision === decision)
      .map(({ body }) => body.signerId);
  const { expiryHeight, intent } = state.authorization;
  const needed = approvalsNeeded(treasury, state.authorization);
  const rejected = said('reject');
  const left = (treasury.params?.seats.length ?? 0) - rejected.length;
  const standing =
    state.passedAtSeq !== null
      ? 'passed'
      : left < needed
        ? 'rejected'
        : tipHeight !== null && expiryHeight < tipHeight
          ? 'expired'
          : 'waiting-approval';
  return {
    id: state.id,
    kind: intent.kind,
    state: standing,
    txid: null,
    approved: said('approve'),
    rejected,
    needed,
    refused: [...state.verdicts.values()]
      .filter(({ body }) => body.verdict === 'refused' || body.verdict === 'never')
      .map(({ body: { seatId, classes } }) => ({ seatId, classes })),
    expiryHeight,
  };
}

export function authorizationText(row: AuthorizationRow): string {
  return [
    `${row.kind} ${row.id}`,
    `state     ${row.state}`,
    `approved  ${row.approved.join(', ') || 'nobody yet'} (${row.needed} guardians are needed)`,
    `rejected  ${row.rejected.join(', ') || 'nobody'}`,
    `expires   at height ${row.expiryHeight}`,
  ].join('\n');
}

/** Both lists as tables. */
export function listText(
  proposals: readonly ProposalRow[],
  authorizations: readonly AuthorizationRow[],
): string {
  const rows = proposals.map((row) => [
    row.id.slice(0, 16),
    row.kind,
    row.state,
    satText(row.amountSat),
    satText(row.feeSat),
    row.signed.join(' ') || '-',
    row.refused.map(({ seatId }) => seatId).join(' ') || '-',
    row.asks.join(' ') || '-',
  ]);
  const asked = authorizations.map((row) => [
    row.id.slice(0, 16),
    row.kind,
    row.state,
    `${row.approved.length} of ${row.needed}`,
  ]);
  const parts = [
    rows.length === 0
      ? 'no proposals'
      : tableText(
          ['proposal', 'kind', 'state', 'leaves', 'fee', 'signed', 'refused', 'asks'],
          rows,
        ),
    ...(asked.length === 0
      ? []
      : [tableText(['authorization', 'kind', 'state', 'approved'], asked)]),
  ];
  return parts.join('\n');
}

export interface StatusView {
  network: string;
  treasuryId: string;
  name: string;
  quorum: string;
  ceremony: 'open' | 'to-confirm' | 'done';
  seats: readonly {
    seatId: string;
    state: 'free' | 'claimed' | 'joined' | 'confirmed';
    lastSeenMs: number | null;
  }[];
  log: { seq: number; hash: string; folder: string };
  bitcoind: { url: string; version: string | null; trouble: string | null };
  tipHeight: number | null;
  estimateSatPerKvb: FeeRate | null;
  balance: { confirmedSat: Sat; unconfirmedSat: Sat; reservedSat: Sat } | null;
  queued: number;
  live: readonly string[];
  breaker: 'armed' | 'tripped';
  policyVersion: number | null;
}

export function statusText(status: StatusView): string {
  const { balance, bitcoind, estimateSatPerKvb: estimate } = status;
  return [
    `treasury  ${status.name} (${status.network}) ${status.treasuryId}`,
    `quorum    ${status.quorum}, ceremony ${status.ceremony}`,
    tableText(
      ['seat', 'state', 'last heard from'],
      status.seats.map(({ seatId, state, lastSeenMs }) => [
        seatId,
        state,
        lastSeenMs === null ? 'not since the start' : new Date(lastSeenMs).toISOString(),
      ]),
    ),
    `balance   ${balance === null ? 'unknown' : balanceText(balance)}`,
    `queue     ${status.queued} orders wait`,
    `live      ${status.live.length} proposals`,
    `breaker   ${status.breaker}`,
    `policy    version ${status.policyVersion ?? '-'}`,
    `tip       ${status.tipHeight ?? 'unknown'}, estimate ${estimate === null ? 'none' : feerateText(estimate)}`,
    `bitcoind  ${bitcoind.version ?? 'no answer'} at ${bitcoind.url}`,
    ...(bitcoind.trouble === null ? [] : [`trouble   ${bitcoind.trouble}`]),
    `log       entry ${status.log.seq} in ${status.log.folder}`,
  ].join('\n');
}

function balanceText(balance: NonNullable<StatusView['balance']>): string {
  const { confirmedSat, unconfirmedSat, reservedSat } = balance;
  return `${satText(confirmedSat)} confirmed, ${satText(unconfirmedSat)} unconfirmed, ${satText(reservedSat)} reserved`;
}
