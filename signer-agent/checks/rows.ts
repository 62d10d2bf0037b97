/** The rows of docs/checklist.md that this agent judges, and how a verdict shows them. */
import type { Reason } from '../../policies/reason.ts';
import type { CheckedRow } from '../judgement.ts';

/** row -> what holds when it passes, in the words a guardian reads. */
export const ROWS: Readonly<Record<string, string>> = {
  A1: 'for this treasury and network',
  A2: 'the intent builds this transaction, byte for byte',
  A3: 'neither expired nor too long-lived',
  A4: 'in the own replica of the log, which enough peers acknowledged',
  A5: 'no second log is known',
  A7: 'bounded and well-formed',
  A8: 'hashed once at receipt',
  A9: 'signing alone is not paused',
  B1: 'the pinned wallet record, unchanged',
  B2: 'the own key is in the descriptor',
  B3: 'canonical descriptor of distinct keys',
  B4: 'confirmed by all guardians',
  B5: 'no other way to spend than agreed',
  B7: 'every key record is there and signed',
  C1: 'the PSBT holds the transaction of the proposal',
  C2: 'version 2, replaceable',
  C3: 'the locktime is a height of the past and goes up',
  C4: 'no coin twice',
  C5: 'relayable outputs and weight',
  C6: 'only known PSBT fields',
  C7: 'only the pinned extended keys',
  D1: 'all inputs are ours',
  D2: 'native segwit inputs',
  D3: 'amounts proved by previous transactions',
  D4: 'witness scripts are the derived ones',
  D5: 'coins are unspent and old enough',
  D6: 'coins are bound to no other intent',
  D7: 'inputs within the gap',
  D8: 'SIGHASH_ALL everywhere',
  D9: 'spent by the quorum',
  E1: 'nothing but payees and change, at the next index',
  E2: 'change is derived here',
  E3: 'every payee gets its amount',
  E4: 'every payee is authorised',
  E5: 'no order is paid twice',
  E6: 'pays this network, and not ourselves',
  E7: 'no dust, bounded outputs, enough change',
  E8: 'nothing is ours but by derivation',
  F1: 'the fee is inputs minus outputs',
  F2: 'a feerate within bounds',
  F3: 'a fee within both caps',
  F4: 'fees of the windows are not used up',
  F5: 'variants share the anchor, bumps the payees',
  H1: 'the policy of the guardians',
  H2: 'within all limits',
  H5: 'this agent forgot nothing',
  H7: 'the own node is up to date',
  H8: 'everybody who must agree agreed',
  H9: 'no breaker is tripped',
  I1: 'approvals are of exactly this; nobody said no',
  I6: 'a spend and no message',
  K3: 'every spend on the chain is in the log',
  G1: 'every channel is pending: the pool signed it, and its node shows it',
  G2: 'the reserve of the Lightning node is within its bound',
  G3: 'channels are to listed peers, within their bounds',
  G4: 'each channel closes to an address of its own, of this treasury',
  G9: 'a child can pay for a stuck funding; its txid never changes',
};

/** What was found, sorted by what follows from it. */
export interface Found {
  fails: readonly Reason[];
  waits: readonly Reason[];
  asks: readonly Reason[];
}

/** Every one of the rows once; `unseen` says of a row what this agent could not look at. */
export function rowsOf(
  found: Found,
  unseen: ReadonlyMap<string, string>,
  rows: readonly string[] = Object.keys(ROWS),
): CheckedRow[] {
  return rows.map((row): CheckedRow => {
    const of = (reasons: readonly Reason[]): string =>
      reasons
        .filter((each) => each.row === row)
        .map(({ code, detail }) => `${code}: ${detail}`)
        .join('; ');
    const failed = of(found.fails);
    if (failed !== '') return { row, outcome: 'failed', detail: failed };
    const waiting = of([...found.waits, ...found.asks]);
    if (waiting !== '') return { row, outcome: 'waiting', detail: waiting };
    const why = unseen.get(row);
    return why === undefined
      ? { row, outcome: 'passed', detail: ROWS[row] ?? '' }
      : { row, outcome: 'not-checked', detail: why };
  });
}
