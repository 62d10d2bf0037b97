/** Everything about a proposal: for `show`, as values and as words. Amounts in sat. */
import { feerateText, percentTextFloor, satText, tableText } from '../console/print.ts';
import { addressOf } from '../descriptors/derive.ts';
import { evaluate, type SpendQuestion, type Verdict } from '../policies/evaluate.ts';
import type { PayeeFact } from '../policies/facts.ts';
import type { Reason } from '../policies/reason.ts';
import type { ProposalState } from '../policies/treasury.ts';
import { type FeeRate, feerateFloor, type Sat, sumSat, type VBytes } from '../policies/units.ts';
import { type ChannelOpenDetail, channelOpenDetail, channelOpenText } from './channel-detail.ts';
import { questionOf, type Situation, spendOf } from './facts.ts';
import { payeeFactsOf } from './payees.ts';
import type { ProposalRow } from './proposal-row.ts';

export interface ProposalDetail extends ProposalRow {
  seq: number;
  initiator: string;
  /** First proposal of the intent, where this is a variant of it. */
  of: string | null;
  inputs: readonly { outpoint: string; amountSat: Sat }[];
  payees: readonly { address: string | null; amountSat: Sat; authority: PayeeFact['authority'] }[];
  change: { address: string; index: number; amountSat: Sat } | null;
  feerateSatPerKvb: FeeRate;
  vsize: VBytes;
  lockTime: number;
  expiryHeight: number;
  policyHash: string;
  approvals: readonly { signerId: string; role: string; decision: string }[];
  /** Null where nothing is to be decided any more. */
  verdict: Verdict | null;
  /** What the policy was asked, for `weir policy explain`; null where there is no verdict. */
  question: Omit<SpendQuestion, 'policy' | 'overlay'> | null;
  broadcast: { outcome: string; reason: string } | null;
  /** Of a channel_open. */
  channelOpen: ChannelOpenDetail | null;
  /** Why something that is signed does not go out; null when nothing holds it. */
  held: string | null;
}

/** What the coordinator asks its policy about a proposal of its log, as things are now. */
export function questionNow(
  state: ProposalState,
  situations: { now: Situation; without: Situation },
  hidden: Parameters<typeof questionOf>[2],
): SpendQuestion {
  return questionOf(spendOf(state, situations.now), situations.without, hidden);
}

export function proposalDetail(
  row: ProposalRow,
  state: ProposalState,
  { now, question, held }: { now: Situation; question: SpendQuestion | null; held: string | null },
): ProposalDetail {
  const { proposal } = state;
  const { intent } = proposal;
  const { built } = spendOf(state, now);
  const { deriver, descriptor } = now.vault;
  const index = intent.plan.change?.index;
  const sent = state.broadcast;
  return {
    ...row,
    seq: state.entrySeq,
    initiator: proposal.initiator,
    of: state.root === state.id ? null : state.root,
    inputs: built.coins.map(({ outpoint, amountSat }) => ({ outpoint, amountSat })),
    payees: payeeFactsOf(intent, now).map(({ script, amountSat, authority }) => ({
      address: addressOf(script, descriptor.network),
      amountSat,
      authority,
    })),
    change:
      index === undefined || built.changeSat === null
        ? null
        : { address: deriver.address(1, index), index, amountSat: built.changeSat },
    feerateSatPerKvb: feerateFloor(built.feeSat, built.vsize),
    vsize: built.vsize,
    lockTime: intent.plan.lockTime,
    expiryHeight: proposal.expiryHeight,
    policyHash: proposal.policyHash,
    approvals: state.approvals.map(({ body: { signerId, role, decision } }) => ({
      signerId,
      role,
      decision,
    })),
    verdict: question === null ? null : evaluate(question),
    question: question === null ? null : factsAsked(question),
    broadcast:
      sent === null
        ? null
        : { outcome: sent.answer?.outcome ?? 'unknown', reason: sent.answer?.reason ?? '' },
    channelOpen: channelOpenDetail(state, built, now),
    held,
  };
}

function factsAsked({ facts, charges, approvals, breaker }: SpendQuestion) {
  return { facts, charges, approvals, breaker };
}

const WORDS: Record<ProposalRow['kind'], string> = {
  withdrawal_batch: 'pays withdrawals that LPs signed',
  treasury_move: "moves money to another vault of the policy's list",
  hot_topup: 'fills up the hot wallet',
  consolidate: 'puts small coins together; nothing leaves but the fee',
  fee_bump: 'pays the same payees again with a higher fee, instead of the earlier one',
  cancel: 'takes the coins of the earlier one back; nothing leaves but the fee',
  channel_open: "funds channels that the pool's node negotiated; its transaction never changes",
};

function authorityText(authority: PayeeFact['authority']): string {
  switch (authority.kind) {
    case 'lp-order':
      return `${authority.lpId}, order ${authority.orderId.slice(0, 12)}`;
    case 'allowlist':
      return `${authority.entry} of ${authority.list}`;
    case 'channel':
      return `channel with ${authority.peer.slice(0, 16)}`;
  }
}

/** The same for a person. */
export function detailText(detail: ProposalDetail): string {
  const { change, verdict, broadcast, place } = detail;
  const paid = sumSat(detail.payees.map(({ amountSat }) => amountSat));
  const inputs = sumSat(detail.inputs.map(({ amountSat }) => amountSat));
  const payees = detail.payees.map(({ address, amountSat, authority }) => [
    address ?? 'no address',
    satText(amountSat),
    authorityText(authority),
  ]);
  const fee = `${satText(detail.feeSat)}, ${feerateText(detail.feerateSatPerKvb)}`;
  const share = percentTextFloor(detail.feeSat, paid === 0n ? inputs : paid);
  return [
    `${detail.kind} ${detail.id}`,
    `  ${WORDS[detail.kind]}`,
    `state     ${detail.state}${detail.held === null ? '' : ` (held: ${detail.held})`}`,
    `txid      ${detail.txid}`,
    ...(detail.of === null ? [] : [`instead of ${detail.of}`]),
    `leaves    ${satText(paid)} to ${detail.payees.length} payees`,
    `change    ${change === null ? 'none' : `${satText(change.amountSat)} to ${change.address} (index ${change.index})`}`,
    `fee       ${fee}, ${share}`,
    `inputs    ${detail.inputs.length} coins of ${satText(inputs)}, ${detail.vsize} vB`,
    `expires   at height ${detail.expiryHeight}`,
    `asked by  ${detail.initiator}`,
    `signed    ${detail.signed.join(', ') || 'nobody yet'}`,
    `asks      ${detail.asks.join(', ') || 'nobody'}`,
    `refused   ${detail.refused.map(({ seatId, classes }) => `${seatId} (${classes.join(' ')})`).join(', ') || 'nobody'}`,
    ...(detail.faulty.length === 0 ? [] : [`faulty    ${detail.faulty.join(', ')}`]),
    `said      ${detail.approvals.map(({ signerId, role, decision }) => `${role} ${signerId}: ${decision}`).join(', ') || 'nothing'}`,
    `broadcast ${broadcast === null ? 'not yet' : `${broadcast.outcome} ${broadcast.reason}`.trim()}`,
    `chain     ${placeText(place)}`,
    ...(detail.channelOpen === null ? [] : [channelOpenText(detail.channelOpen)]),
    ...(payees.length === 0 ? [] : [tableText(['payee', 'amount', 'on the word of'], payees)]),
    ...(verdict === null ? [] : [verdictText(verdict)]),
  ].join('\n');
}

/** A verdict with what is left of each rule. */
export function verdictText({ kind, reasons, requirement, slack }: Verdict): string {
  const { guardianApprovals, operatorApprovals } = requirement;
  const rows = slack.map(({ rule, used, limit, slack: left, unit }) => [
    rule,
    `${used}`,
    `${limit}`,
    `${left} ${unit}`,
  ]);
  return [
    `policy    ${kind}; asks for ${guardianApprovals} guardians and ${operatorApprovals} operators`,
    ...reasons.map(reasonText),
    ...(rows.length === 0 ? [] : [tableText(['rule', 'used', 'limit', 'left'], rows)]),
  ].join('\n');
}

export function reasonText({ code, row, detail }: Reason): string {
  return `  ${code} (${row}): ${detail}`;
}

function placeText(place: ProposalDetail['place']): string {
  if (place === null) return 'not seen';
  if (place.in === 'block') return `block ${place.height}`;
  if (place.in === 'conflict') return `the anchor is spent by ${place.txid}`;
  return place.in;
}
