/** What a hostile coordinator can do: log anything it signs itself, and send any bytes beside it. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import { RawOldTx } from '@scure/btc-signer/script.js';
import type { Payee } from '../descriptors/build.ts';
import { txidOf } from '../descriptors/previous-tx.ts';
import { proposalPsbt } from '../descriptors/proposal-psbt.ts';
import type { CoinRef, SpendIntent } from '../policies/intent.ts';
import { type Proposal, proposalId } from '../policies/proposal.ts';
import { REASONS, type ReasonCode } from '../policies/reason.ts';
import { sat } from '../policies/units.ts';
import type { CheckedRow, JudgeInput, Judgement } from '../signer-agent/judgement.ts';
import { codesOf, hashOf, type JudgeScenario } from './judge-scenario.ts';
import type { Built, FundingTx } from './spend-scenario.ts';

/**
 * One hostile row: a title that starts with the row of the checklist, what its judgement names (its own code
 * first, then what cannot be told apart from it; `*` for whatever else follows), and how it is lied to.
 */
export type Hostile = [title: string, codes: string, make: (s: JudgeScenario) => Judgement];

interface Verdict {
  decision: Judgement['decision'];
  codes: ReasonCode[];
  /** The row that the title speaks of, and how the judgement shows it. */
  row: string | undefined;
  outcome: CheckedRow['outcome'] | undefined;
}

/** What a hostile row wants: the codes named and no others, so that only one thing was wrong. */
export function wanted([, codes]: Hostile, decision: Judgement['decision']): Verdict {
  const named = namedIn(codes);
  const row = named[0] === undefined ? undefined : REASONS[named[0]][0];
  const outcome = decision === 'refuse' ? 'failed' : 'waiting';
  return { decision, codes: named.toSorted(), row, outcome };
}

/** What its judgement says. */
export function found([title, codes]: Hostile, judgement: Judgement): Verdict {
  const named = new Set(namedIn(codes));
  const all = codesOf(judgement);
  const [row] = title.split(' ');
  return {
    decision: judgement.decision,
    codes: codes.endsWith('*') ? all.filter((code) => named.has(code)) : all,
    row,
    outcome: judgement.rows.find((each) => each.row === row)?.outcome,
  };
}

function namedIn(codes: string): ReasonCode[] {
  return codes.split(' ').filter((code): code is ReasonCode => code in REASONS);
}

type RawTx = ReturnType<typeof RawOldTx.decode>;
type RawPsbt = ReturnType<typeof RawPSBTV0.decode>;

/** A valid batch to change: two small payees, one coin. */
export function validBatch(s: JudgeScenario): Built {
  return s.batch(s.orders(100_000n, 200_000n));
}

/** Judges a valid batch with one thing changed about what the agent is given. */
export const givenBatch =
  (change: (input: JudgeInput, s: JudgeScenario) => JudgeInput) =>
  (s: JudgeScenario): Judgement =>
    s.judge(validBatch(s), (input) => change(input, s));

/** The same with fields of the proposal changed before it was signed into the log. */
export const loggedWith =
  (edit: (proposal: Proposal) => Partial<Proposal>) =>
  (s: JudgeScenario): Judgement => {
    const intent = batchIntent(s);
    return s.judge(
      s.propose(intent, payeesOf(intent), (proposal) => ({ ...proposal, ...edit(proposal) })),
    );
  };

export type Batch = Extract<SpendIntent, { kind: 'withdrawal_batch' }>;

/** The intent of `validBatch`, with another plan or other orders. */
export function batchIntent(s: JudgeScenario, change: Partial<Batch> = {}): Batch {
  const orders = s.orders(100_000n, 200_000n);
  return { kind: 'withdrawal_batch', orders, plan: s.plan(), ...change };
}

export function payeesOf(intent: Batch): Payee[] {
  return intent.orders.map(({ body: { script, amountSat } }) => ({ script, amountSat }));
}

/** The transaction edited after it was built; logged, and sent as a PSBT, consistently. */
export const withTx =
  (edit: (tx: RawTx, s: JudgeScenario) => void) =>
  (s: JudgeScenario): Judgement =>
    s.judge(withEditedTx(s, (tx) => edit(tx, s)));

export function withEditedTx(
  s: JudgeScenario,
  edit: (tx: RawTx) => void,
  intent: SpendIntent = batchIntent(s),
  payees: readonly Payee[] = 'orders' in intent ? payeesOf(intent) : [],
): Built {
  let unsignedTx = new Uint8Array();
  const built = s.propose(intent, payees, (proposal) => {
    const tx = RawOldTx.decode(hexToBytes(proposal.unsignedTx));
    edit(tx);
    unsignedTx = RawOldTx.encode(tx) as Uint8Array<ArrayBuffer>;
    return { ...proposal, unsignedTx: bytesToHex(unsignedTx) };
  });
  const tx = RawOldTx.decode(unsignedTx);
  const coins = tx.inputs.map(({ txid, index }): CoinRef => {
    const outpoint = `${bytesToHex(txid)}:${index}`;
    const known = s.coins.find((coin) => coin.outpoint === outpoint);
    return known ?? { outpoint, amountSat: sat(10_000_000n), branch: 0, index: 0 };
  });
  const outputs = tx.outputs.map(({ script, amount }) => ({
    script: bytesToHex(script),
    amountSat: sat(amount),
  }));
  const edited = { ...built.built, unsignedTx, txid: txidOf(unsignedTx), coins, outputs };
  return { ...built, psbt: proposalPsbt(edited, s.deriver, intent.plan.change?.index ?? null) };
}

/** Only the PSBT is another one. */
export const withPsbt =
  (edit: (raw: RawPsbt, s: JudgeScenario) => void) =>
  (s: JudgeScenario): Judgement =>
    s.judge(validBatch(s), (input) => ({
      ...input,
      parcel: { ...input.parcel, psbt: editedPsbt(input.parcel.psbt, (raw) => edit(raw, s)) },
    }));

export function editedPsbt(psbt: Uint8Array, edit: (raw: RawPsbt) => void): Uint8Array {
  const raw = RawPSBTV0.decode(psbt);
  edit(raw);
  return RawPSBTV0.encode(raw);
}

/** Any transaction with these outputs. */
export function payment(
  name: string,
  outputs: readonly { script: string; amountSat: bigint }[],
): FundingTx {
  const raw = RawOldTx.encode({
    version: 2,
    inputs: [
      {
        txid: hexToBytes(hashOf(name)),
        index: 0,
        finalScriptSig: new Uint8Array(),
        sequence: 0xffffffff,
      },
    ],
    outputs: outputs.map(({ script, amountSat }) => ({
      amount: amountSat,
      script: hexToBytes(script),
    })),
    lockTime: 0,
  });
  return { raw, txid: txidOf(raw) };
}

/** The input with other previous transactions beside the PSBT. */
export function withPrevious(input: JudgeInput, previousTxs: readonly Uint8Array[]): JudgeInput {
  return { ...input, parcel: { ...input.parcel, previousTxs } };
}

/** A proposal that the fold would not have taken, put into the agent's state as if it had. */
export const smuggled =
  (edit: (proposal: Proposal) => Partial<Proposal>) =>
  (s: JudgeScenario): Judgement => {
    const built = validBatch(s);
    const proposal = { ...built.proposal, ...edit(built.proposal) };
    const id = proposalId(proposal);
    const state = { ...built.state, proposal, id, root: id };
    const proposals = new Map([[id, state]]);
    return s.judge(built, (input) => ({
      ...input,
      treasury: { ...input.treasury, proposals },
      state,
    }));
  };
