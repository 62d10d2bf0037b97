/** Rows D5, H7, K3 and E1's index: what only the agent's own node can say. */
import { families, proposalsByTxid, spendsByOutpoint } from '../../policies/commitments.ts';
import type { Policy } from '../../policies/policy.ts';
import { type Reason, reason } from '../../policies/reason.ts';
import type { ChainView, JudgeInput } from '../judgement.ts';

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

/** D5: every coin exists, is unspent but by this very intent, and is confirmed enough. */
export function checkCoins(input: JudgeInput, chain: ChainView, policy: Policy): Reason[] {
  const spends = spendsByOutpoint(chain.spends);
  const { state, treasury } = input;
  const variants = new Map(
    [...proposalsByTxid(treasury)].filter(([, each]) => each.root === state.root),
  );
  return state.proposal.prevouts.flatMap(({ outpoint, amountSat, script }): Reason[] => {
    const spender = spends.get(outpoint);
    if (spender !== undefined && !variants.has(spender.txid)) {
      return [reason('W-IN-SPENT', `${outpoint} is spent by ${spender.txid}`)];
    }
    if (spender !== undefined && spender.height !== null) {
      return [reason('W-IN-SPENT', `${outpoint} is spent in block ${spender.height}`)];
    }
    const coin = chain.coins.get(outpoint);
    // A coin that an unconfirmed variant of the same intent spends is missing from the node's set;
    // its first proposal was checked against the chain when it was signed.
    if (coin === undefined) {
      return spender === undefined ? [reason('W-IN-UNKNOWN-COIN', `${outpoint} is not there`)] : [];
    }
    const found: Reason[] = [];
    if (coin.amountSat !== amountSat || coin.script !== script) {
      found.push(reason('W-IN-AMOUNT', `${outpoint} holds ${coin.amountSat} sat on the own node`));
    }
    if (coin.coinbase === 'coinbase' && coin.confirmations < COINBASE_MATURITY) {
      found.push(reason('W-IN-IMMATURE', `${outpoint} has ${coin.confirmations} confirmations`));
    }
    const { min_conf, own_change_min_conf } = policy.inputs;
    const enough = isOwnChange(input, outpoint) ? own_change_min_conf : min_conf;
    if (coin.confirmations < enough) {
      const detail = `${outpoint} has ${coin.confirmations} of ${enough} confirmations`;
      found.push(reason('W-IN-UNCONFIRMED', detail));
    }
    return found;
  });
}

/** Whether a coin is change of one of our own proposals: its transaction is in the log. */
export function isOwnChange(input: JudgeInput, outpoint: string): boolean {
  const txid = outpoint.slice(0, 64);
  const from = proposalsByTxid(input.treasury).get(txid);
  return from !== undefined;
}

/**
 * E1: change goes to the next free index of the own view, or at most CHANGE_GAP further. A variant may
 * use the index of its intent again: only one of them can confirm.
 */
export function checkChangeIndex(input: JudgeInput, chain: ChainView): Reason[] {
  const index = input.state.proposal.intent.plan.change?.index ?? null;
  if (index === null) return [];
  const siblings = [...input.treasury.proposals.values()].filter(
    (each) => each.root === input.state.root && each.id !== input.state.id,
  );
  if (siblings.some((each) => each.proposal.intent.plan.change?.index === index)) return [];
  const next = chain.changeIndexUsed + 1;
  return index >= next && index <= next + CHANGE_GAP
    ? []
    : [reason('W-OUT-CHANGE-INDEX', `change at index ${index}; ${next} is the next free one`)];
}

/** K3: spends of treasury coins that no proposal of the log made. */
export function unknownSpends(input: JudgeInput, chain: ChainView): Reason[] {
  const known = proposalsByTxid(input.treasury);
  return chain.spends
    .filter(({ txid }) => !known.has(txid))
    .map(({ txid }) => reason('W-BRK-UNKNOWN-SPEND', `${txid} spends treasury coins`));
}

/** The families of the log as the own chain shows them. */
export function familiesSeen(input: JudgeInput, chain: ChainView) {
  return families(input.treasury, spendsByOutpoint(chain.spends), chain.tipHeight);
}
