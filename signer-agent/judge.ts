/**
 * The judge: the whole checklist on one parsed object, from the agent's own pinned wallet, log, node and
 * journal. Pure; whatever the bytes are, it answers. What it says of an id that fails is final.
 */
import { BrokenInvariant } from '../policies/failure.ts';
import { type Reason, reason } from '../policies/reason.ts';
import { type FeeRate, feerateFloor, MAX_MONEY_SAT, sat, type VBytes } from '../policies/units.ts';
import { type Case, caseOf } from './checks/case.ts';
import { checkTip, unknownSpends } from './checks/chain.ts';
import { rejections } from './checks/consent.ts';
import { checkEnvelope, missingAcknowledgements } from './checks/envelope.ts';
import { channelsOf, unseenReasons } from './checks/lightning.ts';
import { type ParcelRead, readParcel } from './checks/parcel.ts';
import { feesBeyondWindows } from './checks/question.ts';
import { type Reading, readSpend } from './checks/reading.ts';
import { type Found, ROWS, rowsOf } from './checks/rows.ts';
import { checkSetup } from './checks/setup.ts';
import { passesByItself } from './checks/transient.ts';
import type { JudgeInput, Judgement } from './judgement.ts';

export { changedSince, parcelHashOf } from './checks/parcel.ts';

/** Judges one parcel for one proposal of the log. @throws Failure NOT_READY before the log has a policy. */
export function judge(input: JudgeInput): Judgement {
  const c = caseOf(input);
  const parcel = readParcel(input.parcel);
  const read = readOrRefuse(c, parcel);
  const found = foundIn(c, parcel, read);
  const { spend, outputs, channels, facts, slack } = read.reading ?? NOTHING_READ;
  const feeSat = spend?.feeSat ?? null;
  const vsize = spend?.vsize ?? null;
  return {
    proposalId: input.state.id,
    decision: decisionOf(found),
    reasons: [...found.fails, ...found.waits, ...found.asks],
    rows: rowsOf(found, unseenRows(c, read.reading), rowsFor(c, found)),
    parcelHash: parcel.hash,
    txid: parcel.psbt === null ? null : c.txid,
    outputs: outputs?.rows ?? [],
    channels,
    inputs: (spend?.inputs ?? []).flatMap(({ outpoint, amountSat, place }) =>
      amountSat === null || place === null
        ? []
        : [{ outpoint, amountSat, branch: place.branch, index: place.index }],
    ),
    feeSat,
    feerate: feerateOf(feeSat, vsize),
    vsize,
    facts,
    slack,
  };
}

/** Null for a fee that is none: below zero, or more than there is money. */
function feerateOf(feeSat: bigint | null, vsize: VBytes | null): FeeRate | null {
  if (feeSat === null || vsize === null || feeSat < 0n) return null;
  return feeSat * 1_000n > MAX_MONEY_SAT * vsize ? null : feerateFloor(sat(feeSat), vsize);
}

const NOTHING_READ = { spend: null, outputs: null, channels: [], facts: null, slack: [] };

interface Read {
  reading: Reading | null;
  reasons: readonly Reason[];
}

/**
 * What a check cannot compute, it refuses: an error never leaves a row unjudged. Whatever the libraries
 * below throw at hostile numbers means the same, since one log entry must not stop this process for ever.
 */
function readOrRefuse(c: Case, parcel: ParcelRead): Read {
  if (parcel.psbt === null) return { reading: null, reasons: [] };
  try {
    const reading = readSpend(c, parcel, parcel.psbt);
    return { reading, reasons: reading.reasons };
  } catch (cause) {
    if (cause instanceof BrokenInvariant) throw cause;
    const detail = cause instanceof Error ? cause.message : 'cannot be computed';
    return { reading: null, reasons: [reason('W-ENV-INTENT', detail)] };
  }
}

function foundIn(c: Case, parcel: ParcelRead, read: Read): Found {
  const { input, chain } = c;
  const missing = read.reading?.missing ?? { waits: [], asks: [] };
  const failed = [
    ...parcel.reasons,
    ...checkEnvelope(input),
    ...checkSetup(input),
    ...rejections(c),
    ...read.reasons,
    ...missingAcknowledgements(input, input.state.entrySeq),
    ...(chain === null ? [] : checkTip(chain, c.policy, input.now)),
    ...lockReasons(c),
  ];
  const distinct = unique(failed);
  return {
    fails: distinct.filter(({ code }) => !passesByItself(c, code)),
    waits: unique([...distinct.filter(({ code }) => passesByItself(c, code)), ...missing.waits]),
    asks: unique([...aloneReasons(c), ...cancelReasons(c, read.reading), ...missing.asks]),
  };
}

/** H5: nobody's word helps an agent that may have forgotten signatures. */
function lockReasons({ input }: Case): Reason[] {
  return input.memory.automation === 'locked'
    ? [reason('W-CNT-ROLLBACK', 'restored, and not proved to be up to date')]
    : [];
}

/** What stops signing alone and nothing else: the guardian at the keyboard still can. */
function aloneReasons(c: Case): Reason[] {
  const { memory, state } = c.input;
  if (memory.approvedHere.has(state.id)) return [];
  const found = c.chain === null ? [] : unknownSpends(c, c.chain);
  found.push(...unseenReasons(c));
  if (c.chain === null) {
    found.push(reason('W-BRK-NO-CHAIN-VIEW', 'this agent has no node and never signs alone'));
  }
  if (memory.automation === 'paused') {
    found.push(reason('W-BRK-PAUSED', 'too many refusals'));
  }
  if (memory.automation === 'tripped') {
    found.push(reason('W-BRK-TRIPPED', 'this guardian stopped signing alone'));
  }
  if (state.root !== state.id && memory.refused.has(state.root)) {
    found.push(reason('W-APP-REJECTED', 'varies what this agent refused'));
  }
  return found;
}

/**
 * K4, F4: a cancel passes every window, but not by an automatic hand: else spends that nobody ever signs,
 * and a cancel of each, burn the treasury to whoever mines them.
 */
function cancelReasons(c: Case, reading: Reading | null): Reason[] {
  const facts = reading?.facts ?? null;
  if (facts?.kind !== 'cancel' || c.input.memory.approvedHere.has(c.input.state.id)) return [];
  return feesBeyondWindows(c, facts);
}

/** A fault weighs most. Then patience: a guardian is asked about what is otherwise complete. */
function decisionOf({ fails, waits, asks }: Found): Judgement['decision'] {
  if (fails.length > 0) return 'refuse';
  if (waits.length > 0) return 'wait';
  return asks.length > 0 ? 'ask' : 'sign';
}

const BY_BYTES = 'A2 C1 C2 C3 C4 C5 C6 C7 D1 D2 D3 D4 D5 D6 D7 D8 D9 E1 E2 E3 E4 E5 E6 E8 G1 G4 I6';
const BY_SUMS = 'A3 E7 F1 F2 F3 F4 F5 H1 H2 H8 H9 G2 G3 G9';
/** Heights without a node are claims; so are balances, estimates and what was spent. */
const BY_NODE = 'A3 C3 D5 E1 F2 F4 H1 H2 H7 K3';

/** Rows about channels say nothing of a spend that opens none, unless one of them is broken. */
function rowsFor({ input }: Case, { fails, waits, asks }: Found): readonly string[] {
  const named = new Set([...fails, ...waits, ...asks].map(({ row }) => row));
  const opens = channelsOf(input.state).length > 0;
  return Object.keys(ROWS).filter((row) => opens || !row.startsWith('G') || named.has(row));
}

function unseenRows({ chain, input }: Case, reading: Reading | null): ReadonlyMap<string, string> {
  const unseen = new Map<string, string>();
  const name = (rows: string, why: string): void => {
    for (const row of rows.split(' ')) unseen.set(row, why);
  };
  if (chain === null) name(BY_NODE, 'no node of its own to look with');
  if (input.lightning.is === 'none') name('G1', 'no look at the Lightning node: the pool’s claim');
  if (reading === null || reading.facts === null) name(BY_SUMS, 'the spend has no sums');
  if (reading === null) name(BY_BYTES, 'the parcel cannot be read');
  return unseen;
}

function unique(reasons: readonly Reason[]): Reason[] {
  return [...new Map(reasons.map((each) => [`${each.code} ${each.detail}`, each])).values()];
}
