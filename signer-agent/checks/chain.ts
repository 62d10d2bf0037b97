/** Rows C3, D5, D6, E1's index, H7 and K3: what only the agent's own node and journal can say. */
import type { Spend } from '../../descriptors/spend-from-psbt.ts';
import { type Family, reservedCoins } from '../../policies/commitments.ts';
import type { Policy } from '../../policies/policy.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import type { ProposalState } from '../../policies/treasury.ts';
import type { ChainView, JudgeInput } from '../judgement.ts';
import type { Case } from './case.ts';

/** Confirmations before a coinbase may be spent (consensus/consensus.h COINBASE_MATURITY). */
const COINBASE_MATURITY = 100;
const BLOCK_SECONDS = 600;
/** Change further than this would be lost to a standard gap-20 recovery. */
const CHANGE_GAP = 20;

/** H7: a node that is syncing, stale, ahead of time or freshly reorganised judges nothing. */
export function checkTip(chain: ChainView, policy: Policy, now: number): Reason[] {
  const found: Reason[] = [];
  const { max_age, max_skew, reorg_halt_depth } = policy.tip;
  if (chain.sync === 'syncing') {
    found.push(reason('W-BRK-TIP-STALE', 'the own node is still syncing'));
  }
  if (now - chain.medianTime > (max_age + max_skew) * BLOCK_SECONDS) {
    found.push(reason('W-BRK-TIP-STALE', `the newest blocks are from ${chain.medianTime}`));
  }
  if (chain.medianTime - now > max_skew * BLOCK_SECONDS) {
    found.push(reason('W-BRK-TIP-STALE', 'the newest blocks are from the future of this clock'));
  }
  if (chain.reorgDepth >= reorg_halt_depth) {
    found.push(reason('W-BRK-REORG', `${chain.reorgDepth} blocks were taken back`));
  }
  return found;
}

/** D5: every coin exists and is unspent but by this very intent. Its age is the policy's to judge. */
export function checkCoins(c: Case, chain: ChainView, spend: Spend): Reason[] {
  const { state } = c.input;
  return spend.inputs.flatMap(({ outpoint, amountSat, place }): Reason[] => {
    const spender = c.spends.get(outpoint);
    const variant = spender !== undefined && c.known.get(spender.txid)?.root === state.root;
    if (spender !== undefined && (!variant || spender.height !== null)) {
      const where = spender.height === null ? 'the mempool' : `block ${spender.height}`;
      return [reason('W-IN-SPENT', `${outpoint} is spent by ${spender.txid} in ${where}`)];
    }
    const coin = chain.coins.get(outpoint);
    // A coin that an unconfirmed variant spends is gone from the node's set: the mempool took the variant,
    // so the coin is there, and a quorum judged its age.
    if (coin === undefined) {
      return spender === undefined ? [reason('W-IN-UNKNOWN-COIN', `${outpoint} is not there`)] : [];
    }
    const found: Reason[] = [];
    const otherAmount = amountSat !== null && coin.amountSat !== amountSat;
    if (otherAmount || (place !== null && coin.script !== place.script)) {
      found.push(reason('W-IN-AMOUNT', `${outpoint} holds ${coin.amountSat} sat on the own node`));
    }
    if (coin.coinbase === 'coinbase' && coin.confirmations < COINBASE_MATURITY) {
      found.push(reason('W-IN-IMMATURE', `${outpoint} has ${coin.confirmations} confirmations`));
    }
    return found;
  });
}

/** D6: no coin of another intent that may still confirm, in the log or in the own journal; none frozen. */
export function checkHeld(c: Case, spend: Spend): Reason[] {
  const { memory, state, treasury } = c.input;
  const held = reservedCoins(c.prior, treasury);
  const free = new Set(
    c.others
      .filter(({ fate }) => fate.is === 'dead' || fate.is === 'buried')
      .map(({ root }) => root.id),
  );
  return spend.inputs.flatMap(({ outpoint }): Reason[] => {
    const signed = memory.signedOutpoints.get(outpoint);
    const bound = signed !== undefined && signed !== state.root && !free.has(signed);
    const holder = bound ? signed : held.get(outpoint);
    const found: Reason[] = [];
    if (holder !== undefined) {
      found.push(reason('W-IN-LOCKED', `${outpoint} belongs to the intent ${holder}`));
    }
    if (memory.frozen.has(outpoint)) {
      found.push(reason('W-IN-FROZEN', `${outpoint} is frozen by this guardian`));
    }
    return found;
  });
}

/** C3: heights only go up, in the order of the log: a proposal that waited for people may be older. */
export function checkRatchet(input: JudgeInput, lockTime: number): Reason[] {
  const { memory, state, treasury } = input;
  let before = 0;
  let highest = 0;
  for (const id of memory.signed) {
    const signed = treasury.proposals.get(id);
    if (signed === undefined) continue;
    const locked = signed.proposal.intent.plan.lockTime;
    highest = Math.max(highest, locked);
    if (signed.entrySeq < state.entrySeq) before = Math.max(before, locked);
  }
  const least = memory.lockTimeSigned > highest ? memory.lockTimeSigned : before;
  return lockTime >= least
    ? []
    : [reason('W-TX-LOCKTIME', `locktime ${lockTime} after one of ${least} was signed`)];
}

/**
 * E1: change goes to the next free index of the own view, or at most CHANGE_GAP further. A lower index is
 * free when no other intent of the log planned it that is not dead: a proposal that waited for people may be
 * overtaken. A bump or a cancel keeps the index of its intent, of which one variant alone can confirm.
 */
export function checkChangeIndex(c: Case, chain: ChainView): Reason[] {
  const index = changeIndexOf(c.input.state);
  if (index === null) return [];
  const next = chain.changeIndexUsed + 1;
  const plans = ({ variants }: Family): boolean =>
    variants.some((each) => each.id !== c.input.state.id && changeIndexOf(each) === index);
  const kept = c.own !== null && plans(c.own);
  const taken = !kept && c.others.some((other) => other.fate.is !== 'dead' && plans(other));
  return (index >= next || !taken) && index <= next + CHANGE_GAP
    ? []
    : [reason('W-OUT-CHANGE-INDEX', `change at index ${index}; ${next} is the next free one`)];
}

function changeIndexOf({ proposal }: ProposalState): number | null {
  return proposal.intent.plan.change?.index ?? null;
}

/** K3: spends of treasury coins that no proposal of the log made. */
export function unknownSpends(c: Case, chain: ChainView): Reason[] {
  return chain.spends
    .filter(({ txid }) => !c.known.has(txid))
    .map(({ txid }) => reason('W-BRK-UNKNOWN-SPEND', `${txid} spends treasury coins`));
}
