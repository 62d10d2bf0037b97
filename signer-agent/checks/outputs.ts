/** Rows E1 to E3: every output is the intent's change, one of its payees, or nobody's business here. */
import type { Spend, SpendOutput } from '../../descriptors/spend-from-psbt.ts';
import type { PayeeFact } from '../../policies/facts.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import type { Sat } from '../../policies/units.ts';
import type { OutputRow } from '../judgement.ts';
import type { Case } from './case.ts';

export interface Outputs {
  rows: readonly OutputRow[];
  /** Everything that leaves, with its authority; an output that nobody asked for has none. */
  leaving: readonly PayeeFact[];
  changeSat: Sat | null;
  reasons: readonly Reason[];
}

/** Nothing and nobody authorises this. */
const NO_AUTHORITY: PayeeFact['authority'] = {
  kind: 'allowlist',
  list: '',
  entry: '',
  index: null,
};

/** Sorts outputs; `payees` as the agent resolved them, never as the transaction has them. */
export function sortOutputs(c: Case, spend: Spend, payees: readonly PayeeFact[]): Outputs {
  const wanted = c.input.state.proposal.intent.plan.change?.index ?? null;
  const reasons: Reason[] = [];
  const rows: OutputRow[] = [];
  const leaving: PayeeFact[] = [];
  const open = [...payees];
  let changeSat: Sat | null = null;
  for (const output of spend.outputs) {
    const { vout, amountSat, script } = output;
    const row = { vout, amountSat, address: output.address ?? script };
    if (output.kind === 'change' && output.index === wanted && changeSat === null) {
      changeSat = amountSat;
      rows.push({ ...row, is: 'change', because: `derived at 1/${wanted}` });
      continue;
    }
    const at = open.findIndex((each) => each.script === script && each.amountSat === amountSat);
    const payee = at === -1 ? undefined : open.splice(at, 1)[0];
    if (payee !== undefined) {
      leaving.push(payee);
      rows.push({ ...row, is: 'payee', because: authorityText(payee) });
      continue;
    }
    leaving.push({ script, amountSat, authority: NO_AUTHORITY, firstPayment: 'first' });
    rows.push({ ...row, is: 'unlisted', because: 'nobody asked for it' });
    reasons.push(unlistedReason(output, wanted, payees));
  }
  reasons.push(
    ...open.map((each) => reason('W-OUT-MISSING', `${authorityText(each)} is not paid`)),
  );
  if (wanted !== null && changeSat === null) {
    const detail = `no output is derived at 1/${wanted}, where change should be`;
    reasons.push(reason('W-OUT-CHANGE-UNDERIVED', detail));
  }
  return { rows, leaving, changeSat, reasons: [...reasons, ...bumpReasons(c, reasons)] };
}

function unlistedReason(
  { vout, amountSat, script, kind, index }: SpendOutput,
  wanted: number | null,
  payees: readonly PayeeFact[],
): Reason {
  if (kind === 'receive') {
    return reason('W-OUT-OWN-RECEIVE', `output ${vout} pays our own 0/${index}`);
  }
  if (kind === 'change' && wanted !== null && index !== wanted) {
    return reason('W-OUT-CHANGE-INDEX', `output ${vout} is change at ${index}, not at ${wanted}`);
  }
  const same = payees.find((each) => each.script === script);
  return same !== undefined && same.amountSat !== amountSat
    ? reason('W-OUT-CHANGED-AMOUNT', `output ${vout}: ${amountSat} sat, not ${same.amountSat}`)
    : reason('W-OUT-UNLISTED', `output ${vout}: ${amountSat} sat to ${script}`);
}

/** F5: a bump moves nothing but change. */
function bumpReasons(c: Case, wrong: readonly Reason[]): Reason[] {
  if (c.input.state.proposal.intent.kind !== 'fee_bump') return [];
  return wrong
    .filter(({ row }) => row !== 'E2')
    .slice(0, 1)
    .map(({ detail }) => reason('W-FEE-BUMP-OUTPUTS', detail));
}

function authorityText({ authority }: PayeeFact): string {
  if (authority.kind === 'lp-order') return `order ${authority.orderId} of ${authority.lpId}`;
  if (authority.kind === 'channel') return `channel with ${authority.peer}`;
  const { list, entry, index } = authority;
  return `${list}/${entry}${index === null ? '' : `/${index}`}`;
}
