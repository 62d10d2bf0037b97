/**
 * What a spend does, in plain words, drawn from the agent's own parse and the guardian's own address
 * book (checklist I2). Pure: the same judgement gives the same screen.
 */
import { satText } from '../../console/print.ts';
import type { NetworkName } from '../../policies/intent.ts';
import type { Overlay } from '../../policies/overlay.ts';
import type { ProposalState, Treasury } from '../../policies/treasury.ts';
import type { AddressBook } from '../address-book.ts';
import type { Judgement } from '../judgement.ts';
import { wordsOf } from '../word-fingerprint.ts';
import { channelsHeadline, channelsText } from './channel-rows.ts';
import { limitsTable } from './limit-rows.ts';
import { type NextStep, spendStepText } from './next-step.ts';
import { type PayeeRow, payeeRows, payeesText, payingIntent, signedPayees } from './payee-rows.ts';
import { saidText, saidView } from './said-so-far.ts';
import {
  addressText,
  DECISIONS,
  expiryText,
  feeText,
  kindText,
  oneLine,
  plural,
  REASONS_TITLE,
  reasonsTable,
  rowsText,
  screen,
  section,
  tableOrNothing,
  type View,
  wrapped,
} from './wording.ts';

/** Words of a proposal's id, the same on every guardian's screen: 44 bits to compare by voice. */
export const ID_WORDS = 4;

export interface ReviewQuestion {
  judgement: Judgement;
  state: ProposalState;
  treasury: Treasury;
  overlay: Overlay | null;
  book: AddressBook;
  seatId: string;
  network: NetworkName;
  nextStep: NextStep;
}

/** The review of a spend. */
export function reviewOf(question: ReviewQuestion): View {
  const { judgement, state, treasury, seatId, nextStep, overlay } = question;
  const sums = sumsOf(judgement);
  const payees = payeeRows(question);
  const signed = signedPayees(question);
  const said = saidView({ ...state, signed: [...state.contributions.keys()] });
  const tipHeight = ownTip(judgement);
  const threshold = treasury.params?.threshold ?? 0;
  const { expiryHeight } = state.proposal;
  const text = screen([
    headline(question, sums),
    ...channelsText(judgement.channels),
    ...payeesText(besideChannels(payees, judgement), signed),
    ...section('WHAT COMES BACK TO US', changeText(judgement)),
    ...section('FEE', feeLines(question, sums)),
    ...section('WHAT IS LEFT OF EACH LIMIT', limitsTable(judgement.slack)),
    ...section(REASONS_TITLE[judgement.decision], reasonsTable(judgement.reasons)),
    ...rowsText(judgement.rows),
    ...section('SO FAR', saidText(said, threshold)),
    ...section('EXPIRES', expiryText(expiryHeight, tipHeight)),
    ...section('WHAT APPROVING WILL DO', spendStepText(nextStep, seatId, threshold)),
  ]);
  const { intent } = state.proposal;
  return {
    text,
    json: {
      id: state.id,
      words: wordsOf(state.id, ID_WORDS),
      kind: intent.kind,
      of: 'of' in intent ? intent.of : null,
      txid: judgement.txid,
      decision: judgement.decision,
      nextStep,
      ...sums,
      feerateSatPerKvb: judgement.feerate,
      channels: judgement.channels,
      payees,
      payeesSigned: signed,
      change: judgement.outputs.filter(({ is }) => is === 'change'),
      inputs: judgement.inputs,
      limits: judgement.slack,
      reasons: judgement.reasons,
      rows: judgement.rows,
      said,
      threshold,
      initiator: state.proposal.initiator,
      expiryHeight,
      expiresInBlocks: tipHeight === null ? null : expiryHeight - tipHeight,
      parcelHash: judgement.parcelHash,
      overlay: overlay === null ? 'none' : 'judged with your own limits too',
    },
  };
}

/** Height of the own node. Without one, what the facts hold is a claim, and is not shown as ours. */
function ownTip({ facts, rows }: Judgement): number | null {
  const blind = rows.some(({ row, outcome }) => row === 'D5' && outcome === 'not-checked');
  return blind ? null : (facts?.tipHeight ?? null);
}

interface Sums {
  /** All coins that go in; null where not every amount is known. */
  inSat: bigint | null;
  /** Everything that does not come back, without the fee. */
  leavesSat: bigint;
  backSat: bigint;
  feeSat: bigint | null;
}

function sumsOf({ outputs, inputs, feeSat }: Judgement): Sums {
  let leavesSat = 0n;
  let backSat = 0n;
  for (const { is, amountSat } of outputs) {
    if (is === 'change') backSat += amountSat;
    else leavesSat += amountSat;
  }
  // The fee is the judge's; coins it could not read have no amount, and then there is no fee.
  const inSat = feeSat === null ? null : inputs.reduce((sum, { amountSat }) => sum + amountSat, 0n);
  return { inSat, leavesSat, backSat, feeSat };
}

/** What is no channel, in the transaction's order. */
function besideChannels(
  payees: readonly PayeeRow[],
  { channels, txid }: Judgement,
): readonly PayeeRow[] {
  const outpoints = new Set(channels.map(({ outpoint }) => outpoint));
  return payees.filter(({ vout }) => !outpoints.has(`${txid}:${vout}`));
}

function leavingText({ judgement }: ReviewQuestion, leaving: number, sums: Sums): string {
  const { channels } = judgement;
  if (channels.length === 0)
    return `${satText(sums.leavesSat)} leave to ${plural(leaving, 'payee')}`;
  const rest = sums.leavesSat - channels.reduce((sum, { capacitySat }) => sum + capacitySat, 0n);
  const more = rest === 0n ? '' : `, ${satText(rest)} leave beside`;
  return `${channelsHeadline(channels)}${more}`;
}

function headline(question: ReviewQuestion, sums: Sums): string {
  const { judgement, state, treasury, overlay } = question;
  const { intent, initiator } = state.proposal;
  const what = kindText(intent.kind);
  const leaving = judgement.outputs.filter(({ is }) => is !== 'change').length;
  const amount =
    judgement.outputs.length === 0
      ? 'this proposal could not be read: nothing below comes from it'
      : leaving === 0
        ? 'everything comes back to us, only the fee leaves'
        : leavingText(question, leaving, sums);
  const fee = sums.feeSat === null ? '' : `, fee ${satText(sums.feeSat)}`;
  const paid = payingIntent(treasury, intent);
  return [
    `${what}: ${amount}${fee}`,
    `This agent ${DECISIONS[judgement.decision]}`,
    `proposal ${state.id}`,
    `in four words: ${wordsOf(state.id, ID_WORDS)}`,
    ...(judgement.txid === null ? [] : [`transaction ${judgement.txid}`]),
    ...('of' in intent
      ? [`of proposal ${intent.of}${paid === intent ? '' : ` (${kindText(paid.kind)})`}`]
      : []),
    `asked for by ${initiator === 'queue' ? 'the queue of LP orders' : oneLine(initiator)}`,
    ...(overlay === null ? [] : ['judged by the policy and by your own limits']),
  ].join('\n');
}

/** Never left out: what hides here would look like a payment, or the other way round. */
function changeText({ outputs }: Judgement): string {
  const change = outputs.filter(({ is }) => is === 'change');
  if (change.length === 0) return outputs.length === 0 ? '' : 'nothing';
  return tableOrNothing(
    ['output', 'amount', 'to us', 'derived here'],
    change.map(({ vout, amountSat, address, because }) => [
      vout.toString(),
      satText(amountSat),
      addressText(address),
      wrapped(because, 22),
    ]),
  );
}

function feeLines({ judgement, treasury, state }: ReviewQuestion, sums: Sums): string {
  const { feeSat, inSat, leavesSat, backSat } = sums;
  if (feeSat === null || inSat === null) return 'not known: an amount that goes in is not proved';
  const coins = plural(judgement.inputs.length, 'coin');
  const lines = [
    feeText(feeSat, judgement.feerate, leavesSat),
    `${satText(inSat)} in ${coins} of ours = ${satText(leavesSat)} leave + ${satText(backSat)} come back + fee`,
  ];
  const { bump } = judgement.facts ?? { bump: null };
  if (bump !== null)
    lines.push(`the fee so far was ${satText(bump.feeSat)}; only one of them is paid`);
  const { intent } = state.proposal;
  if (intent.kind === 'cancel' && treasury.proposals.has(intent.of)) {
    lines.push('it spends a coin of the spend it cancels, so that only one of them can confirm');
  }
  return lines.join('\n');
}
