/**
 * Who is paid, as a review shows it: up to twenty payees one by one; of more the totals, and then only
 * those that differ from what this treasury paid before.
 */
import { satText } from '../../console/print.ts';
import { addressOf } from '../../descriptors/derive.ts';
import { NETWORKS } from '../../descriptors/network.ts';
import type { LpOrder, NetworkName, SpendIntent } from '../../policies/intent.ts';
import type { ProposalState, Treasury } from '../../policies/treasury.ts';
import type { AddressBook } from '../address-book.ts';
import type { Judgement, OutputRow } from '../judgement.ts';
import { addressText, oneLine, plural, section, tableOrNothing, wrapped } from './wording.ts';

/** From here on a person no longer reads them one by one. */
export const LARGE_BATCH = 20;
/** An amount this many times the median of earlier batches is worth a look. */
const UNUSUAL_TIMES = 5n;
/** Of payees that differ, a person reads the first ones. */
const DIFFERENT_SHOWN_MAX = 50;
const NOT_IN_BOOK = 'not in your address book';
const PLACE_WIDTH = 44;

/** What a review of payees reads. */
export interface PayeeQuestion {
  judgement: Judgement;
  state: ProposalState;
  treasury: Treasury;
  book: AddressBook;
  network: NetworkName;
}

/** One output that leaves. */
export interface PayeeRow {
  vout: number;
  amountSat: bigint;
  address: string;
  /** From the guardian's own address book. */
  name: string | null;
  lpId: string | null;
  orderId: string | null;
  /** Who authorised it, in the judge's words. */
  because: string;
  /** Why a person should look twice; empty for what is as ever. */
  differs: readonly string[];
}

/** Everything that leaves, in the transaction's order, with what is different about it. */
export function payeeRows(question: PayeeQuestion): readonly PayeeRow[] {
  const { judgement, network, book } = question;
  const orders = ordersByPlace(question);
  const before = paidBefore(question);
  const firstPaid = new Set(
    (judgement.facts?.payees ?? [])
      .filter(({ firstPayment }) => firstPayment === 'first')
      .map(({ script }) => placeOf(script, network)),
  );
  return judgement.outputs
    .filter(({ is }) => is !== 'change')
    .map((output): PayeeRow => {
      const { vout, amountSat, address, because } = output;
      const order = orders.get(`${address} ${amountSat}`)?.shift();
      return {
        vout,
        amountSat,
        address,
        name: book.get(address) ?? null,
        lpId: order?.body.lpId ?? null,
        orderId: order?.body.orderId ?? null,
        because,
        differs: differences(output, firstPaid, before),
      };
    });
}

/** The part of a review that says who is paid. */
export function payeesText(rows: readonly PayeeRow[], signed: SignedPayees | null): string[] {
  if (rows.length <= LARGE_BATCH) return section('WHAT LEAVES', payeeTable(rows));
  const different = rows.filter(({ differs }) => differs.length > 0);
  const shown = different.slice(0, DIFFERENT_SHOWN_MAX);
  const more = different.length - shown.length;
  const amounts = rows.map(({ amountSat }) => amountSat).toSorted((a, b) => (a < b ? -1 : 1));
  const total = amounts.reduce((a, b) => a + b, 0n);
  const [smallest = 0n] = amounts;
  return [
    [
      'WHAT LEAVES',
      `${plural(rows.length, 'payee')}, ${satText(total)} in all`,
      ...(signed === null ? [] : [`${signed.signed} of ${signed.of} payees signed`]),
      `from ${satText(smallest)} to ${satText(amounts.at(-1) ?? 0n)}, median ${satText(medianOf(amounts))}`,
      `${rows.length - different.length} are as ever`,
    ].join('\n'),
    ...section(
      `WHAT DIFFERS (${different.length})`,
      different.length === 0
        ? 'nothing: known payees, usual amounts, known kinds of address'
        : `${payeeTable(shown)}${more > 0 ? `\nand ${more} more` : ''}`,
    ),
  ];
}

/** How many payees of a batch carry an order that holds. */
export interface SignedPayees {
  signed: number;
  of: number;
}

/** Counted from what the judge found; null for what is no batch, or where orders were not looked at. */
export function signedPayees({ judgement, treasury, state }: PayeeQuestion): SignedPayees | null {
  const intent = payingIntent(treasury, state.proposal.intent);
  const looked = judgement.rows.some(
    ({ row, outcome }) => row === 'E4' && outcome !== 'not-checked',
  );
  if (intent.kind !== 'withdrawal_batch' || !looked) return null;
  const unsigned = judgement.reasons.filter(({ code }) => code === 'W-OUT-PAYEE-UNSIGNED').length;
  const of = intent.orders.length;
  return { signed: Math.max(0, of - unsigned), of };
}

/** The intent whose payees are paid: of a bump, its first proposal's. */
export function payingIntent(treasury: Treasury, intent: SpendIntent): SpendIntent {
  if (intent.kind !== 'fee_bump') return intent;
  return treasury.proposals.get(intent.of)?.proposal.intent ?? intent;
}

function payeeTable(rows: readonly PayeeRow[]): string {
  return tableOrNothing(
    ['output', 'amount', 'to', 'on whose word'],
    rows.map((row) => [
      row.vout.toString(),
      satText(row.amountSat),
      [
        row.name === null ? NOT_IN_BOOK : oneLine(row.name),
        addressText(row.address),
        ...row.differs.map((what) => `! ${what}`),
      ].join('\n'),
      authorityText(row),
    ]),
  );
}

function authorityText({ lpId, orderId, because }: PayeeRow): string {
  if (lpId === null || orderId === null) return wrapped(because, 22);
  return `LP ${oneLine(lpId)}\norder ${orderId.slice(0, 8)}…`.slice(0, PLACE_WIDTH * 2);
}

/** Orders of the batch by place and amount: two alike are told apart by nothing, so they take turns. */
function ordersByPlace({ treasury, state, network }: PayeeQuestion): Map<string, LpOrder[]> {
  const intent = payingIntent(treasury, state.proposal.intent);
  const found = new Map<string, LpOrder[]>();
  if (intent.kind !== 'withdrawal_batch') return found;
  for (const order of intent.orders) {
    const key = `${placeOf(order.body.script, network)} ${order.body.amountSat}`;
    const same = found.get(key);
    if (same === undefined) found.set(key, [order]);
    else same.push(order);
  }
  return found;
}

interface Before {
  median: bigint | null;
  forms: ReadonlySet<string>;
}

/** What earlier batches of the log looked like. */
function paidBefore({ treasury, state, network }: PayeeQuestion): Before {
  const earlier = [...treasury.proposals.values()].filter(
    (each) => each.root !== state.root && each.entrySeq < state.entrySeq,
  );
  const orders = earlier.flatMap(({ proposal }) =>
    proposal.intent.kind === 'withdrawal_batch' ? proposal.intent.orders : [],
  );
  const amounts = orders
    .map(({ body }): bigint => body.amountSat)
    .toSorted((a, b) => (a < b ? -1 : 1));
  return {
    median: amounts.length === 0 ? null : medianOf(amounts),
    forms: new Set(orders.map(({ body }) => formOf(placeOf(body.script, network)))),
  };
}

function differences(
  { address, amountSat, is }: OutputRow,
  firstPaid: ReadonlySet<string>,
  before: Before,
): string[] {
  const found: string[] = [];
  if (is === 'unlisted') found.push('NOBODY ASKED FOR THIS');
  if (firstPaid.has(address)) found.push('first payment to this address');
  const { median, forms } = before;
  if (median !== null && median > 0n && amountSat > median * UNUSUAL_TIMES) {
    found.push(`${amountSat / median} times the usual amount`);
  }
  if (forms.size > 0 && !forms.has(formOf(address))) found.push('a new kind of address');
  return found;
}

/** The lower one in the middle, so that it is an amount that was paid. */
function medianOf(sorted: readonly bigint[]): bigint {
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0n;
}

/** Address, or the script itself where it has none. */
export function placeOf(script: string, network: NetworkName): string {
  return addressOf(script, NETWORKS[network]) ?? script;
}

/** Kind of an address: prefix with witness version and length (BIP-173, BIP-350), or the first letter. */
function formOf(address: string): string {
  const segwit = /^(?:bc|tb|bcrt)1(.)/.exec(address);
  return segwit === null ? address.slice(0, 1) : `${segwit[1]} ${address.length}`;
}
